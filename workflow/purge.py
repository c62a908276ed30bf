"""Removing personal data when they have served: after thirty days, or with their whole seller.

What stays is the legal archive: the authorised NF-e and the events about it (`nfeproc`, `cancellation`), encrypted
like everything else. The law wants the XML kept as long as the tax may be assessed, five years counted from the year
after (Ajuste SINIEF 07/05, clause ten; CTN, articles 173 and 195), and Amazon's Data Protection Policy lets what a
law wants be kept, for that alone. All else that a shipment left goes: what Amazon said, drafts, refusals, verdicts.

Only what rests is touched: nothing is due, nobody works on it, and no person must decide.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, delete, exists, func, insert, select, update

from workflow.catalog import PRODUCT, SELLER
from workflow.errors import Invalid
from workflow.handovers import HANDOVER
from workflow.models import DocumentKind, NumberStatus
from workflow.numbers import NUMBER
from workflow.states import SETTLED, State
from workflow.store import DOCUMENT, HISTORY, PURGED, SHIPMENT, Store
from workflow.vendors import INVOICE

#: What the law wants kept.
LEGAL = (DocumentKind.NFEPROC, DocumentKind.CANCELLATION, DocumentKind.CORRECTION)
#: Asked for by what they are not: SQLite would take `state IN …` for a better index than the rows' age.
UNSETTLED = tuple(state for state in State if state not in SETTLED)
#: Rows of one transaction: short enough that no worker waits long for SQLite's only writer.
BATCH = 500
#: The stop of a seller whose data were removed on demand.
REMOVED = "removed"

Tell = Callable[[int], None]


class Waiting(NamedTuple):
    """What a purge would find; `stopped` shipments are as old, but wait for a person and stay."""

    shipments: int
    invoices: int
    stopped: int


class Purged(NamedTuple):
    """What a purge removed: shipments and their documents, contents of vendors' invoices."""

    shipments: int = 0
    documents: int = 0
    invoices: int = 0


class Removed(NamedTuple):
    """What of a seller was removed, and how many shipments stay for their archive or their numbers."""

    shipments: int = 0
    documents: int = 0
    products: int = 0
    kept: int = 0


# -- what has served ----------------------------------------------------------------------------------------


def waiting(store: Store, *, before: datetime, seller_id: str | None = None) -> Waiting:
    """What there is to purge that has rested since `before`."""
    old = (SHIPMENT.c.updated_at <= before) & SHIPMENT.c.due_at.is_(None) & SHIPMENT.c.purged_at.is_(None)
    stopped = select(func.count()).where(old, *_of(seller_id), SHIPMENT.c.stop_code.is_not(None))
    with store.reading() as connection:
        return Waiting(
            connection.execute(select(func.count()).where(*_rested(before, seller_id))).scalar_one(),
            0 if seller_id else connection.execute(select(func.count()).where(*_old_invoices(before))).scalar_one(),
            connection.execute(stopped).scalar_one(),
        )


def purge(
    store: Store, *, before: datetime, seller_id: str | None = None, actor: str, tell: Tell = lambda count: None
) -> Purged:
    """Remove the personal data of what has rested since `before`; vendors' invoices only where no seller is named.

    Each batch is one transaction: whoever is killed has done whole batches, and the next purge goes on.
    """
    shipments = documents = invoices = 0
    while ids := _purge_shipments(store, before, seller_id, actor):
        shipments, documents = shipments + len(ids), documents + sum(ids.values())
        tell(len(ids))
    while seller_id is None and (count := _purge_invoices(store, before)):
        invoices += count
        tell(count)
    return Purged(shipments, documents, invoices)


def candidates(before: datetime, seller_id: str | None = None) -> Select[Any]:
    """The question for the next batch; an index answers it."""
    statement: Select[Any] = (
        select(SHIPMENT.c.id)
        .where(*_rested(before, seller_id))
        .order_by(SHIPMENT.c.updated_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)
    )
    return statement


def _purge_shipments(store: Store, before: datetime, seller_id: str | None, actor: str) -> dict[str, int]:
    """One batch; how many documents of each shipment were removed."""
    now = store.now()
    with store.writing() as connection:
        ids = connection.execute(candidates(before, seller_id)).scalars().all()
        if not ids:
            return {}
        gone = _remove_documents(connection, ids)
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.id.in_(ids)).values(purged_at=now))
        _tell(connection, gone, now, actor)
    return {id: gone[id].total() for id in ids}


