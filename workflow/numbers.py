"""NF-e numbers: one per shipment and turn, for ever.

A number is bound to its shipment before the document is made, so a crash burns none: the next try finds its own.
Only SEFAZ's decision makes it USED; a shipment cancelled before that leaves it UNUSED, to be voided.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from workflow.errors import Invalid
from workflow.models import Number, NumberSeries, NumberStatus, Seller, Shipment, table
from workflow.statements import given, named

NUMBER, SERIES, SHIPMENT, SELLER = table(Number), table(NumberSeries), table(Shipment), table(Seller)

# -- statements, built once -------------------------------------------------------------------------------------

_OWN = (NUMBER.c.shipment_id == named(NUMBER.c.shipment_id), NUMBER.c.turn == named(NUMBER.c.turn))
_MINE = select(*NUMBER.c).where(*_OWN)
_BIND = insert(NUMBER)
_DECIDE = (
    update(NUMBER)
    .where(*_OWN, or_(*(NUMBER.c.status == open.value for open in (NumberStatus.RESERVED, NumberStatus.UNUSED))))
    .values(
        status=named(NUMBER.c.status),
        decided_at=named(NUMBER.c.decided_at),
        access_key=func.coalesce(named(NUMBER.c.access_key), NUMBER.c.access_key),
    )
)
#: By database: both know ON CONFLICT, each in its own dialect.
_TAKE: dict[str, Any] = {
    name: dialect.insert(SERIES)
    .on_conflict_do_update(
        index_elements=["cnpj", "environment", "series"], set_={"next_number": SERIES.c.next_number + 1}
    )
    .returning(SERIES.c.next_number)
    for name, dialect in (("postgresql", postgresql), ("sqlite", sqlite))
}


class Reserved(NamedTuple):
    """nNF, and the cNF made with it."""

    nNF: int
    cNF: str


class Range(NamedTuple):
    """Whose numbers: the issuer's CNPJ, tpAmb, the series, and where it starts."""

    cnpj: str
    environment: int
    series: int
    first: int = 1

    @property
    def key(self) -> tuple[str, int, int]:
        """Which series it is."""
        return self.cnpj, self.environment, self.series


def reserve(
    connection: Connection, shipment_id: str, turn: int, where: Range, make_cNF: Callable[[int], str], now: datetime
) -> Reserved:
    """The shipment's number: the one it has, or the series' next, bound to it in the caller's transaction.

    Raise Invalid('number-of-another-series') when it has one elsewhere: in this series another note may have it.
    """
    mine = _of(connection, shipment_id, turn, where)
    if mine is not None:
        return mine
    nNF = _take(connection, where)
    cNF = make_cNF(nNF)
    bound = {"number": nNF, "shipment_id": shipment_id, "turn": turn, "random_code": cNF, "reserved_at": now}
    connection.execute(_BIND, _key(where) | bound | {"status": NumberStatus.RESERVED})
    return Reserved(nNF, cNF)


def of_seller(seller_id: str) -> ColumnElement[bool]:
    """A seller's numbers, joined to their shipments: those of its shipments, and those of its CNPJ that none has."""
    cnpj = select(SELLER.c.cnpj).where(SELLER.c.id == seller_id).scalar_subquery()
    return or_(SHIPMENT.c.seller_id == seller_id, NUMBER.c.shipment_id.is_(None) & (NUMBER.c.cnpj == cnpj))


def next_of(connection: Connection, where: Range) -> int | None:
    """The series' next number; None where none was ever taken."""
    row = SERIES.c
    mine = (row.cnpj == where.cnpj, row.environment == where.environment, row.series == where.series)
    found: int | None = connection.execute(select(row.next_number).where(*mine)).scalar_one_or_none()
    return found


def decide(
    connection: Connection,
    shipment_id: str,
    turn: int,
    status: NumberStatus,
    *,
    now: datetime,
    access_key: str | None = None,
) -> None:
    """Record the fate of a reserved number, in the transaction that settles its shipment; a decided one stays."""
    values = given(shipment_id=shipment_id, turn=turn, status=status, decided_at=now, access_key=access_key)
    connection.execute(_DECIDE, values)


def turn_over(connection: Connection, shipment_id: str, turn: int, *, now: datetime) -> None:
    """Let the shipment's next document take the next number; the one it has stays as SEFAZ decided."""
    connection.execute(
        update(SHIPMENT).where(SHIPMENT.c.id == shipment_id, SHIPMENT.c.turn == turn).values(turn=turn + 1)
    )


def give_up(connection: Connection, shipment_id: str, turn: int, status: NumberStatus, *, now: datetime) -> None:
    """Record that a number is another note's: the shipment's next document takes the next one."""
    decide(connection, shipment_id, turn, status, now=now)
    turn_over(connection, shipment_id, turn, now=now)


def _key(where: Range) -> dict[str, Any]:
    return {"cnpj": where.cnpj, "environment": where.environment, "series": where.series}


def _of(connection: Connection, shipment_id: str, turn: int, where: Range) -> Reserved | None:
    row = connection.execute(_MINE, given(shipment_id=shipment_id, turn=turn)).one_or_none()
    if row is None:
        return None
    if (row.cnpj, row.environment, row.series) != (where.cnpj, where.environment, where.series):
        raise Invalid(
            "number-of-another-series",
            f"nNF {row.number} was taken from series {row.series}, tpAmb {row.environment}, CNPJ {row.cnpj}, which is "
            "no longer the seller's; set the seller back, or cancel the shipment",
        )
    return Reserved(row.number, row.random_code)


def _take(connection: Connection, where: Range) -> int:
    """The next number of the series; its row makes other takers wait."""
    row = _key(where) | {"next_number": where.first + 1, "first_number": where.first}
    return int(connection.execute(_TAKE[connection.dialect.name], row).scalar_one()) - 1
