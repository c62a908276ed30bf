"""The installation in numbers, on both databases: they add up, and an index answers each question."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Select, update
from sqlalchemy.exc import OperationalError

from tests.unit.conftest import SELLER, Clock, notification, one_database, plan_of
from workflow import standing as questions
from workflow.catalog import Catalog
from workflow.engine import Engine
from workflow.models import NumberStatus
from workflow.numbers import Range, reserve
from workflow.standing import Standing, finished, standing
from workflow.states import State
from workflow.store import SHIPMENT, Store

RING = timedelta(minutes=3)
HOUR = timedelta(hours=1)


@pytest.fixture
def put(engine: Engine, store: Store, clock: Clock) -> Callable[..., str]:
    """Make a shipment that stands as told; what is not told is settled."""

    def make(name: str, state: State, **row: Any) -> str:
        id, _ = engine.receive(notification(name))
        values = {"state": state, "due_at": None, "ring_at": None, "updated_at": clock()} | row
        with store.writing() as connection:
            connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(values))
        return id

    return make


def look(store: Store) -> Standing:
    return standing(store, longest_ring=RING)


def test_an_empty_installation_has_nothing_of_anything(store: Store, clock: Clock) -> None:
    found = look(store)
    assert set(found.shipments.values()) == {0}
    assert (found.on_their_way, found.for_person, found.due, found.accepted) == (0, 0, 0, None)
    assert found.oldest_due == timedelta()
    assert finished(store) == {State.ACCEPTED: 0, State.CANCELLED: 0}


def test_shipments_are_counted_by_what_becomes_of_them(store: Store, clock: Clock, put: Callable[..., str]) -> None:
    put("old", State.SUBMITTED, created_at=clock() - HOUR, due_at=clock() + HOUR, ring_at=clock() + HOUR)
    put("new", State.SUBMITTED, due_at=clock() + HOUR, ring_at=clock() + HOUR)
    put("stopped", State.FETCHED, stop_code="unknown-sku")
    put("refused", State.REJECTED)
    put("seller", State.REJECTED, stop_code="seller-stopped")
    put("done", State.ACCEPTED, updated_at=clock() - HOUR)
    put("gone", State.CANCELLED)
    found = look(store)
    assert found.shipments[State.SUBMITTED] == 2
    assert found.oldest[State.SUBMITTED] == HOUR
    assert found.stopped == {"unknown-sku": 1, "seller-stopped": 1}
    assert (found.on_their_way, found.for_person) == (2, 3)
    assert found.accepted == HOUR
    assert finished(store) == {State.ACCEPTED: 1, State.CANCELLED: 1}


def test_the_oldest_due_is_found_whether_it_was_rung_for_or_is_in_somebodys_hands(
    store: Store, clock: Clock, put: Callable[..., str]
) -> None:
    now = clock()
    put("unheard", State.RECEIVED, due_at=now - timedelta(minutes=5), ring_at=now - timedelta(minutes=5))
    put("rung", State.RECEIVED, due_at=now - timedelta(minutes=7), ring_at=now + timedelta(minutes=1))
    put(
        "claimed",
        State.RECEIVED,
        due_at=now - timedelta(minutes=9),
        ring_at=now + RING,
        lease="x",
        lease_until=now + RING,
    )
    put("waits", State.SUBMITTED, due_at=now + timedelta(minutes=1), ring_at=now + timedelta(minutes=1))
    found = look(store)
    assert (found.due, found.oldest_due) == (3, timedelta(minutes=9))


@one_database
def test_an_acceptance_of_more_than_a_day_ago_is_not_looked_for(
    store: Store, clock: Clock, put: Callable[..., str]
) -> None:
    put("done", State.ACCEPTED, updated_at=clock() - timedelta(hours=25))
    assert look(store).accepted is None


@one_database
def test_sellers_and_numbers_are_told(store: Store, clock: Clock, put: Callable[..., str]) -> None:
    id = put("one", State.FETCHED, stop_code="seller-stopped")
    Catalog(store).stop_seller(SELLER, "certificate-expired", "ended")
    with store.writing() as connection:
        reserve(connection, id, 1, Range("99999999000191", 2, 1), lambda nNF: "1", clock())
    found = look(store)
    assert [(seller.id, seller.stop_code) for seller in found.sellers] == [(SELLER, "certificate-expired")]
    assert found.numbers == {NumberStatus.RESERVED: 1, NumberStatus.UNUSED: 0, NumberStatus.PERSON: 0}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_postgresql_gives_up_what_takes_too_long(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "PATIENCE", 50)
    with pytest.raises(OperationalError, match="statement timeout"), questions._reading(store) as connection:
        connection.exec_driver_sql("SELECT pg_sleep(5)")
    with store.writing() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar_one() == "0"


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (lambda now: questions.by_state(), "ix_shipment_state_created_at"),
        (lambda now: questions.by_stop(), "ix_shipment_stop"),  # two have its condition
        (lambda now: questions.due_rows(now, RING), "ix_shipment_ring_at"),
        (lambda now: questions.last_accepted(now), "ix_shipment_updated_at"),
        (lambda now: questions.open_numbers(), "ix_number_status"),
    ],
)
def test_an_index_answers(store: Store, clock: Clock, question: Callable[..., Select[Any]], index: str) -> None:
    assert index in plan_of(store, question(clock()))
