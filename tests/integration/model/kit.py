"""An installation in this process: a database in memory, and tools whose other sides are a world's."""

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from tests.integration.model.fate import Clock
from tests.integration.model.world import World
from workflow.clients import barrier
from workflow.clients.rate_limit import Plan
from workflow.clients.sefaz_guard import GuardedSefaz
from workflow.clients.standby import HOLDS_FOR
from workflow.errors import Invalid, RetryLater
from workflow.nfe.certificate import SigningKey
from workflow.provenance import Provenance
from workflow.sandbox import shipments
from workflow.settings import Settings
from workflow.stops import Side
from workflow.store import Store, connect
from workflow.tools import SellerSecrets, SellerTools, Tools

#: Notes without fiscal value go to no other Amazon than a local one.
AMAZON = "http://127.0.0.1:1"


class Permits:
    """The rate limiter's rule (GCRA without reservations) on the world's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full: dict[str, datetime] = {}

    def wait(self, bucket: str, plan: Plan, who: str, *, version: int = 0) -> timedelta:
        """Zero is the permit."""
        now, interval = self._clock(), timedelta(microseconds=plan.interval)
        full = max(self._full.get(bucket, now), now)
        at = full - (plan.burst - 1) * interval
        if at > now:
            return at - now
        self._full[bucket] = full + interval
        return timedelta()

    def drain(self, bucket: str, plan: Plan) -> None:
        """Empty the bucket."""
        self._full[bucket] = self._clock() + plan.burst * timedelta(microseconds=plan.interval)


class Barrier:
    """The misuse barrier's rule on the world's clock."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shut: dict[str, datetime] = {}
        self._calls: dict[str, list[datetime]] = defaultdict(list)

    def check(self, seller: str, service: str, key: str | None = None, *, document: str | None = None) -> None:
        """Leave to call, of which SEFAZ knows how much was known when it was given."""
        now = self._world.clock()
        if self._shut.get(service, now) > now:
            raise RetryLater("misuse-blocked", "shut", after=self._shut[service] - now, counts=False, told=True)
        if document is not None and len(self._of_the_hour(document)) >= barrier.MOST_REJECTIONS:
            raise Invalid("equal-rejections", "refused three times")
        limit = barrier.LIMITS.get(service, 0) if key else 0
        calls = self._of_the_hour(f"{service}:{key}")
        if limit and len(calls) >= limit:
            wait = calls[0] + barrier.WINDOW - now
            raise RetryLater("misuse-limit", "asked too often", after=wait, counts=False, told=True)
        if limit:
            calls.append(now)
        self._world.ordeal.leave = self._world.sefaz.told

    def blocked(self, seller: str, service: str) -> timedelta:
        """A 656 was answered."""
        self._shut[service] = self._world.clock() + barrier.BLOCKED_FOR
        return barrier.BLOCKED_FOR

    def rejected(self, seller: str, digest: str) -> int:
        """A document was refused."""
        self._of_the_hour(digest).append(self._world.clock())
        return len(self._calls[digest])

    def _of_the_hour(self, what: str) -> list[datetime]:
        self._calls[what] = [at for at in self._calls[what] if at > self._world.clock() - barrier.WINDOW]
        return self._calls[what]


class Standby:
    """Which SVC stands in, on the world's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: tuple[int, datetime, datetime] | None = None

    def get(self, uf: str, tpAmb: int) -> tuple[int, datetime] | None:
        """tpEmis, and since when."""
        if self._kept is None or self._kept[2] <= self._clock():
            return None
        return self._kept[:2]

    def put(self, uf: str, tpAmb: int, tpEmis: int, since: datetime) -> bool:
        """Keep it for a while."""
        self._kept = (tpEmis, since, self._clock() + HOLDS_FOR)
        return True

    def drop(self, uf: str, tpAmb: int) -> None:
        """It stands in no longer."""
        self._kept = None


class ValidTokens:
    """Login with Amazon has never failed."""

    def access_token(self) -> str:
        """For submission and status."""
        return "Atza|world"

    def restricted_token(self, path_template: str, method: str = "GET") -> str:
        """For the details."""
        return "Atz.sprdt|world"


class FrailStore(Store):
    """The store, whose transactions are points: before they begin, and after they are committed."""

    world: World | None = None

    @contextmanager
    def writing(self, *, once: bool = False) -> Iterator[Connection]:
        """As the store's."""
        if self.world is not None:
            self.world.point(in_database=True)
        with super().writing(once=once) as connection:
            yield connection
        if self.world is not None:
            self.world.point(in_database=True)


class Marks:
    """The highest numbers, as a Redis that never forgets knows them."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], int] = {}

    def get(self, *series: Any) -> int | None:
        """The highest number given there."""
        return self._known.get(series)

    def keep(self, cnpj: str, environment: int, series: int, nNF: int) -> None:
        """Remember one."""
        where = (cnpj, environment, series)
        self._known[where] = max(self._known.get(where, 0), nNF)


class Kit(Tools):
    """A worker's tools, with this world's clients and limiter; each version of the seller has the next of the keys."""

    def __init__(self, settings: Settings, store: Store, world: World, *keys: SigningKey) -> None:
        super().__init__(settings)
        self._world = world
        self._keys = keys
        self._read_at = world.clock()
        parts = {"limiter": Permits(world.clock), "barrier": Barrier(world), "standby": Standby(world.clock)}
        provenance = Provenance(b"what a search can repeat", world.clock())
        vars(self).update(store=store, highest=Marks(), provenance=provenance, **parts)

    def seller(self, id: str, side: Side | None = None) -> SellerTools:
        """The real seller, but for its clients; the keys are parsed once for all. A row is fresh for one moment."""
        read_at = time.monotonic() if self._read_at == self._world.clock() else 0.0
        self._rows = {id: (row, read_at) for id, (row, _) in self._rows.items()}
        self._read_at = self._world.clock()
        kept = super().seller(id, side)
        world = self._world
        client: Any = world.sefaz
        sefaz = GuardedSefaz(client, self.barrier, cnpj=kept.issuer.cnpj)
        key = self._keys[kept.version % len(self._keys)]
        vars(kept).update(amazon=world.amazon, sefaz=sefaz, _tokens=ValidTokens(), _key=key)
        return kept


def register_seller(kit: Tools) -> None:
    """Add the demo's seller, or renew it."""
    issuer = shipments.demo_seller()
    values = {"id": shipments.SELLER_ID, "name": issuer["name"], "cnpj": issuer["cnpj"], "issuer": issuer}
    secrets = SellerSecrets(issuer, b"", "", "token", "client", "secret").dump()
    kit.catalog.put_seller(values | {"certificate_until": None}, secrets=secrets)


def sell_products(kit: Tools) -> None:
    """Add the demo's catalogue."""
    kit.catalog.put_products(shipments.SELLER_ID, [(p["sku"], _filled(p)) for p in shipments.demo_products()])


def learn_product(kit: Tools) -> None:
    """Add the product that was missing."""
    product = {**shipments.demo_products()[0], "sku": "NAO-CADASTRADO-01"}
    kit.catalog.put_products(shipments.SELLER_ID, [(product["sku"], _filled(product))])


def _filled(product: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in product.items() if value is not None}


def dumped(engine: Engine) -> bytes:
    """A database in memory as bytes."""
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        return bytes(driver.serialize())


def loaded(content: bytes) -> Engine:
    """And in memory again: a search makes thousands, and waits for no disk."""
    engine = connect("sqlite://")
    with engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.deserialize(content)
    return engine
