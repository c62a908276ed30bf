"""Answers that are lost, late or nonsense, and notifications that come again."""

import pytest

from tests.acceptance.faults.trial import Trial
from workflow.sandbox.faults import Fault

#: What befalls Amazon's answers, and SEFAZ's.
AMAZONS = (
    Fault(operation="lwa", kind="status", status=503),
    Fault(operation="getShipmentDetails", kind="status", status=503, times=2),
    Fault(operation="getShipmentDetails", kind="drop_before", times=2),
    Fault(operation="submitInvoice", kind="drop_after_processing", times=2),
    Fault(operation="submitInvoice", kind="hang_after_processing"),
    Fault(operation="getInvoiceStatus", kind="garbage", times=2),
    Fault(operation="getInvoiceStatus", kind="slow", seconds=0.3, times=2),
)
SEFAZS = (
    Fault(operation="NFeAutorizacao4", kind="drop_before"),
    Fault(operation="NFeAutorizacao4", kind="drop_after_processing", times=2),
    Fault(operation="NFeAutorizacao4", kind="hang_after_processing"),
    Fault(operation="NFeAutorizacao4", kind="status_after_processing", status=503),
    Fault(operation="NFeConsultaProtocolo4", kind="drop_after_processing", times=2),
    Fault(operation="NFeConsultaProtocolo4", kind="garbage"),
)


@pytest.mark.databases("sqlite", "postgresql")
def test_answers_that_are_lost_are_asked_for_and_nothing_is_repeated(trial: Trial) -> None:
    plant = trial.plant
    plant.run_as_usual()
    plant.valkey.client().flushall()  # the tokens too: one is asked for anew
    for fault in AMAZONS:
        plant.amazon.book.faults.add(fault)
    for fault in SEFAZS:
        plant.sefaz.book.faults.add(fault)
    trial.announce(*trial.fresh(trial.size))
    trial.count()


@pytest.mark.databases("postgresql", "sqlite")
def test_batches_that_sefaz_queues_are_asked_for_by_their_receipts_and_sent_once(trial: Trial) -> None:
    plant = trial.plant
    plant.run_as_usual()
    before = plant.sefaz.book.dump(requests=False)["counts"]
    plant.sefaz.book.change({"async_batches": True, "late_seconds": 1})
    try:
        trial.announce(*trial.fresh(trial.size))
        trial.rest()
    finally:
        plant.sefaz.book.change({"async_batches": False, "late_seconds": 0})
    after = plant.sefaz.book.dump(requests=False)["counts"]
    asked = {service: after[service] - before.get(service, 0) for service in after}
    assert asked["NFeAutorizacao4"] == len(trial.batch)
    assert asked["NFeRetAutorizacao4"] >= len(trial.batch)
    assert asked.get("NFeConsultaProtocolo4", 0) == 0
    trial.count()


@pytest.mark.databases("sqlite", "postgresql")
def test_notifications_that_come_again_before_during_and_after_change_nothing(trial: Trial) -> None:
    plant = trial.plant
    plant.run_as_usual()
    plant.kill("worker")
    batch = trial.fresh(trial.size)
    trial.announce(*batch, *batch)
    plant.start("worker")
    trial.in_the_middle()
    trial.announce(*batch)
    trial.rest()
    trial.announce(*batch)
    trial.count()
