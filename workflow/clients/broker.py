"""How the broker does: does it answer, what waits in it, does it keep what it is given."""

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from redis import Redis
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError, RedisError

from workflow.clients import rabbitmq
from workflow.errors import Away, Misconfigured

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
    """Ask Redis, and the broker where it is another; raise RedisError, Away or Misconfigured where one does not."""
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
    """How many messages stand in a broker's queues; raise Away or Misconfigured where it does not answer."""
    if rabbitmq.speaks(url):
        return sum(rabbitmq.waiting(url, queue) for queue in (QUEUE, SWEPT))
    with (
        meaning("NFE_BROKER_URL", "start it, or mend NFE_BROKER_URL"),
        Redis.from_url(url, socket_timeout=5, socket_connect_timeout=5) as redis,
    ):
        return sum(int(redis.llen(queue)) for queue in (QUEUE, SWEPT))


@contextmanager
def meaning(variable: str, mend: str) -> Iterator[None]:
    """Say Redis' errors as ours: it is away, and comes back, or a person must mend what the variable says of it."""
    try:
        yield
    except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
        raise Misconfigured(
            "broker-login", f"the broker refuses the login; mend user and password in {variable}"
        ) from error
    except RedisError as error:
        if _is_of_tls(error):
            raise Misconfigured("broker-tls", f"TLS with the broker fails; mend what {variable} says of it") from error
        raise Away("broker-unavailable", f"the broker does not answer; {mend}") from error


def _is_of_tls(error: BaseException | None) -> bool:
    """Whether the ssl module's own error lies under what redis-py tells."""
    return error is not None and (isinstance(error, ssl.SSLError) or _is_of_tls(error.__cause__ or error.__context__))
