"""Numbers are voided once, and only those that no NF-e has."""

from datetime import UTC, datetime

import pytest

from workflow.clients.sefaz import SefazClient, VoidResult
from workflow.nfe import schema
from workflow.nfe.reactions import Reaction, reaction
from workflow.nfe.signature import sign
from workflow.nfe.voiding import render_voiding, splice_voiding
from workflow.sandbox.shipments import SELLER_CNPJ

from .conftest import TEMPLATES, Draw, Seller

SP = {"uf": "SP", "tpAmb": 2}


def voiding(seller: Seller, first: int, last: int, year: int | None = None) -> bytes:
    return sign(
        render_voiding(
            uf="SP", cnpj=SELLER_CNPJ, year=year or datetime.now(UTC).year, serie=1, first=first, last=last,
            justification="Numeros reservados e nao usados", tpAmb=2, templates=TEMPLATES,
        ),
        seller.key,
    )  # fmt: skip


def void(seller: Seller, client: SefazClient, first: int, last: int, year: int | None = None) -> VoidResult:
    return client.void(voiding(seller, first, last, year), **SP)


def test_a_voiding_is_kept_with_its_answer_and_its_numbers_are_burnt(
    seller: Seller, client: SefazClient, note: Draw
) -> None:
    signed = voiding(seller, 2, 3)
    done = client.void(signed, **SP)
    assert done.cStat == "102"
    assert done.nProt
    schema.validate(splice_voiding(signed, done.retInutNFe), "procInutNFe")
    found = client.authorize(note(3), **SP, idLote="1")
    assert found.cStat == "206"
    assert reaction(found.cStat) is Reaction.NUMBER_BURNT


@pytest.mark.parametrize(
    ("first", "last", "cStat", "reply"),
    [
        (2, 3, "563", Reaction.DONE),
        (3, 4, "256", Reaction.NUMBER_BURNT),
        (8, 9, "241", Reaction.NUMBER_TAKEN),
        (10, 20, "102", Reaction.DONE),
    ],
)
def test_a_number_is_voided_once_and_never_under_an_nfe(
    seller: Seller, client: SefazClient, note: Draw, first: int, last: int, cStat: str, reply: Reaction
) -> None:
    client.authorize(note(9), **SP, idLote="1")
    void(seller, client, 2, 3)
    assert void(seller, client, first, last).cStat == cStat
    assert reaction(cStat, "inutilizacao") is reply


def test_a_range_that_cannot_be_is_refused(seller: Seller, client: SefazClient) -> None:
    assert void(seller, client, 2, 3, year=datetime.now(UTC).year + 1).cStat == "453"
    backwards = voiding(seller, 3, 4).replace(b"<nNFIni>3<", b"<nNFIni>5<")
    assert client.void(backwards, **SP).cStat == "297"


def test_after_a_lost_answer_the_same_bytes_say_563(seller: Seller, client: SefazClient) -> None:
    seller.control("faults", {"operation": "NFeInutilizacao4", "kind": "drop_after_processing"})
    signed = voiding(seller, 2, 3)
    with pytest.raises(Exception, match="sefaz-connection-lost"):
        client.void(signed, **SP)
    assert client.void(signed, **SP).cStat == "563"


def test_a_voiding_is_refused_on_demand_by_its_first_number(seller: Seller, client: SefazClient) -> None:
    seller.control("refusals", {"match": "2", "cStat": "266", "operation": "NFeInutilizacao4", "times": 1})
    assert [void(seller, client, 2, 3).cStat for _ in range(2)] == ["266", "102"]
