"""Vendors' connectors, their customer invoices, and how far each list has been read; beside the store's shipments.

A page's invoices and the progress they mean are one transaction, so that whoever is killed loses nothing and asks for
nothing twice but the page it was at. The connector's row is locked meanwhile: versions are counted one at a time.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, case, delete, func, insert, select, update

from workflow.models import CustomerInvoice, VendorConnector, VendorWindow, table
from workflow.store import Store

CONNECTOR, INVOICE, WINDOW = table(VendorConnector), table(CustomerInvoice), table(VendorWindow)

#: All of an invoice but its content.
FACTS = tuple(column for column in INVOICE.c if column.name != "sealed")


class Window(NamedTuple):
    """A part of a list that one question may cover; `party` is empty for all warehouses."""

    connector: str
    party: str
    created_after: datetime
    created_before: datetime


class Progress(NamedTuple):
    """How far a window has been read: the token of the page to ask for next, or that there is none."""

    next_token: str | None
    done: bool


class File(NamedTuple):
    """An invoice as it is to be kept: its content, what it is, and why it is no file, where it is none."""

    purchase_order_number: str
    content: bytes
    media_type: str
    problem: str | None = None

    @property
    def sha256(self) -> str:
        """The content's digest in hex."""
        return hashlib.sha256(self.content).hexdigest()


class Kept(NamedTuple):
    """What became of some files: new numbers, other content for a known number, seen before."""

    new: int = 0
    changed: int = 0
    same: int = 0


