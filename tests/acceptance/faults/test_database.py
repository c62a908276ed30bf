"""A database that dies in the middle, and a disk that takes nothing more."""

import resource
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from tests.acceptance.faults.plant import Part
from tests.acceptance.faults.trial import Trial


@pytest.mark.databases("postgresql")
def test_a_database_that_dies_in_the_middle_keeps_what_was_committed(trial: Trial) -> None:
    trial.begin()
    trial.in_the_middle()
    trial.plant.crash_database()
    trial.plant.wait_for_log("worker", "OperationalError")
    trial.plant.start_database()
    trial.count()


@contextmanager
def full_disk(parts: Iterable[Part]) -> Iterator[None]:
    """No file of these parts may grow, and none be written beyond its first byte: a quota of nothing."""
    pids = [pid for part in parts for pid in part.pids]
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, most))
    yield
    for pid, limits in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux sets another process's limits")
@pytest.mark.databases("sqlite")
def test_a_disk_that_is_full_only_delays(trial: Trial) -> None:
    trial.begin()
    trial.in_the_middle()
    with full_disk([*trial.plant.alive("worker"), *trial.plant.alive("beat")]):
        trial.plant.wait_for_log("worker", "OperationalError")
    trial.count()


@pytest.mark.databases("postgresql", "sqlite")
def test_a_power_cut_ends_everything_at_once_and_all_of_it_goes_on(trial: Trial) -> None:
    trial.begin()
    trial.in_the_middle()
    plant = trial.plant
    plant.valkey.crash()
    plant.crash_database()
    plant.kill("worker", "beat")
    plant.valkey.start()
    plant.start_database()
    plant.run_as_usual()
    trial.count()
