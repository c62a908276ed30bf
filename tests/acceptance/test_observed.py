"""What a running installation tells of itself and hands on, in one run: log, metrics, alerts, notes, the month's archive."""

# ruff: noqa: F811 - the fixtures are those of the clients

import base64
import json
import socket
import time
import urllib.request
import zipfile
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import Installation
from tests.mailbox import Mailbox, mail_server
from tests.unit.clients.conftest import Seen, Server, serve, server  # noqa: F401
from workflow.clients.webhook import signature
from workflow.nfe.tables import ufs
from workflow.sandbox.shipments import SELLER_ID, Example, demo_shipments
from workflow.seller_file import register
from workflow.states import Stage, State
from workflow.traces import trace_of

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the database has no part in this

HANDED_ON = """
[buyer_mail]
to = "notas@loja.example"

[buyer_webhook]
url = "{url}/notes"
secret = "secret"
"""


def test_a_running_installation_tells_of_itself_and_nothing_of_the_buyer(
    installation: Installation, server: Server
) -> None:
    server.answers(204)
    examples, port = demo_shipments(8), free_port()
    with mail_server() as mailbox:
        prepare(installation, server, mailbox, port)
        with installation.up() as process:
            installation.announce(*examples)
            states = list(installation.rest(60).values())
            accepted = states.count(State.ACCEPTED)
            until(lambda: told(port).get("nfe_shipment_seconds_count ACCEPTED", 0) == accepted)
            until(lambda: "person" in [alert["data"]["kind"] for alert in posted(server, "/alerts")])
            until(lambda: len(mailbox.mails) == len(posted(server, "/notes")) >= accepted)
            metrics = told(port)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                assert answer.status == 200
            process.terminate()
            assert process.wait(60) == 0
    private = [text for example in examples for text in private_of(example)]
    assert_log(installation, private)
    assert_metrics(metrics, states)
    assert not [text for alert in posted(server, "/alerts") for text in private if text in json.dumps(alert)]
    assert_traces(server, private)
    assert_handed_on(installation, server, mailbox)
    assert_archive(installation)


