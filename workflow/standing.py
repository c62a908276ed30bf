"""How the installation stands, in numbers from the database: few questions, each answered by an index.

Shipments that have come to their end are many, and counted apart and seldom: `finished`.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from workflow.catalog import SELLER, SELLER_STOPPED
from workflow.handovers import Counts, Handovers
from workflow.models import NumberStatus
from workflow.numbers import NUMBER
from workflow.states import State
from workflow.store import CLOCK_TOLERANCE, SHIPMENT, Store

#: Where shipments end, and stay by the million.
FINISHED = (State.ACCEPTED, State.CANCELLED)
UNFINISHED = tuple(state for state in State if state not in FINISHED)
#: The other side decided; a person is asked.
NEEDS_PERSON = (State.REJECTED, State.ERRORED)
#: Numbers that SEFAZ has not decided about, or not as it should.
OPEN_NUMBERS = (NumberStatus.RESERVED, NumberStatus.UNUSED, NumberStatus.PERSON)
#: How far back the last acceptance is looked for.
RECENT = timedelta(days=1)
#: Whoever only counts must not hold up those who work: PostgreSQL gives up after so many milliseconds.
PATIENCE = 5_000


class SellerStanding(NamedTuple):
    """A seller: why it is stopped, and until when its certificate is valid."""

    id: str
    version: int
    cnpj: str
    stop_code: str | None
    certificate_until: datetime | None


class Waiting(NamedTuple):
    """A shipment that waits for a person, and its stop where it stopped on its way."""

    shipment: str
    state: str
    code: str | None


class Standing(NamedTuple):
    """The numbers at one moment.

    `oldest` is how long ago the oldest shipment in a state was announced; `for_person` counts whatever waits for one,
    `stopped` those of them that stopped on their way, by code; `due` are those whose turn has come and `oldest_due` for
    how long the first of them has waited; `accepted` is how long ago Amazon last accepted one, None for over a day.
    """

    at: datetime
    shipments: Mapping[State, int]
    oldest: Mapping[State, timedelta]
    stopped: Mapping[str, int]
    for_person: int
    due: int
    oldest_due: timedelta
    accepted: timedelta | None
    sellers: Sequence[SellerStanding]
    numbers: Mapping[NumberStatus, int]
    #: Notes that are still to be handed on, and those that nobody took.
    handovers: Counts = Counts(0, 0)

    @property
    def on_their_way(self) -> int:
        """Shipments that get on by themselves."""
        return sum(self.shipments.values()) - self.for_person


def standing(store: Store, *, longest_ring: timedelta) -> Standing:
    """Look now; `longest_ring` is how long after its turn a row may be rung for at the latest (lease, ring again)."""
    now = store.now()
    with _reading(store) as connection:
        states = {State(row.state): row for row in connection.execute(by_state())}
        stopped = connection.execute(by_stop()).all()
        due = connection.execute(due_rows(now, longest_ring)).one()
        accepted = connection.execute(last_accepted(now)).scalar_one_or_none()
        sellers = connection.execute(select(*(SELLER.c[name] for name in SellerStanding._fields))).all()
        numbers = {NumberStatus(status): count for status, count in connection.execute(open_numbers())}
    handovers = Handovers(store).counts()
    decided = sum(states[state].many for state in NEEDS_PERSON if state in states)
    on_their_way = sum(row.many for row in stopped if row.state not in NEEDS_PERSON)
    codes: Counter[str] = Counter()
    for row in stopped:
        codes[row.stop_code] += row.many
    return Standing(
        at=now,
        shipments={state: states[state].many if state in states else 0 for state in UNFINISHED},
        oldest={state: now - row.oldest for state, row in states.items()},
        stopped=codes,
        for_person=decided + on_their_way,
        due=due.many,
        oldest_due=max(now - due.oldest, timedelta()) if due.oldest is not None else timedelta(),
        accepted=None if accepted is None else now - accepted,
        sellers=[SellerStanding(*row) for row in sellers],
        numbers={status: numbers.get(status, 0) for status in OPEN_NUMBERS},
        handovers=handovers,
    )


def waiting(store: Store, *, limit: int) -> list[Waiting]:
    """Some of the shipments that wait for a person, but for those whose seller does; the last ones first."""
    row = SHIPMENT.c
    columns = select(row.id, row.state, row.stop_code).order_by(row.updated_at.desc()).limit(limit)
    with _reading(store) as connection:
        stopped = connection.execute(columns.where(row.stop_code.is_not(None), row.stop_code != SELLER_STOPPED)).all()
        decided = connection.execute(columns.where(row.state.in_(NEEDS_PERSON), row.stop_code.is_(None))).all()
    return [Waiting(*one) for one in (*stopped, *decided)][:limit]


def moving_since(store: Store) -> datetime | None:
    """When the oldest shipment that gets on by itself was announced: asked seldom, since it looks at all of them."""
    row = SHIPMENT.c
    with _reading(store) as connection:
        oldest: datetime | None = connection.execute(
            select(func.min(row.created_at)).where(row.ring_at.is_not(None))
        ).scalar_one()
    return oldest


def finished(store: Store) -> dict[State, int]:
    """How many shipments have ended, by state: all of an index is read, a tenth of a second per million."""
    row = SHIPMENT.c
    with _reading(store) as connection:
        found = connection.execute(
            select(row.state, func.count()).where(row.state.in_(FINISHED)).group_by(row.state)
        ).all()
    return dict.fromkeys(FINISHED, 0) | {State(state): count for state, count in found}


@contextmanager
def _reading(store: Store) -> Iterator[Connection]:
    if store.engine.dialect.name != "postgresql":
        with store.reading() as connection:
            yield connection
        return
    with store.writing() as connection:  # one transaction, in which the setting holds
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {PATIENCE}")
        yield connection


# -- the questions ------------------------------------------------------------------------------------------


def by_state() -> Select[Any]:
    """Unfinished shipments by state: how many, and since when the oldest."""
    row = SHIPMENT.c
    return (
        select(row.state, func.count().label("many"), func.min(row.created_at).label("oldest"))
        .where(row.state.in_(UNFINISHED))
        .group_by(row.state)
    )


def by_stop() -> Select[Any]:
    """Shipments that wait for a person, by code and state."""
    row = SHIPMENT.c
    return (
        select(row.stop_code, row.state, func.count().label("many"))
        .where(row.stop_code.is_not(None))
        .group_by(row.stop_code, row.state)
    )


def due_rows(now: datetime, longest_ring: timedelta) -> Select[Any]:
    """How many shipments' turn has come, and when the first one's did.

    Found by their rings, which have an index: a row's turn comes before its ring, by `longest_ring` at the most.
    """
    row = SHIPMENT.c
    return select(func.count().label("many"), func.min(row.due_at).label("oldest")).where(
        row.ring_at <= now + longest_ring + CLOCK_TOLERANCE, row.due_at <= now
    )


def last_accepted(now: datetime) -> Select[Any]:
    """When Amazon last accepted one, within a day: found among what rests, newest first."""
    row = SHIPMENT.c
    return (
        select(row.updated_at)
        .where(row.updated_at >= now - RECENT, row.due_at.is_(None), row.purged_at.is_(None))  # the index
        # Asked for by what it is not: SQLite would take `state = …` for a better index than the rows' age.
        .where(row.state.not_in([state for state in State if state is not State.ACCEPTED]))
        .order_by(row.updated_at.desc())
        .limit(1)
    )


def open_numbers() -> Select[Any]:
    """NF-e numbers that are not decided as they should be, by status."""
    status = NUMBER.c.status
    return select(status, func.count()).where(status.in_(OPEN_NUMBERS)).group_by(status)
