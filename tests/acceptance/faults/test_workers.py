"""Workers that die, at every place where one can: in each call, and between the call and the database."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple

import pytest
from celery import Celery
from sqlalchemy import select, text

from tests.acceptance.faults.plant import Plant
from tests.acceptance.faults.trial import Trial, id_of
from workflow.sandbox.faults import Fault, Pause
from workflow.sandbox.shipments import Example
from workflow.states import State
from workflow.store import SHIPMENT


class Call(NamedTuple):
    """A request in which a worker may die, before the other side has processed it or after."""

    party: str
    operation: str
    kind: str = "slow"


DETAILS = Call("amazon", "getShipmentDetails")
CALLS = (
    Call("amazon", "lwa"),
    Call("amazon", "createRestrictedDataToken"),
    DETAILS,
    Call("sefaz", "NFeAutorizacao4"),
    Call("sefaz", "NFeAutorizacao4", "hang_after_processing"),
    Call("sefaz", "NFeConsultaProtocolo4"),
    Call("amazon", "submitInvoice"),
    Call("amazon", "submitInvoice", "hang_after_processing"),
    Call("amazon", "getInvoiceStatus"),
)


def hold(plant: Plant, call: Call, match: str | None = None) -> None:
    """Let the next request of the operation be held open."""
    faults = plant.amazon.book.faults if call.party == "amazon" else plant.sefaz.book.faults
    if call.operation == "NFeConsultaProtocolo4":  # asked only after a lost answer
        faults.add(Fault(operation="NFeAutorizacao4", kind="drop_after_processing"))
    faults.add(Fault.model_validate({"operation": call.operation, "kind": call.kind, "match": match}))


def held(plant: Plant) -> list[Pause]:
    """The requests that are held open."""
    return [*plant.amazon.book.faults.paused, *plant.sefaz.book.faults.paused]


@pytest.mark.each("calls", short=[CALLS], long=[*((call,) for call in CALLS), CALLS])
def test_a_worker_that_dies_in_a_call_is_followed_by_another(trial: Trial, calls: tuple[Call, ...]) -> None:
    plant = trial.plant
    plant.run_as_usual()
    plant.kill("worker")
    plant.valkey.client().flushall()  # the tokens too: one is asked for anew
    for call in calls:
        hold(plant, call)
    trial.announce(*trial.fresh(max(trial.size, len(calls) + 1)))
    # So patient that nobody gives up a call before all of them are held.
    plant.start("worker", NFE_CONCURRENCY=len(calls) + 2, NFE_SEFAZ_TIMEOUT=60, NFE_AMAZON_TIMEOUT=60)
    plant.wait(lambda: len(held(plant)) == len(calls), "that all calls are held")
    plant.kill("worker")
    plant.start("worker")
    trial.count()


@contextmanager
def locked(plant: Plant, example: Example) -> Iterator[None]:
    """Hold the shipment's row, on SQLite the whole database: whoever writes waits."""
    with plant.tools().store.writing() as connection:
        connection.execute(select(SHIPMENT.c.id).where(SHIPMENT.c.id == id_of(example)).with_for_update())
        yield


def wait_for_a_waiter(plant: Plant, or_else: Callable[[], bool]) -> None:
    """Return once somebody waits for the lock; SQLite does not tell: then once he must be about to."""
    waiters = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'nfe'")

    def waits() -> bool:
        if plant.postgresql is None:
            return or_else()
        with plant.tools().store.reading() as connection:
            return bool(connection.execute(waiters).scalar_one())

    plant.wait(waits, "that the worker waits")


@contextmanager
def before_the_claim(trial: Trial) -> Iterator[None]:
    """A worker has the message and cannot have the row."""
    plant, (example,) = trial.plant, trial.fresh(1)
    trial.announce(example, rings=True)
    with locked(plant, example):
        Celery(broker=plant.seen_from_here()["NFE_REDIS_URL"].replace("unix://", "redis+socket://")).send_task(
            "fetch", args=[id_of(example)], queue="nfe", ignore_result=True
        )
        wait_for_a_waiter(plant, lambda: plant.valkey.client().llen("nfe") == 0)
        yield


