"""Which UF's SVC stands in for it, as the SVC last said; kept in Redis for all workers, for a short time only."""

import time
from datetime import datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError

#: How long the SVC's answer counts for the notes that are made next.
HOLDS_FOR = timedelta(minutes=10)
#: How long a process goes by what it last read, in seconds: each note asks.
FRESH = 1.0


class Standby:
    """The SVCs in force, by UF and tpAmb. Without Redis none is: the ordinary way is never wrong."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._read: dict[str, tuple[bytes | None, float]] = {}

    def get(self, uf: str, tpAmb: int) -> tuple[int, datetime] | None:
        """tpEmis of the SVC that stands in, and since when; None where none does."""
        kept, at = self._read.get(_key(uf, tpAmb), (None, -FRESH))
        if time.monotonic() - at >= FRESH:
            kept = self._ask(_key(uf, tpAmb))
        if kept is None:
            return None
        tpEmis, since = kept.decode().split(" ", 1)
        return int(tpEmis), datetime.fromisoformat(since)

    def _ask(self, key: str) -> bytes | None:
        try:
            found = self._redis.get(key)
        except RedisError:
            found = None
        kept = found if isinstance(found, bytes) else None
        self._read[key] = kept, time.monotonic()
        return kept

    def put(self, uf: str, tpAmb: int, tpEmis: int, since: datetime) -> bool:
        """Keep what the SVC said; False when it could not be kept."""
        self._read.clear()
        try:
            return bool(self._redis.set(_key(uf, tpAmb), f"{tpEmis} {since.isoformat()}", ex=HOLDS_FOR))
        except RedisError:
            return False

    def drop(self, uf: str, tpAmb: int) -> None:
        """The SVC stands in no longer; without Redis its answer soon counts no more anyway."""
        self._read.clear()
        try:
            self._redis.delete(_key(uf, tpAmb))
        except RedisError:
            return


def _key(uf: str, tpAmb: int) -> str:
    return f"nfe:svc:{uf}:{tpAmb}"
