"""poll, as an ordinary function."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from tasks.poll import NOT_FOUND_LIMIT, poll
from tests.unit.tasks.conftest import claimed
from workflow.clients.amazon import InvoiceStatus
from workflow.models import Channel
from workflow.states import State


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Accepted", State.ACCEPTED),
        ("Errored", State.ERRORED),
        ("Processing", State.SUBMITTED),
        ("NotFound", State.SUBMITTED),
        ("SomethingNew", State.SUBMITTED),
    ],
)
def test_each_verdict_leads_to_its_state(tools: Any, status: str, state: State) -> None:
    tools.amazon.answers = [InvoiceStatus(status, b"{}")]
    assert poll(claimed(State.SUBMITTED), tools).state is state


def test_the_verdict_is_kept_as_it_came(tools: Any) -> None:
    tools.amazon.answers = [InvoiceStatus("Accepted", b'{"payload": 1}')]
    assert poll(claimed(State.SUBMITTED), tools).documents[0].content == b'{"payload": 1}'


def test_an_unknown_word_is_told_and_asked_again(tools: Any) -> None:
    tools.amazon.answers = [InvoiceStatus("SomethingNew", b"{}")]
    with capture_logs() as told:
        done = poll(claimed(State.SUBMITTED), tools)
    assert [(line["log_level"], line["status"]) for line in told] == [("warning", "SomethingNew")]
    assert (done.code, done.reason) == ("unknown-status", "Amazon says 'SomethingNew'")
    assert done.after > timedelta()


def test_a_file_amazon_keeps_not_finding_is_submitted_again(tools: Any) -> None:
    before = SimpleNamespace(stage="poll", code="NotFound", state=State.SUBMITTED)
    tools.store.lines = [before] * (NOT_FOUND_LIMIT - 1)
    tools.amazon.answers = [InvoiceStatus("NotFound", b"{}")]
    assert poll(claimed(State.SUBMITTED, tries=NOT_FOUND_LIMIT), tools).state is State.AUTHORIZED


def test_only_an_accepted_note_of_a_seller_who_wants_it_is_handed_on(tools: Any) -> None:
    tools.amazon.answers = [InvoiceStatus("Accepted", b"{}")] * 3 + [InvoiceStatus("Errored", b"{}")]
    assert poll(claimed(State.SUBMITTED), tools).also is None
    tools.seller("A1").channels = (Channel.MAIL,)
    assert poll(claimed(State.SUBMITTED), tools).also is None, "there is no key"
    with_key = claimed(State.SUBMITTED)._replace(access_key="1" * 44)
    assert poll(with_key, tools).also is not None
    assert poll(with_key, tools).also is None
