"""The book of NF-e numbers: what became of each, and the proof that none is missing.

A series is whole when every number from its first to the one before its next has a row, or lies in a range that an
operator gave to another system. SEFAZ's law wants the same: a number that no NF-e has is voided by the tenth of the
month after (Ajuste SINIEF 07/05, clause fourteen).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, literal_column, select, union_all, update

from workflow.errors import Invalid
from workflow.models import NumberForeign, NumberStatus, table
from workflow.numbers import NUMBER, SERIES, of_seller
from workflow.store import SHIPMENT, Store

FOREIGN = table(NumberForeign)

#: TNF: nine digits at the most; MOC 7.0 Anexo I, C02-30: series 890 and over are not for own emission by a CNPJ.
LAST_NUMBER, LAST_SERIES = 999_999_999, 889
#: The day of the next month by which numbers are voided, and the one from which a person is warned.
DEADLINE_DAY, WARNING_DAY = 10, 5
#: Whose months count: Brasília's, which has no summer time since 2019.
BRASILIA = timezone(timedelta(hours=-3))


class Series(NamedTuple):
    """One series: CNPJ, tpAmb, serie."""

    cnpj: str
    environment: int
    series: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a series stands: its first number here, its next, how many there are of each status, and what is missing."""

    series: Series
    first: int
    next: int
    counts: dict[str, int]
    #: Ranges of other systems, and ranges that nobody accounts for: both ends included.
    foreign: tuple[tuple[int, int], ...]
    gaps: tuple[tuple[int, int], ...]

    @property
    def missing(self) -> int:
        """How many numbers are unaccounted for."""
        return sum(last - first + 1 for first, last in self.gaps)


