"""What is counted while the work is done: a few dictionary entries per stage, no request, no lock held for long.

Each process counts for itself; `tasks/counts.py` adds what came together to Redis every few seconds, where it outlives
the processes (`workflow.clients.counters`). What the database knows is not counted here: `workflow.standing` asks it.

Labels are few and known: never a shipment, a seller, or a text of somebody else's.
"""

import re
import threading
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

#: Between a metric's name, its labels and its part, in the keys below; no label holds it.
SEPARATOR = "|"
#: The part of a histogram that is no bucket: its sum.
SUM = "sum"
#: Sums are kept as integers, so that adding them up in any order gives the same.
MICRO = 1_000_000
#: Codes by which one process tells failures apart; what is beyond goes by the name of `OTHER`.
MOST_CODES = 100
OTHER = "other"

_OURS_OR_CSTAT = re.compile(r"[a-z][a-z0-9-]{1,39}|\d{3,4}")
#: Amazon's own codes that are known; any text may come in their place.
_AMAZONS = frozenset(
    {"Accepted", "Errored", "InvalidInput", "InvalidRequest", "NotFound", "Processing", "Unauthorized"}
)


class Metric(NamedTuple):
    """A counter; with bounds a histogram, whose buckets end there (each included)."""

    name: str
    about: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()


STAGE_SECONDS = Metric(
    "nfe_stage_seconds",
    "A stage from its claim to its settlement.",
    ("stage",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 180),
)
STAGE_OUTCOMES = Metric(
    "nfe_stage_outcomes_total",
    "How stages ended: done, waiting, stopped, refused, skipped (it was not their turn).",
    ("stage", "outcome"),
)
STAGE_CODES = Metric(
    "nfe_stage_codes_total",
    "Why stages waited, stopped or were refused: cStat, Amazon's code or ours.",
    ("stage", "outcome", "code"),
)
POLLS = Metric(
    "nfe_polls_per_shipment",
    "Questions that a verdict took.",
    ("verdict",),
    (1, 2, 3, 4, 6, 8, 12, 20, 50, 100, 300),
)
SHIPMENT_SECONDS = Metric(
    "nfe_shipment_seconds",
    "From a shipment's announcement to a state, each time it gets there.",
    ("state",),
    (1, 5, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400, 259200),
)
REQUEST_SECONDS = Metric(
    "nfe_request_seconds",
    "A request to another party, to the end of its answer.",
    ("party", "operation"),
    (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60),
)
REQUESTS = Metric(
    "nfe_requests_total",
    "Requests to other parties by HTTP status, or by what went wrong.",
    ("party", "operation", "result"),
)
PERMITS = Metric(
    "nfe_permits_total",
    "Permits of rate plans that were asked for: granted, refused (the row has its turn), throttled (429 all the same).",
    ("operation", "result"),
)

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        *(STAGE_SECONDS, STAGE_OUTCOMES, STAGE_CODES, POLLS, SHIPMENT_SECONDS),
        *(REQUEST_SECONDS, REQUESTS, PERMITS),
    )
}


class Tally:
    """What one process has counted since it was last emptied: increments by key."""

    def __init__(self) -> None:
        self._counts: Counts[str] = Counts()
        self._codes: set[str] = set()
        self._lock = threading.Lock()

    def count(self, metric: Metric, *labels: str) -> None:
        """One more."""
        with self._lock:
            self._counts[key(metric, labels)] += 1

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """One more value of a histogram."""
        index = bisect_left(metric.bounds, value)
        bucket = f"{metric.bounds[index]:g}" if index < len(metric.bounds) else "+Inf"
        with self._lock:
            self._counts[key(metric, (*labels, bucket))] += 1
            self._counts[key(metric, (*labels, SUM))] += round(value * MICRO)

    def code(self, code: str) -> str:
        """A code as a label: itself where it is one of those that are known to be few."""
        if code in self._codes:
            return code
        is_few = _OURS_OR_CSTAT.fullmatch(code) is not None or code in _AMAZONS
        if not is_few or len(self._codes) >= MOST_CODES:
            return OTHER
        self._codes.add(code)
        return code

    def take(self) -> dict[str, int]:
        """All of it, which is nothing from here on."""
        with self._lock:
            counts, self._counts = self._counts, Counts()
        return counts

    def give_back(self, increments: Mapping[str, int]) -> None:
        """What was taken and could not be kept elsewhere."""
        with self._lock:
            self._counts.update(increments)


#: This process's.
tally = Tally()


def key(metric: Metric, labels: tuple[str, ...]) -> str:
    """Where a number is kept: the metric's name, its labels, and in a histogram the bucket or the sum.

    >>> key(STAGE_SECONDS, ("fetch", "0.5"))
    'nfe_stage_seconds|fetch|0.5'
    """
    return SEPARATOR.join((metric.name, *labels))


def stage_ended(stage: str, *, seconds: float, outcome: str, code: str | None = None) -> None:
    """A stage that was claimed has been settled, or has lost its lease."""
    tally.observe(STAGE_SECONDS, seconds, stage)
    tally.count(STAGE_OUTCOMES, stage, outcome)
    if outcome != "done" and code is not None:
        tally.count(STAGE_CODES, stage, outcome, tally.code(code))


def stage_skipped(stage: str) -> None:
    """A stage was rung for and it was not its turn."""
    tally.count(STAGE_OUTCOMES, stage, "skipped")


def reached(state: str, *, seconds: float) -> None:
    """A shipment got to a state, so long after its announcement."""
    tally.observe(SHIPMENT_SECONDS, seconds, state)


def verdict(state: str, *, polls: int) -> None:
    """Amazon's verdict came at the n-th question."""
    tally.observe(POLLS, polls, state)


def permit(operation: str, result: str) -> None:
    """A permit was asked for."""
    tally.count(PERMITS, operation, result)


class Exchanged:
    """One request on its way: what it came to is said once it is known."""

    def __init__(self) -> None:
        self.result = "failed"


@contextmanager
def exchange(party: str, operation: str) -> Iterator[Exchanged]:
    """Time a request to its end, however it ends."""
    begun = time.perf_counter()
    exchanged = Exchanged()
    try:
        yield exchanged
    finally:
        tally.observe(REQUEST_SECONDS, time.perf_counter() - begun, party, operation)
        tally.count(REQUESTS, party, operation, exchanged.result)
