"""A seller's tools: by which of Amazon's APIs its invoices are handed in, and whose rate plan that is."""

import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import redis

from tests.servers import Valkey
from workflow.clients import broker
from workflow.clients.amazon import AmazonClient
from workflow.clients.amazon_tokens import Tokens
from workflow.clients.delivery import DeliveryClient
from workflow.clients.selling_partner import Throttled
from workflow.errors import Away, Misconfigured, RetryLater, SellerStopped
from workflow.migrations import upgrade
from workflow.sandbox.shipments import demo_seller
from workflow.settings import Settings
from workflow.states import State
from workflow.store import Claim
from workflow.tools import SellerSecrets, SellerTools, Tools

SECRETS = SellerSecrets(demo_seller(), b"", "", "Atzr|one", "client", "secret")
DELIVERY = SECRETS._replace(channel="delivery", program="EasyShip")


@pytest.fixture
def tools(tmp_path: Path, redis_client: redis.Redis) -> Tools:
    """Tools with a real Redis, and a folder of their own for the key."""
    made = Tools(Settings(data_dir=tmp_path))
    vars(made)["redis"] = redis_client
    return made


def seller_of(tools: Tools, secrets: SellerSecrets) -> SellerTools:
    return SellerTools(tools, 1, SellerSecrets.load(secrets.dump()))


def test_the_channel_of_the_sellers_file_takes_its_invoices(tools: Tools) -> None:
    ordinary, delivered = seller_of(tools, SECRETS), seller_of(tools, DELIVERY)
    assert ordinary.submission is ordinary.amazon
    assert isinstance(delivered.submission, DeliveryClient)
    assert delivered.submission is delivered.submission
    assert isinstance(delivered.amazon, AmazonClient)


def test_each_channel_has_a_rate_plan_of_its_own_and_the_details_share_one(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A permit is asked for when the call can leave at once: the tokens are there.
    monkeypatch.setattr(Tokens, "access_token", lambda _: "Atza|test")
    monkeypatch.setattr(Tokens, "restricted_token", lambda _, __: "Atz.sprdt|test")
    ordinary, delivered = seller_of(tools, SECRETS), seller_of(tools, DELIVERY)
    for operation in ("submitInvoice", "getShipmentDetails"):
        with pytest.raises(Throttled), delivered.permit(operation, "one"):
            raise Throttled(operation)
    with pytest.raises(RetryLater), delivered.permit("submitInvoice", "two"):
        pass
    with ordinary.permit("submitInvoice", "three"):
        pass
    with pytest.raises(RetryLater), ordinary.permit("getShipmentDetails", "four"):
        pass


def test_a_seller_is_not_asked_for_again_while_claims_come_with_its_version(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade(tools.store.engine)
    seller = demo_seller()
    id = seller["seller_id"]
    values = {"id": id, "name": "LOJA", "cnpj": seller["cnpj"], "issuer": {}, "certificate_until": None}
    tools.catalog.put_seller(values, secrets=SECRETS.dump())
    known = tools.seller(id)
    asked: list[str] = []
    seller_row = tools.catalog.seller
    monkeypatch.setattr(tools.catalog, "seller", lambda id: asked.append(id) or seller_row(id))
    monkeypatch.setattr("workflow.tools.FRESH", 0.2)
    time.sleep(0.2)
    tools.heard(_claim(id, known.version))
    assert tools.seller(id) is known
    assert asked == []
    time.sleep(0.2)
    tools.heard(_claim(id, known.version + 1))  # another process has put a new one
    assert tools.seller(id) is known
    assert asked == [id]
    time.sleep(0.2)
    tools.heard(_claim(id, None))  # it was stopped meanwhile
    tools.catalog.stop_seller(id, "lwa-invalid-grant", "revoked")
    with pytest.raises(SellerStopped):
        tools.seller(id)


def _claim(seller_id: str, seller_version: int | None) -> Claim:
    now = datetime.now(UTC)
    return Claim(
        id=f"{seller_id}/X", seller_id=seller_id, amazon_shipment_id="X", state=State.RECEIVED, tries=1, crashes=0,
        turn=1, sent_at=None, access_key=None, lease="x", until=now, at=now, seller_version=seller_version,
    )  # fmt: skip


def test_a_broker_that_would_throw_messages_away_is_refused(tools: Tools) -> None:
    tools.check_broker()
    tools.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(Misconfigured, match=r"broker-evicts: .* allkeys-lru"):
            tools.check_broker()
    finally:
        tools.redis.config_set("maxmemory-policy", "noeviction")


def test_a_broker_that_does_not_answer_is_told(tools: Tools) -> None:
    vars(tools)["redis"] = redis.Redis(port=1)
    with pytest.raises(Misconfigured, match="broker-unavailable"):
        tools.check_broker()


def test_a_broker_that_refuses_the_login_is_no_broker_that_is_away(tmp_path: Path) -> None:
    server = Valkey()
    try:
        with server.client() as client:
            client.config_set("requirepass", "secret")
        with pytest.raises(Misconfigured, match=r"broker-login: .* NFE_REDIS_URL") as refused:
            Tools(Settings(data_dir=tmp_path, redis_url=server.url)).check_broker()
        with pytest.raises(Misconfigured, match=r"broker-login: .* NFE_BROKER_URL"):
            broker.waiting(server.url)
    finally:
        server.stop()
    assert not isinstance(refused.value, Away)
    with pytest.raises(Away, match="broker-unavailable"):
        Tools(Settings(data_dir=tmp_path, redis_url=server.url)).check_broker()
