"""The contingency: its own switch, its own notes, its own tpEmis."""

from datetime import UTC, datetime

import pytest

from workflow.clients.sefaz import SefazClient
from workflow.nfe.event import render_cancellation, splice_event
from workflow.nfe.reactions import OUTAGE, Reaction, reaction
from workflow.nfe.signature import sign
from workflow.nfe.voiding import render_voiding
from workflow.sandbox.shipments import SELLER_CNPJ

from . import conftest
from .conftest import TEMPLATES, Draw, Seller

SP = {"uf": "SP", "tpAmb": 2}
SVC = {"uf": "SP", "tpAmb": 2, "tpEmis": 6}


@pytest.mark.parametrize("cStat", ["107", "113", "114"])
def test_each_place_has_its_own_switch(seller: Seller, client: SefazClient, cStat: str) -> None:
    seller.control("settings", {"svc": cStat, "svc_until": "18:00", "service": "109"})
    assert client.service_status(**SP).cStat == "109"
    told = client.service_status(**SVC)
    assert told.cStat == cStat
    assert ("18:00" in told.xMotivo) is (cStat == "113")
    assert cStat == "107" or reaction(cStat) is Reaction.LEAVE_SVC


@pytest.mark.parametrize("cStat", ["108", "109"])
def test_while_the_uf_is_down_only_its_status_answers(
    seller: Seller, client: SefazClient, note: Draw, cStat: str
) -> None:
    seller.control("settings", {"service": cStat})
    nfe = note()
    answers = [
        client.service_status(**SP).cStat,
        client.authorize(nfe, **SP, idLote="1").cStat,
        client.consult(conftest.key_in(nfe), **SP).cStat,
        client.taxpayer(**SP, cnpj=SELLER_CNPJ).cStat,
    ]
    assert answers == [cStat] * 4
    assert cStat in OUTAGE
    assert reaction(cStat) is Reaction.WAIT


def test_a_contingency_that_is_off_takes_no_note_and_knows_its_own(
    seller: Seller, client: SefazClient, note: Draw
) -> None:
    first, second = note(tpEmis=6), note(2, tpEmis=6)
    assert client.authorize(first, **SVC, idLote="1").cStat == "114"
    seller.control("settings", {"svc": "107"})
    assert client.authorize(first, **SVC, idLote="1").cStat == "100"
    seller.control("settings", {"svc": "113"})
    assert client.authorize(second, **SVC, idLote="1").cStat == "100"
    seller.control("settings", {"svc": "114"})
    assert client.authorize(note(3, tpEmis=6), **SVC, idLote="1").cStat == "114"
    assert client.consult(conftest.key_in(first), **SVC).cStat == "100"


def test_its_notes_are_known_and_cancelled_there_only(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"svc": "107"})
    own, theirs = note(tpEmis=6), note(2)
    nProt = client.authorize(own, **SVC, idLote="1").nProt
    client.authorize(theirs, **SP, idLote="1")
    assert [client.consult(conftest.key_in(own), **place).cStat for place in (SP, SVC)] == ["217", "100"]
    assert [client.consult(conftest.key_in(theirs), **place).cStat for place in (SP, SVC)] == ["100", "217"]
    event = sign(
        render_cancellation(
            chNFe=conftest.key_in(own), nProt=nProt or "", justification="Pedido cancelado pela Amazon",
            dhEvento=datetime.now(UTC), cnpj=SELLER_CNPJ, uf="SP", tpAmb=2, templates=TEMPLATES,
        ),
        seller.key,
    )  # fmt: skip
    assert client.send_event(event, **SP, idLote="1").cStat == "494"
    done = client.send_event(event, **SVC, idLote="1")
    assert done.cStat == "135"
    assert splice_event(event, done.retEvento or b"")
    assert client.consult(conftest.key_in(own), **SVC).cStat == "101"


