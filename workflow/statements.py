"""The statements on a shipment's way, built once: building one costs several times what running it does.

What changes from one run to the next is a named value, `given_…`; the store gives them and says what they mean.
"""

from enum import Enum, auto
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, case, func, insert, or_, select, update

from workflow.models import ASKED, REISSUE, Document, History, Seller, Shipment, table
from workflow.states import WAY, Stage

SHIPMENT, HISTORY, DOCUMENT, SELLER = table(Shipment), table(History), table(Document), table(Seller)


def given(**values: Any) -> dict[str, Any]:
    """The values of a statement by their columns' names."""
    return {f"given_{name}": value for name, value in values.items()}


def named(column: Any, name: str = "") -> Any:
    """A value of the column's type, named like it or otherwise."""
    return bindparam(f"given_{name or column.name}", type_=column.type)


# -- claim, mark ------------------------------------------------------------------------------------------------

_ROW = SHIPMENT.c
_MINE = (_ROW.id == named(_ROW.id), _ROW.lease == named(_ROW.lease))


@cache
def claim(stage: Stage) -> Any:
    """Takes the row for one stage. Given: id, lease, until, now, and latest: the last `due_at` that counts as due."""
    now = named(_ROW.due_at, "now")
    return (
        update(SHIPMENT)
        .where(
            _ROW.id == named(_ROW.id),
            or_(*(_ROW.state == source.value for source in sorted(WAY[stage].sources))),
            _ROW.cancelling.is_(stage is Stage.CANCEL),
            _ROW.due_at <= named(_ROW.due_at, "latest"),
            _ROW.lease_until.is_(None) | (_ROW.lease_until <= now),
        )
        .values(
            lease=named(_ROW.lease),
            lease_until=named(_ROW.lease_until, "until"),
            ring_at=named(_ROW.ring_at, "until"),
            tries=_ROW.tries + 1,
            # A lease that ran out unsettled: its worker died or was cut off.
            crashes=_ROW.crashes + case((_ROW.lease.is_not(None), 1), else_=0),
        )
        .returning(
            *(_ROW.seller_id, _ROW.amazon_shipment_id, _ROW.state, _ROW.tries, _ROW.crashes, _ROW.turn, _ROW.sent_at),
            *(_ROW.access_key, _ROW.created_at),
            _seller_going_on().label("seller_version"),
        )
    )


def _seller_going_on() -> Any:
    """The version of the row's seller, none where it is stopped: what spares whoever knows it another question."""
    of = SELLER.c
    return (
        select(of.version).where(of.id == _ROW.seller_id, of.stop_code.is_(None)).correlate(SHIPMENT).scalar_subquery()
    )


#: Given: id.
LEASE_LOCKED = select(_ROW.lease).where(_ROW.id == named(_ROW.id)).with_for_update()

#: Given: id, lease, until, now.
MARK_SENT = (
    update(SHIPMENT)
    .where(*_MINE, _ROW.lease_until > named(_ROW.lease_until, "now"))
    .values(
        sent_at=named(_ROW.sent_at, "now"),
        lease_until=named(_ROW.lease_until, "until"),
        ring_at=named(_ROW.ring_at, "until"),
    )
)

#: Given: id, lease, sent_at.
MARK_UNSENT = update(SHIPMENT).where(*_MINE).values(sent_at=named(_ROW.sent_at))


# -- settle -----------------------------------------------------------------------------------------------------


class Order(Enum):
    """What a settlement does about a cancellation that was asked for."""

    #: One that came while we worked goes first, whatever we found.
    FIRST = auto()
    #: It is done.
    DONE = auto()
    #: The shipment was cancelled to be issued anew; a cancellation that came meanwhile goes first here too.
    ANEW = auto()
    #: It stays asked for.
    KEPT = auto()