def prepare(installation: Installation, server: Server, mailbox: Mailbox, port: int) -> None:
    """Let everything be told, and the seller's notes be handed on."""
    installation.environment |= {
        "NFE_LOG_FORMAT": "json", "NFE_LOG_LEVEL": "DEBUG", "NFE_METRICS_PORT": str(port),
        "NFE_ALERT_URL": f"{server.url}/alerts", "NFE_ALERT_SECRET": "secret", "NFE_ALERT_EVERY": "1",
        "NFE_HANDOVER_EVERY": "1", "NFE_SMTP_HOST": "127.0.0.1", "NFE_SMTP_PORT": str(mailbox.port),
        "NFE_SMTP_TLS": "none", "NFE_SMTP_FROM": "notas@nfe.example",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"{server.url}/otlp",
    }  # fmt: skip
    seller = installation.folder.parent / "seller.toml"
    seller.write_text(seller.read_text() + HANDED_ON.format(url=server.url))
    register(installation.tools(), seller, actor="test")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def until(question: Callable[[], bool]) -> None:
    """Wait for a yes: counts come within five seconds, the rest sooner."""
    deadline = time.monotonic() + 30
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def told(port: int) -> dict[str, float]:
    """The metrics by name and labels, as Prometheus would read them."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    return {
        " ".join([sample.name, *(value for _, value in sorted(sample.labels.items()))]): sample.value
        for family in families
        for sample in family.samples
    }


def posted(server: Server, path: str) -> list[dict[str, Any]]:
    """What came to a webhook, each with its signature."""
    seen = [one for one in list(server.seen) if one.path == path]
    assert all(is_signed(one) for one in seen)
    return [json.loads(one.body) for one in seen]


def is_signed(seen: Seen) -> bool:
    id, at = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
    return seen.headers["webhook-signature"] == signature("secret", id, at, seen.body)


def private_of(example: Example) -> list[str]:
    """What nobody but the buyer, and whom the seller names, may read."""
    buyer, address = example.details, example.details["ShippingAddress"]
    lines = [address.get("AddressLine1"), address.get("AddressLine2"), address.get("Phone")]
    ids = [one["Value"] for one in buyer["BuyerTaxInfo"]["TaxClassifications"]]
    return [text for text in (buyer["BuyerName"], *lines, *ids) if text]


# -- what must hold -----------------------------------------------------------------------------------------


def assert_log(installation: Installation, private: list[str]) -> None:
    """Each line but Valkey's own is JSON; a stage's names its shipment and task, none names a buyer."""
    text = (installation.folder / "up.log").read_text()
    lines = [json.loads(line) for line in text.splitlines() if not line.startswith("valkey ")]
    settled = [line for line in lines if line["event"] == "settled"]
    assert {line["stage"] for line in settled} > {Stage.FETCH, Stage.GENERATE, Stage.AUTHORIZE, Stage.SUBMIT}
    for line in settled:
        assert line["task_id"]
        assert line["task"] == line["stage"]
        assert (line["seller"], line["shipment"].split("/")[0]) == (SELLER_ID, SELLER_ID)
    everything = json.dumps(lines, ensure_ascii=False)
    assert not [text for text in private if text in everything]


def assert_metrics(metrics: dict[str, float], states: list[str]) -> None:
    """The numbers are those of the run."""
    accepted = states.count(State.ACCEPTED)
    for state in set(states):
        assert metrics[f"nfe_shipments {state}"] == states.count(state)
    assert metrics["nfe_shipments_stopped unknown-sku"] == 1
    assert metrics["nfe_stage_outcomes_total refused authorize"] == states.count(State.REJECTED)
    assert metrics["nfe_polls_per_shipment_count ACCEPTED"] == accepted
    assert metrics["nfe_requests_total submitInvoice amazon 200"] >= accepted
    assert metrics["nfe_permits_total getShipmentDetails granted"] >= len(states) - states.count(State.CANCELLED)
    assert metrics["nfe_worker_processes"] == 2
    assert metrics["nfe_last_sweep_seconds"] < 10
    assert metrics["nfe_certificate_seconds " + SELLER_ID] > 86400
    assert metrics["nfe_oldest_due_seconds"] == 0


def assert_traces(server: Server, private: list[str]) -> None:
    """A collector got each shipment's stages as one trace, with the requests inside them."""
    spans = []
    for seen in [one for one in server.seen if one.path == "/otlp/v1/traces"]:
        batch = ExportTraceServiceRequest.FromString(seen.body)
        spans += [span for resource in batch.resource_spans for scope in resource.scope_spans for span in scope.spans]
        assert not [text for text in private if text.encode() in seen.body]
    facts = [{fact.key: fact.value.string_value for fact in span.attributes} for span in spans]
    by_shipment = {
        fact["nfe.shipment"]: span.trace_id for fact, span in zip(facts, spans, strict=True) if "nfe.shipment" in fact
    }
    assert {trace.to_bytes(16, "big") for trace in map(trace_of, by_shipment)} == set(by_shipment.values())
    assert {span.name for span in spans} > {*(set(Stage) - {Stage.CANCEL}), "sefaz autorizacao", "amazon submitInvoice"}
    inside = {span.parent_span_id for span in spans if span.name == "amazon submitInvoice"}
    assert inside <= {span.span_id for span in spans if span.name == Stage.SUBMIT}


def assert_handed_on(installation: Installation, server: Server, mailbox: Mailbox) -> None:
    """Each accepted note went by both channels as the archive has it, and is in the history."""
    notes = [note["data"] for note in posted(server, "/notes")]
    for row in installation.rows():
        mine = [note for note in notes if note["shipment"] == row["amazon_shipment_id"]]
        assert len(mine) == (row["state"] == State.ACCEPTED)
        for note in mine:
            nfeProc = installation.tools().store.document(row["id"], "nfeproc")
            assert base64.b64decode(note["files"][f"{note['chNFe']}-procNFe.xml"]) == nfeProc
            lines = [line for line in installation.tools().store.history(row["id"]) if line.stage == "hand_over"]
            assert [line.outcome for line in lines] == ["done", "done"]
    keys = {str(part.get_filename())[:44] for mail in mailbox.mails for part in mail.iter_attachments()}
    assert {note["chNFe"] for note in notes} == {key for key in keys if not key.startswith("DANFE")}


def assert_archive(installation: Installation) -> None:
    """What SEFAZ authorised is what the accountant gets."""
    month = datetime.now(ufs()["SP"].zone).strftime("%Y-%m")
    path = installation.folder / "month.zip"
    said = installation.run("export", "--month", month, "--homologation", "-o", str(path))
    book = installation.sefaz.book.dump(requests=False)["authorised"]
    with zipfile.ZipFile(path) as file:
        notes = {name.split("/")[-1][:44]: file.read(name) for name in file.namelist() if "/notas/" in name}
        events = [name for name in file.namelist() if "/eventos/" in name]
    assert set(notes) == set(book)
    assert all(nfeProc.count(b"<protNFe") == 1 for nfeProc in notes.values())
    assert f"{len(events)} cancelled" in said
    totals = json.loads(installation.run("report", "--month", month, "--homologation", "--json"))
    assert totals["notes"] == {"autorizada": len(book) - len(events), "cancelada": len(events), "sem XML": 0}
