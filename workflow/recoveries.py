"""What the database is told of numbers that it did not give: beside the store's shipments.

A number that SEFAZ has and no shipment here is known to have stands in the book without a shipment, with its key where
SEFAZ names it. It is bound to its shipment once that is known. A number in between that SEFAZ does not know is unused.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from workflow.models import NumberStatus, table
from workflow.models import Recovery as Row
from workflow.nfe.access_key import split
from workflow.numbers import NUMBER, SERIES, Range
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.store import SHIPMENT, Store

RECOVERY = table(Row)


class Ownerless(NamedTuple):
    """A number without a shipment; `access_key` is None where nobody has named it."""

    number: int
    access_key: str | None


class Recoveries:
    """Questions about recoveries, and about the numbers that they found."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- a recovery ---------------------------------------------------------------------------------------------

    def begin(self, where: Range) -> int:
        """Note that one is under way, and make the series where it has none; the next number that would be given."""
        now = self._store.now()
        with self._store.writing() as connection:
            # Of notes that are the database's own: a number that was given since, and lost (539), has no key.
            own = (NUMBER.c.shipment_id.is_not(None), NUMBER.c.access_key.is_not(None))
            known = select(func.max(NUMBER.c.reserved_at)).where(*_is(NUMBER, where), *own)
            values = {"begun_at": now, "known_until": connection.execute(known).scalar_one(), "done_at": None}
            new = self._store.insert(RECOVERY).values(**_key(where), **values)
            connection.execute(new.on_conflict_do_update(index_elements=["cnpj", "environment", "series"], set_=values))
            first = {"next_number": where.first, "first_number": where.first}
            connection.execute(self._store.insert(SERIES).values(**_key(where), **first).on_conflict_do_nothing())
            return int(connection.execute(select(SERIES.c.next_number).where(*_is(SERIES, where))).scalar_one())

    def finish(self, where: Range) -> None:
        """Note that it is done."""
        with self._store.writing() as connection:
            connection.execute(update(RECOVERY).where(*_is(RECOVERY, where)).values(done_at=self._store.now()))

    def last(self, where: Range) -> Any:
        """The last one of a series; None where there was none."""
        with self._store.reading() as connection:
            return connection.execute(select(*RECOVERY.c).where(*_is(RECOVERY, where))).one_or_none()

    # -- what it found ------------------------------------------------------------------------------------------

    def keep(self, where: Range, nNF: int, status: NumberStatus, key: str | None, free: Iterable[int]) -> None:
        """Account for a number and for the free ones before it; the series goes on behind it."""
        now = self._store.now()
        row = {"shipment_id": None, "turn": 1, "reserved_at": now, "decided_at": now, "reason": None}
        unused = [_key(where) | row | {"number": one, "status": NumberStatus.UNUSED} for one in free]
        found = _key(where) | row | {"number": nNF, "status": status}
        rows = [one | {"access_key": None, "random_code": ""} for one in unused]
        rows.append(found | {"access_key": key, "random_code": split(key).cNF if key else ""})
        with self._store.writing() as connection:
            connection.execute(insert(NUMBER), rows)
            connection.execute(update(SERIES).where(*_is(SERIES, where)).values(next_number=nNF + 1))

    def given_up(self, where: Range) -> list[Any]:
        """Numbers that another note has, whose key is not known: the rows."""
        unnamed = (NUMBER.c.status == NumberStatus.USED, NUMBER.c.access_key.is_(None))
        with self._store.reading() as connection:
            found = select(*NUMBER.c).where(*_is(NUMBER, where), *unnamed).order_by(NUMBER.c.number)
            return list(connection.execute(found).all())

    def name(self, where: Range, nNF: int, key: str) -> None:
        """Keep the key of a number that is another note's than its shipment's; whose it is, is yet to be found."""
        mine = update(NUMBER).where(*_is(NUMBER, where), NUMBER.c.number == nNF)
        with self._store.writing() as connection:
            connection.execute(mine.values(access_key=key, random_code=split(key).cNF, shipment_id=None))

    def ownerless(self, where: Range) -> list[Ownerless]:
        """Numbers that a note has, or may have, and no shipment."""
        maybe = NUMBER.c.status.in_((NumberStatus.USED, NumberStatus.RESERVED))
        statement = select(NUMBER.c.number, NUMBER.c.access_key).where(
            *_is(NUMBER, where), NUMBER.c.shipment_id.is_(None), maybe
        )
        with self._store.reading() as connection:
            return [Ownerless(*row) for row in connection.execute(statement.order_by(NUMBER.c.number))]

    def waiting(self) -> int:
        """How many numbers there are that a note has, or may have, and no shipment."""
        maybe = NUMBER.c.status.in_((NumberStatus.USED, NumberStatus.RESERVED))
        with self._store.reading() as connection:
            return connection.execute(select(func.count()).where(NUMBER.c.shipment_id.is_(None), maybe)).scalar_one()

    def own(self, shipment_id: str, turn: int) -> Any:
        """The row of a shipment's number; None where it has none."""
        statement = select(*NUMBER.c).where(NUMBER.c.shipment_id == shipment_id, NUMBER.c.turn == turn)
        with self._store.reading() as connection:
            return connection.execute(statement).one_or_none()

    def known(self, where: Range) -> int | None:
        """The highest number here that SEFAZ is known to have; None where there is none."""
        used = (NUMBER.c.status == NumberStatus.USED, NUMBER.c.access_key.is_not(None))
        with self._store.reading() as connection:
            found: int | None = connection.execute(
                select(func.max(NUMBER.c.number)).where(*_is(NUMBER, where), *used)
            ).scalar_one()
        return found

    # -- shipments ----------------------------------------------------------------------------------------------

    def doubt(self, seller_id: str) -> int:
        """Let what may have left without our knowledge be asked for before it is sent; how many shipments."""
        row = SHIPMENT.c
        uncertain = (row.state == State.GENERATED) | row.cancelling.is_(True)
        with self._store.writing() as connection:
            return connection.execute(
                update(SHIPMENT)
                .where(row.seller_id == seller_id, uncertain, row.sent_at.is_(None), row.state != State.CANCELLED)
                .values(sent_at=self._store.now())
            ).rowcount

    def at_work(self, seller_id: str) -> int:
        """How many of its shipments are in a worker's hands."""
        row = SHIPMENT.c
        with self._store.reading() as connection:
            return connection.execute(
                select(func.count()).where(row.seller_id == seller_id, row.lease_until > self._store.now())
            ).scalar_one()

    def cancellable(self, where: Range, since: datetime) -> list[Any]:
        """Shipments with a living note that was authorised since: SEFAZ may have cancelled it meanwhile."""
        row = SHIPMENT.c
        mine = (NUMBER.c.shipment_id == row.id) & (NUMBER.c.access_key == row.access_key)
        statement = (
            select(row.id, row.access_key, row.turn)
            .join_from(NUMBER, SHIPMENT, mine)
            .where(*_is(NUMBER, where), NUMBER.c.decided_at >= since, row.cancelling.is_(False))
            .where(row.state.in_(sorted(AUTHORIZED_AND_LATER)))
            .order_by(NUMBER.c.number)
        )
        with self._store.reading() as connection:
            return list(connection.execute(statement).all())

    def doubt_one(self, id: str) -> None:
        """Let a shipment's cancellation be asked for before it is sent."""
        with self._store.writing() as connection:
            connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(sent_at=self._store.now()))


def bind(connection: Connection, where: Range, shipment_id: str, turn: int, *, key: str, now: datetime) -> None:
    """Give a number to the shipment whose note has it, which may have left; in the transaction that settles it."""
    connection.execute(
        update(NUMBER)
        .where(*_is(NUMBER, where), NUMBER.c.number == int(split(key).nNF))
        .values(
            shipment_id=shipment_id, turn=turn, status=NumberStatus.USED, access_key=key, decided_at=now,
            random_code=split(key).cNF,
        )
    )  # fmt: skip
    connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == shipment_id).values(turn=turn, sent_at=now))


def _key(where: Range) -> dict[str, Any]:
    return {"cnpj": where.cnpj, "environment": where.environment, "series": where.series}


def _is(of: Any, where: Range) -> tuple[ColumnElement[bool], ...]:
    return (of.c.cnpj == where.cnpj, of.c.environment == where.environment, of.c.series == where.series)
