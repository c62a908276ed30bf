"""An examination as Prometheus reads it.

What could not be asked is missing, and its `…_up` says 0. Series are few: a seller is named only where it is stopped or
its certificate is among those that end first, and at most `MOST_SELLERS` are.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from workflow.clients import broker
from workflow.engine import Kind
from workflow.examination import BrokerFound, DatabaseFound, Examination
from workflow.metrics import METRICS, MICRO, OTHER, SEPARATOR, STAGE_OUTCOMES, SUM, Metric
from workflow.purge import REMOVED
from workflow.release import our_version
from workflow.standing import Standing
from workflow.states import Stage

#: Sellers that are named at the most.
MOST_SELLERS = 100
#: Codes by which stopped shipments are told apart; the rest goes by the name of `other`.
MOST_CODES = 50


class _Families(Collector):
    """All families of one answer."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Family]:
        return self._families


def exposition(examination: Examination) -> bytes:
    """Ask, and render the answer in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    database, redis = examination.database.ask(), examination.broker.ask()
    registry.register(_Families((*_of_us(), *_of_database(database), *_of_broker(redis))))
    return generate_latest(registry)


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"nfe_{name}", about, value=value)


def _gauges(name: str, about: str, label: str, values: Mapping[Any, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"nfe_{name}", about, labels=[label])
    for which, value in values.items():
        family.add_metric([which], value)
    return family


def _of_us() -> Iterator[Family]:
    family = GaugeMetricFamily("nfe_build_info", "The version that exports.", labels=["version"])
    family.add_metric([our_version()], 1)
    yield family


def _of_database(found: DatabaseFound | None) -> Iterator[Family]:
    yield _gauge("database_up", "Whether the database answers.", float(found is not None))
    if found is None:
        return
    now = found.standing
    yield _gauge("database_seconds", "How long the database takes to answer a question.", found.seconds)
    yield _gauge("database_current", "Whether it is at this version's revision.", float(found.is_current))
    shipments = {**now.shipments, **found.finished}
    yield _gauges(
        "shipments", "Shipments by state; those that have ended may be told some seconds late.", "state", shipments
    )
    oldest = {state: age.total_seconds() for state, age in now.oldest.items()}
    yield _gauges("oldest_shipment_seconds", "Since the oldest one in a state was announced.", "state", oldest)
    yield _gauge("shipments_on_their_way", "Shipments that get on by themselves.", now.on_their_way)
    yield _gauge("shipments_for_person", "Shipments that wait for a person.", now.for_person)
    yield _gauges("shipments_stopped", "Those of them that stopped on their way.", "code", _few(now.stopped))
    yield _gauge("shipments_due", "Shipments whose turn has come.", now.due)
    yield _gauge("oldest_due_seconds", "For how long the first of them has waited.", now.oldest_due.total_seconds())
    if now.accepted is not None:
        told = "Since Amazon last accepted a file; missing where that is more than a day ago."
        yield _gauge("last_accepted_seconds", told, now.accepted.total_seconds())
    yield _gauges("numbers", "NF-e numbers that SEFAZ has not decided about as it should.", "status", now.numbers)
    told = "Notes that are still to be handed on, and those that wait for a person."
    yield _gauges("handovers", told, "status", now.handovers._asdict())
    yield from _of_sellers(now)


def _of_sellers(now: Standing) -> Iterator[Family]:
    yield _gauge("sellers", "Registered sellers.", len(now.sellers))
    stopped = [seller for seller in now.sellers if seller.stop_code not in (None, REMOVED)]
    yield _gauge("sellers_stopped", "Sellers that wait for a person.", len(stopped))
    family = GaugeMetricFamily("nfe_seller_stopped", "Who is stopped, and why.", labels=["seller", "code"])
    for seller in stopped[:MOST_SELLERS]:
        for code in (seller.stop_code or "").split():  # one for each side that is stopped
            family.add_metric([seller.id, code], 1)
    yield family
    ends = sorted((one.certificate_until, one.id) for one in now.sellers if one.certificate_until is not None)
    left = {id: (until - now.at).total_seconds() for until, id in ends[:MOST_SELLERS]}
    yield _gauges("certificate_seconds", "To a certificate's end; the first to end are told.", "seller", left)


def _few(counts: Mapping[str, int]) -> dict[str, int]:
    """The largest counts by their codes, the rest together."""
    ordered = Counter(counts).most_common()
    rest = sum(count for _, count in ordered[MOST_CODES:])
    return dict(ordered[:MOST_CODES]) | ({OTHER: rest} if rest else {})


def _of_broker(found: BrokerFound | None) -> Iterator[Family]:
    yield _gauge("broker_up", "Whether the broker answers.", float(found is not None))
    if found is None:
        return
    seconds, messages, memory, limit, policy = found.broker
    yield _gauge("broker_seconds", "How long the broker takes to answer.", seconds)
    yield _gauge("broker_messages", "Messages that no worker has taken.", messages)
    yield _gauge("broker_memory_bytes", "Memory in use.", memory)
    yield _gauge("broker_memory_limit_bytes", "Memory it may use; 0: no limit.", limit)
    yield _gauge("broker_keeps_messages", "Whether its maxmemory-policy is noeviction.", float(policy == broker.KEEPS))
    yield _gauge("worker_processes", "Worker processes that gave a sign of life.", found.counted.processes)
    if found.since_sweep is not None:
        yield _gauge("last_sweep_seconds", "Since the last sweep was done.", found.since_sweep.total_seconds())
    shut = {service: len(left) for service, left in found.blocks.items()}
    yield _gauges("sefaz_blocked", "Issuers to whom SEFAZ shut a service (656).", "service", shut)
    longest = {service: max(left).total_seconds() for service, left in found.blocks.items() if left}
    yield _gauges("sefaz_blocked_seconds", "For how long the last of them still waits.", "service", longest)
    free = {operation: level.free for operation, level in found.permits.items()}
    yield _gauges("permits_free", "Permits of the seller that has fewest.", "operation", free)
    waiting = {operation: level.waiting for operation, level in found.permits.items()}
    yield _gauges("permits_awaited", "Shipments that wait for a permit.", "operation", waiting)
    yield from _of_counts(found.counted.counts)


def _of_counts(counts: Mapping[str, int]) -> Iterator[Family]:
    """What the workers counted, by metric; keys of another version are left out."""
    by_metric: defaultdict[str, dict[tuple[str, ...], int]] = defaultdict(dict)
    for key, count in counts.items():
        name, *labels = key.split(SEPARATOR)
        by_metric[name][tuple(labels)] = count
    for metric in METRICS.values():
        found = by_metric[metric.name]
        expected = len(metric.labels) + bool(metric.bounds)
        known = {labels: count for labels, count in found.items() if len(labels) == expected}
        yield _histogram(metric, known) if metric.bounds else _counter(metric, known)


def _counter(metric: Metric, found: Mapping[tuple[str, ...], int]) -> CounterMetricFamily:
    family = CounterMetricFamily(metric.name, metric.about, labels=metric.labels)
    # From nought on, so that Prometheus sees the first of them rise.
    expected = [(str(stage), str(kind)) for stage in Stage for kind in Kind] if metric is STAGE_OUTCOMES else []
    for labels, count in sorted((dict.fromkeys(expected, 0) | dict(found)).items()):
        family.add_metric(labels, count)
    return family


def _histogram(metric: Metric, found: Mapping[tuple[str, ...], int]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(metric.name, metric.about, labels=metric.labels)
    ends = {**{f"{bound:g}": str(float(bound)) for bound in metric.bounds}, "+Inf": "+Inf"}
    for labels in sorted({(*which,) for *which, _ in found}):
        totals = accumulate(found.get((*labels, end), 0) for end in ends)
        buckets = [(end, float(total)) for end, total in zip(ends.values(), totals, strict=True)]
        family.add_metric(labels, buckets, sum_value=found.get((*labels, SUM), 0) / MICRO)
    return family
