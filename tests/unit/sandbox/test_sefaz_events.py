"""Letters of correction: twenty of an NF-e, in time, at the UF, kept with the note."""

from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from workflow.clients.sefaz import EventResult, SefazClient
from workflow.nfe import schema
from workflow.nfe.event import render_correction, splice_event
from workflow.nfe.signature import sign
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.sefaz_settings import SefazSettings
from workflow.sandbox.shipments import SELLER_CNPJ

from . import conftest
from .conftest import NFE, TEMPLATES, Draw, Seller

SP = {"uf": "SP", "tpAmb": 2}


@pytest.fixture
def nfe(client: SefazClient, note: Draw) -> bytes:
    """An authorised NF-e."""
    signed = note()
    assert client.authorize(signed, **SP, idLote="1").cStat == "100"
    return signed


def correction(seller: Seller, nfe: bytes, nSeqEvento: int = 1, **changes: Any) -> bytes:
    return sign(
        render_correction(
            **{
                "chNFe": conftest.key_in(nfe),
                "correction": "Volume: leia-se 2 e não 1",
                "nSeqEvento": nSeqEvento,
                "dhEvento": datetime.now(UTC),
                "cnpj": SELLER_CNPJ,
                "uf": "SP",
                "tpAmb": 2,
                "templates": TEMPLATES,
                **changes,
            }
        ),
        seller.key,
    )


def correct(seller: Seller, client: SefazClient, nfe: bytes, nSeqEvento: int = 1, **changes: Any) -> EventResult:
    return client.send_event(correction(seller, nfe, nSeqEvento, **changes), **SP, idLote="1")


def test_a_correction_is_registered_once_and_shown_with_its_note(
    seller: Seller, client: SefazClient, nfe: bytes
) -> None:
    event = correction(seller, nfe)
    done = client.send_event(event, **SP, idLote="1")
    assert (done.cStat, done.batch_cStat) == ("135", "128")
    schema.validate(splice_event(event, done.retEvento or b""), "procCCeNFe")
    assert client.send_event(event, **SP, idLote="1").cStat == "573"
    found = client.consult(conftest.key_in(nfe), **SP)
    assert (found.cStat, len(found.events)) == ("100", 1)
    schema.validate(found.events[0], "procCCeNFe")


def test_the_answer_to_a_correction_is_valid(seller: Seller, nfe: bytes) -> None:
    event = correction(seller, nfe).decode()
    asked = f'<envEvento xmlns="http://www.portalfiscal.inf.br/nfe" versao="1.00"><idLote>1</idLote>{event}</envEvento>'
    answer = seller.ask("NFeRecepcaoEvento4", asked)
    schema.validate(etree.tostring(answer), "retEnvCCe")
    assert answer.findtext(f".//{NFE}xEvento") == "Carta de Correcao registrada"


def test_twenty_corrections_are_taken_and_the_next_has_no_number(
    seller: Seller, client: SefazClient, nfe: bytes
) -> None:
    assert {correct(seller, client, nfe, number).cStat for number in range(1, 21)} == {"135"}
    assert len(client.consult(conftest.key_in(nfe), **SP).events) == 20


def test_a_correction_must_be_of_a_note_that_stands_and_in_time(
    seller: Seller, client: SefazClient, nfe: bytes, note: Draw
) -> None:
    assert correct(seller, client, note(2)).cStat == "494"
    seller.control("settings", {"correct_seconds": 0})
    late = correct(seller, client, nfe)
    assert (late.cStat, late.xMotivo) == ("596", "Rejeição: Evento apresentado fora do prazo: [0 dias]")
    seller.cancel(nfe, seller.sefaz.book.by_key[conftest.key_in(nfe)].nProt)
    assert correct(seller, client, nfe).cStat == "580"


def test_a_cancelled_note_still_shows_its_corrections(seller: Seller, client: SefazClient, nfe: bytes) -> None:
    correct(seller, client, nfe)
    seller.cancel(nfe, seller.sefaz.book.by_key[conftest.key_in(nfe)].nProt)
    found = client.consult(conftest.key_in(nfe), **SP)
    assert found.cStat == "101"
    kinds = [etree.fromstring(event).findtext(f".//{NFE}tpEvento") for event in found.events]
    assert kinds == ["110110", "110111"]


def test_the_contingencys_notes_are_corrected_at_the_uf(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"svc": "107"})
    own = note(tpEmis=6)
    client.authorize(own, **SP, idLote="1", tpEmis=6)
    assert client.send_event(correction(seller, own), **SP, idLote="1", tpEmis=6).cStat == "491"
    assert correct(seller, client, own).cStat == "135"


def test_a_correction_outlives_a_restart(seller: Seller, client: SefazClient, nfe: bytes, tmp_path: Any) -> None:
    path = tmp_path / "sefaz.jsonl"
    first = SefazBook(SefazSettings(), journal=path)
    known = seller.sefaz.book.by_key[conftest.key_in(nfe)]
    first.authorise(known)
    first.correct(known.chNFe, nSeqEvento="1", nProt="135260000000009", procEventoNFe="<procEventoNFe/>")
    first.close()
    again = SefazBook(SefazSettings(), journal=path)
    assert again.by_key[known.chNFe].corrections == {"1": "<procEventoNFe/>"}
    assert again.next_protocol("35").endswith("0000000010")
    again.close()


def test_an_event_is_refused_on_demand_and_the_note_stays_authorised(
    seller: Seller, client: SefazClient, nfe: bytes
) -> None:
    key = conftest.key_in(nfe)
    seller.control("refusals", {"match": key, "cStat": "219", "operation": "NFeRecepcaoEvento4", "times": 1})
    answers = [seller.cancel(nfe, seller.sefaz.book.by_key[key].nProt) for _ in range(2)]
    assert [answer.findtext(f".//{NFE}infEvento/{NFE}cStat") for answer in answers] == ["219", "135"]
