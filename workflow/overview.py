"""What an operator sees of many shipments at once: counts, the oldest that is due, and pages of rows.

A page begins after a row that was seen (a moment and an id), not after a number of rows: the hundredth page costs what
the first does, and new shipments push none of them on.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, func, select, true, tuple_, union_all

from workflow.statements import HISTORY
from workflow.states import State
from workflow.store import SHIPMENT, Store

#: States in which the other side has decided against us: a person's.
REFUSED = (State.REJECTED, State.ERRORED)


class Filter(NamedTuple):
    """Which shipments: of a state, or those that need a person, or those stopped by a code; of one seller."""

    state: State | None = None
    person: bool = False
    code: str | None = None
    seller_id: str | None = None


class Place(NamedTuple):
    """The last row that was seen."""

    created_at: datetime
    id: str


class Counts(NamedTuple):
    """How many shipments there are: by state, and those that need a person."""

    by_state: Mapping[State, int]
    person: int
    #: Of these, how many each code has stopped, the most frequent first.
    by_code: Mapping[str, int]

    @property
    def all(self) -> int:
        """All of them."""
        return sum(self.by_state.values())


class Overview:
    """Questions about many shipments, beside the store's about one."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def counts(self, seller_id: str | None = None) -> Counts:
        """How many there are; indexes answer it."""
        row = SHIPMENT.c
        of = [] if seller_id is None else [row.seller_id == seller_id]
        by_state = select(row.state, func.count()).where(*of).group_by(row.state)
        by_code = select(row.stop_code, func.count()).where(row.stop_code.is_not(None), *of).group_by(row.stop_code)
        stopped = select(func.count()).where(row.stop_code.is_not(None), row.state.not_in(REFUSED), *of)
        with self._store.reading() as connection:
            states = {State(state): count for state, count in connection.execute(by_state)}
            codes = connection.execute(by_code).all()
            needed = connection.execute(stopped).scalar_one()
        person = needed + sum(states.get(state, 0) for state in REFUSED)
        return Counts(states, person, dict(sorted(map(tuple, codes), key=lambda one: (-one[1], one[0]))))

    def oldest_due(self) -> datetime | None:
        """Since when the shipment is due that has waited longest; None where none is."""
        row = SHIPMENT.c
        statement = select(func.min(row.due_at)).where(row.ring_at.is_not(None), row.due_at <= self._store.now())
        with self._store.reading() as connection:
            found: datetime | None = connection.execute(statement).scalar_one()
        return found

    def find(self, text: str) -> list[str]:
        """The ids that a person may mean: as the store finds them, or by an access key."""
        with self._store.reading() as connection:
            by_key = connection.execute(select(SHIPMENT.c.id).where(SHIPMENT.c.access_key == text)).scalars().all()
        return list(by_key) or self._store.find(text)

    def page(self, wanted: Filter, *, after: Place | None = None, limit: int = 50) -> Sequence[Any]:
        """Rows with their last history line's `at`, `stage`, `outcome`, `code` and `reason`, newest first."""
        row = SHIPMENT.c
        chosen = self._chosen(wanted, after, limit).subquery()
        last = (HISTORY.c.shipment_id == row.id) & (HISTORY.c.seq == row.seq)
        statement = (
            select(*row, HISTORY.c.at, HISTORY.c.stage, HISTORY.c.outcome, HISTORY.c.code, HISTORY.c.reason)
            .join_from(SHIPMENT, chosen, chosen.c.id == row.id)
            .outerjoin(HISTORY, last)
            .order_by(row.created_at.desc(), row.id.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            return connection.execute(statement).all()

    def _chosen(self, wanted: Filter, after: Place | None, limit: int) -> Any:
        """The ids of the page; where they may be of several kinds, as many of each, by an index of its own."""
        row = SHIPMENT.c
        if wanted.code is not None:
            kinds = [row.stop_code == wanted.code]
        elif wanted.person:
            kinds = [row.state == state for state in REFUSED]
            kinds.append(row.stop_code.is_not(None) & row.state.not_in(REFUSED))
        else:
            kinds = [true() if wanted.state is None else row.state == wanted.state]
        parts = [_newest(kind, wanted.seller_id, after, limit).subquery() for kind in kinds]
        return union_all(*(select(part.c.id) for part in parts))


def _newest(kind: ColumnElement[bool], seller_id: str | None, after: Place | None, limit: int) -> Select[Any]:
    row = SHIPMENT.c
    statement: Select[Any] = select(row.id).where(kind).order_by(row.created_at.desc(), row.id.desc()).limit(limit)
    if seller_id is not None:
        statement = statement.where(row.seller_id == seller_id)
    if after is not None:
        statement = statement.where(tuple_(row.created_at, row.id) < tuple_(*after))
    return statement
