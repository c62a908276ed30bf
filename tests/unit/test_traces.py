"""Spans of stages and requests: one trace per shipment, nothing of a buyer, nothing at all where nobody wants them."""

# ruff: noqa: F811 - the fixtures are those of the clients

import subprocess
import sys
from collections.abc import Iterator

import pytest
import requests

from tests.unit.clients.conftest import Server, serve, server  # noqa: F401
from workflow import traces
from workflow.clients.exchange import Request, exchange
from workflow.errors import Invalid, RetryLater

export = pytest.importorskip("opentelemetry.sdk.trace.export", reason="no OpenTelemetry here; install the extra otel")
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402
from opentelemetry.trace import SpanKind, StatusCode  # noqa: E402


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What this process tells."""
    kept = InMemorySpanExporter()
    assert traces.begin(export.SimpleSpanProcessor(kept))
    yield kept
    traces.end()


def test_a_request_is_inside_its_stage_and_both_in_the_shipments_trace(
    spans: InMemorySpanExporter, server: Server
) -> None:
    server.answers(200, b"{}")
    with traces.stage("poll", "A1/FBA1", {"nfe.seller": "A1"}) as span:
        asked = Request("GET", f"{server.url}/shipments/FBA1?x=1", {}, asks=True, operation="getInvoiceStatus")
        exchange(requests.Session(), asked, timeout=5, party="amazon")
        span.tell({"nfe.state": "ACCEPTED", "nfe.code": None})
    request, stage = spans.get_finished_spans()
    assert stage.name == "poll"
    assert dict(stage.attributes or {}) == {"nfe.shipment": "A1/FBA1", "nfe.seller": "A1", "nfe.state": "ACCEPTED"}
    assert (request.name, request.kind) == ("amazon getInvoiceStatus", SpanKind.CLIENT)
    assert dict(request.attributes or {}) == {
        "nfe.party": "amazon", "nfe.operation": "getInvoiceStatus", "http.request.method": "GET",
        "server.address": "127.0.0.1", "http.response.status_code": 200,
    }  # fmt: skip
    assert request.parent is not None
    assert request.parent.span_id == stage.context.span_id
    assert stage.context.trace_id == request.context.trace_id == traces.trace_of("A1/FBA1")


def test_all_stages_of_a_shipment_are_one_trace_and_nobody_elses(spans: InMemorySpanExporter) -> None:
    for name, shipment in (("fetch", "A1/FBA1"), ("generate", "A1/FBA1"), ("fetch", "A1/FBA2")):
        with traces.stage(name, shipment, {}):
            pass
    with traces.request("webhook", "alert"):
        pass
    ids = [span.context.trace_id for span in spans.get_finished_spans()]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_failure_is_told_by_its_code_and_never_by_its_text(spans: InMemorySpanExporter) -> None:
    with pytest.raises(Invalid), traces.stage("fetch", "A1/FBA1", {}):
        raise Invalid("bad-buyer-id", "MARIA DA SILVA 123.456.789-09")
    with pytest.raises(KeyError), traces.request("sefaz", "consulta"):
        raise KeyError("MARIA DA SILVA")
    with pytest.raises(RetryLater), traces.stage("poll", "A1/FBA1", {}):
        exchange(requests.Session(), Request("GET", "http://127.0.0.1:1/", {}, asks=True), timeout=1, party="amazon")
    finished = spans.get_finished_spans()
    assert {span.status.status_code for span in finished} == {StatusCode.ERROR}
    codes = [str((span.attributes or {}).get("error.type")) for span in finished]
    assert codes == ["bad-buyer-id", "KeyError", "amazon-unreachable", "amazon-unreachable"]
    assert not [span for span in finished if span.events or span.status.description]
    assert "MARIA" not in "".join(span.to_json() for span in finished)


def test_without_an_endpoint_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in traces.ENDPOINTS:
        monkeypatch.delenv(name, raising=False)
    assert not traces.begin()
    with traces.stage("fetch", "A1/FBA1", {}) as span:
        span.tell({"nfe.state": "FETCHED"})
        span.fail("x")


def test_an_endpoint_without_the_extra_is_told_and_stops_nobody() -> None:
    program = (
        "import sys; sys.modules['opentelemetry'] = None; import importlib.util as u; real = u.find_spec;"
        "u.find_spec = lambda name: None if name.startswith('opentelemetry') else real(name);"
        "from workflow import traces; assert not traces.begin()"
    )
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    assert "nfe-workflow[otel]" in done.stdout + done.stderr
