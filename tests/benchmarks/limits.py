"""Is Amazon's plan used up, never broken, and is one seller's burden no other seller's wait? With the real plan.

Eight processes and one seller, saturated for NFE_BENCH_SECONDS: the calls that arrived, beside 25 + 1.133·t. Then a
single shipment of another seller, from its notification to ACCEPTED, alone and beside 10,000 that are due.
"""

import os
import statistics
import subprocess
import sys
import time
from datetime import timedelta
from typing import Any

import requests
from sqlalchemy import func, insert, select

from tasks.doorbell import ring
from tests.benchmarks import rows
from tests.benchmarks.installation import ROOT, Installation, hold, installation, running, seller_id
from tests.benchmarks.pipeline import receive, state_of, until
from workflow.parts import Part
from workflow.states import State
from workflow.store import SHIPMENT, Due

SECONDS = float(os.environ.get("NFE_BENCH_SECONDS", "60"))
DETAILS = "getShipmentDetails"
#: Amazon's published plan.
RATE, BURST = 1.133, 25
PROCESSES = 8
#: The places of the seller that has much to do, of the one with a single shipment, and of one to warm up with.
BUSY, SINGLE, WARM = 0, 1, 2
MANY = int(os.environ.get("NFE_BENCH_DUE", "10000"))
SINGLES = int(os.environ.get("NFE_BENCH_SINGLES", "8"))


def run() -> None:
    """In a process of its own: Celery reads its settings once."""
    for database in ("sqlite", "postgresql"):
        subprocess.run([sys.executable, "-m", __name__, database], check=True, cwd=ROOT)


def measure(database: str) -> None:
    """A single shipment alone, the plan, a single shipment beside thousands."""
    quiet = {"CONCURRENCY": str(PROCESSES), "LOG_LEVEL": "WARNING", "SWEEP_EVERY": "1.0"}
    with (
        installation(database, plan=True, **quiet) as installed,
        running(installed, Part.VALKEY, Part.WORKER, Part.BEAT),
    ):
        _warm_up(installed)
        alone = _singles(installed, seed=3)
        _tell_plan(database, installed)
        _make_due(installed)
        began = time.monotonic()
        beside = _singles(installed, seed=4)
        _tell_fairness(database, alone, beside, time.monotonic() - began, _untouched(installed))
        print(f"{database:<10} answers 429: {sum(_book(installed)['throttled'].values())}")


def _warm_up(installed: Installation) -> None:
    """Each process compiles what it needs."""
    for example in hold(installed, BURST, seed=1, places=[WARM]):
        receive(installed, example)
    until(lambda: not installed.tools.store.unfinished(), step=0.2)


def _tell_plan(database: str, installed: Installation) -> None:
    for example in hold(installed, BURST + round(RATE * SECONDS) + 30, seed=2, places=[BUSY]):
        receive(installed, example)
    began = time.time()
    until(lambda: bool(_calls(installed, began)), step=0.05)
    time.sleep(SECONDS)
    arrived = _calls(installed, began)
    end = arrived[0] + SECONDS
    allowed = BURST + RATE * SECONDS
    came = sum(1 for at in arrived if at <= end)
    print(
        f"{database:<10} plan: {came} calls of {DETAILS} in {SECONDS:.0f} s by {PROCESSES} processes; "
        f"25 + 1.133 t = {allowed:.1f}: {100 * came / int(allowed):.1f} % of the whole calls in it"
    )


def _calls(installed: Installation, since: float) -> list[float]:
    found: list[dict[str, Any]] = _book(installed, requests=True)["requests"]
    return [call["at"] for call in found if call["operation"] == DETAILS and call["at"] >= since]


def _book(installed: Installation, **asked: Any) -> Any:
    address = f"{installed.amazon['control_url']}/_control/book"
    return requests.get(address, params={"requests": int(bool(asked))}, timeout=60).json()


def _make_due(installed: Installation) -> None:
    """The busy seller's thousands; Amazon holds the oldest of them, which are all that its plan lets through."""
    held = hold(installed, 400, seed=5, places=[BUSY])
    now = installed.tools.store.now()
    names = [example.shipment_id for example in held] + [f"S{number:06}" for number in range(MANY - len(held))]
    made = [
        rows.shipment(seller_id(BUSY), name, now - timedelta(hours=1) + timedelta(milliseconds=place))
        for place, name in enumerate(names)
    ]
    with installed.tools.store.writing() as connection:
        connection.execute(insert(SHIPMENT), made)
    before = _untouched(installed)
    until(lambda: _untouched(installed) < before, step=0.1)


def _untouched(installed: Installation) -> int:
    """How many of them no worker has looked at yet."""
    row = SHIPMENT.c
    with installed.tools.store.reading() as connection:
        asked = select(func.count()).where(row.seller_id == seller_id(BUSY), row.updated_at == row.created_at)
        return int(connection.execute(asked).scalar_one())


def _singles(installed: Installation, seed: int) -> list[float]:
    """Seconds from notification to ACCEPTED of single shipments, one after the other."""
    return [_single(installed, example) for example in hold(installed, SINGLES, seed=seed, places=[SINGLE])]


def _single(installed: Installation, example: Any) -> float:
    began = time.monotonic()
    id = receive(installed, example)
    ring(Due(id, State.RECEIVED, False))
    until(lambda: state_of(installed, id) == State.ACCEPTED, step=0.01)
    return time.monotonic() - began


def _told(times: list[float]) -> str:
    return f"median {statistics.median(times):.2f} s, worst {max(times):.2f} s"


def _tell_fairness(database: str, alone: list[float], beside: list[float], took: float, untouched: int) -> None:
    delay = statistics.median(beside) - statistics.median(alone)
    print(
        f"{database:<10} fairness: a single shipment alone {_told(alone)}; beside {MANY:,} due of another seller "
        f"{_told(beside)}: {delay:+.2f} s ({SINGLES} of each; {untouched:,} were untouched after {took:.0f} s)"
    )


if __name__ == "__main__":
    measure(sys.argv[1])
