"""What a running Flower shows, read from its API."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import requests
from celery import Celery

from tests.acceptance.conftest import Installation
from tests.acceptance.flower import running
from tests.acceptance.test_readme_walk import free_ports, until
from workflow.sandbox.faults import Fault
from workflow.sandbox.shipments import SELLER_ID, Example, demo_shipments
from workflow.settings import load
from workflow.states import Stage, State


def flower_url(installation: Installation) -> str:
    """Where Flower says that it listens."""
    log = (installation.folder / "up.log").read_text()
    found = re.search(r"http://127\.0\.0\.1:\d+", log)
    assert found is not None, log[-2000:]
    return found.group()


def asked(installation: Installation, path: str, **query: str) -> dict[str, Any]:
    """What Flower's API answers."""
    answer = requests.get(f"{flower_url(installation)}/api/{path}", params=query, auth=("maria", "secret"), timeout=10)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def tasks_of(installation: Installation) -> list[dict[str, Any]]:
    """Every task that Flower knows."""
    return list(asked(installation, "tasks", limit="1000").values())


def hears(installation: Installation) -> bool:
    """Whether the workers' events reach Flower, which sees what happens from then on: their heartbeats do."""
    log = (installation.folder / "up.log").read_text()
    return "Visit me" in log and any(asked(installation, "workers", status="1").values())


def waits_of(installation: Installation) -> list[str]:
    """What Flower says of the tasks that wait."""
    return [task["exception"] for task in tasks_of(installation) if task["state"] == "RETRY"]


def is_told(installation: Installation, examples: list[Example]) -> bool:
    """Whether Flower has heard the end of every task, and of each shipment."""
    tasks = tasks_of(installation)
    states = {row["amazon_shipment_id"]: row["state"] for row in installation.rows()}
    polled = {task["args"] for task in tasks if task["name"] == "poll" and task["state"] == "SUCCESS"}
    accepted = [example.shipment_id for example in examples if states[example.shipment_id] == State.ACCEPTED]
    return all(task["state"] not in ("STARTED", "RECEIVED") for task in tasks) and all(
        any(shipment in args for args in polled) for shipment in accepted
    )


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the database has no part in this
def test_flower_shows_each_stage_with_its_shipment_and_nothing_of_the_buyer(installation: Installation) -> None:
    examples = demo_shipments(12)
    waits = examples[2].details["BuyerTaxInfo"]["TaxClassifications"][0]["Value"]
    installation.sefaz.book.faults.add(Fault(operation="NFeAutorizacao4", kind="drop_before", match=waits))
    installation.environment["NFE_RING_AGAIN"] = "PT60S"  # one chain each, however slow the machine is
    installation.environment["NFE_FLOWER_BASIC_AUTH"] = "maria:secret"
    with installation.up():
        until(lambda: hears(installation), "Flower hears no worker")
        installation.amazon.book.change({"processing_seconds": 600})
        installation.announce(*examples)
        until(lambda: any("SUBMITTED Processing, again in " in one for one in waits_of(installation)), "no poll waits")
        installation.amazon.book.change({"processing_seconds": 0})
        installation.rest(90)
        until(lambda: is_told(installation, examples), "Flower has not heard how every task ended")
        tasks = tasks_of(installation)
    by_shipment = {
        example.shipment_id: [task for task in tasks if f"{SELLER_ID}/{example.shipment_id}" in task["args"]]
        for example in examples
    }

    # The happy path: each stage by its name, all of one chain but the poll, whose wait is in the row.
    happy = by_shipment[examples[0].shipment_id]
    assert {task["name"] for task in happy if task["state"] == "SUCCESS"} == {str(stage) for stage in Stage} - {
        "cancel"
    }
    roots = {task["root_id"] for task in happy if task["name"] in ("fetch", "generate", "submit")}
    assert len(roots) == 1

    # What was refused or stopped is a FAILURE with its code and reason; what waits is a RETRY.
    shown = {task["exception"] for task in tasks if task["state"] == "FAILURE"}
    assert any("REJECTED 232" in one for one in shown)
    assert any("FETCHED unknown-sku" in one for one in shown)
    assert not [task for task in tasks if task["state"] in ("STARTED", "RECEIVED")]
    assert not [task for task in tasks if task["name"] == "sweep"]

    everything = json.dumps(tasks, ensure_ascii=False)
    for example in examples:
        buyer = example.details
        for private in (
            buyer["BuyerName"],
            buyer["ShippingAddress"]["AddressLine1"],
            *(one["Value"] for one in buyer["BuyerTaxInfo"]["TaxClassifications"]),
        ):
            assert private not in everything
    states = {row["amazon_shipment_id"]: row["state"] for row in installation.rows()}
    assert states[examples[0].shipment_id] == State.ACCEPTED


def test_flower_remembers_its_tasks_over_a_restart(
    valkey: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("NFE_", "FLOWER_"))]:
        monkeypatch.delenv(name)
    broker = valkey.replace("unix://", "redis+socket://")
    port = free_ports("flower")["flower"]
    settings = load(data_dir=tmp_path, redis_url=valkey, flower_port=port, flower_basic_auth="maria:secret")
    seen: dict[str, Any] = {"name": "fetch", "args": f"('{SELLER_ID}/FBA1',)", "kwargs": "{}", "retries": 0}

    def tasks(address: str) -> Any:
        return requests.get(f"{address}/api/tasks", auth=("maria", "secret"), timeout=10).json()

    def is_heard(address: str) -> bool:
        with (
            Celery(broker=broker) as worker,
            worker.connection_for_write() as connection,
            worker.events.Dispatcher(connection, hostname="worker@here") as events,
        ):
            events.send(
                "task-received", uuid="a-task", root_id="a-task", parent_id=None, eta=None, expires=None, **seen
            )
        return "a-task" in tasks(address)

    with running(settings) as address:
        until(lambda: is_heard(address), "Flower hears no event")
    with running(settings) as address:
        remembered = tasks(address)["a-task"]
    assert (remembered["name"], remembered["args"]) == (seen["name"], seen["args"])


def test_flower_without_a_login_does_not_start_in_production(tmp_path: Path) -> None:
    made = Installation(tmp_path, None, None)  # type: ignore[arg-type]  # no counterpart is asked
    made.environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "NFE_DATA_DIR": str(tmp_path / "data"),
        "NFE_REDIS_URL": "redis://127.0.0.1:1/0",
    }
    made.run("up", "flower", status=1)
