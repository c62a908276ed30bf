"""A worker's end, within NFE_FINISH_WITHIN: Celery's own waits for whatever runs, however long that takes.

SIGTERM: no new task is begun, those that run are finished. When the time is over, or at a second signal, calls that
wait for another side are given up as lost answers (`workflow.ending`), so that their shipments are settled and due
again. Only what does not end then is killed, and its leases are given back.
"""

import os
import signal
import threading
import time
from typing import Any

from billiard import active_children
from celery.signals import worker_process_init, worker_shutting_down
from celery.worker import state

from tasks.app import OWNER, tools
from workflow import ending, logs
from workflow.settings import current
from workflow.states import WAY

log = logs.logger(__name__)

#: Seconds between two looks at who still runs; each is told again, since a signal may come at a bad moment.
LOOK = 0.3

_once_more = threading.Event()


@worker_process_init.connect
def _listen(**_: Any) -> None:
    signal.signal(signal.SIGUSR2, ending.give_up)


@worker_shutting_down.connect
def _begin(**_: Any) -> None:
    """In the first process, at the first signal: Celery's handlers have done their part, the next signal is ours."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: _once_more.set())
    threading.Thread(target=_see_to_the_end, name="ending", daemon=True).start()


def _see_to_the_end() -> None:
    limit = current().finish_within.total_seconds()
    asked = _once_more.wait(limit)
    log.warning("ending now: calls in hand are given up", reason="a second signal" if asked else f"{limit:.0f} s over")
    deadline = time.monotonic() + ending.TO_SETTLE.total_seconds()
    while time.monotonic() < deadline:
        _tell(signal.SIGUSR2)
        time.sleep(LOOK)
    _kill()


def _tell(number: signal.Signals) -> None:
    for child in active_children():
        try:
            os.kill(child.pid, number)
        except ProcessLookupError:
            continue  # it has just ended


def _kill() -> None:
    """End what does not, itself too; what it held is free at once, if the database answers."""
    held = [one.args[0] for one in tuple(state.active_requests) if one.name in WAY]
    log.error("killed: did not end", shipments=held)
    ending.within(ending.TO_RELEASE)
    _tell(signal.SIGKILL)
    try:
        tools().store.release(held, owner=OWNER)
    finally:
        os._exit(1)
