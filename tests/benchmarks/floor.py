"""The floors: chains of five tasks through a worker with the product's own settings.

`one` … `five` do nothing: what Celery itself costs. `needed-one` … `needed-five` do what nothing avoids besides.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import redis
from celery import Celery, chain
from celery.signals import setup_logging

from tasks.app import configuration
from tests.benchmarks.needed import Needed
from workflow import logs
from workflow.settings import current

STAGES = ("one", "two", "three", "four", "five")
NOTHING, NEEDED = "", "needed-"

app = Celery("floor")
app.config_from_object(configuration(current()) | {"imports": [], "beat_schedule": {}, "task_default_queue": "floor"})


@setup_logging.connect
def _log(**_: Any) -> None:
    logs.configure(current())


@lru_cache(maxsize=1)
def _redis() -> redis.Redis:
    return redis.Redis.from_url(current().resolved_redis_url.replace("redis+socket://", "unix://"))


@lru_cache(maxsize=1)
def _needed() -> Needed:
    return Needed()


def _task(name: str, work: Callable[[], None]) -> Any:
    def run(shipment: str) -> str:
        work()
        if name.endswith(STAGES[-1]):
            _redis().incr(f"bench:{name}")
        return shipment

    return app.task(name=name)(run)


TASKS = {
    NOTHING: [_task(name, lambda: None) for name in STAGES],
    NEEDED: [_task(NEEDED + name, lambda name=name: _needed().do(name)) for name in STAGES],
}


def publish(count: int, kind: str) -> None:
    """Put the chains into the broker."""
    with app.producer_or_acquire() as producer:
        for place in range(count):
            chain(*(task.si(f"A1SELLER/FBA{place}") for task in TASKS[kind])).apply_async(producer=producer)


def done(kind: str) -> int:
    """How many chains have ended."""
    return int(_redis().get(f"bench:{kind}{STAGES[-1]}") or 0)  # type: ignore[arg-type]  # maybe awaitable, say redis' types
