"""How the broker does: does it answer, what waits in it, does it keep what it is given."""

import time
from typing import NamedTuple

from redis import Redis

#: Celery's queue, a list of messages.
QUEUE = "nfe"
#: The only policy under which Redis throws no queue away.
KEEPS = "noeviction"


class BrokerStanding(NamedTuple):
    """Seconds to an answer, messages that no worker has, bytes in use and allowed (0: no limit), maxmemory-policy."""

    seconds: float
    messages: int
    memory: int
    memory_limit: int
    policy: str


def look(redis: Redis) -> BrokerStanding:
    """Ask the broker; raise RedisError where it does not answer."""
    begun = time.perf_counter()
    redis.ping()
    seconds = time.perf_counter() - begun
    with redis.pipeline(transaction=False) as asked:
        asked.llen(QUEUE)
        asked.info("memory")
        waiting, told = asked.execute()
    policy = str(told.get("maxmemory_policy", "unknown"))
    return BrokerStanding(seconds, int(waiting), int(told["used_memory"]), int(told.get("maxmemory", 0)), policy)