class Vendors:
    """Questions about vendors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def now(self) -> datetime:
        """The database's time."""
        return self._store.now()

    # -- connectors -----------------------------------------------------------------------------------------

    def put_connector(self, name: str, *, base_url: str, ship_from_party_id: str | None, secrets: bytes) -> None:
        """Add a connector, or replace what is known of it."""
        now = self._store.now()
        changed = {
            "base_url": base_url, "ship_from_party_id": ship_from_party_id,
            "sealed_secrets": self._store.vault.seal(secrets, "vendor_connector", name), "updated_at": now,
        }  # fmt: skip
        with self._store.writing() as connection:
            connection.execute(
                self._store.insert(CONNECTOR)
                .values(changed | {"name": name, "created_at": now})
                .on_conflict_do_update(index_elements=["name"], set_=changed)
            )

    def connector(self, name: str) -> Row[Any] | None:
        """A connector's row; its secrets stay sealed."""
        with self._store.reading() as connection:
            return connection.execute(select(*CONNECTOR.c).where(CONNECTOR.c.name == name)).one_or_none()

    def connectors(self) -> Sequence[Any]:
        """All connectors by name, each with `read_until`, the end of its last finished window, and `open_windows`."""
        row = WINDOW.c
        until = func.max(case((row.done, row.created_before)))
        still = func.count(case((row.done.is_(False), 1)))
        with self._store.reading() as connection:
            return connection.execute(
                select(*CONNECTOR.c, until.label("read_until"), still.label("open_windows"))
                .outerjoin_from(CONNECTOR, WINDOW, row.connector == CONNECTOR.c.name)
                .group_by(*CONNECTOR.c)
                .order_by(CONNECTOR.c.name)
            ).all()

    def take(self, name: str, *, lease: timedelta) -> bool:
        """Begin a scheduled pull; False when another one has the connector."""
        now, until = self._store.now(), CONNECTOR.c.pulling_until
        return self._lease((CONNECTOR.c.name == name) & (until.is_(None) | (until <= now)), now + lease)

    def hold(self, name: str, *, lease: timedelta) -> None:
        """Keep a scheduled pull's connector for longer."""
        self._lease(CONNECTOR.c.name == name, self._store.now() + lease)

    def release(self, name: str) -> None:
        """End a scheduled pull."""
        self._lease(CONNECTOR.c.name == name, None)

    def _lease(self, which: ColumnElement[bool], until: datetime | None) -> bool:
        with self._store.writing() as connection:
            return bool(connection.execute(update(CONNECTOR).where(which).values(pulling_until=until)).rowcount)

    # -- windows --------------------------------------------------------------------------------------------

    def read_until(self, name: str, party: str) -> datetime | None:
        """The end of the last finished window."""
        with self._store.reading() as connection:
            last: datetime | None = connection.execute(
                select(func.max(WINDOW.c.created_before)).where(_of(name, party), WINDOW.c.done)
            ).scalar_one()
        return last

    def unfinished(self, name: str, party: str, *, since: datetime) -> list[Window]:
        """Windows that a pull began and did not end, oldest first, but those before `since`."""
        row = WINDOW.c
        with self._store.reading() as connection:
            rows = connection.execute(
                select(row.created_after, row.created_before)
                .where(_of(name, party), row.done.is_(False), row.created_after >= since)
                .order_by(row.created_after, row.created_before)
            )
            return [Window(name, party, *found) for found in rows]

    def begin(self, windows: Sequence[Window], *, page_size: int, sort_order: str) -> dict[Window, Progress]:
        """The windows' progress: where an earlier pull of them all had ended, they begin anew; else they go on.

        A next token of another page size or sort order is forgotten.
        """
        now = self._store.now()
        with self._store.writing() as connection:
            found = {window: _row(connection, window) for window in windows}
            over = all(row is not None and row.done for row in found.values())
            for window, row in found.items():
                if row is not None and (over or (row.page_size, row.sort_order) != (page_size, sort_order)):
                    connection.execute(delete(WINDOW).where(_is(window), WINDOW.c.done.is_(over)))
                connection.execute(
                    self._store.insert(WINDOW)
                    .values(
                        **window._asdict(), page_size=page_size, sort_order=sort_order,
                        pages=0, done=False, updated_at=now,
                    )
                    .on_conflict_do_nothing()
                )  # fmt: skip
            return {window: self._progress(connection, window) for window in windows}

    def rewind(self, window: Window) -> None:
        """Forget the next token: Amazon takes it no more."""
        with self._store.writing() as connection:
            connection.execute(update(WINDOW).where(_is(window)).values(next_token=None))

    def keep_page(
        self, window: Window, files: Iterable[File], *, asked: str | None, next_token: str | None
    ) -> tuple[Kept, Progress]:
        """Keep a page and what it means for its window, in one transaction; the window's progress from now on.

        When another pull has read that page meanwhile, its progress stands.
        """
        now = self._store.now()
        step = (
            update(WINDOW)
            .where(_is(window), WINDOW.c.next_token.is_not_distinct_from(asked), WINDOW.c.done.is_(False))
            .values(next_token=next_token, done=next_token is None, pages=WINDOW.c.pages + 1, updated_at=now)
        )
        with self._store.writing() as connection:
            kept = self._keep(connection, window.connector, files, now)
            connection.execute(step)
            return kept, self._progress(connection, window)

    def _progress(self, connection: Connection, window: Window) -> Progress:
        row = _row(connection, window)
        return Progress(None, True) if row is None else Progress(row.next_token, row.done)

    # -- invoices -------------------------------------------------------------------------------------------

    def keep(self, connector: str, files: Iterable[File]) -> Kept:
        """Keep files that came outside a list."""
        with self._store.writing() as connection:
            return self._keep(connection, connector, files, self._store.now())

    def _keep(self, connection: Connection, connector: str, files: Iterable[File], now: datetime) -> Kept:
        connection.execute(select(CONNECTOR.c.name).where(CONNECTOR.c.name == connector).with_for_update())
        new = changed = same = 0
        for file in files:
            row = INVOICE.c
            known = (row.connector == connector) & (row.purchase_order_number == file.purchase_order_number)
            if self._see_again(connection, connector, file, now):
                same += 1
                continue
            last = connection.execute(select(func.max(row.version)).where(known)).scalar_one() or 0
            connection.execute(
                insert(INVOICE).values(
                    connector=connector, purchase_order_number=file.purchase_order_number, sha256=file.sha256,
                    version=last + 1, sealed=self._seal(connector, file), media_type=file.media_type,
                    size=len(file.content), problem=file.problem, fetched_at=now, seen_at=now,
                )
            )  # fmt: skip
            new, changed = new + (last == 0), changed + (last > 0)
        return Kept(new, changed, same)

    def _see_again(self, connection: Connection, connector: str, file: File, now: datetime) -> bool:
        """Note that Amazon gave this content once more; where it was purged, keep it anew. False: never seen."""
        row = INVOICE.c
        which = (
            (row.connector == connector)
            & (row.purchase_order_number == file.purchase_order_number)
            & (row.sha256 == file.sha256)
        )
        seen = connection.execute(update(INVOICE).where(which).values(seen_at=now).returning(INVOICE.c.purged_at))
        purged = [row.purged_at for row in seen]
        if any(purged):
            content = {"sealed": self._seal(connector, file), "fetched_at": now, "purged_at": None}
            connection.execute(update(INVOICE).where(which).values(content))
        return bool(purged)

    def _seal(self, connector: str, file: File) -> bytes:
        row = (connector, file.purchase_order_number, file.sha256)
        return self._store.vault.seal(file.content, "customer_invoice", *row)

    def purged_at(self, connector: str, purchase_order_number: str) -> datetime | None:
        """When the content that Amazon last gave for an order was removed; None when it was not."""
        found = self._newest(connector, purchase_order_number)
        return None if found is None else found.purged_at

    def file(self, connector: str, purchase_order_number: str) -> File | None:
        """What Amazon last gave for an order, opened; None when that was no file, was purged, or nothing was given."""
        found = self._newest(connector, purchase_order_number)
        if found is None or found.problem is not None or found.purged_at is not None:
            return None
        row = (connector, purchase_order_number, found.sha256)
        content = self._store.vault.open(found.sealed, "customer_invoice", *row)
        return File(purchase_order_number, content, found.media_type)

    def _newest(self, connector: str, purchase_order_number: str) -> Row[*tuple[Any, ...]] | None:
        row = INVOICE.c
        statement = (
            select(row.sealed, row.sha256, row.media_type, row.problem, row.purged_at)
            .where(row.connector == connector, row.purchase_order_number == purchase_order_number)
            .order_by(row.seen_at.desc(), row.version.desc())
            .limit(1)
        )
        with self._store.reading() as connection:
            return connection.execute(statement).one_or_none()

    def invoices(self, *, connector: str | None = None, limit: int | None = None) -> Sequence[Any]:
        """All that is known of the invoices but their content, newest first."""
        row = INVOICE.c
        wanted = [] if connector is None else [row.connector == connector]
        newest = (row.fetched_at.desc(), row.connector, row.purchase_order_number, row.version.desc())
        with self._store.reading() as connection:
            return connection.execute(select(*FACTS).where(*wanted).order_by(*newest).limit(limit)).all()


def _of(name: str, party: str) -> ColumnElement[bool]:
    which: ColumnElement[bool] = (WINDOW.c.connector == name) & (WINDOW.c.party == party)
    return which


def _is(window: Window) -> ColumnElement[bool]:
    row = WINDOW.c
    which: ColumnElement[bool] = (
        _of(window.connector, window.party)
        & (row.created_after == window.created_after)
        & (row.created_before == window.created_before)
    )
    return which


def _row(connection: Connection, window: Window) -> Row[Any] | None:
    return connection.execute(select(*WINDOW.c).where(_is(window))).one_or_none()