def void_by(reserved_at: datetime) -> date:
    """The last day to void a number: the tenth of the month after.

    >>> from datetime import UTC
    >>> void_by(datetime(2026, 12, 1, 2, 59, tzinfo=UTC)), void_by(datetime(2026, 12, 1, 3, 0, tzinfo=UTC))
    (datetime.date(2026, 12, 10), datetime.date(2027, 1, 10))
    """
    day = reserved_at.astimezone(BRASILIA).date()
    return date(day.year + day.month // 12, day.month % 12 + 1, DEADLINE_DAY)


class NumberBook:
    """Questions about numbers, beside the store's about shipments."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def numbers(
        self, *, seller_id: str | None = None, status: NumberStatus | None = None, limit: int | None = None
    ) -> Sequence[Any]:
        """Numbers with their shipments, each series' highest first; `since` is when they became what they are."""
        wanted: list[ColumnElement[bool]] = []
        if seller_id is not None:
            wanted.append(of_seller(seller_id))
        if status is not None:
            wanted.append(NUMBER.c.status == status)
        columns = [column for column in NUMBER.c if column.name not in ("random_code", "decided_at", "reserved_at")]
        since = func.coalesce(NUMBER.c.decided_at, NUMBER.c.reserved_at, type_=NUMBER.c.reserved_at.type)
        statement = (
            select(*columns, NUMBER.c.reserved_at, since.label("since"))
            .outerjoin_from(NUMBER, SHIPMENT, SHIPMENT.c.id == NUMBER.c.shipment_id)
            .where(*wanted)
            .order_by(NUMBER.c.cnpj, NUMBER.c.environment, NUMBER.c.series, NUMBER.c.number.desc())
            .limit(limit)
        )
        with self._store.reading() as connection:
            return connection.execute(statement).all()

    def standings(self, *, cnpj: str | None = None) -> list[Standing]:
        """Every series, or those of one CNPJ, with the proof that nothing is missing; one transaction."""
        with self._store.reading() as connection:
            series = connection.execute(select(*SERIES.c).where(*_of(SERIES, cnpj)).order_by(*_key(SERIES))).all()
            counted = connection.execute(
                select(*_key(NUMBER), NUMBER.c.status, func.count())
                .where(*_of(NUMBER, cnpj))
                .group_by(*_key(NUMBER), NUMBER.c.status)
            ).all()
            foreign = connection.execute(
                select(*_key(FOREIGN), FOREIGN.c.first, FOREIGN.c.last)
                .where(*_of(FOREIGN, cnpj))
                .order_by(FOREIGN.c.first)
            ).all()
            gaps = [row for row in connection.execute(_gaps()).all() if cnpj in (None, row.cnpj)]
        found = []
        for row in series:
            key = Series(row.cnpj, row.environment, row.series)
            found.append(
                Standing(
                    key,
                    row.first_number,
                    row.next_number,
                    {status: count for *one, status, count in counted if tuple(one) == key},
                    tuple((first, last) for *one, first, last in foreign if tuple(one) == key),
                    tuple((first, last) for *one, first, last in gaps if tuple(one) == key),
                )
            )
        return found

    def ends(self) -> dict[Series, int]:
        """The next number of every series."""
        row = SERIES.c
        with self._store.reading() as connection:
            found = connection.execute(select(row.cnpj, row.environment, row.series, row.next_number))
            return {Series(*series): next_number for *series, next_number in found}

    def unused_since(self) -> datetime | None:
        """When the oldest number that is still to be voided was reserved."""
        statement = select(func.min(NUMBER.c.reserved_at)).where(NUMBER.c.status == NumberStatus.UNUSED)
        with self._store.reading() as connection:
            oldest: datetime | None = connection.execute(statement).scalar_one()
        return oldest

    def start(self, where: Series, next_number: int, *, actor: str) -> int:
        """Let a series go on at a number, the ones below it being another system's; returns the former next, or 0.

        Raise Invalid('bad-number'), or Invalid('known-number') below what is known: only upwards.
        """
        if not (0 <= where.series <= LAST_SERIES and 1 <= next_number <= LAST_NUMBER):
            raise Invalid("bad-number", f"a series is 0 to {LAST_SERIES}, a number 1 to {LAST_NUMBER}")
        values = where._asdict()
        with self._store.writing() as connection:
            made = connection.execute(
                self._store.insert(SERIES)
                .values(**values, next_number=next_number, first_number=next_number)
                .on_conflict_do_nothing()
                .returning(SERIES.c.next_number)
            ).one_or_none()
            if made is not None:
                return 0
            return self._go_on(connection, where, next_number, actor)

    def _go_on(self, connection: Connection, where: Series, next_number: int, actor: str) -> int:
        row = connection.execute(
            select(SERIES.c.next_number, SERIES.c.first_number).where(_is(SERIES, where)).with_for_update()
        ).one()
        if next_number < row.next_number:
            raise Invalid(
                "known-number",
                f"series {where.series} goes on at {row.next_number}: its numbers below are known; only upwards",
            )
        values: dict[str, Any] = {"next_number": next_number}
        if row.first_number == row.next_number:
            values["first_number"] = next_number  # none was taken here yet
        elif next_number > row.next_number:
            connection.execute(
                insert(FOREIGN).values(
                    **where._asdict(), first=row.next_number, last=next_number - 1, at=self._store.now(), actor=actor
                )
            )
        connection.execute(update(SERIES).where(_is(SERIES, where)).values(values))
        return int(row.next_number)


def _of(of: Any, cnpj: str | None) -> list[ColumnElement[bool]]:
    return [] if cnpj is None else [of.c.cnpj == cnpj]


def _key(of: Any) -> tuple[Any, Any, Any]:
    return of.c.cnpj, of.c.environment, of.c.series


def _is(of: Any, where: Series) -> ColumnElement[bool]:
    which: ColumnElement[bool] = (
        (of.c.cnpj == where.cnpj) & (of.c.environment == where.environment) & (of.c.series == where.series)
    )
    return which


def _gaps() -> Any:
    """What lies between a series' first number and its next, and has no row: each part is held against the one before.

    The parts are the numbers, other systems' ranges, and the two ends of the series.
    """
    one: Any = literal_column("1")
    before = SERIES.c.first_number - one
    parts = union_all(
        select(*_key(NUMBER), NUMBER.c.number.label("first"), NUMBER.c.number.label("last")),
        select(*_key(FOREIGN), FOREIGN.c.first, FOREIGN.c.last),
        select(*_key(SERIES), before, before),
        select(*_key(SERIES), SERIES.c.next_number, SERIES.c.next_number),
    ).cte("parts")
    in_order = func.lag(parts.c.last).over(
        partition_by=(parts.c.cnpj, parts.c.environment, parts.c.series), order_by=(parts.c.first, parts.c.last)
    )
    steps = select(*_key(parts), parts.c.first, in_order.label("before")).cte("steps")
    return (
        select(*_key(steps), (steps.c.before + one).label("first"), (steps.c.first - one).label("last"))
        .where(steps.c.first > steps.c.before + one)
        .order_by(*_key(steps), steps.c.first)
    )
