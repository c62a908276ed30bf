"""With RabbitMQ as Celery's broker, and Redis for permits and barrier alone."""

import re

import pytest
import requests

from tests.acceptance.conftest import Installation, good
from tests.acceptance.test_limits import within
from workflow.clients import broker
from workflow.states import State

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the database has no part in this


def test_rabbitmq_carries_the_messages_and_flower_sees_them(installation: Installation, rabbitmq: str) -> None:
    installation.environment |= {"NFE_BROKER_URL": rabbitmq, "NFE_FLOWER_BASIC_AUTH": "maria:secret"}
    with installation.up():
        log = installation.folder / "up.log"
        assert within(60, lambda: "Visit me" in log.read_text())
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        assert found is not None
        installation.announce(*good(6))
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
        tasks = f"{found.group()}/api/tasks"
        known = requests.get(tasks, params={"limit": 1000}, auth=("maria", "secret"), timeout=10).json().values()
        assert {"fetch", "generate", "authorize", "submit"} <= {task["name"] for task in known}
        assert re.search(r"messages\tok\tamqp broker answers, \d+ messages wait", installation.run("doctor"))
        assert not installation.tools().redis.exists(broker.QUEUE)
