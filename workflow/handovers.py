"""Notes that are to be handed on, and how far each is: made with the shipment's own settlement, worked one at a time.

A note is handed on at least once: whoever does it takes it first, for a while, and says afterwards how that went.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, exists, func, insert, select, update

from workflow.models import Channel, Handed, Handover, table
from workflow.states import State
from workflow.store import SHIPMENT, Store

HANDOVER = table(Handover)

#: How long whoever hands on has for one note: longer than its documents, the mail server and the answer take.
LEASE = timedelta(minutes=2)


class Taken(NamedTuple):
    """A note that is ours to hand on."""

    shipment_id: str
    access_key: str
    what: Handed
    channel: Channel
    tries: int
    lease: str


class Counts(NamedTuple):
    """Notes that are still to be handed on, and those that wait for a person."""

    waiting: int
    stopped: int


# -- in the transaction that settles a shipment -------------------------------------------------------------


def begin(
    connection: Connection, shipment_id: str, access_key: str, channels: Iterable[Channel], *, now: datetime
) -> None:
    """Let a note be handed on by these channels, unless it is so already; the shipment is the caller's."""
    for channel in channels:
        _put(connection, shipment_id, access_key, Handed.NOTE, channel, now)


def follow(connection: Connection, shipment_id: str, access_key: str, *, now: datetime) -> None:
    """Let a note's cancellation go where the note went, or goes."""
    row = HANDOVER.c
    went = select(row.channel).where(
        row.shipment_id == shipment_id, row.access_key == access_key, row.what == Handed.NOTE
    )
    for channel in connection.execute(went).scalars().all():
        _put(connection, shipment_id, access_key, Handed.CANCELLATION, Channel(channel), now)


def _put(
    connection: Connection, shipment_id: str, access_key: str, what: Handed, channel: Channel, now: datetime
) -> None:
    key = {"shipment_id": shipment_id, "access_key": access_key, "what": what, "channel": channel}
    if connection.execute(select(HANDOVER.c.tries).where(_is(key))).one_or_none() is None:
        connection.execute(insert(HANDOVER).values(**key, tries=0, due_at=now, created_at=now))


# -- by themselves ------------------------------------------------------------------------------------------


class Handovers:
    """Questions about what is handed on."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def take(self) -> Taken | None:
        """The note whose turn it is, ours for `LEASE`; None where none is due, or somebody has one: one at a time."""
        now, row = self._store.now(), HANDOVER.c
        is_due = row.due_at <= now
        with self._store.reading() as connection:
            if connection.execute(select(row.shipment_id).where(is_due).limit(1)).one_or_none() is None:
                return None
        busy = exists().where(HANDOVER.alias("busy").c.lease_until > now)
        wanted = (is_due, ~busy, ~_waits_for_its_note())
        first = select(*row).where(*wanted).order_by(row.due_at).limit(1).with_for_update(skip_locked=True)
        with self._store.writing() as connection:
            found = connection.execute(first).one_or_none()
            if found is None:
                return None
            lease = uuid4().hex
            connection.execute(update(HANDOVER).where(_is(found._mapping)).values(lease=lease, lease_until=now + LEASE))
        what, channel = Handed(found.what), Channel(found.channel)
        return Taken(found.shipment_id, found.access_key, what, channel, found.tries, lease)

    def done(self, taken: Taken) -> bool:
        """It was taken by its reader; False where it was somebody else's in the end."""
        return self._settle(taken, tries=taken.tries + 1, due_at=None, done_at=self._store.now(), code=None)

    def postpone(self, taken: Taken, wait: timedelta, code: str, *, counts: bool = True) -> bool:
        """Again after `wait`."""
        due = self._store.now() + wait
        return self._settle(taken, tries=taken.tries + counts, due_at=due, code=code)

    def stop(self, taken: Taken, code: str) -> bool:
        """A person decides."""
        return self._settle(taken, tries=taken.tries + 1, due_at=None, code=code, stop_code=code)

    def _settle(self, taken: Taken, **values: Any) -> bool:
        mine = _is(taken._asdict()) & (HANDOVER.c.lease == taken.lease)
        with self._store.writing() as connection:
            done = connection.execute(update(HANDOVER).where(mine).values(**values, lease=None, lease_until=None))
        return done.rowcount == 1

    # -- a person's questions and orders --------------------------------------------------------------------

    def counts(self) -> Counts:
        """How many there are."""
        row = HANDOVER.c
        with self._store.reading() as connection:
            waiting, stopped = (
                connection.execute(select(func.count()).where(which)).scalar_one()
                for which in (row.due_at.is_not(None), row.stop_code.is_not(None))
            )
        return Counts(waiting, stopped)

    def rows(self, *, shipment_id: str | None = None, stopped: bool = False, limit: int = 50) -> Sequence[Any]:
        """What is to be handed on, or of one shipment all that was; the newest first."""
        row = HANDOVER.c
        open_only = row.due_at.is_not(None) | row.stop_code.is_not(None)
        which = row.shipment_id == shipment_id if shipment_id is not None else open_only
        also = [row.stop_code.is_not(None)] if stopped else []
        statement = select(*row).where(which, *also).order_by(row.created_at.desc(), row.access_key, row.channel)
        with self._store.reading() as connection:
            return connection.execute(statement.limit(limit)).all()

    def again(self, shipment_id: str, channels: Iterable[Channel]) -> int:
        """Let all of a shipment be handed on once more, also by channels that are new; returns how many."""
        now, row = self._store.now(), HANDOVER.c
        with self._store.writing() as connection:
            one = SHIPMENT.c
            found = connection.execute(select(one.access_key, one.state).where(one.id == shipment_id)).one()
            if found.state == State.ACCEPTED and found.access_key is not None:
                begin(connection, shipment_id, found.access_key, channels, now=now)
            values = {"due_at": now, "stop_code": None, "tries": 0, "done_at": None}
            return connection.execute(update(HANDOVER).where(row.shipment_id == shipment_id).values(values)).rowcount

    def stopped(self) -> list[str]:
        """Shipments of which something was not taken."""
        row = HANDOVER.c
        with self._store.reading() as connection:
            found = select(row.shipment_id).where(row.stop_code.is_not(None)).distinct().order_by(row.shipment_id)
            return list(connection.execute(found).scalars())


def _waits_for_its_note() -> ColumnElement[bool]:
    """A cancellation whose note has not been handed on yet: nobody may hear of its end first."""
    row, note = HANDOVER.c, HANDOVER.alias("note").c
    same = (note.shipment_id == row.shipment_id) & (note.access_key == row.access_key) & (note.channel == row.channel)
    waits = exists().where(same, note.what == Handed.NOTE, note.due_at.is_not(None))
    first: ColumnElement[bool] = (row.what == Handed.CANCELLATION) & waits
    return first


def _is(key: Any) -> ColumnElement[bool]:
    row = HANDOVER.c
    which: ColumnElement[bool] = (
        (row.shipment_id == key["shipment_id"])
        & (row.access_key == key["access_key"])
        & (row.what == key["what"])
        & (row.channel == key["channel"])
    )
    return which
