"""From one machine to many, in simulation: what 10, 1,000 and 10,000 sellers ask of processes, cores, database and Redis.

A day's shipments of a seller are drawn from a Pareto distribution with exponent 1.16, where a fifth of the sellers has
four fifths of the sales: sizes of firms and of shops follow such tails (Axtell, Science 293, 2001). The mean is
PER_SELLER a day, and none has more than LARGEST. A tenth of a day falls into its peak hour, which is simulated.

In it a shipment passes the stages one after the other; each waits for its permit of Amazon's plan (seller and
operation), then for a free worker process, and holds that process for its CPU and its counterpart's answer. Processes
are as many as it takes for 95 of 100 shipments to be submitted within a minute, found by halving. What the engine costs
is measured, with the date beside it; how long SEFAZ and Amazon take is assumed.
"""

import heapq
import math
import random
from itertools import count
from typing import NamedTuple

SELLERS = (10, 1_000, 10_000)
PER_SELLER, LARGEST, PARETO = 60, 20_000, 1.16
PEAK_SHARE, PEAK = 0.10, 3600.0
#: 95 of 100 shipments are to be submitted within that, in seconds; those of sellers whose own plan holds them up apart.
PATIENCE = 60.0
#: Amazon's plan: permits a second, bucket size.
RATE, BURST = 1.133, 25
#: Seconds: Amazon's answers; the median of SEFAZ's, their spread (log-normal), and how UFs differ (a factor's spread).
AMAZON, SEFAZ, SPREAD, BETWEEN_UFS = 0.3, 1.0, 0.5, 0.3
UFS = 27
#: Questions for a verdict, of each shipment.
POLLS = 1.3

#: `make bench ARGS=counts`, 2026-11-25, PostgreSQL, two virtual AMD EPYC cores: CPU seconds of a shipment in the worker,
#: and in database, Redis and beat. Each stage has a fifth of the worker's.
WORKER_CPU, BESIDE_CPU = 0.0526, 0.0124
STAGE_CPU = WORKER_CPU / 5
#: Each stage with whose answer it waits for: Amazon's (True), nobody's (False), SEFAZ's (None).
STAGES = (("fetch", True), ("generate", False), ("authorize", None), ("submit", True))
#: How busy cores may be.
BUSY = 0.6
#: `make bench ARGS=counts`, 2026-11-25: transactions and Redis commands of a shipment; rows and bytes that stay.
COMMITS, COMMANDS = 17.7, 102.7
ROWS, KIB = 13, 19.4
#: A day's shipments as often a year.
DAYS = 365


class Peak(NamedTuple):
    """What came of an hour: seconds from notification to submission at the 95th place; those that their plan held up."""

    p95: float
    held_up: float


class Shipment(NamedTuple):
    """When it was announced, of which seller, and how much slower that seller's SEFAZ is than the median one."""

    at: float
    seller: int
    uf: float


def run() -> None:
    """A line for each size."""
    print(f"{'sellers':>8} {'a day':>10} {'peak/s':>7} {'processes':>9} {'cores':>6} {'commits/s':>9} "
          f"{'Redis/s':>8} {'rows/year':>12} {'GB/year':>8}  largest seller's peak, by its plan")  # fmt: skip
    for sellers in SELLERS:
        _tell(sellers, random.Random(sellers))


def _tell(sellers: int, draw: random.Random) -> None:
    days = _days(sellers, draw)
    peak = _peak(days, draw)
    a_second, a_day = len(peak) / PEAK, sum(days)
    processes = _needed(peak)
    used = _simulate(peak, processes, random.Random(1))
    cpu = WORKER_CPU + BESIDE_CPU
    largest = max(days) * PEAK_SHARE / PEAK / RATE
    print(f"{sellers:>8,} {a_day:>10,} {a_second:>7.1f} {processes:>9,} {math.ceil(cpu * a_second / BUSY):>6} "
          f"{COMMITS * a_second:>9.0f} {COMMANDS * a_second:>8.0f} {ROWS * a_day * DAYS:>12,.0f} "
          f"{KIB * a_day * DAYS / 1024 / 1024:>8.0f}  {100 * largest:.0f} %; p95 {used.p95:.0f} s, "
          f"{100 * used.held_up:.1f} % waited for their seller's plan")  # fmt: skip


