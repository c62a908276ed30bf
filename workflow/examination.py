"""What there is to know of an installation at one moment: the database and Redis are asked, each with little patience.

What cannot be asked is None. One process asks for the whole installation, so that each number is told once.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from workflow import migrations, standing
from workflow.clients import broker
from workflow.clients.broker import BrokerStanding
from workflow.clients.counters import SWEPT, Counted
from workflow.clients.rate_limit import Level
from workflow.clients.sefaz_endpoints import SERVICES, SVC_SERVICES
from workflow.errors import NfeError
from workflow.logs import logger
from workflow.standing import SellerStanding, Standing
from workflow.states import State
from workflow.stops import Side, Stop
from workflow.tools import Tools

log = logger(__name__)
T = TypeVar("T")

#: The shipments that have ended are many: counted so seldom that it takes a hundredth of the time.
COUNT_SHARE = 100
#: Seconds for an answer; Prometheus itself waits for ten.
PATIENCE = 4.0
#: Operations whose permits workers wait for.
OPERATIONS = ("getShipmentDetails", "submitInvoice", "getInvoiceStatus")
#: Services that SEFAZ shuts one by one (656), as the barrier names them.
SHUT_SERVICES = (*SERVICES, *(f"svc/{service}" for service in SVC_SERVICES))


class DatabaseFound(NamedTuple):
    """What the database told, and how long a question takes."""

    seconds: float
    is_current: bool
    standing: Standing
    finished: Mapping[State, int]
    #: When the oldest shipment that gets on by itself was announced; asked only where Amazon accepts nothing.
    moving: datetime | None = None


class BrokerFound(NamedTuple):
    """What Redis told."""

    broker: BrokerStanding
    counted: Counted
    since_sweep: timedelta | None
    #: By service, for how long it is shut to sellers; by operation, the emptiest bucket and all who wait.
    blocks: Mapping[str, list[timedelta]]
    permits: Mapping[str, Level]


class Probe(Generic[T]):
    """A question that may hang: it is never asked twice at once, and nobody waits for longer than `PATIENCE`."""

    def __init__(self, name: str, question: Callable[[], T]) -> None:
        self._name = name
        self._question = question
        self._asked: Future[T] | None = None
        self._lock = threading.Lock()
        self._is_away = False

    @cached_property
    def _thread(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix=self._name)

    def ask(self) -> T | None:
        """The answer, or None where there is none in time."""
        with self._lock:
            if self._asked is None or self._asked.done():
                self._asked = self._thread.submit(self._question)
            asked = self._asked
        try:
            answer = asked.result(PATIENCE)
        except Exception as error:
            # Whatever is wrong with the other side is what is to be told; its text may hold an address.
            if not self._is_away:
                log.warning("no answer", asked=self._name, kind=type(error).__name__)
            self._is_away = True
            return None
        if self._is_away:
            log.info("answers again", asked=self._name)
        self._is_away = False
        return answer


class Examination:
    """Asks database and Redis; kept by whoever exports, for what is not asked each time."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._finished: tuple[float, Mapping[State, int]] | None = None
        self._buckets: dict[tuple[str, int], list[str]] = {}
        #: As the database last told them: Redis is asked about them also while it is away.
        self._sellers: Sequence[SellerStanding] = ()
        self.database = Probe("database", self._ask_database)
        self.broker = Probe("broker", self._ask_broker)

    def _ask_database(self) -> DatabaseFound:
        store, settings = self._tools.store, self._tools.settings
        begun = time.perf_counter()
        with store.reading() as connection:
            is_current = migrations.suits(migrations.revision(connection))
        seconds = time.perf_counter() - begun
        found = standing.standing(store, longest_ring=max(settings.lease, settings.ring_again))
        self._sellers = found.sellers
        self._buckets = {(one.id, one.version): self._buckets_of(one) for one in found.sellers}
        is_silent = found.accepted is None or found.accepted > settings.alert_nothing_accepted
        moving = standing.moving_since(store) if is_silent and found.on_their_way else None
        return DatabaseFound(seconds, is_current, found, self._count_finished(), moving)

    def _count_finished(self) -> Mapping[State, int]:
        begun = time.monotonic()
        if self._finished is None or begun >= self._finished[0]:
            counts = standing.finished(self._tools.store)
            took = time.monotonic() - begun
            self._finished = (begun + took * COUNT_SHARE, counts)
        return self._finished[1]

    def _buckets_of(self, seller: SellerStanding) -> list[str]:
        """The names of a seller's buckets, in the order of `OPERATIONS`; none while nothing of it goes to Amazon."""
        if seller.stop_code is not None and Stop(seller.stop_code, "").code_on(Side.AMAZON) is not None:
            return []
        known = self._buckets.get((seller.id, seller.version))
        if known:
            return known
        try:
            found = self._tools.seller(seller.id, Side.AMAZON)
            return [found.bucket(operation) for operation in OPERATIONS]
        except (NfeError, LookupError, ValueError):  # `nfe doctor` says what is wrong with it
            return []

    def _ask_broker(self) -> BrokerFound:
        tools = self._tools
        return BrokerFound(
            broker.look(tools.redis, tools.settings.broker_url),
            tools.counters.read(),
            tools.counters.silence(SWEPT),
            tools.barrier.blocks(sorted({seller.cnpj for seller in self._sellers}), SHUT_SERVICES),
            self._levels(),
        )

    def _levels(self) -> dict[str, Level]:
        """By operation the emptiest seller's permits, and how many shipments of all sellers wait for one."""
        plan, found = self._tools.plan, {}
        buckets = [names for names in self._buckets.values() if names]
        for operation, names in zip(OPERATIONS, zip(*buckets, strict=True) if buckets else ((),) * 3, strict=True):
            levels = self._tools.limiter.look(names, plan)
            free = min((level.free for level in levels), default=plan.burst)
            found[operation] = Level(free, sum(level.waiting for level in levels))
        return found