@contextmanager
def before_the_settlement(trial: Trial) -> Iterator[None]:
    """A worker has its answer and cannot write it down."""
    plant, example = trial.plant, _held_in_details(trial)
    with locked(plant, example):
        held(plant)[0].end()
        wait_for_a_waiter(plant, lambda: not held(plant))
        yield


@contextmanager
def after_the_settlement(trial: Trial) -> Iterator[None]:
    """A worker has written it down and cannot ring for the next stage."""
    plant, example = trial.plant, _held_in_details(trial)
    plant.cables["broker"].cut()
    held(plant)[0].end()
    plant.wait(lambda: trial.row(example).state == State.FETCHED, "the settlement")
    yield
    plant.cables["broker"].mend()


def _held_in_details(trial: Trial) -> Example:
    """A shipment whose worker waits for Amazon's details."""
    (example,) = trial.fresh(1)
    hold(trial.plant, DETAILS, example.shipment_id)
    trial.announce(example)
    trial.plant.wait(lambda: held(trial.plant), "that the call is held")
    return example


Place = Callable[[Trial], AbstractContextManager[None]]
PLACES: tuple[Place, ...] = (before_the_claim, before_the_settlement, after_the_settlement)


@pytest.mark.databases("postgresql", "sqlite")
@pytest.mark.each("places", short=[PLACES], long=[*((place,) for place in PLACES), PLACES])
def test_a_worker_that_dies_beside_the_database_is_followed_by_another(trial: Trial, places: tuple[Place, ...]) -> None:
    trial.begin()
    for place in places:
        trial.plant.run_as_usual()
        with place(trial):
            trial.plant.kill("worker")
    trial.plant.run_as_usual()
    trial.count()


@pytest.mark.databases("sqlite", "postgresql")
def test_all_workers_and_the_sweeper_die_at_once(trial: Trial) -> None:
    trial.plant.start("worker")
    trial.begin()
    trial.in_the_middle()
    trial.plant.kill("beat", "worker")
    trial.plant.run_as_usual()
    trial.count()


@pytest.mark.databases("postgresql", "sqlite")
def test_a_sweeper_that_dies_when_it_has_taken_the_bells_is_followed_by_another(trial: Trial) -> None:
    """The rows say that somebody rang, and nobody did."""
    trial.begin()
    for _ in range(2):
        trial.plant.run_as_usual()
        (example,) = trial.fresh(1)
        trial.announce(example)
        before = trial.row(example).ring_at
        trial.plant.wait(lambda: trial.row(example).ring_at != before, "the sweep")  # noqa: B023
        trial.plant.kill("worker", "beat")
    trial.plant.run_as_usual()
    trial.count()


@pytest.mark.databases("sqlite", "postgresql")
def test_a_worker_that_wakes_after_its_lease_changes_nothing(trial: Trial) -> None:
    """It is stopped in its calls, others go on with its shipments, then its answers come and it goes on too."""
    plant = trial.plant
    plant.run_as_usual()
    plant.kill("worker")
    calls = [call for call in CALLS if call.operation in ("NFeAutorizacao4", "submitInvoice")]
    for call in calls:
        hold(plant, call)
    trial.announce(*trial.fresh(max(trial.size, len(calls) + 1)))
    sleeper = plant.start("worker", NFE_CONCURRENCY=len(calls), NFE_SEFAZ_TIMEOUT=120, NFE_AMAZON_TIMEOUT=120)
    plant.wait(lambda: len(held(plant)) == len(calls), "that all calls are held")
    sleeper.signal(signal.SIGSTOP)
    plant.start("worker")
    trial.rest()
    for pause in held(plant):
        pause.end()
    sleeper.signal(signal.SIGCONT)
    plant.wait(lambda: sleeper.log.read_text().count("lease lost") == len(calls), "that it finds its leases lost")
    trial.count()
