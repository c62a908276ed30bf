"""submit, as an ordinary function."""

from types import SimpleNamespace
from typing import Any

import pytest

from tasks.submit import submit
from tests.unit.tasks.conftest import claimed
from workflow.clients.amazon import InvoiceStatus
from workflow.errors import Invalid, LostAnswer, RetryLater
from workflow.models import DocumentKind
from workflow.states import State


@pytest.fixture(autouse=True)
def _document(tools: Any) -> None:
    tools.documents[DocumentKind.NFEPROC] = b"<nfeProc/>"


def test_the_stored_bytes_are_handed_in_once_and_the_verdict_is_asked_for_later(tools: Any) -> None:
    tools.amazon.answers = [None]
    done = submit(claimed(State.AUTHORIZED), tools)
    assert (done.state, done.after) == (State.SUBMITTED, tools.settings.poll_first)
    assert tools.amazon.asked == [("submit_invoice", ("FBA1", b"<nfeProc/>"))]


def test_after_a_lost_answer_amazon_is_asked_and_what_it_has_is_not_sent_again(tools: Any) -> None:
    tools.amazon.answers = [InvoiceStatus("Processing", b"{}")]
    assert submit(claimed(State.AUTHORIZED, sent=True), tools).state is State.SUBMITTED
    assert [operation for operation, _ in tools.amazon.asked] == ["invoice_status"]


def test_after_a_lost_answer_what_amazon_does_not_have_is_sent(tools: Any) -> None:
    tools.amazon.answers = [InvoiceStatus("NotFound", b"{}"), None]
    submit(claimed(State.AUTHORIZED, sent=True), tools)
    assert [operation for operation, _ in tools.amazon.asked] == ["invoice_status", "submit_invoice"]


@pytest.mark.parametrize(
    ("lines", "status", "sends"),
    [
        ([], "Errored", False),  # the verdict on these very bytes
        ([("poll", State.ERRORED)], "Errored", True),  # which a person has read before asking for them once more
        ([("poll", State.ERRORED)], "Processing", False),
        ([("cancel", State.FETCHED)], "Accepted", True),  # the note before the reissue, perhaps
    ],
)
def test_a_status_that_may_be_an_older_submissions_is_no_proof_of_this_one(
    tools: Any, lines: list[tuple[str, State]], status: str, sends: bool
) -> None:
    tools.store.lines = [SimpleNamespace(stage=stage, state=state) for stage, state in lines]
    tools.amazon.answers = [InvoiceStatus(status, b"{}"), None]
    assert submit(claimed(State.AUTHORIZED, sent=True), tools).state is State.SUBMITTED
    assert ("submit_invoice" in [operation for operation, _ in tools.amazon.asked]) is sends


def test_a_lost_answer_keeps_the_mark_of_sending(tools: Any) -> None:
    tools.amazon.answers = [LostAnswer("amazon-timeout", "no answer")]
    with pytest.raises(LostAnswer):
        submit(claimed(State.AUTHORIZED), tools)
    assert tools.store.sent == [True]


def test_what_amazon_did_not_take_is_not_marked_as_sent(tools: Any) -> None:
    tools.amazon.answers = [RetryLater("amazon-unreachable", "refused")]
    with pytest.raises(RetryLater):
        submit(claimed(State.AUTHORIZED), tools)
    assert tools.store.sent == [True, False]


def test_a_note_without_fiscal_value_never_reaches_the_real_amazon(tools: Any) -> None:
    tools.seller("A1").amazon_url = "https://sellingpartnerapi-na.amazon.com"
    with pytest.raises(Invalid, match="no-fiscal-value"):
        submit(claimed(State.AUTHORIZED), tools)
    assert tools.amazon.asked == []
