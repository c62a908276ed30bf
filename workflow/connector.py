"""A vendor's Amazon: its client, behind the rate plan that all workers share, and with some patience."""

import json
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from workflow import embedded
from workflow.clients import vendor
from workflow.clients.amazon_tokens import RedisTokenCache, Tokens
from workflow.clients.rate_limit import Plan, RateLimiter
from workflow.clients.vendor import CustomerInvoice, Page, Query, Throttled, VendorClient
from workflow.errors import Misconfigured, RetryLater
from workflow.tools import Tools

#: Requests per second and bucket of each operation (the model's usage plan).
PLAN = Plan(rate=10, burst=10)
#: Seconds between the tries of one request: a person waits longer than a worker should be held.
PATIENT, BRIEF = (1.0, 2.0, 4.0, 8.0, 15.0), (1.0, 2.0)

Got = TypeVar("Got")


class ConnectorSecrets(NamedTuple):
    """What of a connector is sealed; without an application of its own the installation's is used."""

    refresh_token: str
    client_id: str = ""
    client_secret: str = ""

    def dump(self) -> bytes:
        """JSON, to be sealed."""
        return json.dumps(self._asdict()).encode()

    @classmethod
    def load(cls, content: bytes) -> "ConnectorSecrets":
        """The reverse of dump."""
        return cls(**json.loads(content))


class Source:
    """The two operations of one connector."""

    def __init__(
        self, tools: Tools, connector: Any, *, waits: Sequence[float], pause: Callable[[float], None] = time.sleep
    ) -> None:
        settings = tools.settings
        secrets = ConnectorSecrets.load(
            tools.store.vault.open(connector.sealed_secrets, "vendor_connector", connector.name)
        )
        client_id = secrets.client_id or settings.lwa_client_id
        client_secret = secrets.client_secret or settings.lwa_client_secret.get_secret_value()
        if not (client_id and client_secret):
            raise Misconfigured(
                "no-application",
                f"connector {connector.name} has no Login with Amazon application; put client_id and client_secret"
                " into its file, or set NFE_LWA_CLIENT_ID and NFE_LWA_CLIENT_SECRET",
            )
        self._waits = waits
        self._pause = pause
        self._who = uuid4().hex
        self._bucket = f"{client_id}:{connector.name}"
        # Where the embedded broker is not up nobody shares the plan: requests are only kept apart.
        shared = not settings.is_embedded or embedded.answers(settings)
        self._limiter: RateLimiter | None = tools.limiter if shared else None
        vault = tools.store.vault
        tokens = Tokens(
            http=tools.http,
            lwa_url=settings.lwa_url,
            client_id=client_id,
            client_secret=client_secret,
            refresh_token=secrets.refresh_token,
            base_url=connector.base_url,
            cache=RedisTokenCache(tools.redis, seal=vault.seal, unseal=vault.open) if shared else None,
            timeout=settings.amazon_timeout,
        )
        self._client = VendorClient(
            http=tools.http,
            tokens=tokens,
            base_url=connector.base_url,
            timeout=settings.amazon_timeout,
            on_rate=self._learn,
        )

    def page(self, query: Query, next_token: str | None) -> Page:
        """One page of the list."""
        return self._ask(vendor.LIST, partial(self._client.customer_invoices, query, next_token))

    def invoice(self, purchase_order_number: str) -> CustomerInvoice:
        """The invoice of one order."""
        return self._ask(vendor.GET, partial(self._client.customer_invoice, purchase_order_number))

    def _ask(self, operation: str, ask: Callable[[], Got]) -> Got:
        for wait in self._waits:
            try:
                return self._once(operation, ask)
            except RetryLater:
                self._pause(wait)
        return self._once(operation, ask)

    def _once(self, operation: str, ask: Callable[[], Got]) -> Got:
        self._permit(operation)
        try:
            return ask()
        except Throttled:
            if self._limiter is not None:
                self._limiter.drain(self._named(operation), PLAN)
            raise

    def _permit(self, operation: str) -> None:
        if self._limiter is None:
            self._pause(1 / PLAN.rate)
            return
        while wait := self._limiter.wait(self._named(operation), PLAN, self._who):
            self._pause(wait.total_seconds())

    def _learn(self, operation: str, rate: Decimal) -> None:
        if self._limiter is not None:
            self._limiter.learn(self._named(operation), rate)

    def _named(self, operation: str) -> str:
        """Amazon counts per application, vendor and operation."""
        return f"{self._bucket}:{operation}"
