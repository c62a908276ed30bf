"""Signs of life: the worker and beat touch a file while they do their work; health checks look at its age.

A worker's heartbeat comes from its event loop, and stops with its connection to the broker: an answer to a ping would
say less. Beat's sign is a sweep that the broker has taken.
"""

from contextlib import suppress
from typing import Any

from celery.signals import after_task_publish, heartbeat_sent

from workflow.parts import Part, sign_of_life
from workflow.settings import current


@heartbeat_sent.connect
def _worker_lives(**_: Any) -> None:
    _touch(Part.WORKER)


@after_task_publish.connect(sender="sweep")
def _beat_lives(**_: Any) -> None:
    _touch(Part.BEAT)


def _touch(part: Part) -> None:
    path = sign_of_life(part, current())
    with suppress(OSError):  # a full disk must not stop the work: the health check will tell
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch()
