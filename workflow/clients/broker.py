"""How the broker does: does it answer, what waits in it, does it keep what it is given."""

import time
from typing import NamedTuple

from redis import Redis

from workflow.clients import rabbitmq

#: Celery's queues, in Redis lists of messages: the common one, and that of the sweeps' doorbells.
QUEUE, SWEPT = "nfe", "nfe-swept"
#: The only policy under which Redis throws no queue away.
KEEPS = "noeviction"


class BrokerStanding(NamedTuple):
    """Seconds to an answer, messages that no worker has, bytes in use and allowed (0: no limit), maxmemory-policy."""

    seconds: float
    messages: int
    memory: int
    memory_limit: int
    policy: str


def look(redis: Redis, broker_url: str) -> BrokerStanding:
    """Ask Redis, and the broker where it is another; raise RedisError or Misconfigured where one does not answer."""
    begun = time.perf_counter()
    redis.ping()
    seconds = time.perf_counter() - begun
    with redis.pipeline(transaction=False) as asked:
        asked.llen(QUEUE)
        asked.llen(SWEPT)
        asked.info("memory")
        *lengths, told = asked.execute()
    messages = sum(map(int, lengths))
    if broker_url:
        messages = waiting(broker_url)
    policy = str(told.get("maxmemory_policy", "unknown"))
    return BrokerStanding(seconds, messages, int(told["used_memory"]), int(told.get("maxmemory", 0)), policy)


def waiting(url: str) -> int:
    """How many messages stand in a broker's queues; raise RedisError or Misconfigured where it does not answer."""
    if rabbitmq.speaks(url):
        return sum(rabbitmq.waiting(url, queue) for queue in (QUEUE, SWEPT))
    with Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as redis:
        return sum(int(redis.llen(queue)) for queue in (QUEUE, SWEPT))
