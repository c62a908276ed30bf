"""The alerts that go on, in the database: what was told of each, and what is to be told.

An alert is told at least once: who tells it takes it first, for a while, and says afterwards how that went. Its end is
told when it has been gone for some minutes, so that what comes and goes is told once.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, or_, select, update

from workflow.conditions import Condition
from workflow.models import Alert, table
from workflow.store import Store

ALERT = table(Alert)

#: From its last appearance until an alert is over.
SETTLED = timedelta(minutes=5)
#: From the last telling until it is told that it has grown.
GROWN_AFTER = timedelta(hours=1)
#: How long whoever tells has for it; longer than a few messages take.
LEASE = timedelta(minutes=2)


class AlertBook:
    """Questions about alerts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rows(self) -> Sequence[Row[Any]]:
        """All that go on or have just ended, the first to begin first."""
        with self._store.reading() as connection:
            return connection.execute(select(*ALERT.c).order_by(ALERT.c.since, ALERT.c.key)).all()

    def see(self, found: Sequence[Condition], *, kinds: Collection[str], again: timedelta) -> None:
        """Record what there is; what is missing of the kinds that were looked for ends."""
        if not found and not self.rows():
            return
        with self._store.writing() as connection:
            now = self._store.now()
            known = {row.key: row for row in connection.execute(select(*ALERT.c).with_for_update())}
            for condition in found:
                row = known.pop(condition.key, None)
                if row is None:
                    self._begin(connection, condition, now)
                else:
                    _keep(connection, row, _seen(row, condition, now, again))
            for row in known.values():
                if row.kind in kinds:
                    _miss(connection, row, now)

    def take(self, *, limit: int) -> Sequence[Row[Any]]:
        """What is to be told now, ours for `LEASE`."""
        now = self._store.now()
        free = or_(ALERT.c.lease_until.is_(None), ALERT.c.lease_until <= now)
        due = select(ALERT.c.key).where(ALERT.c.due_at <= now, free).order_by(ALERT.c.due_at).limit(limit)
        statement = (
            update(ALERT)
            .where(ALERT.c.key.in_(due), free)
            .values(lease=uuid4().hex, lease_until=now + LEASE)
            .returning(*ALERT.c)
        )
        with self._store.reading() as connection:
            if not connection.execute(due).all():
                return []
        with self._store.writing() as connection:
            return sorted(connection.execute(statement).all(), key=lambda row: row.since)

    def told(self, row: Row[Any]) -> None:
        """It was told: its end ends it, otherwise it is quiet until there is more to tell."""
        mine, is_over = (ALERT.c.key == row.key) & (ALERT.c.lease == row.lease), row.quiet_since is not None
        values: dict[str, Any] = {"told_size": row.size, "told_at": self._store.now(), "tries": 0}
        # Should it have come back while its end was told, it is told anew.
        values |= {"told_level": None if is_over else row.level, "due_at": None, "lease": None, "lease_until": None}
        with self._store.writing() as connection:
            if is_over:
                connection.execute(delete(ALERT).where(mine, ALERT.c.quiet_since.is_not(None)))
            connection.execute(update(ALERT).where(mine).values(values))

    def postpone(self, row: Row[Any], wait: timedelta) -> None:
        """It could not be told; again after `wait`."""
        mine = (ALERT.c.key == row.key) & (ALERT.c.lease == row.lease)
        due = self._store.now() + wait
        with self._store.writing() as connection:
            connection.execute(
                update(ALERT).where(mine).values(due_at=due, tries=row.tries + 1, lease=None, lease_until=None)
            )

    def let_go(self, row: Row[Any]) -> None:
        """It was taken and is not told now: the next look takes it again."""
        with self._store.writing() as connection:
            connection.execute(
                update(ALERT).where(ALERT.c.key == row.key, ALERT.c.lease == row.lease).values(lease_until=None)
            )

    def _begin(self, connection: Connection, condition: Condition, now: datetime) -> None:
        values = {"key": condition.key, "kind": condition.kind, "since": now, "due_at": now + condition.grace}
        connection.execute(
            self._store.insert(ALERT)
            .values(**values, **_facts(condition), told_size=0, tries=0)
            .on_conflict_do_nothing()
        )


def _seen(row: Row[Any], condition: Condition, now: datetime, again: timedelta) -> dict[str, Any]:
    """What changes of an alert that is still there."""
    values: dict[str, Any] = {**_facts(condition), "quiet_since": None}
    if row.told_at is None:
        return values
    has_grown = condition.size > row.told_size and now - row.told_at >= GROWN_AFTER
    if condition.level != row.told_level or has_grown or now - row.told_at >= again:
        return values | {"due_at": row.due_at or now}
    # Back before its end was told.
    return values | ({"due_at": None} if row.quiet_since is not None else {})


def _miss(connection: Connection, row: Row[Any], now: datetime) -> None:
    """It is not there: over in a while, or at once where nobody was told of it."""
    if row.told_at is None and row.tries == 0:
        connection.execute(delete(ALERT).where(ALERT.c.key == row.key, ALERT.c.lease.is_(None)))
    else:
        since = row.quiet_since or now
        due = row.due_at if row.quiet_since is not None and row.due_at is not None else since + SETTLED
        _keep(connection, row, {"quiet_since": since, "due_at": due})


def _keep(connection: Connection, row: Row[Any], values: dict[str, Any]) -> None:
    changed = {name: value for name, value in values.items() if row._mapping[name] != value}
    if changed:
        connection.execute(update(ALERT).where(ALERT.c.key == row.key).values(changed))


def _facts(condition: Condition) -> dict[str, Any]:
    told = {"text": condition.text, "severity": str(condition.severity), **condition.facts}
    return {"level": condition.level, "size": condition.size, "facts": told}
