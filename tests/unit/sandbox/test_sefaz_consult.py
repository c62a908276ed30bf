"""A key is known where it was authorised, and only there; another key's number is told as the unit likes."""

import pytest

from workflow.clients.sefaz import SefazClient
from workflow.nfe.reactions import Reaction, key_in, reaction

from . import conftest
from .conftest import Draw, Seller

SP = {"uf": "SP", "tpAmb": 2}


@pytest.mark.parametrize(("cStat", "names_it"), [("561", False), ("562", True), ("613", False)])
def test_a_unit_may_tell_that_another_key_holds_the_number(
    seller: Seller, client: SefazClient, note: Draw, cStat: str, names_it: bool
) -> None:
    seller.control("settings", {"other_key": cStat})
    first, second = note(), note(cNF="11223344")
    client.authorize(first, **SP, idLote="1")
    found = client.consult(conftest.key_in(second), **SP)
    assert found.cStat == cStat
    assert reaction(cStat, "consulta") is Reaction.NUMBER_TAKEN
    assert key_in(found.xMotivo) == (conftest.key_in(first) if names_it else None)
    assert client.consult(conftest.key_in(note(2)), **SP).cStat == "217"
    assert client.consult(conftest.key_in(first), **SP).cStat == "100"


def test_a_question_is_answered_on_demand_and_the_note_is_still_there(
    seller: Seller, client: SefazClient, note: Draw
) -> None:
    nfe = note()
    client.authorize(nfe, **SP, idLote="1")
    key = conftest.key_in(nfe)
    asked = {"match": key, "cStat": "110", "operation": "NFeConsultaProtocolo4", "times": 1}
    seller.control("refusals", asked)
    assert [client.consult(key, **SP).cStat for _ in range(2)] == ["110", "100"]
