"""A queue that delivers everything again and again, in any order."""

import json
import os
from random import Random

import pytest

from tests.acceptance.faults.trial import Trial
from tests.servers import Queues
from workflow.sandbox.shipments import notification

#: How often each message is delivered.
TIMES = 10


@pytest.mark.databases("postgresql", "sqlite")
def test_messages_that_come_ten_times_in_any_order_are_one_shipment_each(trial: Trial, queues: Queues) -> None:
    """A third is cancelled, and those cancellations come first."""
    trial.plant.run_as_usual()
    batch = trial.fresh(trial.size)
    gone = batch[: len(batch) // 3]
    first = [json.dumps(notification(example.details, "Cancelled")).encode() for example in gone]
    rest = first * (TIMES - 1) + [json.dumps(said).encode() for one in batch for said in one.notifications] * TIMES
    Random(trial.size).shuffle(rest)
    queues.send(*first)
    aws = {name: os.environ[name] for name in os.environ if name.startswith("AWS_")}
    consumer = trial.plant.start(
        "consumer", "consume", NFE_SQS_QUEUE_URL=queues.url, NFE_SQS_DLQ_URL=queues.dead,
        NFE_SQS_ENDPOINT_URL=queues.endpoint, NFE_SQS_WAIT=0, **aws,
    )  # fmt: skip
    trial.plant.wait(lambda: len(trial.rows()) == len(gone), "that the cancellations are taken")
    queues.send(*rest)
    trial.plant.wait(lambda: queues.left() == (0, 0), "that the queue is empty")
    consumer.kill()
    assert queues.buried() == []
    trial.count(cancelled=gone)