@cache
def settle(order: Order) -> Any:
    """Writes what a stage came to. Given: id, lease, now, lines (how many are written), and the row's new values."""
    now = named(_ROW.updated_at, "now")
    values: dict[str, Any] = {
        name: named(_ROW[name]) for name in ("state", "tries", "crashes", "stop_code", "due_at", "ring_at")
    }
    if order is Order.FIRST:
        first = {"due_at": now, "ring_at": now, "stop_code": None, "tries": 0, "crashes": 0}
        values |= {name: case((_ROW.cancelling, value), else_=values[name]) for name, value in first.items()}
    elif order is Order.DONE:
        values["cancelling"] = False
    elif order is Order.ANEW:
        values["cancelling"] = case((last_order() == REISSUE, False), else_=True)
    return (
        update(SHIPMENT)
        .where(*_MINE)
        .values(
            **values,
            lease=None,
            lease_until=None,
            updated_at=now,
            purged_at=None,
            seq=_ROW.seq + named(_ROW.seq, "lines"),
            # It speaks of the state's own stage.
            sent_at=case((_ROW.state == named(_ROW.state), _ROW.sent_at), else_=None),
            access_key=func.coalesce(named(_ROW.access_key), _ROW.access_key),
        )
        .returning(_ROW.seq, _ROW.due_at)
    )


@cache
def settle_at_once(order: Order, documents: int) -> Any:
    """The same with its history line and so many documents: one statement, one way there and back. PostgreSQL only.

    Given besides: the line's columns but for seq and due_at, `line_…`; each document's, `left_…_0` and so on. No row is
    returned, and nothing is written, where the lease is not ours.
    """
    moved = settle(order).cte("moved")
    line: dict[str, Any] = {name: named(HISTORY.c[name], f"line_{name}") for name in LINE}
    line |= {"seq": moved.c.seq, "due_at": moved.c.due_at}
    parts = [insert(HISTORY).from_select(list(line), select(*line.values())).cte("told")]
    for place in range(documents):
        left = {name: named(DOCUMENT.c[name], f"left_{name}_{place}") for name in PAPER} | {
            "version": _next_version(f"left_{{}}_{place}")
        }
        parts.append(
            insert(DOCUMENT).from_select(list(left), select(*left.values()).select_from(moved)).cte(f"left_{place}")
        )
    return select(moved.c.seq).add_cte(*parts)


def last_order() -> Any:
    """The code of the last order to cancel the row's shipment: REISSUE, another, or none."""
    return (
        select(HISTORY.c.code)
        .where(HISTORY.c.shipment_id == _ROW.id, HISTORY.c.outcome == ASKED)
        .order_by(HISTORY.c.seq.desc())
        .limit(1)
        .correlate(SHIPMENT)
        .scalar_subquery()
    )


# -- history, documents -----------------------------------------------------------------------------------------

#: Its values are the line's columns.
TELL = insert(HISTORY)
#: What a settlement gives of a line; the row gives the rest.
LINE = ("shipment_id", "at", "stage", "from_state", "state", "outcome", "code", "reason", "tries", "actor")

#: A document's columns but for its version.
PAPER = ("shipment_id", "kind", "sealed", "sha256", "created_at")


def _of_kind(form: str = "{}") -> tuple[ColumnElement[bool], ...]:
    paper = DOCUMENT.c
    return tuple(column == named(column, form.format(column.name)) for column in (paper.shipment_id, paper.kind))


def _next_version(form: str = "{}") -> Any:
    """The next one of the document's kind."""
    return select(func.coalesce(func.max(DOCUMENT.c.version), 0) + 1).where(*_of_kind(form)).scalar_subquery()


#: Given: the document's columns but for its version, which is the next one of its kind.
LEAVE = insert(DOCUMENT).values({name: named(DOCUMENT.c[name]) for name in PAPER} | {"version": _next_version()})

#: Given: shipment_id, kind.
NEWEST = select(DOCUMENT.c.sealed).where(*_of_kind()).order_by(DOCUMENT.c.version.desc()).limit(1)