def _remove_documents(connection: Connection, ids: Sequence[str]) -> dict[str, Counter[str]]:
    """Remove what the law does not want kept; returns how many of each kind, by shipment."""
    only_proof = (DOCUMENT.c.kind == DocumentKind.NFE) & DOCUMENT.c.shipment_id.in_(_without_protocol(connection, ids))
    gone: defaultdict[str, Counter[str]] = defaultdict(Counter)
    removed = connection.execute(
        delete(DOCUMENT)
        .where(DOCUMENT.c.shipment_id.in_(ids), DOCUMENT.c.kind.not_in(LEGAL), ~only_proof)
        .returning(DOCUMENT.c.shipment_id, DOCUMENT.c.kind)
    )
    for id, kind in removed:
        gone[id][kind] += 1
    return gone


def _without_protocol(connection: Connection, ids: Sequence[str]) -> list[str]:
    """Shipments of whose notes SEFAZ told only that they exist, and are cancelled: the signed XML is all there is."""
    used = select(NUMBER.c.shipment_id, func.count()).where(
        NUMBER.c.shipment_id.in_(ids), NUMBER.c.status == NumberStatus.USED, NUMBER.c.access_key.is_not(None)
    )
    proven = select(DOCUMENT.c.shipment_id, func.count()).where(
        DOCUMENT.c.shipment_id.in_(ids), DOCUMENT.c.kind == DocumentKind.NFEPROC
    )
    have = {id: count for id, count in connection.execute(proven.group_by(DOCUMENT.c.shipment_id))}  # noqa: C416  rows are no pairs
    return [id for id, count in connection.execute(used.group_by(NUMBER.c.shipment_id)) if count > have.get(id, 0)]


def _tell(connection: Connection, gone: dict[str, Counter[str]], now: datetime, actor: str) -> None:
    """One history line for each shipment that lost something."""
    with_losses = [id for id, kinds in gone.items() if kinds]
    if not with_losses:
        return
    rows = connection.execute(
        update(SHIPMENT)
        .where(SHIPMENT.c.id.in_(with_losses))
        .values(seq=SHIPMENT.c.seq + 1)
        .returning(SHIPMENT.c.id, SHIPMENT.c.seq, SHIPMENT.c.state)
    )
    lines = [
        {
            "shipment_id": row.id, "seq": row.seq, "at": now, "stage": "purge", "state": row.state,
            "outcome": PURGED, "reason": f"removed: {_words(gone[row.id])}", "tries": 0, "actor": actor,
        }
        for row in rows
    ]  # fmt: skip
    connection.execute(insert(HISTORY), lines)


def _words(kinds: Counter[str]) -> str:
    return ", ".join(kind if count == 1 else f"{count} {kind}" for kind, count in sorted(kinds.items()))


def _purge_invoices(store: Store, before: datetime) -> int:
    """One batch of vendors' invoices: the content goes; number, digest and size stay."""
    row = INVOICE.c
    key = (row.connector, row.purchase_order_number, row.sha256)
    with store.writing() as connection:
        batch = select(*key).where(*_old_invoices(before)).order_by(row.fetched_at).limit(BATCH)
        found = connection.execute(batch.with_for_update(skip_locked=True)).all()
        for connector, number, sha256 in found:
            connection.execute(
                update(INVOICE)
                .where(row.connector == connector, row.purchase_order_number == number, row.sha256 == sha256)
                .values(sealed=b"", purged_at=store.now())
            )
    return len(found)


def _of(seller_id: str | None) -> list[ColumnElement[bool]]:
    return [] if seller_id is None else [SHIPMENT.c.seller_id == seller_id]


def _rested(before: datetime, seller_id: str | None) -> list[ColumnElement[bool]]:
    """Settled since then, with nothing due, nobody at work, nobody asked."""
    row = SHIPMENT.c
    return [
        *(row.updated_at <= before, row.due_at.is_(None), row.purged_at.is_(None)),  # the index
        *(row.state.not_in(UNSETTLED), row.lease.is_(None), row.stop_code.is_(None), row.cancelling.is_(False)),
        *_of(seller_id),
    ]


def _old_invoices(before: datetime) -> list[ColumnElement[bool]]:
    return [INVOICE.c.fetched_at <= before, INVOICE.c.purged_at.is_(None)]


# -- a whole seller -----------------------------------------------------------------------------------------