def _days(sellers: int, draw: random.Random) -> list[int]:
    drawn = [draw.paretovariate(PARETO) for _ in range(sellers)]
    scale = PER_SELLER * sellers / sum(drawn)
    return [min(LARGEST, max(1, round(scale * one))) for one in drawn]


def _peak(days: list[int], draw: random.Random) -> list[Shipment]:
    """The hour's announcements, in order; a third of them on the full minute, as batches come."""
    ufs = [math.exp(draw.gauss(0, BETWEEN_UFS)) for _ in range(UFS)]
    found = []
    for seller, day in enumerate(days):
        uf, many = draw.choice(ufs), day * PEAK_SHARE
        for _ in range(int(many) + (draw.random() < many % 1)):
            at = draw.uniform(0, PEAK)
            found.append(Shipment(at - at % 60 if draw.random() < 1 / 3 else at, seller, uf))
    return sorted(found)


def _needed(peak: list[Shipment]) -> int:
    """The fewest processes with which the hour is well."""
    low, high = 1, 1
    while _simulate(peak, high, random.Random(1)).p95 > PATIENCE:
        low, high = high + 1, high * 2
    while low < high:
        middle = (low + high) // 2
        if _simulate(peak, middle, random.Random(1)).p95 > PATIENCE:
            low = middle + 1
        else:
            high = middle
    return high


def _simulate(peak: list[Shipment], processes: int, draw: random.Random) -> Peak:
    """Permits first, then a process: what waits for a permit holds none."""
    free = [0.0] * min(processes, len(peak) or 1)
    full: dict[tuple[int, int], float] = {}
    order = count()
    due = [(one.at, next(order), number, 0, False) for number, one in enumerate(peak)]
    heapq.heapify(due)
    times, held = [], set()
    while due:
        now, _, number, stage, has_permit = heapq.heappop(due)
        shipment = peak[number]
        _, of_amazon = STAGES[stage]
        if of_amazon and not has_permit:
            turn = _permit(full, (shipment.seller, stage), now)
            if turn > now:
                held.add(number)
                heapq.heappush(due, (turn, next(order), number, stage, True))
                continue
        began = max(now, free[0])
        ended = began + STAGE_CPU + _answer(of_amazon, shipment.uf, draw)
        heapq.heapreplace(free, ended)
        if stage + 1 < len(STAGES):
            heapq.heappush(due, (ended, next(order), number, stage + 1, False))
        else:
            times.append((ended - shipment.at, number))
            _poll(free, ended, draw)
    own = sorted(spent for spent, number in times if number not in held) or [0.0]
    return Peak(own[int(len(own) * 0.95)], len(held) / max(1, len(times)))


def _permit(full: dict[tuple[int, int], float], bucket: tuple[int, int], now: float) -> float:
    """When the permit is there (GCRA, as workflow.clients.rate_limit)."""
    at = max(full.get(bucket, now), now)
    full[bucket] = at + 1 / RATE
    return max(now, at - (BURST - 1) / RATE)


def _answer(of_amazon: bool | None, uf: float, draw: random.Random) -> float:
    if of_amazon is None:
        return uf * SEFAZ * math.exp(draw.gauss(0, SPREAD))
    return AMAZON if of_amazon else 0.0


def _poll(free: list[float], ended: float, draw: random.Random) -> None:
    """The verdict's questions hold a process too; when exactly does not matter to a submission."""
    for _ in range(1 + (draw.random() < POLLS - 1)):
        heapq.heapreplace(free, max(free[0], ended) + STAGE_CPU + AMAZON)
