"""What 100,000 shipments cost that only wait for a poll: memory of the workers and of the broker, and their becoming due.

First their turns are spread over the next hour; then Amazon was away, and all are due at once. In both cases: what the
worker's family and Valkey hold before and after, the longest queue, the longest sweep, and what the database did.
NFE_BENCH_WAITING says how many, NFE_BENCH_SECONDS for how long each is looked at.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select, text, update

from tests.benchmarks import cpu, rows
from tests.benchmarks.installation import ROOT, SELLERS, Installation, hold, installation, running, seller_id
from tests.benchmarks.pipeline import receive, until
from workflow.clients.broker import SWEPT
from workflow.parts import Part
from workflow.states import State
from workflow.store import SHIPMENT

COUNT = int(os.environ.get("NFE_BENCH_WAITING", "100000"))
SECONDS = float(os.environ.get("NFE_BENCH_SECONDS", "30"))
BATCH = 5_000
MB = 1024 * 1024


def run() -> None:
    """In a process of its own each: Celery reads its settings once."""
    for database in ("sqlite", "postgresql"):
        subprocess.run([sys.executable, "-m", __name__, database], check=True, cwd=ROOT)


def measure(database: str) -> None:
    """Nobody waits, all wait, all are due."""
    quiet = {"LOG_LEVEL": "ERROR", "SWEEP_EVERY": "1.0"}
    with installation(database, plan=True, **quiet) as installed:
        with running(installed, Part.VALKEY, Part.WORKER, Part.BEAT):
            _warm_up(installed)
            empty = _memory(installed)
            now = installed.tools.store.now()
            _fill(installed, lambda place: now + timedelta(seconds=3600 * place / COUNT))
            _look(installed, f"{database:<10} {COUNT:,} wait, turns spread over an hour", empty)
            with installed.tools.store.writing() as connection:
                due = installed.tools.store.now()
                connection.execute(
                    update(SHIPMENT).where(SHIPMENT.c.ring_at.is_not(None)).values(due_at=due, ring_at=due)
                )
            _look(installed, f"{database:<10} {COUNT:,} due at once", empty)
        _tell_sweep(database, installed)


def _warm_up(installed: Installation) -> None:
    """Each process has compiled what it needs and knows each seller: their memory is no shipment's that waits."""
    for example in hold(installed, 10 * SELLERS, seed=1):
        receive(installed, example)
    until(lambda: not installed.tools.store.unfinished(), step=1.0)


def _fill(installed: Installation, due: Callable[[int], datetime]) -> None:
    store = installed.tools.store
    for start in range(0, COUNT, BATCH):
        made = [
            rows.shipment(seller_id(place % SELLERS), f"W{place:07}", due(place), State.SUBMITTED)
            for place in range(start, min(start + BATCH, COUNT))
        ]
        with store.writing() as connection:
            connection.execute(insert(SHIPMENT), made)
    with store.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def _look(installed: Installation, what: str, empty: dict[str, float]) -> None:
    """Watch for some seconds, and tell."""
    longest, spent, end = 0, cpu.seconds(installed.running), time.monotonic() + SECONDS
    before = _polled(installed)
    while time.monotonic() < end:
        longest = max(longest, int(installed.tools.redis.llen(SWEPT)))
        time.sleep(0.5)
    after, used = _memory(installed), cpu.seconds(installed.running)
    grown = ", ".join(f"{name} {value - empty[name]:+.1f} MB (of {value:.0f})" for name, value in after.items())
    busy = ", ".join(f"{name} {100 * (used[name] - spent[name]) / SECONDS:.0f} %" for name in used if name != "sefaz")
    polled = _polled(installed) - before
    print(f"{what}: {grown}; longest queue {longest}; {polled / SECONDS:.0f} asked for a second; CPU: {busy}")


def _memory(installed: Installation) -> dict[str, float]:
    """Of the worker with its children (each page that several share counted once), and of Valkey."""
    root = installed.running[str(Part.WORKER)]
    used: Any = installed.tools.redis.info("memory")
    return {"worker": sum(map(_proportional, cpu.family(root))) / MB, "broker": int(used["used_memory"]) / MB}


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _polled(installed: Installation) -> int:
    """How often Amazon was asked for one of them: each answer is a line of a history."""
    row = SHIPMENT.c
    with installed.tools.store.reading() as connection:
        asked = select(func.sum(row.seq)).where(row.amazon_shipment_id.startswith("W"))
        return int(connection.execute(asked).scalar_one())


def _tell_sweep(database: str, installed: Installation) -> None:
    """One sweep by itself, while everything is due and no worker takes anything."""
    store = installed.tools.store
    with store.writing() as connection:
        due = store.now()
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.ring_at.is_not(None)).values(due_at=due, ring_at=due))
    times = []
    for _ in range(5):
        began = time.perf_counter()
        rung = store.sweep(limit=200, ring_again=timedelta(minutes=1))
        times.append(1000 * (time.perf_counter() - began))
        assert rung
    print(f"{database:<10} a sweep of 200 among {COUNT:,} due: {sorted(times)[2]:.0f} ms")


if __name__ == "__main__":
    measure(sys.argv[1])
