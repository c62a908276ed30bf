"""What a worker's processes count goes to Redis every few seconds, from a thread of its own: no stage waits for it.

The same addition is the process's sign of life. Whoever is killed takes the counts of its last seconds along.
"""

import os
import socket
import threading
from typing import Any

from celery.signals import worker_process_init, worker_process_shutdown

from tasks.app import tools
from workflow.metrics import tally

#: Seconds between two additions.
EVERY = 5.0

_ending = threading.Event()


@worker_process_init.connect
def _begin(**_: Any) -> None:
    tally.take()  # the parent's
    _ending.clear()
    threading.Thread(target=_add_again_and_again, name="counts", daemon=True).start()


@worker_process_shutdown.connect
def _end(**_: Any) -> None:
    _ending.set()
    add_up()


def _add_again_and_again() -> None:
    while not _ending.wait(EVERY):
        add_up()


def add_up() -> None:
    """Add this process's counts to all others'; what Redis did not take stays for the next time."""
    taken = tally.take()
    if not tools().counters.add(taken, process=f"{socket.gethostname()}/{os.getpid()}"):
        tally.give_back(taken)
