"""Nothing lost, nothing issued twice: killed workers, lost answers, repeated notifications."""

import os
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation, good
from workflow.sandbox.faults import Fault
from workflow.states import State


def assert_each_once(installation: Installation, count: int) -> None:
    """One authorised NF-e and one effective submission per shipment, no number twice."""
    authorised = installation.authorised()
    assert len(authorised) == count
    assert sorted(note["nNF"] for note in authorised) == list(range(1, count + 1))
    assert {one["effective"] for one in installation.submissions().values()} == {1}


def workers(installation: Installation) -> list[int]:
    """The processes of Celery's worker."""
    return [pid for pid in installation.pids() if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_worker_killed_in_the_middle_loses_and_doubles_nothing(installation: Installation) -> None:
    examples = good(12)
    with installation.up() as process:
        installation.announce(*examples)
        deadline = time.monotonic() + 30
        while len(installation.authorised()) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for pid in workers(installation):
            os.kill(pid, signal.SIGKILL)
        process.kill()
        process.wait(10)
    deadline = time.monotonic() + 20
    while installation.pids():
        assert time.monotonic() < deadline, "somebody survived"
        time.sleep(0.1)
    with installation.up():
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
    assert_each_once(installation, len(examples))


def test_answers_that_are_lost_are_asked_for_and_not_repeated(installation: Installation) -> None:
    examples = good(6)
    for operation in ("NFeAutorizacao4", "NFeConsultaProtocolo4"):
        installation.sefaz.book.faults.add(Fault(operation=operation, kind="drop_after_processing", times=2))
    installation.sefaz.book.faults.add(Fault(operation="NFeAutorizacao4", kind="hang_after_processing", times=1))
    installation.amazon.book.faults.add(Fault(operation="submitInvoice", kind="drop_after_processing", times=2))
    installation.amazon.book.faults.add(Fault(operation="submitInvoice", kind="hang_after_processing", times=1))
    installation.amazon.book.faults.add(Fault(operation="getShipmentDetails", kind="status", status=503, times=2))
    installation.amazon.book.faults.add(Fault(operation="getInvoiceStatus", kind="garbage", times=2))
    with installation.up():
        installation.announce(*examples)
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
    assert_each_once(installation, len(examples))


def test_a_notification_twice_before_during_and_after_gives_one_invoice(installation: Installation) -> None:
    example = good(1)[0]
    installation.announce(example)
    with installation.up():
        installation.announce(example)
        assert installation.rest() == {example.shipment_id: State.ACCEPTED}
        installation.announce(example)
        time.sleep(1.5)
        assert installation.rest() == {example.shipment_id: State.ACCEPTED}
    assert_each_once(installation, 1)


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the database has no part in this
@pytest.mark.parametrize("kind", ["drop_before", "slow"])
def test_a_counterpart_that_cannot_now_only_delays(installation: Installation, kind: str) -> None:
    examples = good(3)
    for book in (installation.sefaz.book, installation.amazon.book):
        book.faults.add(Fault(operation="*", kind=kind, seconds=0.3, times=4))
    with installation.up():
        installation.announce(*examples)
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
    assert_each_once(installation, len(examples))


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_a_queued_batch_is_asked_for_by_its_receipt_and_sent_once(installation: Installation) -> None:
    example = good(1)[0]
    installation.sefaz.book.change({"async_batches": True, "late_seconds": 1})
    with installation.up():
        installation.announce(example)
        assert installation.rest(60) == {example.shipment_id: State.ACCEPTED}
    counts = installation.sefaz.book.dump(requests=False)["counts"]
    assert counts["NFeAutorizacao4"] == 1
    assert counts["NFeRetAutorizacao4"] >= 1
    assert "NFeConsultaProtocolo4" not in counts
