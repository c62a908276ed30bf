"""A copy of the SQLite database while it is in use, whole and proven so; PostgreSQL has its own tools.

It holds what is sealed as it is sealed: without the encryption key nobody reads it, we neither.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from workflow.errors import Invalid, Misconfigured
from workflow.store import SQLITE_BUSY_TIMEOUT, Store

#: Pages that are copied at once; writers get on in between.
_PAGES = 1000


def write(store: Store, path: Path) -> int:
    """Copy the database into a new file that only its owner may read; its size in bytes.

    Raise Misconfigured where the database is no file, Invalid where the file exists, or the copy is not whole.
    """
    name = store.engine.url.database
    if store.engine.dialect.name != "sqlite" or not name:
        raise Misconfigured(
            "not-sqlite", 'this database is a PostgreSQL: pg_dump --format=custom --file=FILE "$NFE_DATABASE_URL"'
        )
    if path.exists():
        raise Invalid("file-exists", f"{path} is there already; give a new name")
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        _copy(name, draft)
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        # Unlike a rename, this overwrites nothing that came meanwhile.
        path.hardlink_to(draft)
    finally:
        draft.unlink(missing_ok=True)
    return path.stat().st_size


def _copy(source: str, target: Path) -> None:
    with (
        closing(sqlite3.connect(source, timeout=SQLITE_BUSY_TIMEOUT)) as database,
        closing(sqlite3.connect(target)) as copy,
    ):
        try:
            database.backup(copy, pages=_PAGES, sleep=0.01)
            # Alone as it is, it needs no files beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
            found = str(copy.execute("PRAGMA integrity_check").fetchone()[0])
        except sqlite3.DatabaseError as error:
            found = str(error)
    if found != "ok":
        raise Invalid("damaged-data", f"the copy is not whole: {found}; the database itself may be damaged")
