"""When may I: one token bucket per application, seller and operation, in Redis, shared by all workers.

The algorithm is GCRA on Redis' clock, one atomic script. Who is refused is given a slot of their own in the future and
comes back for it, so 10,000 waiting shipments cost two questions each and are served in the order they asked.

Why not a library: throttled-py's GCRA grants as exactly, but it refuses without reserving (measured: six times the
calls), cannot be emptied when Amazon answers 429 all the same, nor take a new rate from a header; that is most of
what is below.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from redis import Redis
from redis.exceptions import RedisError

from workflow.errors import RetryLater

#: KEYS: when the bucket is full again (µs), the reserved slots, the learnt rate.
#: ARGV: µs between permits, bucket size, who asks, for how many permits' time an unused slot holds.
#: Returns the µs to wait; 0 is the permit.
_TAKE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local interval = tonumber(ARGV[1])
local learnt = redis.call('GET', KEYS[3])
if learnt then interval = 1000000 / tonumber(learnt) end
local holds = tonumber(ARGV[4]) * interval
local slot = redis.call('ZSCORE', KEYS[2], ARGV[3])
if slot then
  slot = tonumber(slot)
  if slot > now then return math.ceil(slot - now) end
  redis.call('ZREM', KEYS[2], ARGV[3])
  if now - slot <= holds then return 0 end
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - holds)
local full = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local at = full - (tonumber(ARGV[2]) - 1) * interval
full = full + interval
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil((full - now) / 1000) + 60000)
if at <= now then return 0 end
redis.call('ZADD', KEYS[2], string.format('%.0f', at), ARGV[3])
redis.call('PEXPIRE', KEYS[2], math.ceil((at - now) / 1000) + 60000)
return math.ceil(at - now)
"""

#: KEYS as above. ARGV: µs between permits, bucket size. Empties the bucket and takes the reserved slots back.
_DRAIN = """
local clock = redis.call('TIME')
local interval = tonumber(ARGV[1])
local learnt = redis.call('GET', KEYS[3])
if learnt then interval = 1000000 / tonumber(learnt) end
local empty = interval * tonumber(ARGV[2])
redis.call('DEL', KEYS[2])
local full = clock[1] * 1000000 + clock[2] + empty
redis.call('SET', KEYS[1], string.format('%.0f', full), 'PX', math.ceil(empty / 1000) + 60000)
return 1
"""

#: How long a rate learnt from an answer counts without being seen again.
LEARNT_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """A bucket: permits per second, and how many may be taken at once when it is full."""

    rate: float
    burst: int

    @property
    def interval(self) -> float:
        """µs between permits."""
        return 1_000_000 / self.rate


class RateLimiter:
    """Permits for whoever shares this Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._drain = redis.register_script(_DRAIN)

    def wait(self, bucket: str, plan: Plan, who: str) -> timedelta:
        """How long `who` must wait for its permit; zero is the permit, and it is taken."""
        # In permits: a slot missed by more than half the bucket's refill time could add to a full bucket.
        holds = max(plan.burst, 2) / 2
        try:
            micros = self._take(keys=_keys(bucket), args=[plan.interval, plan.burst, who, holds])
        except RedisError as error:
            raise _unavailable() from error
        return timedelta(microseconds=int(micros))

    def drain(self, bucket: str, plan: Plan) -> None:
        """Empty the bucket: the other side said 429 all the same."""
        try:
            self._drain(keys=_keys(bucket), args=[plan.interval, plan.burst])
        except RedisError as error:
            raise _unavailable() from error

    def learn(self, bucket: str, rate: Decimal) -> None:
        """Take the rate of an `x-amzn-RateLimit-Limit` header, permits per second, for the next hour."""
        if rate <= 0:
            return
        try:
            self._redis.set(_keys(bucket)[2], str(rate), ex=LEARNT_FOR)
        except RedisError:
            return  # a hint only: the plan's own rate still holds


def _unavailable() -> RetryLater:
    return RetryLater("redis-unavailable", "the rate limiter's Redis does not answer; see NFE_REDIS_URL")


def _keys(bucket: str) -> list[str]:
    """The bucket's keys; the braces keep them on one node of a cluster."""
    name = f"nfe:rate:{{{bucket}}}"
    return [f"{name}:full", f"{name}:slots", f"{name}:rate"]
