"""Who sells and what: sellers with their sealed secrets, and the tax data of their products."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, select, update

from workflow.models import Product, Seller, table
from workflow.statements import given, named
from workflow.stops import Stop
from workflow.store import SHIPMENT, Store

SELLER, PRODUCT = table(Seller), table(Product)

_SELLER = select(*SELLER.c).where(SELLER.c.id == named(SELLER.c.id))
_PRODUCTS = select(PRODUCT.c.sku, PRODUCT.c.data).where(
    PRODUCT.c.seller_id == named(PRODUCT.c.seller_id),
    PRODUCT.c.sku.in_(bindparam("given_sku", expanding=True)),
)

#: What a shipment's `stop_code` is when its seller, not itself, must be mended.
SELLER_STOPPED = "seller-stopped"


def stop_of(row: Any) -> Stop | None:
    """The stop in a seller's row."""
    return None if row.stop_code is None else Stop(row.stop_code, row.stop_reason or "")


class Catalog:
    """Questions about sellers and products, beside the store's about shipments."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put_seller(self, values: dict[str, Any], *, secrets: bytes, actor: str = "engine") -> int:
        """Add a seller, or replace what is known of it; its stop ends, and what that held up is due again: how many."""
        now = self._store.now()
        new = values | {
            "sealed_secrets": self._store.vault.seal(secrets, "seller", values["id"]), "created_at": now,
            "updated_at": now, "stop_code": None, "stop_reason": None, "version": 1,
        }  # fmt: skip
        changed = {name: value for name, value in new.items() if name not in ("id", "created_at")}
        changed["version"] = SELLER.c.version + 1
        with self._store.writing() as connection:
            connection.execute(
                self._store.insert(SELLER).values(new).on_conflict_do_update(index_elements=["id"], set_=changed)
            )
            return self._retry_held(connection, values["id"], actor)

    def seller(self, id: str) -> Row[Any] | None:
        """A seller's row; its secrets stay sealed."""
        with self._store.reading() as connection:
            return connection.execute(_SELLER, given(id=id)).one_or_none()

    def sellers(self) -> Sequence[Row[Any]]:
        """All sellers by id."""
        with self._store.reading() as connection:
            return connection.execute(select(*SELLER.c).order_by(SELLER.c.id)).all()

    def stop_seller(self, id: str, code: str, reason: str, *, version: int | None = None) -> bool:
        """Record that one side of this seller's work, or both, must wait until a person mends it.

        With the `version` that was read, only while the seller has it: False, when a person has mended it since.
        """
        mine = SELLER.c.id == id
        with self._store.writing() as connection:
            row = connection.execute(select(*SELLER.c).where(mine).with_for_update()).one_or_none()
            if row is None or version not in (None, row.version):
                return False
            stop = Stop(code, reason).after(stop_of(row))
            connection.execute(update(SELLER).where(mine).values(stop_code=stop.code, stop_reason=stop.reason))
        return True

    def resume_seller(self, id: str, *, actor: str) -> int:
        """Lift the seller's stop and make due what it held up, all or nothing; returns how many shipments."""
        lifted = {"stop_code": None, "stop_reason": None, "version": SELLER.c.version + 1}
        with self._store.writing() as connection:
            connection.execute(update(SELLER).where(SELLER.c.id == id).values(lifted))
            return self._retry_held(connection, id, actor)

    def _retry_held(self, connection: Connection, id: str, actor: str) -> int:
        """Make due what a stop held up; the seller's row is written already, so that a stage that is just stopping for
        it waits, and sees that the stop has gone.
        """
        held = (SHIPMENT.c.seller_id == id) & (SHIPMENT.c.stop_code == SELLER_STOPPED)
        return len(self._store.retry_in(connection, held, actor=actor))

    def release(self, id: str, seller_id: str, connection: Connection, now: datetime) -> None:
        """In the transaction that stops a shipment for its seller: due at once if the seller was mended meanwhile."""
        # The lock makes a resume wait, which then sees this shipment among the held; or us, who then see no stop.
        mended = connection.execute(
            select(SELLER.c.stop_code.is_(None)).where(SELLER.c.id == seller_id).with_for_update(read=True)
        ).scalar_one_or_none()
        if mended:
            self._store.retry_in(connection, SHIPMENT.c.id == id, actor="engine")

    def put_products(self, seller_id: str, products: Iterable[tuple[str, dict[str, Any]]]) -> int:
        """Add or replace products, all or none; returns how many."""
        now = self._store.now()
        rows = [{"seller_id": seller_id, "sku": sku, "data": data, "updated_at": now} for sku, data in products]
        if not rows:
            return 0
        statement = self._store.insert(PRODUCT)
        statement = statement.on_conflict_do_update(
            index_elements=["seller_id", "sku"],
            set_={"data": statement.excluded.data, "updated_at": statement.excluded.updated_at},
        )
        with self._store.writing() as connection:
            connection.execute(statement, rows)
        return len(rows)

    def products(self, seller_id: str, skus: Iterable[str]) -> dict[str, dict[str, Any]]:
        """What is known of these SKUs; the unknown are missing from the answer."""
        with self._store.reading() as connection:
            rows = connection.execute(_PRODUCTS, given(seller_id=seller_id, sku=list(skus)))
            return {row.sku: row.data for row in rows}

    def all_products(self, seller_id: str) -> Sequence[Row[Any]]:
        """What is known of every SKU of a seller, by SKU: sku, data, updated_at."""
        with self._store.reading() as connection:
            return connection.execute(
                select(PRODUCT.c.sku, PRODUCT.c.data, PRODUCT.c.updated_at)
                .where(PRODUCT.c.seller_id == seller_id)
                .order_by(PRODUCT.c.sku)
            ).all()

    def remove_products(self, seller_id: str, skus: Iterable[str]) -> list[str]:
        """Forget SKUs, all or none; returns those that were not known, and then nothing is removed."""
        wanted = set(skus)
        held = PRODUCT.c.seller_id == seller_id
        with self._store.writing() as connection:
            known = connection.execute(select(PRODUCT.c.sku).where(held, PRODUCT.c.sku.in_(wanted))).scalars().all()
            if len(known) == len(wanted):
                connection.execute(delete(PRODUCT).where(held, PRODUCT.c.sku.in_(wanted)))
        return sorted(wanted.difference(known))
