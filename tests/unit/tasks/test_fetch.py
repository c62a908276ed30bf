"""fetch, as an ordinary function."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.fetch import fetch
from tests.unit.tasks.conftest import NOW, claimed
from workflow.clients.amazon import NoSuchShipment
from workflow.errors import Refused, RetryLater
from workflow.models import DocumentKind
from workflow.states import State

UNKNOWN = NoSuchShipment("NotFound", "getShipmentDetails: none")


def announced(tools: Any, ago: timedelta) -> None:
    tools.store.shipment = lambda id: SimpleNamespace(created_at=NOW - ago)


def test_details_are_kept_as_they_came(tools: Any) -> None:
    tools.amazon.answers = [b'{"payload": {}}']
    done = fetch(claimed(State.RECEIVED), tools)
    assert (done.state, done.documents) == (State.FETCHED, ((DocumentKind.DETAILS, b'{"payload": {}}'),))
    assert tools.permits == ["getShipmentDetails"]


def test_a_shipment_that_was_just_announced_may_not_be_known_yet(tools: Any) -> None:
    tools.amazon.answers = [UNKNOWN]
    announced(tools, tools.settings.details_grace - timedelta(seconds=1))
    with pytest.raises(RetryLater, match="none; just announced") as later:
        fetch(claimed(State.RECEIVED), tools)
    assert (later.value.code, later.value.counts) == ("not-known-yet", True)


def test_a_shipment_that_amazon_does_not_know_after_that_is_a_persons(tools: Any) -> None:
    tools.amazon.answers = [UNKNOWN]
    announced(tools, tools.settings.details_grace)
    with pytest.raises(Refused, match="getShipmentDetails: none") as refused:
        fetch(claimed(State.RECEIVED), tools)
    assert refused.value.code == "NotFound"


def test_any_other_refusal_is_a_persons_at_once(tools: Any) -> None:
    tools.amazon.answers = [Refused("InvalidInput", "Invalid Shipment ID")]
    announced(tools, timedelta())
    with pytest.raises(Refused, match="InvalidInput"):
        fetch(claimed(State.RECEIVED), tools)
