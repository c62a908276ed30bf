"""Each worker process tells its traces by itself: OpenTelemetry's threads do not outlive a fork."""

from typing import Any

from celery.signals import worker_process_init, worker_process_shutdown

from workflow import traces


@worker_process_init.connect
def _begin(**_: Any) -> None:
    traces.begin()


@worker_process_shutdown.connect
def _end(**_: Any) -> None:
    traces.end()
