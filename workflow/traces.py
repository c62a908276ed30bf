"""Traces by OpenTelemetry: a span for each stage, and inside it one for each request to another party.

They are told where the extra `otel` is installed and OpenTelemetry's own variables say where to
(OTEL_EXPORTER_OTLP_ENDPOINT); otherwise a span costs nothing and does nothing. All stages of a shipment are one trace,
whoever ran them and whenever. A span holds ids, codes and hosts, never an exception's text.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec
from typing import Any

from workflow.errors import NfeError
from workflow.logs import logger
from workflow.release import NAME, our_version

log = logger(__name__)

#: Any of them says where traces go.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

#: Whose trace a span without a parent begins or goes on with.
_shipment: ContextVar[str | None] = ContextVar("shipment", default=None)
#: This process's provider and tracer, once it has begun.
_provider: Any = None
_tracer: Any = None


class Span:
    """What a piece of work tells of itself; without a tracer it tells nobody."""

    def __init__(self, inner: Any = None) -> None:
        self._inner = inner

    def tell(self, facts: Mapping[str, str | int | None]) -> None:
        """Add facts by OpenTelemetry's names or ours; None is nothing to tell."""
        if self._inner is not None:
            self._inner.set_attributes({name: value for name, value in facts.items() if value is not None})

    def fail(self, code: str) -> None:
        """Mark the work as failed, by a code."""
        if self._inner is not None:
            from opentelemetry.trace import Status, StatusCode

            self._inner.set_attribute("error.type", code)
            self._inner.set_status(Status(StatusCode.ERROR))


_NOBODY = Span()


def begin(processor: Any = None) -> bool:
    """Begin to tell spans in this process, after its fork; False where nobody wants them or the extra is missing."""
    global _provider, _tracer  # one per process, as OpenTelemetry's own
    if processor is None and not any(os.environ.get(name) for name in ENDPOINTS):
        return False
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        log.warning("no traces", reason="the extra otel is missing: pip install 'nfe-workflow[otel]'")
        return False
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    _provider = TracerProvider(
        resource=Resource.create({"service.name": NAME, "service.version": our_version()}), id_generator=_ids()
    )
    _provider.add_span_processor(processor or _to_collector())
    _tracer = _provider.get_tracer(NAME)
    return True


def end() -> None:
    """Send what is left, and tell no more."""
    global _provider, _tracer
    if _provider is not None:
        _provider.shutdown()
    _provider = _tracer = None


@contextmanager
def stage(name: str, shipment: str, facts: Mapping[str, str | None]) -> Iterator[Span]:
    """One stage of a shipment: a span of the shipment's own trace."""
    if _tracer is None:
        yield _NOBODY
        return
    token = _shipment.set(shipment)
    try:
        with _span(name, "CONSUMER") as span:
            span.tell({"nfe.shipment": shipment, **facts})
            yield span
    finally:
        _shipment.reset(token)


@contextmanager
def request(party: str, operation: str) -> Iterator[Span]:
    """One request to another party."""
    if _tracer is None:
        yield _NOBODY
        return
    with _span(f"{party} {operation}".strip(), "CLIENT") as span:
        span.tell({"nfe.party": party, "nfe.operation": operation})
        yield span


@contextmanager
def _span(name: str, kind: str) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind

    # An exception's text may hold what nobody may read: its code says enough.
    how = {"record_exception": False, "set_status_on_exception": False}
    with _tracer.start_as_current_span(name, kind=SpanKind[kind], **how) as inner:
        span = Span(inner)
        try:
            yield span
        except Exception as error:
            span.fail(error.code if isinstance(error, NfeError) else type(error).__name__)
            raise


def _to_collector() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    return BatchSpanProcessor(OTLPSpanExporter())


def _ids() -> Any:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class Ids(RandomIdGenerator):
        """A shipment's trace has the shipment's number, so that each worker finds it; the rest is random."""

        def generate_trace_id(self) -> int:
            shipment = _shipment.get()
            return super().generate_trace_id() if shipment is None else trace_of(shipment)

    return Ids()


def trace_of(shipment: str) -> int:
    """The trace id of a shipment.

    >>> f"{trace_of('A1SELLER/FBA15DJ8K1'):032x}"
    '7bb1b2d394b311267f43a56c9bcbecfb'
    """
    return int.from_bytes(hashlib.sha256(shipment.encode()).digest()[:16], "big")
