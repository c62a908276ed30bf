"""The whole pipeline on this machine: shipments a second from notification to ACCEPTED, and what each costs.

Real worker processes, broker, database and counterparts (without rate plans or waits); events are on, for Flower. Beside
it, in the same run and through a worker with the same settings: a celery.chain of five no-op tasks, and the same chain with
the work that nothing avoids. Everything is measured on a warm worker. CPU is that of the worker with all its children.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import select

from tasks.doorbell import ring
from tests.benchmarks import cpu, needed, stage_cpu
from tests.benchmarks.installation import ROOT, Installation, hold, installation
from workflow import parts
from workflow.parts import Part
from workflow.processes import Supervisor
from workflow.sandbox.shipments import Example
from workflow.states import Stage, State
from workflow.store import SHIPMENT, Due

DATABASES = ("sqlite", "postgresql")
COUNT = int(os.environ.get("BENCH_SHIPMENTS", "600"))
#: Before measuring: until each process knows each seller.
WARM_UP = 100
CHAINS = 300
#: Single shipments, one after the other, for the idle latency.
SINGLES = 50
#: Nothing takes longer than that, in seconds.
PATIENCE = 300.0


class Spent(NamedTuple):
    """What a measured piece took: seconds by the clock, CPU seconds by process family and by task."""

    seconds: float
    families: dict[str, float]
    tasks: Counter[str]


def run() -> None:
    """Measure on each database, in a process of its own: Celery reads its settings once."""
    for database in DATABASES:
        subprocess.run([sys.executable, "-m", __name__, database], check=True, cwd=ROOT)


def measure(database: str) -> None:
    """Both floors, the pipeline, the latency."""
    with installation(database) as installed:
        _prepare(installed)
        with _broker(installed):
            nothing, plain = _floors(installed)
            _tell_floor(database, "five no-ops", nothing)
            _tell_floor(database, "needed work", plain)
            beat = parts.beat_argv(installed.tools.settings)
            with _worker(installed, "tasks.app"), _process(installed, Part.BEAT, beat):
                spent = _pipeline(installed)
                _tell_pipeline(database, spent, nothing, plain)
                latencies = sorted(_latency(installed, example) for example in hold(installed, SINGLES, seed=3))
    p50, p95 = statistics.median(latencies), latencies[int(len(latencies) * 0.95)]
    print(
        f"{database:<10} idle, notification to ACCEPTED: p50 {1000 * p50:.0f} ms, p95 {1000 * p95:.0f} ms "
        f"of {SINGLES} single shipments"
    )


# -- processes --------------------------------------------------------------------------------------------------


def _prepare(installed: Installation) -> None:
    about = {
        "database": installed.tools.settings.resolved_database_url, "ca_file": installed.sefaz["ca_file"],
        "amazon": f"{installed.amazon['url']}/fba/outbound/brazil/v0/shipments/none/invoice/status",
        "sefaz": f"{installed.sefaz['url']}/none", "pfx": installed.sefaz["a1_file"],
        "password": installed.sefaz["a1_password"],
    }  # fmt: skip
    file = installed.folder / "needed.json"
    file.write_text(json.dumps(about))
    needed.prepare(about["database"])
    os.environ |= {needed.ABOUT: str(file), "PYTHONPATH": str(ROOT)}


@contextmanager
def _broker(installed: Installation) -> Iterator[None]:
    settings = installed.tools.settings
    with _on(cpu.MEASURED), Supervisor(settings, chosen=(Part.VALKEY,), logs=settings.data_dir / "logs") as supervisor:
        pid = supervisor.pid(Part.VALKEY)
        assert pid is not None
        installed.running["broker"] = pid
        cpu.keep_to(cpu.BESIDE)
        yield


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """What is started meanwhile may use these cores."""
    cpu.keep_to(cores)
    yield
    cpu.keep_to(cpu.BESIDE)


@contextmanager
def _worker(installed: Installation, app: str, *more: str) -> Iterator[None]:
    """A worker with the product's own command line, whose processes count their CPU."""
    folder = installed.folder / f"cpu-{app}"
    folder.mkdir()
    os.environ[stage_cpu.FOLDER] = str(folder)
    argv = [app if word == "tasks.app" else word for word in parts.worker_argv(installed.tools.settings)]
    with _process(installed, Part.WORKER, [*argv, "--include", stage_cpu.__name__, *more]):
        yield


@contextmanager
def _process(installed: Installation, part: Part, argv: list[str]) -> Iterator[None]:
    settings = installed.tools.settings
    with (settings.data_dir / f"{part}.log").open("ab") as log, _on(cpu.MEASURED):
        process = subprocess.Popen(
            argv, env=parts.environment(part, settings), cwd=settings.data_dir, stdout=log, stderr=log
        )
    installed.running[str(part)] = process.pid
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)
        del installed.running[str(part)]


