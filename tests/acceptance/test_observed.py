"""What a running installation tells of itself: its log, its metrics, whether it is ready."""

# ruff: noqa: F811 - the fixtures are those of the clients

import json
import socket
import time
import urllib.request
import zipfile
from datetime import datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import Installation
from tests.unit.clients.conftest import Server, serve, server  # noqa: F401
from workflow.clients.webhook import signature
from workflow.nfe.tables import ufs
from workflow.sandbox.shipments import SELLER_ID, Example, demo_shipments
from workflow.states import Stage, State

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the database has no part in this


def private(example: Example) -> list[str]:
    """What nobody but the buyer may read anywhere."""
    address, buyer = example.details["ShippingAddress"], example.details
    lines = [address.get("AddressLine1"), address.get("AddressLine2"), address.get("Phone")]
    ids = [one["Value"] for one in buyer["BuyerTaxInfo"]["TaxClassifications"]]
    return [text for text in (buyer["BuyerName"], *lines, *ids) if text]


def logged(installation: Installation) -> list[dict[str, Any]]:
    """Each line of the log but Valkey's own; one that is no JSON fails."""
    lines = (installation.folder / "up.log").read_text().splitlines()
    return [json.loads(line) for line in lines if not line.startswith("valkey ")]


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def told(port: int) -> dict[str, float]:
    """The metrics by name and labels, as Prometheus would read them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in families
        for sample in family.samples
    }


def test_a_running_installation_tells_of_itself_and_nothing_of_the_buyer(
    installation: Installation, server: Server
) -> None:
    examples, port = demo_shipments(8), free_port()
    server.answers(204)
    installation.environment |= {"NFE_LOG_FORMAT": "json", "NFE_LOG_LEVEL": "DEBUG", "NFE_METRICS_PORT": str(port)}
    installation.environment |= {"NFE_ALERT_URL": server.url, "NFE_ALERT_SECRET": "secret", "NFE_ALERT_EVERY": "1"}
    with installation.up() as process:
        installation.announce(*examples)
        states = list(installation.rest(60).values())
        deadline = time.monotonic() + 15  # the last counts come within five seconds
        while (metrics := told(port)).get("nfe_shipment_seconds_count ACCEPTED", 0) < states.count(State.ACCEPTED):
            assert time.monotonic() < deadline, metrics
            time.sleep(0.2)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
            assert answer.status == 200
        while not [alert for alert in alerts(server) if alert["data"]["kind"] == "person"]:
            assert time.monotonic() < deadline, alerts(server)
            time.sleep(0.2)
        process.terminate()
        assert process.wait(60) == 0
    assert not [text for example in examples for text in private(example) for seen in server.seen if text in str(seen)]
    assert_log(installation, examples)
    assert_metrics(metrics, states)
    assert_archive(installation, states)


def alerts(server: Server) -> list[dict[str, Any]]:
    """What was told, each with its signature."""
    for seen in server.seen:
        id, at = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
        assert seen.headers["webhook-signature"] == signature("secret", id, at, seen.body)
    return [json.loads(seen.body) for seen in server.seen]


def assert_log(installation: Installation, examples: list[Example]) -> None:
    """Each line is JSON; a stage's names its shipment and task, none names a buyer."""
    lines = logged(installation)
    settled = [line for line in lines if line["event"] == "settled"]
    assert {line["stage"] for line in settled} > {Stage.FETCH, Stage.GENERATE, Stage.AUTHORIZE, Stage.SUBMIT}
    for line in settled:
        assert line["task_id"]
        assert line["task"] == line["stage"]
        assert (line["seller"], line["shipment"].split("/")[0]) == (SELLER_ID, SELLER_ID)
    everything = json.dumps(lines, ensure_ascii=False)
    assert not [text for example in examples for text in private(example) if text in everything]


def assert_metrics(metrics: dict[str, float], states: list[str]) -> None:
    """The numbers are those of the run."""
    for state in set(states):
        assert metrics[f"nfe_shipments {state}"] == states.count(state)
    assert metrics["nfe_shipments_stopped unknown-sku"] == 1
    assert metrics["nfe_stage_outcomes_total refused authorize"] == states.count(State.REJECTED)
    assert metrics["nfe_polls_per_shipment_count ACCEPTED"] == states.count(State.ACCEPTED)
    assert metrics["nfe_requests_total submitInvoice amazon 200"] >= states.count(State.ACCEPTED)
    assert metrics["nfe_permits_total getShipmentDetails granted"] >= len(states) - states.count(State.CANCELLED)
    assert metrics["nfe_worker_processes"] == 2
    assert metrics["nfe_last_sweep_seconds"] < 10
    assert metrics["nfe_certificate_seconds " + SELLER_ID] > 86400
    assert metrics["nfe_oldest_due_seconds"] == 0


def assert_archive(installation: Installation, states: list[str]) -> None:
    """What SEFAZ authorised is what the accountant gets."""
    month = datetime.now(ufs()["SP"].zone).strftime("%Y-%m")
    path = installation.folder / "month.zip"
    said = installation.run("export", "--month", month, "--homologation", "-o", str(path))
    book = installation.sefaz.book.dump(requests=False)["authorised"]
    with zipfile.ZipFile(path) as file:
        notes = {name.split("/")[-1][:44]: file.read(name) for name in file.namelist() if "/notas/" in name}
        events = [name for name in file.namelist() if "/eventos/" in name]
    assert set(notes) == set(book)
    assert all(nfeproc.count(b"<protNFe") == 1 for nfeproc in notes.values())
    assert f"{len(events)} cancelled" in said
    totals = json.loads(installation.run("report", "--month", month, "--homologation", "--json"))
    assert totals["notes"] == {"autorizada": len(book) - len(events), "cancelada": len(events), "sem XML": 0}
