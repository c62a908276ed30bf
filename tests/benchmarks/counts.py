"""What a shipment asks of database and Redis, counted by the servers themselves, and the CPU of all processes.

Of NFE_BENCH_SHIPMENTS shipments from notification to ACCEPTED, on PostgreSQL, with one poll each; what the idle
installation asks meanwhile (sweeps, signs of life) is measured first and taken off.
"""

import os
import subprocess
import sys
import time
from collections import Counter
from typing import Any

from sqlalchemy import text

from tasks.doorbell import ring
from tests.benchmarks import cpu
from tests.benchmarks.installation import ROOT, Installation, hold, installation, running
from tests.benchmarks.pipeline import receive, until
from workflow.parts import Part
from workflow.states import State
from workflow.store import Due

COUNT = int(os.environ.get("NFE_BENCH_SHIPMENTS", "100"))
IDLE = 10.0
TABLES = ("shipment", "history", "document", "number")


def run() -> None:
    """In a process of its own: Celery reads its settings once."""
    subprocess.run([sys.executable, "-m", __name__], check=True, cwd=ROOT)


def measure() -> None:
    """Idle, then busy."""
    quiet = {"LOG_LEVEL": "WARNING", "SWEEP_EVERY": "1.0"}
    with installation("postgresql", **quiet) as installed, running(installed, Part.VALKEY, Part.WORKER, Part.BEAT):
        _work(installed, seed=1)  # each process knows each seller
        began, before = time.monotonic(), _counts(installed)
        time.sleep(IDLE)
        idle = {name: value / (time.monotonic() - began) for name, value in (_counts(installed) - before).items()}
        sizes, began, before = _sizes(installed), time.monotonic(), _counts(installed)
        spent = cpu.seconds(installed.running)
        _work(installed, seed=2)
        used = cpu.seconds(installed.running)
        took, after = time.monotonic() - began, _counts(installed)
        grown = _sizes(installed) - sizes
    each = {name: (after[name] - before[name] - idle.get(name, 0.0) * took) / COUNT for name in after}
    print(f"idle, a second: {', '.join(f'{name} {value:.1f}' for name, value in sorted(idle.items()))}")
    print(f"of a shipment: {', '.join(f'{name} {value:.1f}' for name, value in sorted(each.items()))}")
    busy = ", ".join(f"{name} {1000 * (used[name] - spent[name]) / COUNT:.1f}" for name in used)
    print(f"CPU-ms of a shipment, sweeps included: {busy}")
    print(f"rows of a shipment: {', '.join(f'{name} {grown[name] / COUNT:.1f}' for name in TABLES)}; "
          f"{grown['bytes'] / COUNT / 1024:.1f} KiB of database with its indexes")  # fmt: skip


def _work(installed: Installation, seed: int) -> None:
    for example in hold(installed, COUNT, seed=seed):
        ring(Due(receive(installed, example), State.RECEIVED, False))
    until(lambda: not installed.tools.store.unfinished(), step=1.0)
    time.sleep(1.5)  # PostgreSQL's sessions tell their counts once a second


def _counts(installed: Installation) -> Counter[str]:
    asked: Any = text("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")
    with installed.tools.store.reading() as connection:
        commits = int(connection.execute(asked).scalar_one())
    stats: dict[str, Any] = installed.tools.redis.info("commandstats")
    return Counter({"commits": commits, "Redis commands": sum(int(one["calls"]) for one in stats.values())})


def _sizes(installed: Installation) -> Counter[str]:
    found: Counter[str] = Counter()
    with installed.tools.store.reading() as connection:
        for name in TABLES:
            found[name] = int(connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one())
            found["bytes"] += int(connection.execute(text(f"SELECT pg_total_relation_size('{name}')")).scalar_one())
    return found


if __name__ == "__main__":
    measure()
