"""The database's shape, step by step (alembic). The newest step's name is `HEAD`.

Steps are taken while programs of the version before are at work: each only adds (`tests/unit/test_migrations.py` reads
them), and none keeps a table from its writers for longer than `LOCK_TIMEOUT`. A step that takes something away begins
the next generation: its name's first digit is another, and older programs stop at it.
"""

import time

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import OperationalError

from workflow.errors import Misconfigured

#: What `alembic_version` must hold for this version of the code, at the least.
HEAD = "0010"
#: Any number, the same in all processes: one migrates, the others wait (PostgreSQL's advisory lock).
LOCK = 5_500_400
#: How long a step waits for a table that somebody holds, and with it everybody behind it; then it lets them go first.
LOCK_TIMEOUT = "1s"
#: Seconds between two tries of a step, and until a person must see who holds the table.
PAUSE, PATIENCE = 1.0, 300.0
#: What PostgreSQL says where a lock did not come in time, and to one of two who wait for each other.
_NOT_NOW = ("55P03", "40P01")


def upgrade(engine: Engine, to: str = HEAD) -> None:
    """Bring the database to HEAD while it is used; safe from several processes at once, and with nothing to do.

    Raises Misconfigured('database-busy') where somebody holds a table for minutes.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            try:
                _wait_for_our_turn(connection)
                _upgrade_server(connection, to)
            finally:
                connection.invalidate()  # the session ends, and with it its lock and its settings
            return
        with connection.begin():
            if not is_later(revision(connection)):
                _run(connection, to)


def _wait_for_our_turn(connection: Connection) -> None:
    """Take the lock; by asking again and again, since an index is not finished while any statement waits."""
    while True:
        with connection.begin():
            if connection.execute(text("SELECT pg_try_advisory_lock(:lock)"), {"lock": LOCK}).scalar_one():
                return
        time.sleep(PAUSE / 5)


def _upgrade_server(connection: Connection, to: str) -> None:
    """A new database in one transaction, one that is used step by step, each again where its tables were held."""
    with connection.begin():
        found = revision(connection)
        if found is None:
            _run(connection, to)
    deadline = time.monotonic() + PATIENCE
    while found is not None and not is_later(found):
        try:
            _run_online(connection, to)
            return
        except OperationalError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) not in _NOT_NOW:
                raise
            if time.monotonic() > deadline:
                message = f"somebody has held a table for {PATIENCE:.0f} s; end that session, then: nfe migrate"
                raise Misconfigured("database-busy", message) from error
        time.sleep(PAUSE)


def _run_online(connection: Connection, to: str) -> None:
    with connection.begin():
        connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    _run(connection, to, online=True)


def _run(connection: Connection, to: str, *, online: bool = False) -> None:
    """Take the steps that are left: in the transaction that is open, or `online`, each in one of its own."""
    from alembic.command import upgrade as _upgrade  # a tenth of a second, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "workflow:migrations")
    config.attributes.update(connection=connection, online=online)
    _upgrade(config, to)


def revision(connection: Connection) -> str | None:
    """The database's step, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def is_later(found: str | None) -> bool:
    """Whether a later version of the program has brought the database there.

    >>> is_later("9001"), is_later("0001"), is_later(None)
    (True, False, False)
    """
    return found is not None and found > HEAD


def suits(found: str | None) -> bool:
    """Whether this program can work with a database at that step: its own, or a later one that only added.

    >>> suits(HEAD), suits("0999"), suits("1001"), suits("0001"), suits(None)
    (True, True, False, False, False)
    """
    return found == HEAD or (is_later(found) and found is not None and found[0] == HEAD[0])
