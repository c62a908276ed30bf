"""From Amazon's queue to Amazon's verdict: `nfe up` with its consumer, and a consumer that is killed on the way."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation, good
from tests.servers import Queues
from workflow.sandbox.shipments import SELLER_ID
from workflow.states import State

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)


def consumers(installation: Installation) -> list[int]:
    """The processes of the consumer."""
    return [pid for pid in installation.pids() if b"\0consume\0" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_what_is_in_the_queue_is_accepted_although_the_consumer_is_killed(
    installation: Installation, queues: Queues
) -> None:
    examples = good(8)
    installation.environment |= {name: os.environ[name] for name in os.environ if name.startswith("AWS_")} | {
        "NFE_SQS_QUEUE_URL": queues.url,
        "NFE_SQS_DLQ_URL": queues.dead,
        "NFE_SQS_ENDPOINT_URL": queues.endpoint,
        "NFE_SQS_VISIBILITY": "2",
    }
    for example in examples:
        installation.amazon.book.add(example.shipment())
    sent = [json.dumps(notification).encode() for example in examples for notification in example.notifications]
    with installation.up() as process:
        queues.send(*sent[: len(sent) // 2])
        deadline = time.monotonic() + 90
        while not (installation.rows() and consumers(installation)):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        for pid in consumers(installation):
            os.kill(pid, signal.SIGKILL)
        queues.send(*sent, b"poison")
        while queues.left() != (0, 0) or len(installation.rows()) < len(examples):
            assert time.monotonic() < deadline, "the supervisor starts it again"
            time.sleep(0.1)
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
        assert "consumer" in (installation.folder / "up.log").read_text()
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
        assert time.monotonic() - asked < 20
    assert {one["effective"] for one in installation.submissions().values()} == {1}
    assert [buried["code"] for buried in queues.buried()] == ["bad-notification"]


def test_what_was_never_announced_is_taken_from_a_list(installation: Installation) -> None:
    examples = good(3)
    for example in examples:
        installation.amazon.book.add(example.shipment())
    ids = "\n".join(example.shipment_id for example in examples).encode()
    with installation.up():
        installation.run("reconcile", "-", "--seller", SELLER_ID, stdin=ids)
        assert set(installation.rest(60).values()) == {State.ACCEPTED}
    assert len(installation.authorised()) == len(examples)
