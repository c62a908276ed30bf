"""What an operator sees of many shipments at once, on both databases."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.unit.conftest import SELLER, Clock
from workflow.overview import Filter, Overview, Place
from workflow.states import State
from workflow.store import SHIPMENT, Store

Notify = Callable[..., str]
RESTS: dict[str, Any] = {"due_at": None, "ring_at": None}


@pytest.fixture
def overview(store: Store) -> Overview:
    return Overview(store)


def put(store: Store, id: str, **values: Any) -> None:
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(values))


def names(rows: Any) -> list[str]:
    return [row.amazon_shipment_id for row in rows]


def test_each_shipment_is_counted_once_by_state_and_once_where_a_person_is_needed(
    store: Store, overview: Overview, notify: Notify
) -> None:
    for number in range(4):
        notify(f"FBA{number}")
    put(store, f"{SELLER}/FBA0", state=State.FETCHED, stop_code="unknown-sku", **RESTS)
    put(store, f"{SELLER}/FBA1", state=State.REJECTED, **RESTS)
    put(store, f"{SELLER}/FBA2", state=State.REJECTED, stop_code="seller-stopped", **RESTS)
    counts = overview.counts()
    assert dict(counts.by_state) == {State.FETCHED: 1, State.REJECTED: 2, State.RECEIVED: 1}
    assert (counts.all, counts.person) == (4, 3)
    assert dict(counts.by_code) == {"seller-stopped": 1, "unknown-sku": 1}
    assert overview.counts("NOBODY").all == 0
    wanted = overview.page(Filter(person=True))
    assert set(names(wanted)) == {"FBA0", "FBA1", "FBA2"}
    assert len(wanted) == 3
    assert names(overview.page(Filter(code="unknown-sku"))) == ["FBA0"]
    assert names(overview.page(Filter(state=State.RECEIVED))) == ["FBA3"]
    assert names(overview.page(Filter(seller_id="NOBODY"))) == []


def test_the_oldest_due_is_the_one_that_waited_longest(
    store: Store, overview: Overview, notify: Notify, clock: Clock
) -> None:
    assert overview.oldest_due() is None
    for number in range(3):
        notify(f"FBA{number}")
    late = clock.moment - timedelta(minutes=7)
    put(store, f"{SELLER}/FBA0", due_at=late)
    put(store, f"{SELLER}/FBA1", due_at=clock.moment + timedelta(minutes=1))
    assert overview.oldest_due() == late


def test_pages_hold_every_shipment_once_also_those_of_one_moment(
    overview: Overview, notify: Notify, clock: Clock
) -> None:
    for number in range(7):
        notify(f"FBA{number}")
        clock.pass_(seconds=number % 2)
    seen: list[str] = []
    after: Place | None = None
    while rows := overview.page(Filter(), after=after, limit=2):
        seen += names(rows)
        after = Place(rows[-1].created_at, rows[-1].id)
    assert len(seen) == 7
    assert set(seen) == {f"FBA{number}" for number in range(7)}
    assert names(overview.page(Filter(), limit=7)) == seen


def test_a_row_tells_what_happened_last(store: Store, overview: Overview, notify: Notify) -> None:
    store.note(notify(), stage="generate", outcome="stopped", reason="no such SKU")
    (row,) = overview.page(Filter())
    assert (row.stage, row.outcome, row.reason) == ("generate", "stopped", "no such SKU")


def test_a_shipment_is_found_by_its_access_key_too(store: Store, overview: Overview, notify: Notify) -> None:
    id = notify()
    put(store, id, access_key="3" * 44)
    assert overview.find("3" * 44) == overview.find("FBA1") == [id]
    assert overview.find("nothing") == []
