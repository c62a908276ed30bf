"""Which key sealed what, since when each is in use, and how what older keys sealed is sealed anew.

A key is called by the id that `workflow.crypto` writes before all that it seals. Its age counts from the first start of
any part with it as the newest (`encryption_key`), since neither a variable nor a key service tells when it was made.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, LargeBinary, bindparam, func, literal_column, select, update

from workflow.crypto import HEAD, VERSION
from workflow.errors import Misconfigured, NfeError
from workflow.models import CustomerInvoice as Invoice
from workflow.models import EncryptionKey, InstallationSecret, Seller, VendorConnector, Voiding, table
from workflow.store import DOCUMENT, Store

KEY = table(EncryptionKey)
#: Rows of one transaction: short enough that no worker waits long for SQLite's only writer.
BATCH = 200
#: What the rows of older versions are counted under: their tokens do not tell the key.
OLDER_VERSION = "older version"

Tell = Callable[[int], None]


class Sealed(NamedTuple):
    """A column of sealed bytes; `place` are the columns that `workflow.crypto` binds it to, beside the table."""

    table: Any
    column: str
    place: tuple[str, ...]

    @property
    def keys(self) -> list[Any]:
        """The primary key's columns."""
        return list(self.table.primary_key.columns)

    @property
    def sealed_with(self) -> ColumnElement[bytes]:
        """Version and key id, in the words of the index where there is one (`models.SEALED_WITH`)."""
        return literal_column(f"substr({self.column}, 1, {HEAD})", LargeBinary())


SEALED = (
    Sealed(DOCUMENT, "sealed", ("shipment_id", "kind")),
    Sealed(table(Invoice), "sealed", ("connector", "purchase_order_number", "sha256")),
    Sealed(table(Seller), "sealed_secrets", ("id",)),
    Sealed(table(VendorConnector), "sealed_secrets", ("name",)),
    Sealed(table(InstallationSecret), "sealed", ("name",)),
    *(Sealed(table(Voiding), f"sealed_{name}", ("id",)) for name in ("request", "answer", "proof")),
)


class Resealed(NamedTuple):
    """How many fields were sealed anew, and the mistakes of those that did not open, as `table: mistake`."""

    done: int
    failed: Counter[str]


def enter(store: Store) -> None:
    """Note the newest key; raise Misconfigured where none of ours is one of those that sealed what is here."""
    vault = store.vault
    with store.reading() as connection:
        known = set(connection.execute(select(KEY.c.id)).scalars())
    if vault.ids[0] in known:
        return
    if known and known.isdisjoint(vault.ids):
        raise Misconfigured(
            "wrong-encryption-key",
            f"this database was sealed with key {', '.join(sorted(known))}; put it behind the new one in "
            "NFE_ENCRYPTION_KEY, or its file back",
        )
    with store.writing() as connection:
        new = store.insert(KEY).values(id=vault.ids[0], first_used_at=store.now())
        connection.execute(new.on_conflict_do_nothing())


def since(store: Store) -> dict[str, datetime]:
    """From when on each key has been in use, by its id."""
    with store.reading() as connection:
        return {row.id: row.first_used_at for row in connection.execute(select(KEY.c.id, KEY.c.first_used_at))}


def older(store: Store) -> int:
    """How many fields another key than the newest sealed."""
    with store.reading() as connection:
        return sum(_older(connection, where, store.vault.head) for where in SEALED)


def by_key(store: Store) -> Counter[str]:
    """How many fields each key sealed, by its id."""
    found: Counter[str] = Counter()
    with store.reading() as connection:
        for where in SEALED:
            head = where.sealed_with
            counted = select(head, func.count()).select_from(where.table).where(head > b"").group_by(head)
            for start, count in connection.execute(counted):
                found[_id(bytes(start))] += count
    return found


def reseal(store: Store, *, tell: Tell = lambda count: None) -> Resealed:
    """Seal anew, with the newest key, all that another one sealed.

    Workers may go on: a row that changes meanwhile is left as it is. Each batch is one transaction: whoever is killed
    runs it again.
    """
    done, failed = 0, Counter[str]()
    for where in SEALED:
        skipped = 0
        # What does not open stays at its place among the older ones, and is stepped over.
        while rows := _batch(store, where, skipped):
            fresh, mistakes = _sealed_anew(store, where, rows)
            _write(store, where, fresh)
            tell(len(rows))
            done, skipped = done + len(fresh), skipped + mistakes.total()
            failed += mistakes
    return Resealed(done, failed)


def _id(start: bytes) -> str:
    return start[len(VERSION) :].hex() if start.startswith(VERSION) and len(start) == HEAD else OLDER_VERSION


def _is_older(where: Sealed, newest: bytes) -> list[ColumnElement[bool]]:
    """Two ranges of the index: a plain "is not" would read all of it."""
    head = where.sealed_with
    return [(head > b"") & (head < newest), head > newest]


def _older(connection: Connection, where: Sealed, newest: bytes) -> int:
    count = select(func.count()).select_from(where.table)
    return sum(connection.execute(count.where(part)).scalar_one() for part in _is_older(where, newest))


def _batch(store: Store, where: Sealed, skipped: int) -> Sequence[Any]:
    below, above = _is_older(where, store.vault.head)
    wanted = select(*where.table.c).where(below | above).limit(BATCH).offset(skipped)
    with store.reading() as connection:
        return connection.execute(wanted).mappings().all()


def _sealed_anew(store: Store, where: Sealed, rows: Sequence[Any]) -> tuple[list[dict[str, Any]], Counter[str]]:
    """What to write in the place of what, by the primary key; and what did not open."""
    fresh, mistakes = [], Counter[str]()
    for row in rows:
        place = (where.table.name, *(row[name] for name in where.place))
        try:
            plain = store.vault.open(row[where.column], *place)
        except NfeError as error:
            mistakes[f"{where.table.name}: {error}"] += 1
            continue
        keys = {f"key_{column.name}": row[column.name] for column in where.keys}
        fresh.append(keys | {"old": row[where.column], "new": store.vault.seal(plain, *place)})
    return fresh, mistakes


def _write(store: Store, where: Sealed, fresh: list[dict[str, Any]]) -> None:
    if not fresh:
        return
    is_row = [column == bindparam(f"key_{column.name}") for column in where.keys]
    unchanged = where.table.c[where.column] == bindparam("old")
    statement = update(where.table).where(*is_row, unchanged).values({where.column: bindparam("new")})
    with store.writing() as connection:
        connection.execute(statement, fresh)
