"""What stages and commands work with: a process's connections, and each seller's clients, kept while unchanged."""

import base64
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, NamedTuple

import redis
import requests
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from sqlalchemy import Row

from workflow import metrics
from workflow.catalog import SELLER_STOPPED, Catalog, stop_of
from workflow.clients import broker
from workflow.clients.amazon import DETAILS_PATH, AmazonClient, Throttled
from workflow.clients.amazon_tokens import RedisTokenCache, Tokens
from workflow.clients.barrier import MisuseBarrier
from workflow.clients.counters import Counters
from workflow.clients.delivery import OPERATIONS, DeliveryClient
from workflow.clients.highest import HighestNumbers
from workflow.clients.notifications_api import NotificationsApi
from workflow.clients.pace import Pace
from workflow.clients.rate_limit import Level, Plan, RateLimiter
from workflow.clients.secret_age import used_since
from workflow.clients.sefaz import Endpoints, SefazClient, mtls_session
from workflow.clients.sefaz_guard import GuardedSefaz
from workflow.clients.selling_partner import HOSTS
from workflow.clients.standby import Standby
from workflow.crypto import vault_of
from workflow.engine import Engine
from workflow.errors import Invalid, Misconfigured, RetryLater, SellerStopped
from workflow.logs import logger
from workflow.models import Channel, DocumentKind
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.invoice import Issuer
from workflow.nfe.signature import agrees_with_signxml
from workflow.nfe.xml import TemplateSet
from workflow.numbers import Range
from workflow.provenance import Provenance
from workflow.recoveries import Recoveries
from workflow.settings import Settings
from workflow.stops import Side
from workflow.store import Claim, Store, connect

log = logger(__name__)

#: Sellers whose clients a process keeps; each holds a key, a certificate and a few connections.
KEPT_SELLERS = 256
#: From a send without an answer until SEFAZ's "I have no such NF-e" counts: it may still be in a queue on its way.
UNTIL_CERTAIN = timedelta(minutes=15)
#: How long a seller's row counts without being read again, in seconds: how late a stop may be seen.
FRESH = 1.0
#: NFeConsultaProtocolo4 answers at most ten questions about a key per hour (MOC 7.0 Anexo I, 4.3): five at once and
#: five more in the hour that follows.
CONSULTS = Plan(rate=5 / 3600, burst=5)

#: By which of Amazon's APIs a seller's invoices are handed in: Shipment Invoicing v0, or Delivery 2022-07-01.
SHIPMENT_INVOICING, DELIVERY = CHANNELS = ("shipment-invoicing", "delivery")


class SellerSecrets(NamedTuple):
    """What of a seller is sealed: the A1 certificate, Amazon's authorisation, and the issuer with its CSRT.

    `region` is where its Selling Partner API is, by default where NFE_AMAZON_URL says; `channel` is how its invoices
    are handed in; `program` and `invoice_type` are told to the channel `delivery`. `buyer_mail` (`to`, `reply_to`) and
    `buyer_webhook` (`url`, `secret`) are who gets each note.
    """

    issuer: dict[str, Any]
    pfx: bytes
    pfx_password: str
    refresh_token: str
    client_id: str = ""
    client_secret: str = ""
    region: str = ""
    channel: str = SHIPMENT_INVOICING
    program: str = ""
    invoice_type: str = "Outbound"
    buyer_mail: dict[str, Any] | None = None
    buyer_webhook: dict[str, Any] | None = None

    def dump(self) -> bytes:
        """JSON, to be sealed."""
        return json.dumps(self._asdict() | {"pfx": base64.b64encode(self.pfx).decode()}).encode()

    @classmethod
    def load(cls, content: bytes) -> "SellerSecrets":
        """The reverse of dump."""
        values = json.loads(content)
        return cls(**values | {"pfx": base64.b64decode(values["pfx"])})


class Limits(NamedTuple):
    """Permits of Amazon's rate plan by operation, for how long still a service of SEFAZ's is shut (656), and since when
    the client secret has been in use (None: there is none).
    """

    permits: Mapping[str, Level]
    blocks: Mapping[str, timedelta]
    secret_since: datetime | None