def remove_seller(store: Store, seller_id: str, *, actor: str, tell: Tell = lambda count: None) -> Removed:
    """Remove all of a seller but the legal archive, its numbers and the voidings; the seller stays stopped.

    Raise Invalid('unknown-seller'), or Invalid('still-on-their-way') before anything is removed while a shipment may
    still reach SEFAZ or Amazon. Whoever is killed runs it again.
    """
    _stop(store, seller_id)
    gone, last = Removed(), ""
    while ids := _batch_of(store, seller_id, last):
        last = ids[-1]
        part = _remove_shipments(store, ids, actor)
        gone = Removed(*(one + other for one, other in zip(gone, part, strict=True)))
        tell(len(ids))
    return gone._replace(products=_remove_secrets(store, seller_id))


def on_their_way(store: Store, seller_id: str) -> int:
    """How many shipments of a seller may still change by themselves, or may have a note nobody knows of."""
    with store.reading() as connection:
        return _on_their_way(connection, seller_id)


def _on_their_way(connection: Connection, seller_id: str) -> int:
    row = SHIPMENT.c
    moving = row.due_at.is_not(None) | row.lease.is_not(None) | row.sent_at.is_not(None) | row.cancelling
    return connection.execute(select(func.count()).where(row.seller_id == seller_id, moving)).scalar_one()


def _stop(store: Store, seller_id: str) -> None:
    """From here on nothing of the seller moves; in the same transaction nothing was on its way."""
    with store.writing() as connection:
        known = connection.execute(
            update(SELLER)
            .where(SELLER.c.id == seller_id)
            .values(stop_code=REMOVED, stop_reason="its data were removed on demand; add it anew to go on")
        )
        if not known.rowcount:
            raise Invalid("unknown-seller", f"no seller {seller_id}; see: nfe seller list")
        moving = _on_their_way(connection, seller_id)
        if moving:
            raise Invalid(
                "still-on-their-way",
                f"{moving} shipments of {seller_id} are not settled: let them end, or cancel them; nothing was removed",
            )


def _batch_of(store: Store, seller_id: str, last: str) -> Sequence[str]:
    statement = (
        select(SHIPMENT.c.id)
        .where(SHIPMENT.c.seller_id == seller_id, SHIPMENT.c.id > last)
        .order_by(SHIPMENT.c.id)
        .limit(BATCH)
    )
    with store.reading() as connection:
        return connection.execute(statement).scalars().all()


def _remove_shipments(store: Store, ids: Sequence[str], actor: str) -> Removed:
    """One batch: documents and history go; so does the row unless an archive or a number needs it."""
    now = store.now()
    with store.writing() as connection:
        gone = _remove_documents(connection, ids)
        connection.execute(delete(HISTORY).where(HISTORY.c.shipment_id.in_(ids)))
        connection.execute(delete(HANDOVER).where(HANDOVER.c.shipment_id.in_(ids)))
        has_archive = exists().where(DOCUMENT.c.shipment_id == SHIPMENT.c.id)
        has_number = exists().where(NUMBER.c.shipment_id == SHIPMENT.c.id)
        removed = connection.execute(delete(SHIPMENT).where(SHIPMENT.c.id.in_(ids), ~has_archive, ~has_number)).rowcount
        kept = connection.execute(
            update(SHIPMENT)
            .where(SHIPMENT.c.id.in_(ids))
            .values(amazon_order_id=None, purged_at=now, seq=1)
            .returning(SHIPMENT.c.id, SHIPMENT.c.state)
        ).all()
        lines = [
            {
                "shipment_id": row.id, "seq": 1, "at": now, "stage": "purge", "state": row.state, "outcome": PURGED,
                "reason": "removed with its seller, but the archive", "tries": 0, "actor": actor,
            }
            for row in kept
        ]  # fmt: skip
        if lines:
            connection.execute(insert(HISTORY), lines)
    return Removed(removed, sum(kinds.total() for kinds in gone.values()), 0, len(kept))


def _remove_secrets(store: Store, seller_id: str) -> int:
    """The catalogue, the certificate and the tokens, and the seller itself where nothing refers to it."""
    with store.writing() as connection:
        products = connection.execute(delete(PRODUCT).where(PRODUCT.c.seller_id == seller_id)).rowcount
        if not connection.execute(select(SHIPMENT.c.id).where(SHIPMENT.c.seller_id == seller_id).limit(1)).all():
            connection.execute(delete(SELLER).where(SELLER.c.id == seller_id))
        else:
            connection.execute(
                update(SELLER)
                .where(SELLER.c.id == seller_id)
                .values(sealed_secrets=b"", certificate_until=None, version=SELLER.c.version + 1)
            )
    return products
