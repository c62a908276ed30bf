"""Parts that are started before what they need: they wait, say so once, and go on when it comes."""

import json
import os
import urllib.request
from contextlib import suppress

import pytest

from tests.acceptance.faults.plant import Part
from tests.acceptance.faults.trial import Trial, id_of
from tests.servers import Queues, free_ports
from workflow.users import Role, users_of

#: Where each part that people or programs ask tells that it lives.
LIVES = {"WEB": "alive", "FLOWER": "healthcheck", "METRICS": "readyz"}


def waited_for(part: Part) -> list[str]:
    """What it has said that it waits for."""
    return [line for line in part.log.read_text().splitlines() if "waiting" in line]


def answers(port: int, path: str) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5) as answer:
        return bool(answer.status == 200)
    return False


@pytest.mark.databases("postgresql")
def test_parts_that_begin_before_database_and_broker_wait_for_them(trial: Trial, queues: Queues, is_long: bool) -> None:
    """In the short form without those that only show."""
    plant = trial.plant
    names = ("worker", "beat", "web", "consumer", *(("flower", "metrics") if is_long else ()))
    plant.kill("worker", "beat")
    users_of(plant.tools().store, plant.tools().settings).put("maria", Role.OPERATOR, "a long enough password")
    plant.valkey.crash()
    plant.crash_database()
    ports = free_ports(*LIVES)
    settings: dict[str, object] = {f"NFE_{name}_PORT": port for name, port in ports.items()}
    settings |= {"NFE_SQS_QUEUE_URL": queues.url, "NFE_SQS_ENDPOINT_URL": queues.endpoint, "NFE_SQS_WAIT": 1}
    settings |= {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    settings |= {"NFE_FLOWER_BASIC_AUTH": "maria:secret"}
    parts = {name: plant.start(name, **settings) for name in names}
    waiting = [part for name, part in parts.items() if name != "metrics"]  # it tells what is away
    plant.wait(lambda: all(waited_for(part) for part in waiting), "that all wait")
    plant.start_database()
    plant.valkey.start()
    (example,) = trial.fresh(1)
    queues.send(*(json.dumps(notification).encode() for notification in example.notifications))
    plant.wait(lambda: trial.row(example) is not None, f"that {id_of(example)} comes in")
    trial.count()
    asked = {name: path for name, path in LIVES.items() if name.lower() in parts}
    plant.wait(lambda: all(answers(ports[name], path) for name, path in asked.items()), "that all answer")
    assert {len(waited_for(part)) for part in waiting} <= {1, 2, 3, 4}, "one line for each reason, no flood"
    for part in parts.values():
        part.process.terminate()
    plant.wait(lambda: not any(part.is_alive for part in parts.values()), "that all end")
