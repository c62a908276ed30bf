"""This process's installation: its settings, and its database at this version's revision."""

import getpass
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.exc import DBAPIError

from workflow import key_book, migrations, settings
from workflow.errors import Away, Misconfigured
from workflow.logs import logger
from workflow.store import is_away
from workflow.tools import Tools

log = logger(__name__)

#: Seconds between two looks for what is away: the first, doubled each time, and the longest.
FIRST_LOOK, LONGEST_LOOK = 0.5, 5.0

Found = TypeVar("Found")


def ready() -> Tools:
    """Its tools; the embedded database is made on first use, another one must be migrated by a person."""
    tools = Tools(settings.current())
    if not tools.settings.database_url:
        tools.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        _see_to_the_database(tools)
    except DBAPIError as error:
        kind = Away if is_away(tools.store.engine, error) else Misconfigured
        raise kind("database-unavailable", told(error)) from error
    return tools


def _see_to_the_database(tools: Tools) -> None:
    with tools.store.reading() as connection:
        found = migrations.revision(connection)
    if migrations.is_later(found) and not migrations.suits(found):
        message = f"the database is at {found}, of a later version than this one ({migrations.HEAD}); install that one"
        raise Misconfigured("database-newer", message)
    if not migrations.suits(found):
        if tools.settings.database_url:
            raise Away(
                "database-revision",
                f"the database is at {found}, this version needs {migrations.HEAD}; run: nfe migrate",
            )
        migrations.upgrade(tools.store.engine)
    key_book.enter(tools.store)
    _ = tools.provenance  # its secret is to be in the first backup


def told(error: DBAPIError) -> str:
    """One line of what the database or its driver says, and where to look."""
    said = (str(error.orig).strip().splitlines() or ["no answer"])[0][:200]
    return f"{said}; see NFE_DATABASE_URL, then: nfe doctor"


def patiently(begin: Callable[[], Found]) -> Found:
    """What a part begins with: what is away is waited for, however long, and told once. SIGTERM ends it at once."""
    heard: set[str] = set()
    begun, wait = time.monotonic(), FIRST_LOOK
    with _ending_at_once():
        while True:
            try:
                found = begin()
            except Away as error:
                if error.message not in heard:
                    log.warning("waiting", code=error.code, reason=error.message)
                heard.add(error.message)
                time.sleep(wait)
                wait = min(wait * 2, LONGEST_LOOK)
            else:
                if heard:
                    log.info("nothing is away any more", seconds=round(time.monotonic() - begun, 1))
                return found


@contextmanager
def _ending_at_once() -> Iterator[None]:
    """Also as the first process of a container, which Linux spares the signals that it does not handle."""
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def me() -> str:
    """Who gives an order, for the history."""
    return getpass.getuser()
