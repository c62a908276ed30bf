"""What is handed on, on both databases: once per note and channel, one at a time, and its end never before it."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update

from tests.unit.conftest import Clock, one_database, plan_of
from workflow import purge
from workflow.handovers import HANDOVER, LEASE, Handovers, begin, follow
from workflow.models import Channel, Handed
from workflow.states import State
from workflow.store import SHIPMENT, Store

KEY, OTHER = "1" * 44, "2" * 44
BOTH = (Channel.MAIL, Channel.WEBHOOK)


@pytest.fixture
def handovers(store: Store, clock: Clock) -> Handovers:
    return Handovers(store)


@pytest.fixture
def shipment(notify: Callable[..., str], store: Store) -> str:
    id = notify()
    with store.writing() as connection:
        values = {"state": State.ACCEPTED, "access_key": KEY, "due_at": None, "ring_at": None}
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(values))
    return id


def start(store: Store, shipment: str, key: str = KEY, channels: tuple[Channel, ...] = (Channel.MAIL,)) -> None:
    with store.writing() as connection:
        begin(connection, shipment, key, channels, now=store.now())


def cancel(store: Store, shipment: str, key: str = KEY) -> None:
    with store.writing() as connection:
        follow(connection, shipment, key, now=store.now())


def test_each_channel_gets_a_note_once_however_often_it_is_begun(
    handovers: Handovers, store: Store, shipment: str, clock: Clock
) -> None:
    start(store, shipment, channels=BOTH)
    start(store, shipment, channels=BOTH)
    channels = set()
    while taken := handovers.take():
        channels.add(taken.channel)
        assert handovers.done(taken)
    assert channels == set(BOTH)
    assert handovers.counts() == (0, 0)
    assert [row.done_at for row in handovers.rows(shipment_id=shipment)] == [clock()] * 2


def test_one_is_handed_on_at_a_time_and_whoever_dies_leaves_it_to_the_next(
    handovers: Handovers, store: Store, shipment: str, clock: Clock
) -> None:
    start(store, shipment, channels=BOTH)
    first = handovers.take()
    assert first is not None
    assert handovers.take() is None
    clock.pass_(seconds=LEASE.total_seconds())
    second = handovers.take()
    assert second is not None
    assert second.tries == 0
    assert second[:4] == first[:4]
    assert not handovers.done(first), "it was taken from the first"
    assert handovers.done(second)


def test_what_failed_comes_back_when_it_is_due_and_counts(
    handovers: Handovers, store: Store, shipment: str, clock: Clock
) -> None:
    start(store, shipment)
    taken = handovers.take()
    assert taken is not None
    handovers.postpone(taken, timedelta(minutes=1), "mail-unreachable")
    assert handovers.take() is None
    clock.pass_(minutes=1)
    taken = handovers.take()
    assert taken is not None
    assert taken.tries == 1
    handovers.stop(taken, "mail-refused")
    assert handovers.counts() == (0, 1)
    assert handovers.stopped() == [shipment]
    assert [row.stop_code for row in handovers.rows(stopped=True)] == ["mail-refused"]


def test_a_cancellation_goes_where_the_note_went_and_not_before_it(
    handovers: Handovers, store: Store, shipment: str, clock: Clock
) -> None:
    start(store, shipment)
    cancel(store, shipment)
    taken = handovers.take()
    assert taken is not None
    assert taken.what is Handed.NOTE
    handovers.postpone(taken, timedelta(minutes=5), "mail-unreachable")
    assert handovers.take() is None, "nobody hears of its end first"
    clock.pass_(minutes=5)
    for what in (Handed.NOTE, Handed.CANCELLATION):
        taken = handovers.take()
        assert taken is not None
        assert taken.what is what
        handovers.done(taken)


@one_database
def test_a_note_that_nobody_got_is_cancelled_in_silence(handovers: Handovers, store: Store, shipment: str) -> None:
    start(store, shipment, OTHER)
    cancel(store, shipment)
    assert {row.access_key for row in handovers.rows()} == {OTHER}


def test_a_person_lets_all_of_a_shipment_go_once_more_also_by_a_new_channel(
    handovers: Handovers, store: Store, shipment: str
) -> None:
    start(store, shipment)
    taken = handovers.take()
    assert taken is not None
    handovers.stop(taken, "mail-refused")
    assert handovers.again(shipment, BOTH) == 2
    assert handovers.counts() == (2, 0)


@one_database
def test_what_amazon_has_not_accepted_is_not_handed_on(handovers: Handovers, store: Store, shipment: str) -> None:
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).values(state=State.SUBMITTED))
    assert handovers.again(shipment, BOTH) == 0


@one_database
def test_nothing_of_it_is_left_of_a_seller_that_leaves(
    handovers: Handovers, store: Store, shipment: str, clock: Clock
) -> None:
    start(store, shipment)
    purge.remove_seller(store, shipment.split("/")[0], actor="test")
    assert handovers.rows() == []


@pytest.mark.parametrize("index", ["ix_handover_due_at", "ix_handover_stop_code"])
def test_an_index_counts_what_is_open(store: Store, clock: Clock, index: str) -> None:
    column = HANDOVER.c[index.removeprefix("ix_handover_")]
    assert index in plan_of(store, HANDOVER.select().where(column.is_not(None)))
