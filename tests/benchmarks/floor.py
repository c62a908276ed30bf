"""The floor: chains of five tasks that do nothing, through a worker with the product's own settings."""

from typing import Any

import redis
from celery import Celery, chain

from tasks.app import configuration
from workflow.settings import current

COUNTER = "bench:chains"
STAGES = ("one", "two", "three", "four", "five")

app = Celery("floor")
app.config_from_object(configuration(current()) | {"imports": [], "beat_schedule": {}, "task_default_queue": "floor"})
_connections: list[redis.Redis] = []


def _redis() -> redis.Redis:
    if not _connections:
        _connections.append(redis.Redis.from_url(current().resolved_redis_url.replace("redis+socket://", "unix://")))
    return _connections[0]


def _nothing(shipment: str) -> str:
    return shipment


def _last(shipment: str) -> str:
    _redis().incr(COUNTER)
    return shipment


TASKS: list[Any] = [app.task(name=name)(_last if name == STAGES[-1] else _nothing) for name in STAGES]


def publish(count: int) -> None:
    """Put the chains into the broker."""
    with app.producer_or_acquire() as producer:
        for place in range(count):
            chain(*(task.si(f"A1SELLER/FBA{place}") for task in TASKS)).apply_async(producer=producer)


def done() -> int:
    """How many chains have ended."""
    return int(_redis().get(COUNTER) or 0)  # type: ignore[arg-type]  # redis types answers as maybe awaitable