class Tools:
    """One process's connections."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._sellers: OrderedDict[str, SellerTools] = OrderedDict()
        self._rows: dict[str, tuple[Row[Any] | None, float]] = {}

    @cached_property
    def store(self) -> Store:
        """The database."""
        return Store(connect(self.settings.resolved_database_url), vault_of(self.settings))

    @cached_property
    def engine(self) -> Engine:
        """Who moves shipments."""
        return Engine(self.store, self.settings, version_in_use=self._version_in_use)

    @property
    def catalog(self) -> Catalog:
        """Sellers and products."""
        return self.engine.catalog

    @cached_property
    def redis(self) -> redis.Redis:
        """Redis, for permits and shared tokens."""
        url = self.settings.resolved_redis_url.replace("redis+socket://", "unix://")
        alive = {} if url.startswith("unix://") else {"socket_keepalive": True}
        try:
            # One more try at once, for a connection that died of idleness; redis-py's own retries would hold a worker
            # for seconds that the row's `due_at` gives for nothing.
            return redis.Redis.from_url(
                url, socket_timeout=5, socket_connect_timeout=5, health_check_interval=30, retry=Retry(NoBackoff(), 1),
                **alive,
            )  # fmt: skip
        except ValueError as error:
            raise Misconfigured("bad-redis-url", "NFE_REDIS_URL is no redis:// or rediss:// URL; mend it") from error

    def check_messages(self) -> None:
        """Raise Away or Misconfigured when the messages have a broker of their own, and it does not answer."""
        if self.settings.broker_url:
            broker.waiting(self.settings.broker_url)

    def check_broker(self) -> None:
        """Raise Away when the broker does not answer, Misconfigured when it would throw messages away once full."""
        with broker.meaning("NFE_REDIS_URL", "start it (`nfe up` the embedded one), or mend NFE_REDIS_URL"):
            # A hosted one tells it here though its CONFIG is closed.
            policy = dict(self.redis.info("memory")).get("maxmemory_policy")
        if policy not in (None, broker.KEEPS):
            message = f"the broker's maxmemory-policy is {policy}: it throws messages away; set noeviction"
            raise Misconfigured("broker-evicts", message)

    @cached_property
    def limiter(self) -> RateLimiter:
        """Who gives permits."""
        return RateLimiter(self.redis)

    @property
    def plan(self) -> Plan:
        """Amazon's rate plan of each seller's operation."""
        return Plan(self.settings.amazon_rate, self.settings.amazon_burst)

    @cached_property
    def counters(self) -> Counters:
        """What all processes have counted."""
        return Counters(self.redis)

    @cached_property
    def barrier(self) -> MisuseBarrier:
        """Who gives leave to call SEFAZ."""
        return MisuseBarrier(self.redis)

    def limits(self, seller: Row[Any], operations: Sequence[str], services: Sequence[str]) -> "Limits":
        """What Amazon and SEFAZ still let a seller ask; raise RetryLater where Redis does not answer."""
        looked = self.look_at(seller)
        buckets = [looked.bucket(operation) for operation in operations]
        try:
            levels = self.limiter.look(buckets, self.plan)
            blocks = self.barrier.blocks([seller.cnpj], services)
        except RedisError as error:
            raise RetryLater("redis-unavailable", "Redis does not answer; see NFE_REDIS_URL") from error
        shut = {service: left[0] for service, left in blocks.items() if left}
        return Limits(dict(zip(operations, levels, strict=True)), shut, looked.secret_since())

    @cached_property
    def pace(self) -> Pace:
        """How long Amazon takes for its verdicts."""
        return Pace(self.redis, shortest=self.settings.poll_first, longest=self.settings.poll_cap)

    @cached_property
    def standby(self) -> Standby:
        """Which SVC stands in for a UF."""
        return Standby(self.redis)

    @cached_property
    def highest(self) -> HighestNumbers:
        """The highest number that was given in each series, as Redis knows it."""
        return HighestNumbers(self.redis)

    @cached_property
    def recoveries(self) -> Recoveries:
        """What SEFAZ was found to have that the database did not know."""
        return Recoveries(self.store)

    @cached_property
    def provenance(self) -> Provenance:
        """What makes a sale's cNF."""
        return Provenance.of(self.store)

    @cached_property
    def http(self) -> requests.Session:
        """Connections to Amazon, shared by all sellers."""
        session = requests.Session()
        session.trust_env = False  # a netrc or a proxy variable must not change where tokens go
        return session

    def randbelow(self, limit: int) -> int:
        """A random number below the limit."""
        return secrets.randbelow(limit)

    def batch_id(self) -> str:
        """idLote: up to fifteen digits, ours to choose."""
        return str(secrets.randbelow(10**15))

    def seller(self, id: str, side: Side | None = None) -> "SellerTools":
        """A seller's clients, for work with one side or both; raise SellerStopped when a person must mend it first."""
        row = self._seller_row(id)
        if row is not None and row.stop_code is not None:
            row = self._seller_row(id, fresh=True)
        if row is None:
            raise SellerStopped("unknown-seller", f"SellerId {id} is not registered; add it: nfe seller add FILE")
        stop = stop_of(row)
        code = stop and stop.code_on(side)
        if stop is not None and code is not None:
            raise SellerStopped(SELLER_STOPPED, f"{code}: {stop.reason}")
        return self.look_at(row)

    def look_at(self, row: Any) -> "SellerTools":
        """The same by the seller's row, also of one that is stopped: for looking only."""
        kept = self._sellers.get(row.id)
        if kept is None or kept.version != row.version:
            opened = self.store.vault.open(row.sealed_secrets, "seller", row.id)
            kept = SellerTools(self, row.version, SellerSecrets.load(opened))
            self._sellers[row.id] = kept
        self._sellers.move_to_end(row.id)
        if len(self._sellers) > KEPT_SELLERS:
            self._sellers.popitem(last=False)
        return kept

    def heard(self, claim: Claim) -> None:
        """The claim came with its seller's version: where it is ours and goes on, the row needs no other look."""
        row, _ = self._rows.get(claim.seller_id, (None, 0.0))
        if row is not None and row.stop_code is None and row.version == claim.seller_version:
            self._rows[claim.seller_id] = (row, time.monotonic())

    def _version_in_use(self, id: str) -> int | None:
        """The seller's version that was read last; None: none was."""
        row, _ = self._rows.get(id, (None, 0.0))
        return None if row is None else int(row.version)

    def _seller_row(self, id: str, *, fresh: bool = False) -> Row[Any] | None:
        """The seller's row, at most a second old: a stage asks several times."""
        now = time.monotonic()
        row, at = self._rows.get(id, (None, now - 2 * FRESH))
        if fresh or now - at > FRESH:
            if len(self._rows) > KEPT_SELLERS:
                self._rows.clear()
            row = self.catalog.seller(id)
            self._rows[id] = (row, now)
        return row

    def document(self, id: str, kind: DocumentKind) -> bytes:
        """The newest document of that kind; raise Invalid when an earlier stage did not leave it."""
        content = self.store.document(id, kind)
        if content is None:
            raise Invalid("no-document", f"the shipment has no {kind} document; `nfe history` shows what happened")
        return content

    def wait_until_certain(self, claim: Claim) -> None:
        """Raise RetryLater while a request that was sent and not answered may still be on its way."""
        wait = timedelta() if claim.sent_at is None else claim.sent_at + UNTIL_CERTAIN - self.store.now()
        if wait > timedelta():
            raise RetryLater("maybe-on-its-way", "sent and not answered: SEFAZ is asked once more", after=wait)

    def before_sending(self, claim: Claim) -> None:
        """Record that what cannot be undone leaves now; raise RetryLater when the shipment is no longer ours."""
        if not self.store.mark_sent(claim):
            raise RetryLater("lease-lost", "the stage took longer than its lease; nothing was sent", counts=False)


