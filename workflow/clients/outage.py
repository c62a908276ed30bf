"""That the database is away, where the database cannot keep it: in Redis, or while that is away too in this process."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError

_KEY = "nfe:outage:database"
#: Longer than an outage that nobody ends.
REMEMBERED = timedelta(days=30)


class Outage(NamedTuple):
    """Since when it is away, and whether somebody was told."""

    since: datetime
    is_told: bool


class Outages:
    """The outage that goes on, if any."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._own: Outage | None = None

    def get(self) -> Outage | None:
        """What is known of it."""
        try:
            kept = self._redis.get(_KEY)
        except RedisError:
            return self._own
        if not isinstance(kept, bytes):
            return self._own
        told, since = kept.decode().split(" ", 1)
        return Outage(datetime.fromisoformat(since), told == "told")

    def keep(self, outage: Outage) -> None:
        """Remember it."""
        self._own = outage
        text = f"{'told' if outage.is_told else 'seen'} {outage.since.astimezone(UTC).isoformat()}"
        try:
            self._redis.set(_KEY, text, ex=REMEMBERED)
        except RedisError:
            return

    def forget(self) -> None:
        """It is over, and that was told where it was to be."""
        self._own = None
        try:
            self._redis.delete(_KEY)
        except RedisError:
            return
