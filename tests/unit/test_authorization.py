"""What each of SEFAZ's answers leads to, and what a seller-level one stops."""

import doctest
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.conftest import SELLER
from tests.unit.tasks.conftest import FakeTools, claimed
from workflow import authorization
from workflow.authorization import after_answer, ask_by_key
from workflow.clients.sefaz import Authorization, Consultation
from workflow.engine import Done, Engine, Kind
from workflow.errors import Invalid, RetryLater
from workflow.models import DocumentKind
from workflow.states import Stage, State
from workflow.store import Store

KEY = "35261199999999000191550010000000011482109373"
OTHER = "35261199999999000191550010000000011000000001"


def signed(key: str = KEY) -> bytes:
    return f'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe Id="NFe{key}"/></NFe>'.encode()


def answer(cStat: str, xMotivo: str = "told") -> Authorization:
    return Authorization(cStat, xMotivo, KEY, None, None, None, "104", "", None, None)


def consulted(cStat: str) -> Consultation:
    return Consultation(cStat, "told", KEY, None, None, ())


@pytest.fixture
def tools() -> Any:
    return FakeTools()


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(authorization).failed == 0


@pytest.mark.parametrize("cStat", ["103", "105", "108", "109", "635", "999"])
def test_what_sefaz_did_not_decide_is_asked_again_later(tools: Any, cStat: str) -> None:
    with pytest.raises(RetryLater, match=cStat):
        after_answer(claimed(State.GENERATED), tools, signed(), answer(cStat))


@pytest.mark.parametrize("cStat", ["232", "610", "866", "225"])
def test_a_refused_document_keeps_its_number(tools: Any, cStat: str) -> None:
    done = after_answer(claimed(State.GENERATED), tools, signed(), answer(cStat))
    assert (done.state, done.code, done.also, done.stops_seller) == (State.REJECTED, cStat, None, False)


@pytest.mark.parametrize("cStat", ["206", "539", "205", "563"])
def test_a_lost_number_is_given_up(tools: Any, cStat: str) -> None:
    done = after_answer(
        claimed(State.GENERATED),
        SimpleNamespace(store=SimpleNamespace(versions=lambda *_: [])),
        signed(),
        answer(cStat),
    )  # type: ignore[arg-type]
    assert done.state is State.REJECTED
    assert done.also is not None


@pytest.mark.parametrize("cStat", ["203", "213", "280", "781", "452", "588"])
def test_what_is_wrong_with_the_seller_or_with_us_stops_the_seller(tools: Any, cStat: str) -> None:
    assert after_answer(claimed(State.GENERATED), tools, signed(), answer(cStat)).stops_seller


def test_a_duplicate_that_sefaz_does_not_know_is_asked_for_later(tools: Any) -> None:
    tools.sefaz.answers = [consulted("217")]
    with pytest.raises(RetryLater, match="204"):
        after_answer(claimed(State.GENERATED), tools, signed(), answer("204"))


def test_an_earlier_document_of_the_shipment_that_holds_the_number_is_asked_for(tools: Any) -> None:
    tools.store.versions = lambda id, kind: [signed(), signed(OTHER)]
    tools.sefaz.answers = [consulted("217")]
    with pytest.raises(RetryLater, match="539"):
        after_answer(claimed(State.GENERATED), tools, signed(), answer("539", f"Duplicidade [chNFe: {OTHER}]"))
    assert tools.sefaz.asked == [("consult", (OTHER,))]


def test_a_key_sefaz_never_had_means_send_the_same_bytes(tools: Any) -> None:
    tools.sefaz.answers = [consulted("217")]
    assert ask_by_key(claimed(State.GENERATED), tools, signed()) is None


def test_a_cancelled_note_is_not_sent_again(tools: Any) -> None:
    tools.sefaz.answers = [consulted("101")]
    found = ask_by_key(claimed(State.GENERATED), tools, signed())
    assert found is not None
    assert found.state is State.CANCELLED


def test_an_answer_nobody_knows_stops_with_a_person(tools: Any) -> None:
    tools.sefaz.answers = [consulted("199")]
    with pytest.raises(Invalid, match="199"):
        ask_by_key(claimed(State.GENERATED), tools, signed())


def test_a_refusal_for_the_sellers_fault_holds_its_other_shipments_until_it_is_mended(
    engine: Engine, store: Store, notify: Any
) -> None:
    first, second = notify("FBA1"), notify("FBA2")
    for stage, state in ((Stage.FETCH, State.FETCHED), (Stage.GENERATE, State.GENERATED)):
        assert engine.advance(first, stage, lambda claim, state=state: Done(state=state)).kind is Kind.DONE  # type: ignore[misc]
    refused = Done(state=State.REJECTED, code="203", reason="nao habilitado", stops_seller=True)
    assert engine.advance(first, Stage.AUTHORIZE, lambda claim: refused).kind is Kind.REFUSED
    seller = engine.catalog.seller(SELLER)
    assert seller is not None
    assert (seller.stop_code, seller.stop_reason) == ("203", "nao habilitado")
    assert engine.catalog.resume_seller(SELLER, actor="maria") == 1
    row, other = store.shipment(first), store.shipment(second)
    assert row is not None
    assert other is not None
    assert (row.state, row.stop_code, row.due_at is None) == (State.FETCHED, None, False)
    assert other.state == State.RECEIVED
    assert store.document(first, DocumentKind.NFE) is None
