"""Never ask SEFAZ too often: consumo indevido (656) shuts a service to the seller's CNPJ for an hour.

The counters are in Redis, shared by all workers and outliving them, on Redis' clock. They are exact: what is counted
are the calls of the hour before this one, not a rate. A block is kept a little longer than SEFAZ's, because a call
that comes too early begins the hour anew, and after 50 blocks it may be for good.
Source: MOC 7.0 Anexo I, 4.3; Nota Técnica 2018.002. A UF may set its limits lower.
"""

from collections.abc import Sequence
from datetime import timedelta

from redis import Redis
from redis.exceptions import RedisError

from workflow.errors import Invalid, RetryLater

#: How long nothing is sent after a 656: SEFAZ's hour, and five minutes for the clocks.
BLOCKED_FOR = timedelta(minutes=65)
#: How long a call or a rejection counts.
WINDOW = timedelta(hours=1)
#: Questions about one key, one receipt, one service's state in that time, by the service's word in the endpoints.
LIMITS = {"consulta": 10, "retautorizacao": 40, "status": 40}
#: Equal rejections of one document in that time: SEFAZ blocks after 30, and nothing is learnt from a fourth.
MOST_REJECTIONS = 3

#: KEYS: the block, the calls, a document's rejections. ARGV: the window in ms, the limits of calls and of rejections
#: (0: none). Returns what stands in the way and the ms to wait; '' is leave to call, and the call is counted.
_CHECK = """
local blocked = redis.call('PTTL', KEYS[1])
if blocked > 0 then return {'blocked', blocked} end
local calls, rejections = tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now, window = clock[1] * 1000 + math.floor(clock[2] / 1000), tonumber(ARGV[1])
if rejections > 0 and redis.call('ZCOUNT', KEYS[3], '(' .. now - window, '+inf') >= rejections then
  return {'rejected', 0}
end
if calls == 0 then return {'', 0} end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - window)
if redis.call('ZCARD', KEYS[2]) >= calls then
  local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
  return {'limit', math.max(tonumber(oldest[2]) + window - now + 1, 1)}
end
redis.call('ZADD', KEYS[2], now, clock[1] .. '.' .. clock[2] .. '.' .. redis.call('ZCARD', KEYS[2]))
redis.call('PEXPIRE', KEYS[2], window)
return {'', 0}
"""

#: KEYS: the rejections of a document. ARGV: the window in ms. Adds one; returns how many there are.
_REJECTED = """
local clock = redis.call('TIME')
local now, window = clock[1] * 1000 + math.floor(clock[2] / 1000), tonumber(ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
redis.call('ZADD', KEYS[1], now, clock[1] .. '.' .. clock[2] .. '.' .. redis.call('ZCARD', KEYS[1]))
redis.call('PEXPIRE', KEYS[1], window)
return redis.call('ZCARD', KEYS[1])
"""


class MisuseBarrier:
    """Leave to call SEFAZ, for whoever shares this Redis; `seller` is who is blocked, `service` any word for it.

    `window` and `blocked_for` are SEFAZ's; a test makes them short.
    """

    def __init__(self, redis: Redis, *, window: timedelta = WINDOW, blocked_for: timedelta = BLOCKED_FOR) -> None:
        self._redis = redis
        self._window = _milliseconds(window)
        self._blocked_for = blocked_for
        self._check = redis.register_script(_CHECK)
        self._rejected = redis.register_script(_REJECTED)

    def check(self, seller: str, service: str, key: str | None = None, *, document: str | None = None) -> None:
        """Take leave for one call, about `key` (a key, a receipt) where the service is limited by it.

        Raises RetryLater('misuse-blocked') till the block's end, RetryLater('misuse-limit') till a call of the hour
        no longer counts; neither counts as a try. Invalid('equal-rejections') where the document, by the digest that
        `rejected` takes, was rejected three times within the hour.
        """
        limit = LIMITS.get(service, 0) if key else 0
        keys = [
            _name(seller, "blocked", service),
            _name(seller, "asked", f"{service}:{key}"),
            _name(seller, "rejected", document or ""),
        ]
        try:
            what, wait = self._check(keys=keys, args=[self._window, limit, MOST_REJECTIONS if document else 0])
        except RedisError as error:
            raise _unavailable() from error
        after = timedelta(milliseconds=wait)
        if what == b"blocked":
            why = f"SEFAZ blocked {service} for the seller (656); nothing is sent before the block's end"
            raise RetryLater("misuse-blocked", why, after=after, counts=False, told=True)
        if what == b"limit":
            why = f"{limit} calls of {service} about one key within the hour; SEFAZ would block (656)"
            raise RetryLater("misuse-limit", why, after=after, counts=False, told=True)
        if what == b"rejected":
            why = f"SEFAZ refused the same document {MOST_REJECTIONS} times within the hour; mend its data first"
            raise Invalid("equal-rejections", why)

    def blocked(self, seller: str, service: str) -> timedelta:
        """Keep a 656 that SEFAZ answered: the block begins anew; how long nothing is sent."""
        try:
            self._redis.set(_name(seller, "blocked", service), "656", px=_milliseconds(self._blocked_for))
        except RedisError as error:
            raise _unavailable() from error
        return self._blocked_for

    def blocks(self, sellers: Sequence[str], services: Sequence[str]) -> dict[str, list[timedelta]]:
        """By service, for how long still it is shut to each seller that it is shut to; raise RedisError."""
        asked = [(seller, service) for seller in sellers for service in services]
        with self._redis.pipeline(transaction=False) as pipeline:
            for seller, service in asked:
                pipeline.pttl(_name(seller, "blocked", service))
            left = pipeline.execute()
        found: dict[str, list[timedelta]] = {service: [] for service in services}
        for (_, service), milliseconds in zip(asked, left, strict=True):
            if milliseconds > 0:
                found[service].append(timedelta(milliseconds=milliseconds))
        return found

    def rejected(self, seller: str, digest: str) -> int:
        """Count a rejection of a document; how many the hour holds.

        `digest` names what stays the same while nobody mends the document: not its key, cNF or dhEmi.
        """
        try:
            return int(self._rejected(keys=[_name(seller, "rejected", digest)], args=[self._window]))
        except RedisError as error:
            raise _unavailable() from error


def _name(seller: str, what: str, about: str) -> str:
    """A key; the braces keep a seller's on one node of a cluster."""
    return f"nfe:misuse:{{{seller}}}:{what}:{about}"


def _milliseconds(duration: timedelta) -> int:
    return int(duration / timedelta(milliseconds=1))


def _unavailable() -> RetryLater:
    return RetryLater("redis-unavailable", "the misuse barrier's Redis does not answer; see NFE_REDIS_URL")
