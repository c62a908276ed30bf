"""When may I: one token bucket per application, seller and operation, in Redis, shared by all workers.

The algorithm is GCRA on Redis' clock, one atomic script. Who is refused is given a slot of their own in the future and
comes back for it, so 10,000 waiting shipments cost two questions each and are served in the order they asked.

Why not a library: throttled-py's GCRA grants as exactly, but it refuses without reserving (measured: six times the
calls), cannot be emptied when Amazon answers 429 all the same, nor take a new rate from a header; that is most of
what is below.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from redis import Redis
from redis.exceptions import RedisError

from workflow.errors import RetryLater

#: What both scripts begin with. KEYS: when the bucket is full again (µs) with the interval it was reckoned by, the
#: reserved slots, the learnt rate. ARGV: µs between permits, bucket size. A new rate keeps the permits there are, and
#: takes the reserved slots back: they were given at the old pace.
_OPEN = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local learnt = redis.call('GET', KEYS[3])
if learnt then interval = 1000000 / tonumber(learnt) end
local full = now
local kept = redis.call('GET', KEYS[1])
if kept then
  local moment, pace = string.match(kept, '([^ ]+) ([^ ]+)')
  full, pace = math.max(tonumber(moment), now), tonumber(pace)
  if math.abs(pace - interval) > 0.001 * interval then
    full = now + math.min((full - now) / pace, burst) * interval
    redis.call('DEL', KEYS[2])
  end
end
local function keep()
  local value = string.format('%.0f %.3f', full, interval)
  redis.call('SET', KEYS[1], value, 'PX', math.ceil((full - now) / 1000) + 60000)
end
"""

#: Further KEYS: the version of the asker's seller that the slots were given to. Further ARGV: who asks, for how many
#: permits' time an unused slot holds, the version, by how many permits' time a slot is late. A later version keeps the
#: permits there are and takes the reserved slots back: those who held them were stopped, and nobody came. Returns the
#: µs to wait; 0 is the permit.
_TAKE = (
    _OPEN
    + """
local version = tonumber(redis.call('GET', KEYS[4]) or ARGV[5])
if tonumber(ARGV[5]) > version then
  full = now + math.min(full - now, burst * interval)
  redis.call('DEL', KEYS[2])
end
if tonumber(ARGV[5]) >= version then redis.call('SET', KEYS[4], ARGV[5], 'PX', 86400000) end
local late = tonumber(ARGV[6]) * interval
local holds = tonumber(ARGV[4]) * interval - late
local slot = redis.call('ZSCORE', KEYS[2], ARGV[3])
if slot then
  slot = tonumber(slot)
  if slot > now then return math.ceil(slot - now) end
  redis.call('ZREM', KEYS[2], ARGV[3])
  if now - slot <= holds then return 0 end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - holds)
local at = full - (burst - 1) * interval
full = full + interval
keep()
if at <= now then return 0 end
at = at + late
redis.call('ZADD', KEYS[2], string.format('%.0f', at), ARGV[3])
redis.call('PEXPIRE', KEYS[2], math.ceil((at - now) / 1000) + 60000)
return math.ceil(at - now)
"""
)

#: Empties the bucket and takes the reserved slots back.
_DRAIN = (
    _OPEN
    + """
redis.call('DEL', KEYS[2])
full = now + burst * interval
keep()
return 1
"""
)

#: By how much of an interval every slot comes late. Amazon counts arrivals: when the last call of a burst takes longer
#: on its way than the first one after it, that one would come too early. Late by the same for all, nothing is lost.
LATE = 0.25
#: How long a rate learnt from an answer counts without being seen again.
LEARNT_FOR = timedelta(hours=1)
#: How often the same rate is written again, in seconds: well inside that hour, and not with every answer.
LEARN_AGAIN = 600.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A bucket: permits per second, and how many may be taken at once when it is full."""

    rate: float
    burst: int

    @property
    def interval(self) -> float:
        """µs between permits."""
        return 1_000_000 / self.rate


class Level(NamedTuple):
    """How full a bucket is: permits that may be taken at once, and reserved slots of those who wait."""

    free: int
    waiting: int


class RateLimiter:
    """Permits for whoever shares this Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._drain = redis.register_script(_DRAIN)
        self._learnt: dict[str, tuple[Decimal, float]] = {}

    def wait(self, bucket: str, plan: Plan, who: str, *, version: int = 0) -> timedelta:
        """How long `who` must wait for its permit; zero is the permit, and it is taken.

        With a later `version` than was seen before, nobody has a reserved slot any more.
        """
        # In permits: a slot missed by more than half the bucket's refill time could add to a full bucket.
        holds = max(plan.burst, 2) / 2
        try:
            keys = [*_keys(bucket), f"{_name(bucket)}:version"]
            micros = self._take(keys=keys, args=[plan.interval, plan.burst, who, holds, version, LATE])
        except RedisError as error:
            raise _unavailable() from error
        return timedelta(microseconds=int(micros))

    def drain(self, bucket: str, plan: Plan) -> None:
        """Empty the bucket: the other side said 429 all the same."""
        try:
            self._drain(keys=_keys(bucket), args=[plan.interval, plan.burst])
        except RedisError as error:
            raise _unavailable() from error

    def look(self, buckets: Sequence[str], plan: Plan) -> list[Level]:
        """How full the buckets are, without taking anything; raise RedisError."""
        with self._redis.pipeline(transaction=False) as asked:
            asked.time()
            for full, slots, _ in map(_keys, buckets):
                asked.get(full)
                asked.zrange(slots, -1, -1, withscores=True)
                asked.zcard(slots)
            (seconds, micros), *found = asked.execute()
        now = seconds * 1_000_000 + micros
        return [_level(*found[i : i + 3], now=now, plan=plan) for i in range(0, len(found), 3)]

    def learn(self, bucket: str, rate: Decimal) -> None:
        """Take the rate of an `x-amzn-RateLimit-Limit` header, permits per second, for the next hour."""
        known, at = self._learnt.get(bucket, (None, 0.0))
        if rate <= 0 or (rate == known and time.monotonic() - at < LEARN_AGAIN):
            return
        try:
            self._redis.set(_keys(bucket)[2], str(rate), ex=LEARNT_FOR)
        except RedisError:
            return  # a hint only: the plan's own rate still holds
        self._learnt[bucket] = (rate, time.monotonic())


def _level(kept: bytes | None, last: list[tuple[bytes, float]], slots: int, *, now: int, plan: Plan) -> Level:
    if kept is None:
        return Level(plan.burst, 0)
    full, pace = (float(part) for part in kept.split())
    waiting = slots if last and last[0][1] > now else 0  # passed slots are cleared by whoever asks next
    return Level(max(0, math.floor(plan.burst - max(full - now, 0) / pace)), waiting)


def _unavailable() -> RetryLater:
    return RetryLater("redis-unavailable", "the rate limiter's Redis does not answer; see NFE_REDIS_URL")


def _keys(bucket: str) -> list[str]:
    """The bucket's keys."""
    name = _name(bucket)
    return [f"{name}:full", f"{name}:slots", f"{name}:rate"]


def _name(bucket: str) -> str:
    """What its keys begin with; the braces keep them on one node of a cluster."""
    return f"nfe:rate:{{{bucket}}}"
