"""Inside a worker's processes, for the benchmark only (`celery worker --include`): CPU seconds by the task's name.

Each process counts what it used from the start of a task's function to its end, the publishing of the chain's next link
included, and keeps the sums in a file of its own, which the benchmark adds up. The product has none of this.
"""

import json
import os
import time
from collections import Counter
from pathlib import Path
from typing import Any

from celery import Task
from celery.signals import task_postrun, task_prerun, worker_process_init

#: Names the folder of the files.
FOLDER = "BENCH_CPU_DIR"
#: A file's text is written over in place: always that long.
LENGTH = 2000


class _Sums:
    """What this process used."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self.began = 0.0
        self.file = os.open(Path(os.environ[FOLDER]) / f"{os.getpid()}.json", os.O_WRONLY | os.O_CREAT, 0o600)

    def add(self, name: str) -> None:
        self.seconds[name] += time.process_time() - self.began
        os.pwrite(self.file, json.dumps(self.seconds).ljust(LENGTH).encode(), 0)


_sums: list[_Sums] = []


@worker_process_init.connect
def _after_fork(**_: Any) -> None:
    _sums[:] = [_Sums()]


@task_prerun.connect
def _begin(**_: Any) -> None:
    _sums[0].began = time.process_time()


@task_postrun.connect
def _end(task: Task, **_: Any) -> None:
    _sums[0].add(task.name)


def read(folder: Path) -> Counter[str]:
    """The sums of all processes so far, in seconds."""
    total: Counter[str] = Counter()
    for file in folder.glob("*.json"):
        total.update(json.loads(file.read_text() or "{}"))
    return total
