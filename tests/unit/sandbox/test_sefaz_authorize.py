"""A batch may be decided at once, under a receipt, or late; whatever happens, a key is decided once."""

import time

import pytest
from lxml import etree

from workflow.clients.sefaz import SefazClient
from workflow.errors import LostAnswer
from workflow.nfe import schema
from workflow.nfe.protocol import splice
from workflow.nfe.reactions import Reaction, key_in, reaction

from . import conftest
from .conftest import NFE, Draw, Seller, batch, decided

SP = {"uf": "SP", "tpAmb": 2}


def send(client: SefazClient, nfe: bytes, **where: int) -> str:
    return client.authorize(nfe, **SP, idLote="1", **where).cStat


def ask(client: SefazClient, nfe: bytes, **where: int) -> str:
    return client.consult(conftest.key_in(nfe), **SP, **where).cStat


def test_a_queued_batch_is_answered_under_its_receipt(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"async_batches": True, "late_seconds": 0.5})
    nfe = note()
    received = client.authorize(nfe, **SP, idLote="1")
    assert (received.cStat, received.tMed, received.protNFe) == ("103", 1, None)
    assert received.nRec
    assert client.receipt(received.nRec, **SP).cStat == "105"
    assert (ask(client, nfe), send(client, nfe)) == ("217", "635")
    time.sleep(0.6)
    found = client.receipt(received.nRec, **SP)
    assert (found.cStat, found.batch_cStat, found.nRec) == ("100", "104", received.nRec)
    assert found.protNFe
    schema.validate(splice(nfe, found.protNFe), "procNFe")
    assert client.receipt(received.nRec, **SP).protNFe == found.protNFe
    assert ask(client, nfe) == "100"


def test_the_answers_about_receipts_are_valid(seller: Seller, note: Draw) -> None:
    asked = '<consReciNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><tpAmb>2</tpAmb><nRec>{}</nRec></consReciNFe>'
    seller.control("settings", {"async_batches": True})
    received = seller.ask("NFeAutorizacao4", batch(note()))
    schema.validate(etree.tostring(received), "retEnviNFe")
    for nRec, cStat in ((received.findtext(f".//{NFE}nRec"), "100"), ("351000000000009", "106")):
        answer = seller.ask("NFeRetAutorizacao4", asked.format(nRec))
        schema.validate(etree.tostring(answer), "retConsReciNFe")
        assert decided(answer) == cStat


def test_a_rejection_too_waits_under_its_receipt(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"async_batches": True})
    received = client.authorize(note(dest_CPF="11111111111"), **SP, idLote="1")
    assert client.receipt(received.nRec or "", **SP).cStat == "237"


def test_more_than_forty_questions_for_a_receipt_are_656(seller: Seller, client: SefazClient) -> None:
    seller.control("settings", {"receipt_limit": 2})
    assert [client.receipt("351000000000009", **SP).cStat for _ in range(4)] == ["106", "106", "656", "656"]


def test_a_late_answer_is_217_first_and_100_later(seller: Seller, client: SefazClient, note: Draw) -> None:
    """The trap: whoever takes 217 for leave to write a new document has two."""
    seller.control("settings", {"late_seconds": 0.6})
    seller.control("faults", {"operation": "NFeAutorizacao4", "kind": "drop_after_processing"})
    nfe = note()
    with pytest.raises(LostAnswer):
        send(client, nfe)
    assert ask(client, nfe) == "217"
    assert reaction(ask(client, nfe), "consulta") is Reaction.RESEND
    assert send(client, nfe) == "635"
    assert reaction("635") is Reaction.WAIT
    time.sleep(0.7)
    assert ask(client, nfe) == "100"
    seller.control("settings", {"late_seconds": 0})
    assert send(client, nfe) == "204"
    assert len(seller.sefaz.book.by_key) == 1


def test_a_late_batch_that_is_answered_says_so(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"late_seconds": 60})
    assert send(client, note()) == "105"
    assert seller.sefaz.book.dump()["waiting"] == [conftest.key_in(note())]


def test_a_denial_is_a_rejection_whose_number_stays_free(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("refusals", {"match": "1", "cStat": "302", "times": 1})
    found = client.authorize(note(), **SP, idLote="1")
    assert (found.cStat, found.nProt) == ("302", None)
    assert found.xMotivo == "Rejeição: Irregularidade fiscal do destinatário"
    assert send(client, note(cNF="11223344")) == "100"


def test_539_names_the_key_that_holds_the_number(client: SefazClient, note: Draw) -> None:
    first = note()
    send(client, first)
    found = client.authorize(note(cNF="11223344"), **SP, idLote="1")
    assert reaction(found.cStat) is Reaction.NUMBER_TAKEN
    assert key_in(found.xMotivo) == conftest.key_in(first)


def test_a_block_is_656_for_every_note_until_it_ends(seller: Seller, client: SefazClient, note: Draw) -> None:
    seller.control("settings", {"rejection_limit": 1, "window_seconds": 0.8})
    bad = note(dest_CPF="11111111111")
    assert [send(client, bad), send(client, bad), send(client, note(2))] == ["237", "656", "656"]
    time.sleep(0.9)
    assert send(client, note(2)) == "100"