def _spend(installed: Installation, work: Callable[[], None]) -> Spent:
    """Do the work, and say what it took."""
    folder = installed.folder / os.environ[stage_cpu.FOLDER]
    families, tasks, began = cpu.seconds(installed.running), stage_cpu.read(folder), time.monotonic()
    work()
    seconds, after = time.monotonic() - began, cpu.seconds(installed.running)
    tasks_after = stage_cpu.read(folder)
    tasks_after.subtract(tasks)
    return Spent(seconds, {name: after[name] - families.get(name, 0.0) for name in after}, tasks_after)


def until(happened: Callable[[], bool], step: float = 0.02) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing more happens after {PATIENCE:.0f} s")
        time.sleep(step)


# -- what is measured -------------------------------------------------------------------------------------------


def _floors(installed: Installation) -> tuple[Spent, Spent]:
    """Chains that do nothing, and chains of what nothing avoids."""
    from tests.benchmarks import floor

    def chains(kind: str, count: int) -> None:
        before = floor.done(kind)
        floor.publish(count, kind)
        until(lambda: floor.done(kind) == before + count)

    with _worker(installed, "tests.benchmarks.floor", "-Q", "floor"):
        found = []
        for kind in (floor.NOTHING, floor.NEEDED):
            chains(kind, 30)
            found.append(_spend(installed, lambda kind=kind: chains(kind, CHAINS)))
    return found[0], found[1]


def _pipeline(installed: Installation) -> Spent:
    """Rows that are there, a warm worker and beat; then the doorbell for each row, as the consumer rings it."""
    store = installed.tools.store

    def work(ids: list[str]) -> None:
        for id in ids:
            ring(Due(id, State.RECEIVED, False))
        until(lambda: not store.unfinished(), step=0.1)

    work([receive(installed, example) for example in hold(installed, WARM_UP, seed=1)])
    ids = [receive(installed, example) for example in hold(installed, COUNT, seed=2)]
    spent = _spend(installed, lambda: work(ids))
    counts = {str(state): number for (state, _), number in store.counts().items()}
    assert counts == {"ACCEPTED": COUNT + WARM_UP}, counts
    return spent


def receive(installed: Installation, example: Example) -> str:
    """Hand in the notification as the consumer does; the shipment's id."""
    return installed.tools.engine.receive(json.dumps(example.notifications[0]).encode(), rings=True)[0]


def _latency(installed: Installation, example: Example) -> float:
    """Seconds from the notification to ACCEPTED of one shipment, while nothing else is to do."""
    began = time.monotonic()
    id = receive(installed, example)
    ring(Due(id, State.RECEIVED, False))
    until(lambda: state_of(installed, id) == State.ACCEPTED, step=0.002)
    return time.monotonic() - began


def state_of(installed: Installation, id: str) -> str:
    with installed.tools.store.reading() as connection:
        return str(connection.execute(select(SHIPMENT.c.state).where(SHIPMENT.c.id == id)).scalar_one())


# -- what is told -----------------------------------------------------------------------------------------------


def _tell_floor(database: str, what: str, spent: Spent) -> None:
    each = 1000 * spent.families["worker"] / CHAINS
    print(
        f"{database:<10} floor, {what}: {CHAINS / spent.seconds:6.1f} chains/s, {each:5.1f} CPU-ms of the worker each"
    )


def _tell_pipeline(database: str, spent: Spent, nothing: Spent, plain: Spent) -> None:
    """Shipments a second; CPU by family and by stage, and how many times the floors'."""
    each = {name: 1000 * seconds / COUNT for name, seconds in spent.families.items()}
    stages = {str(stage): 1000 * spent.tasks[stage] / COUNT for stage in Stage if stage is not Stage.CANCEL}
    ratios = [each["worker"] / (1000 * one.families["worker"] / CHAINS) for one in (nothing, plain)]
    beside = ", ".join(f"{name} {value:.1f}" for name, value in each.items() if name != "worker")
    within = ", ".join(f"{name} {value:.1f}" for name, value in stages.items())
    no_op = 1000 * nothing.tasks.total() / CHAINS / 5
    print(
        f"{database:<10} pipeline: {COUNT / spent.seconds:.1f} shipments/s, {each['worker']:.1f} CPU-ms of the worker each = "
        f"{ratios[0]:.1f} x five no-ops, {ratios[1]:.1f} x the needed work; {COUNT} in {spent.seconds:.1f} s"
    )
    print(
        f"{database:<10} CPU-ms of a shipment: {within}; Celery around them {each['worker'] - sum(stages.values()):.1f} "
        f"(a no-op task {no_op:.1f}); other processes: {beside}"
    )


if __name__ == "__main__":
    measure(sys.argv[1])
