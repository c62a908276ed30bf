"""What may be ordered about a shipment, and that an order which cannot be given changes nothing."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.orders import Order, check_reason, open_to
from workflow.states import State

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def row(state: State, **values: Any) -> SimpleNamespace:
    """A shipment that rests in the state."""
    usual = {"stop_code": None, "due_at": None, "lease": None, "lease_until": None, "cancelling": False}
    return SimpleNamespace(state=state, **(usual | values))


@pytest.mark.parametrize(
    ("shipment", "orders"),
    [
        (row(State.RECEIVED, due_at=NOW), {Order.CANCEL}),
        (row(State.FETCHED, stop_code="unknown-sku"), {Order.RETRY, Order.REFETCH, Order.CANCEL}),
        (row(State.GENERATED, stop_code="562"), {Order.RETRY, Order.CANCEL}),
        (row(State.GENERATED, due_at=NOW + timedelta(minutes=5)), {Order.RETRY, Order.CANCEL}),
        (row(State.REJECTED), {Order.RETRY, Order.REFETCH, Order.CANCEL}),
        (row(State.ERRORED), {Order.RETRY, Order.REISSUE, Order.CANCEL}),
        (row(State.ACCEPTED), {Order.REISSUE, Order.CANCEL}),
        (row(State.CANCELLED), set()),
        (row(State.ACCEPTED, cancelling=True, stop_code="501"), {Order.RETRY, Order.WITHDRAW}),
        (row(State.ACCEPTED, cancelling=True, lease="x", lease_until=NOW + timedelta(minutes=1)), set()),
        (row(State.ERRORED, lease="x", lease_until=NOW + timedelta(minutes=1)), {Order.REISSUE, Order.CANCEL}),
    ],
)
def test_what_is_offered_is_what_may_be_given(shipment: Any, orders: set[Order]) -> None:
    assert open_to(shipment, NOW) == orders


@pytest.mark.parametrize("reason", ["", "fourteen signs", " " * 20, "x" * 256])
def test_a_reason_that_sefaz_does_not_keep_is_refused(reason: str) -> None:
    with pytest.raises(Invalid, match="bad-reason"):
        check_reason(reason)


def test_blanks_around_a_reason_do_not_count() -> None:
    assert check_reason("  fifteen letters \n") == "fifteen letters"
