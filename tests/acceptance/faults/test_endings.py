"""Workers that are told to end while calls hang: in time, without a lease left behind, and nothing is done twice."""

import os
import signal
import time

import pytest

from tests.acceptance.faults.plant import Part
from tests.acceptance.faults.test_workers import CALLS, DETAILS, Call, held, hold
from tests.acceptance.faults.trial import Trial
from workflow import ending
from workflow.store import HISTORY

#: Calls that hang, each in a process of its own: one asks, one sends, one has been processed already.
HUNG = tuple(call for call in CALLS if call.operation in ("getShipmentDetails", "NFeAutorizacao4"))
#: Seconds: far longer than a test waits, so that no timeout is what ends a call, and no expiry a lease.
FOR_EVER = 300


def hang(trial: Trial, calls: tuple[Call, ...], *, finish_within: float) -> Part:
    """A worker all of whose processes hang, each in one of the calls."""
    plant, before = trial.plant, len(held(trial.plant))
    for call in calls:
        hold(plant, call)
    trial.announce(*trial.fresh(len(calls) + 1))
    worker = plant.start(
        "worker", NFE_CONCURRENCY=len(calls), NFE_SEFAZ_TIMEOUT=FOR_EVER, NFE_AMAZON_TIMEOUT=FOR_EVER,
        NFE_LEASE=FOR_EVER, NFE_FINISH_WITHIN=finish_within,
    )  # fmt: skip
    plant.wait(lambda: len(held(plant)) == before + len(calls), "that all calls are held")
    return worker


def stop_its_children(worker: Part) -> None:
    """Let nothing reach them but SIGKILL."""
    for pid in set(worker.pids) - {worker.process.pid}:
        os.kill(pid, signal.SIGSTOP)


def given_up(trial: Trial) -> int:
    """How many lines of the batch's histories say that a call was given up."""
    with trial.plant.tools().store.reading() as connection:
        lines = connection.execute(HISTORY.select().where(HISTORY.c.code == ending.CODE)).all()
    return len({line.shipment_id for line in lines} & set(trial.rows()))


@pytest.mark.databases("sqlite", "postgresql")
def test_workers_that_are_told_to_end_give_up_what_hangs_and_leave_no_lease(trial: Trial) -> None:
    """One is told once and has a second, one twice; of the latter even the process does not answer."""
    plant = trial.plant
    plant.run_as_usual()
    plant.kill("worker")
    once, twice = hang(trial, HUNG, finish_within=1), hang(trial, (DETAILS,), finish_within=FOR_EVER)
    stop_its_children(twice)
    begun = time.monotonic()
    for worker in (once, twice):
        worker.process.send_signal(signal.SIGTERM)
    plant.wait(lambda: not once.is_alive, "that the worker ends")
    twice.process.send_signal(signal.SIGTERM)
    plant.wait(lambda: not twice.is_alive, "that the worker kills")
    assert time.monotonic() - begun < 2 * (1 + ending.MARGIN.total_seconds())
    assert (once.process.returncode, twice.process.returncode) == (0, 1)
    assert given_up(trial) == len(HUNG)
    assert [id for id, row in trial.rows().items() if row.lease is not None] == []
    plant.run_as_usual()
    trial.count()