class SellerTools:
    """One seller's issuer, key and clients, each made when first needed."""

    def __init__(self, tools: Tools, version: int, secrets: SellerSecrets) -> None:
        self.version = version
        self._tools = tools
        self._secrets = secrets
        self.issuer = Issuer.parse(self._secrets.issuer)

    @property
    def buyer_mail(self) -> dict[str, Any] | None:
        """Who gets each note by mail: `to`, `reply_to`."""
        return self._secrets.buyer_mail

    @property
    def buyer_webhook(self) -> dict[str, Any] | None:
        """What program gets each note: `url`, `secret`."""
        return self._secrets.buyer_webhook

    @property
    def channels(self) -> tuple[Channel, ...]:
        """By which each note is handed on."""
        wanted = {Channel.MAIL: self._secrets.buyer_mail, Channel.WEBHOOK: self._secrets.buyer_webhook}
        return tuple(channel for channel, whom in wanted.items() if whom is not None)

    @property
    def uf(self) -> str:
        """Whose SEFAZ."""
        return self.issuer.address.uf

    @property
    def series(self) -> Range:
        """Where its notes are numbered."""
        issuer = self.issuer
        return Range(issuer.cnpj, issuer.tpAmb, issuer.serie, issuer.first_nNF)

    @cached_property
    def recovery(self) -> Row[Any] | None:
        """The last recovery of its series; whoever makes one stops the seller, so that this is read anew."""
        found: Row[Any] | None = self._tools.recoveries.last(self.series)
        return found

    @property
    def svc(self) -> int:
        """tpEmis of the SVC that stands in for the UF: 6 SVC-AN, 7 SVC-RS."""
        return self._endpoints.svc_of(self.uf, self.issuer.tpAmb)

    @cached_property
    def _endpoints(self) -> Endpoints:
        url = self._tools.settings.sefaz_url
        return Endpoints.single(url) if url else Endpoints.official()

    @cached_property
    def _key(self) -> SigningKey:
        key = load_pfx(self._secrets.pfx, self._secrets.pfx_password)
        if not agrees_with_signxml(key):
            log.warning("signing slowly, by signxml alone", seller=self.issuer.seller_id)
        return key

    @property
    def signing_key(self) -> SigningKey:
        """The A1 certificate's key; raise SellerStopped once it has expired."""
        if self._key.is_expired(self._tools.store.now()):
            until = self._key.not_valid_after.date()
            raise SellerStopped(
                "certificate-expired", f"the A1 certificate expired on {until}; renew it, then `nfe seller add` again"
            )
        return self._key

    @cached_property
    def templates(self) -> TemplateSet:
        """The packaged templates, under the seller's own where it has some."""
        folder = self._tools.settings.templates_dir
        own = None if folder is None else folder / self.issuer.seller_id
        return TemplateSet(own if own is not None and own.is_dir() else None)

    @cached_property
    def amazon(self) -> AmazonClient:
        """The seller's Selling Partner API."""
        settings = self._tools.settings
        return AmazonClient(
            http=self._tools.http,
            tokens=self._tokens,
            base_url=self.amazon_url,
            marketplace_id=settings.marketplace_id,
            timeout=settings.amazon_timeout,
            md5_hex=settings.amazon_md5_hex,
            on_rate=lambda operation, rate: self._tools.limiter.learn(self.bucket(operation), rate),
        )

    @property
    def submission(self) -> AmazonClient | DeliveryClient:
        """Where the seller's invoices are handed in and their verdicts asked for."""
        return self._delivery if self._secrets.channel == DELIVERY else self.amazon

    @cached_property
    def _delivery(self) -> DeliveryClient:
        settings = self._tools.settings
        return DeliveryClient(
            http=self._tools.http,
            tokens=self._tokens,
            base_url=self.amazon_url,
            marketplace_id=settings.marketplace_id,
            program=self._secrets.program,
            invoice_type=self._secrets.invoice_type,
            timeout=settings.amazon_timeout,
            md5_hex=settings.amazon_md5_hex,
            on_rate=lambda operation, rate: self._tools.limiter.learn(self.bucket(operation), rate),
        )

    @cached_property
    def notifications(self) -> NotificationsApi:
        """Where the seller's notifications go."""
        settings = self._tools.settings
        return NotificationsApi(
            http=self._tools.http, tokens=self._tokens, base_url=self.amazon_url, timeout=settings.amazon_timeout
        )

    @cached_property
    def _tokens(self) -> Tokens:
        settings = self._tools.settings
        return Tokens(
            http=self._tools.http,
            lwa_url=settings.lwa_url,
            client_id=self._client_id,
            client_secret=self._client_secret,
            refresh_token=self._secrets.refresh_token,
            base_url=self.amazon_url,
            cache=RedisTokenCache(
                self._tools.redis, seal=self._tools.store.vault.seal, unseal=self._tools.store.vault.open
            ),
            timeout=settings.amazon_timeout,
        )

    @cached_property
    def sefaz(self) -> GuardedSefaz:
        """The seller's SEFAZ, by its certificate."""
        settings = self._tools.settings
        key = self.signing_key
        http = mtls_session(key.private_key, key.certificate, key.chain, ca_file=settings.sefaz_ca_file)
        client = SefazClient(http=http, endpoints=self._endpoints, timeout=settings.sefaz_timeout)
        return GuardedSefaz(client, self._tools.barrier, cnpj=self.issuer.cnpj)

    @property
    def amazon_url(self) -> str:
        """The base address of the seller's Selling Partner API."""
        return HOSTS[self._secrets.region] if self._secrets.region else self._tools.settings.amazon_url

    @property
    def has_application(self) -> bool:
        """Whether there is a Login with Amazon application to ask with."""
        return bool(self._client_id and self._client_secret)

    def secret_since(self) -> datetime | None:
        """Since when the application's secret, the newer of two, has been in use; RetryLater where Redis is away."""
        newest = self._client_secret.split(",")[-1].strip()
        return used_since(self._tools.redis, newest, now=self._tools.store.now()) if newest else None

    @property
    def has_own_application(self) -> bool:
        """Whether that application is the seller's own, from its file."""
        return bool(self._secrets.client_id)

    @property
    def _client_secret(self) -> str:
        return self._secrets.client_secret or self._tools.settings.lwa_client_secret.get_secret_value()

    @property
    def _client_id(self) -> str:
        return self._secrets.client_id or self._tools.settings.lwa_client_id

    def bucket(self, operation: str) -> str:
        """Amazon counts per application, seller and operation; its two channels call theirs by the same names."""
        api = "delivery." if self._secrets.channel == DELIVERY and operation in OPERATIONS else ""
        return f"{self._client_id}:{self.issuer.seller_id}:{api}{operation}"

    @contextmanager
    def permit(self, operation: str, who: str) -> Iterator[None]:
        """Take a permit of Amazon's rate plan, or raise RetryLater with when to come; a 429 empties the bucket."""
        plan, bucket = self._tools.plan, self.bucket(operation)
        self._have_token(operation)
        self._wait(operation, bucket, plan, who, f"Amazon's rate plan of {operation}", version=self.version)
        try:
            yield
        except Throttled:
            metrics.permit(operation, "throttled")
            self._tools.limiter.drain(bucket, plan)
            raise

    def _have_token(self, operation: str) -> None:
        """Before the permit: a call must leave as soon as it has one, since Amazon counts arrivals."""
        if operation == "getShipmentDetails":
            self._tokens.restricted_token(DETAILS_PATH)
        else:
            self._tokens.access_token()

    @contextmanager
    def consult_permit(self, chNFe: str, who: str) -> Iterator[None]:
        """Take one of the ten questions per key and hour that SEFAZ answers, or raise RetryLater."""
        self._wait("consulta", f"consult:{chNFe}", CONSULTS, who, "SEFAZ's limit of questions per key")
        yield

    def _wait(self, operation: str, bucket: str, plan: Plan, who: str, what: str, *, version: int = 0) -> None:
        wait = self._tools.limiter.wait(bucket, plan, who, version=version)
        metrics.permit(operation, "refused" if wait else "granted")
        if wait > timedelta():
            raise RetryLater("rate-limited", what, after=wait, counts=False)