def test_its_receipts_are_known_there_only(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"svc": "107", "async_batches": True})
    nRec = client.authorize(note(tpEmis=6), **SVC, idLote="1").nRec or ""
    assert [client.receipt(nRec, **place).cStat for place in (SP, SVC)] == ["106", "100"]


@pytest.mark.parametrize(
    ("tpEmis", "place", "cStat"), [(6, SP, "570"), (7, SP, "570"), (1, SVC, "713"), (7, SVC, "713")]
)
def test_a_note_goes_to_the_place_of_its_tpEmis(
    seller: Seller, client: SefazClient, note: Draw, tpEmis: int, place: dict[str, int], cStat: str
) -> None:
    seller.control("settings", {"svc": "107"})
    assert client.authorize(note(tpEmis=tpEmis), **place, idLote="1").cStat == cStat  # type: ignore[arg-type]
    assert reaction(cStat) is Reaction.OUR_BUG


def test_a_number_is_taken_at_both_places(seller: Seller, client: SefazClient, note: Draw) -> None:
    """A contingency note needs another number: the one sent to the UF may be authorised yet."""
    seller.control("settings", {"svc": "107"})
    client.authorize(note(), **SP, idLote="1")
    assert client.authorize(note(tpEmis=6), **SVC, idLote="1").cStat == "539"
    assert client.authorize(note(2, tpEmis=6), **SVC, idLote="1").cStat == "100"


def test_a_fault_and_a_block_hit_one_place(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"svc": "107", "status_limit": 1})
    assert [client.service_status(**SP).cStat for _ in range(2)] == ["107", "656"]
    assert client.service_status(**SVC).cStat == "107"
    counts = seller.sefaz.book.dump()["counts"]
    assert counts == {"NFeStatusServico4": 2, "svc/NFeStatusServico4": 1}


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_every_service_is_understood_in_either_soap(
    seller: Seller, client: SefazClient, note: Draw, version: str
) -> None:
    seller.control("settings", {"soap": version, "async_batches": True})
    nfe = note()
    received = client.authorize(nfe, **SP, idLote="1")
    answers = [
        received.cStat,
        client.receipt(received.nRec or "", **SP).cStat,
        client.consult(conftest.key_in(nfe), **SP).cStat,
        client.service_status(**SP).cStat,
        client.service_status(**SVC).cStat,
        client.taxpayer(**SP, cnpj=SELLER_CNPJ).cStat,
        client.void(sign(_voiding(), seller.key), **SP).cStat,
        client.send_event(sign(_cancellation(nfe, seller), seller.key), **SP, idLote="1").cStat,
    ]
    assert answers == ["103", "100", "100", "107", "114", "259", "102", "135"]


def _cancellation(nfe: bytes, seller: Seller) -> bytes:
    return conftest.unsigned_event(nfe, seller.sefaz.book.by_key[conftest.key_in(nfe)].nProt)


def _voiding() -> bytes:
    return render_voiding(
        uf="SP", cnpj=SELLER_CNPJ, year=datetime.now(UTC).year, serie=1, first=7, last=7,
        justification="Numero reservado e nao usado", tpAmb=2, templates=TEMPLATES,
    )  # fmt: skip


#: What a shipment may meet, and how the local SEFAZ is told to say it: a refusal on demand says any code.
EVERY = [
    "203",
    "208",
    "213",
    "225",
    "252",
    "280",
    "291",
    "302",
    "404",
    "452",
    "502",
    "562",
    "588",
    "598",
    "610",
    "656",
    "704",
    "781",
    "999",
    "1115",
]


@pytest.mark.parametrize("cStat", EVERY)
def test_any_decision_can_be_met_on_demand(seller: Seller, client: SefazClient, note: Draw, cStat: str) -> None:
    seller.control("refusals", {"match": "1", "cStat": cStat, "times": 1})
    found = client.authorize(note(), **SP, idLote="1")
    assert (found.cStat, found.batch_cStat) == (cStat, "104")
    assert reaction(found.cStat) is not Reaction.DONE
    assert client.authorize(note(), **SP, idLote="1").cStat == "100"
