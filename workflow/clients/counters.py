"""What all processes have counted together, and who gave a sign of life: in Redis, because processes come and go.

Counts only grow. Where Redis loses them they begin at nought, which Prometheus takes for a restart. An addition whose
answer was lost is made again: a count may be a few too high, never too low while Redis keeps what it holds.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError

#: The braces keep them on one node of a cluster.
_COUNTS, _ALIVE = "nfe:{counters}:counts", "nfe:{counters}:alive"
#: How long a sign of life is known; older is unknown.
REMEMBERED = timedelta(days=1)
#: From a process's last sign of life until it counts for dead: some intervals of `tasks/counts.py`.
DEAD_AFTER = timedelta(seconds=30)

#: The sign of a sweep that is done.
SWEPT = "swept"

#: KEYS: the counts, who lives. ARGV: a process, after how many seconds one is dead, then keys and increments in turn.
_ADD = """
local now = redis.call('TIME')[1]
redis.call('ZADD', KEYS[2], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2])
for i = 3, #ARGV, 2 do redis.call('HINCRBY', KEYS[1], ARGV[i], ARGV[i + 1]) end
"""


class Counted(NamedTuple):
    """All counts by key, and how many processes have just counted."""

    counts: Mapping[str, int]
    processes: int


class Counters:
    """The counts of whoever shares this Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add = redis.register_script(_ADD)

    def add(self, increments: Mapping[str, int], *, process: str) -> bool:
        """Add them up, and sign as alive; False where Redis did not answer."""
        pairs = [part for pair in increments.items() for part in pair]
        try:
            self._add(keys=[_COUNTS, _ALIVE], args=[process, int(DEAD_AFTER.total_seconds()), *pairs])
        except RedisError:
            return False
        return True

    def read(self) -> Counted:
        """What there is; raise RedisError."""
        with self._redis.pipeline(transaction=False) as asked:
            asked.time()
            asked.hgetall(_COUNTS)
            asked.zrange(_ALIVE, 0, -1, withscores=True)
            clock, counts, alive = asked.execute()
        since = clock[0] - DEAD_AFTER.total_seconds()
        processes = sum(at >= since for _, at in alive)
        return Counted({field.decode(): int(count) for field, count in counts.items()}, processes)

    def sign(self, what: str) -> None:
        """Say that something has just happened; a Redis that is away hears of it the next time."""
        try:
            self._redis.set(_sign(what), "1", ex=REMEMBERED)
        except RedisError:
            return

    def silence(self, what: str) -> timedelta | None:
        """How long ago it last happened, on Redis' clock; None where nobody knows. Raise RedisError."""
        left = self._redis.pttl(_sign(what))
        return REMEMBERED - timedelta(milliseconds=int(left)) if int(left) >= 0 else None


def _sign(what: str) -> str:
    return f"nfe:sign:{what}"
