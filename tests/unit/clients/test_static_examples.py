"""Every static example of Amazon's models that is of our operations is read without loss.

What a client made of an answer is written down again in the model's words and compared with the answer. Of an error the
`details` are left behind on purpose: they may quote an address.
"""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from workflow.clients.amazon import AmazonClient
from workflow.clients.amazon_tokens import MARGIN, Tokens
from workflow.clients.delivery import DeliveryClient
from workflow.clients.notifications_api import PAYLOAD_VERSION, Destination, NotificationsApi, Subscription
from workflow.clients.vendor import CustomerInvoice, Query, VendorClient
from workflow.errors import NfeError, Refused
from workflow.nfe.shipment_detail import ShipmentDetail

from .conftest import Server

OFFICIAL = Path(__file__).parents[4] / "shared" / "amazon" / "sandbox_examples.json"
MARKETPLACE = "A2Q3Y263D00KWC"
SOME_TIME = Query(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC))
#: Operations that this program does not call.
ELSEWHERE = {
    ("notifications", "getSubscriptions"),
    ("notifications", "getSubscriptionById"),
    ("notifications", "getDestination"),
    ("application_2023-11-30", "rotateApplicationClientSecret"),
}


class Example(NamedTuple):
    """One static example."""

    model: str
    operation: str
    status: int
    answer: dict[str, Any]


def official() -> list[Example]:
    """Those of our operations, none where they are absent."""
    if not OFFICIAL.exists():
        return []
    return [
        Example(model, entry["operation"], int(entry["http"]), static["response"])
        for model, entries in json.loads(OFFICIAL.read_text(encoding="utf-8")).items()
        for entry in entries
        for static in entry["sandbox"].get("static", [])
        if (model, entry["operation"]) not in ELSEWHERE
    ]


EXAMPLES = official()
pytestmark = pytest.mark.skipif(not EXAMPLES, reason="Amazon's models are not beside the repository")


class Purse:
    """Tokens for everything."""

    def access_token(self) -> str:
        return "Atza|plain"

    def restricted_token(self, path_template: str, method: str = "GET") -> str:
        return "Atz.sprdt|restricted"

    def grantless_token(self, scope: str) -> str:
        return "Atza|grantless"

    def forget(self, refused: str) -> None:
        pass


class Clients:
    """All clients, at one server; each method calls one operation and writes the answer down in the model's words."""

    def __init__(self, server: Server, answer: dict[str, Any]) -> None:
        common: dict[str, Any] = {"http": requests.Session(), "base_url": server.url, "timeout": 5}
        about = common | {"tokens": Purse()}
        self.answer = answer
        self.amazon = AmazonClient(**about, marketplace_id=MARKETPLACE)
        self.delivery = DeliveryClient(**about, marketplace_id=MARKETPLACE, program="EasyShip", invoice_type="Outbound")
        self.vendor, self.notifications = VendorClient(**about), NotificationsApi(**about)
        self.tokens = Tokens(
            **common,
            lwa_url=server.url,
            client_id="c",
            client_secret="s",
            refresh_token="r",
            cache=None,
            clock=lambda: 0,
        )
        vars(self.tokens)["access_token"] = Purse().access_token

    def details(self) -> Any:
        raw = self.amazon.shipment_details("shipmentId1")
        assert json.loads(raw) == self.answer
        return {"payload": plain(ShipmentDetail.parse(raw).model_dump(exclude_unset=True))}

    def status(self) -> Any:
        found = self.amazon.invoice_status("shipmentId1")
        assert json.loads(found.raw) == self.answer
        return {"payload": {"Shipments": {"AmazonShipmentId": "shipmentId1", "InvoiceStatus": found.status}}}

    def delivery_status(self) -> Any:
        found = self.delivery.invoice_status("1111111111111")
        return json.loads(found.raw) | {"invoiceStatus": found.status}

    def restricted(self) -> Any:
        token = self.tokens.restricted_token("/fba/outbound/brazil/v0/shipments/{shipmentId}")
        [kept] = self.tokens._kept.values()
        return {"restrictedDataToken": token, "expiresIn": kept.until + MARGIN}

    def invoices(self) -> Any:
        page = self.vendor.customer_invoices(SOME_TIME)
        invoices = [written(one) for one in page.invoices]
        return {"payload": {"pagination": {"nextToken": page.next_token}, "customerInvoices": invoices}}

    def destinations(self) -> Any:
        return {"payload": [destination(one) for one in self.notifications.destinations()]}


def plain(value: Any) -> Any:
    """As JSON writes it: lists, and amounts as text."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, tuple):
        return [plain(one) for one in value]
    return value


def written(invoice: CustomerInvoice) -> Any:
    return {"purchaseOrderNumber": invoice.purchase_order_number, "content": invoice.content}


def destination(one: Destination) -> Any:
    return {"destinationId": one.id, "name": one.name, "resource": {"sqs": {"arn": one.arn}}}


def subscription(one: Subscription | None) -> Any:
    assert one is not None
    shown = {"subscriptionId": one.id, "payloadVersion": PAYLOAD_VERSION, "destinationId": one.destination_id}
    return {"payload": shown}


def nothing(_: None) -> Any:
    return {}


ARN = "arn:aws:sqs:us-east-2:444455556666:queue1"
READERS: dict[tuple[str, str], Callable[[Clients], Any]] = {
    ("shipmentInvoicingV0", "getShipmentDetails"): Clients.details,
    ("shipmentInvoicingV0", "submitInvoice"): lambda all: nothing(all.amazon.submit_invoice("shipmentId1", b"x")),
    ("shipmentInvoicingV0", "getInvoiceStatus"): Clients.status,
    ("deliveryShipmentInvoiceV2022-07-01", "submitInvoice"): lambda all: nothing(
        all.delivery.submit_invoice("1111111111111", b"x")
    ),
    ("deliveryShipmentInvoiceV2022-07-01", "getInvoiceStatus"): Clients.delivery_status,
    ("tokens_2021-03-01", "createRestrictedDataToken"): Clients.restricted,
    ("vendorDirectFulfillmentShippingV1", "getCustomerInvoices"): Clients.invoices,
    ("vendorDirectFulfillmentShippingV1", "getCustomerInvoice"): lambda all: {
        "payload": written(all.vendor.customer_invoice("PO98676856"))
    },
    ("notifications", "getSubscription"): lambda all: subscription(all.notifications.subscription()),
    ("notifications", "createSubscription"): lambda all: subscription(
        all.notifications.subscribe("TEST_CASE_200_DESTINATION_ID")
    ),
    ("notifications", "deleteSubscriptionById"): lambda all: nothing(all.notifications.unsubscribe("any")),
    ("notifications", "getDestinations"): Clients.destinations,
    ("notifications", "createDestination"): lambda all: {
        "payload": destination(all.notifications.create_destination("SQSDestination", ARN))
    },
    ("notifications", "deleteDestination"): lambda all: nothing(all.notifications.delete_destination("any")),
}


def test_no_example_of_our_operations_is_forgotten() -> None:
    assert {(one.model, one.operation) for one in EXAMPLES} == set(READERS)


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one.status == 200], ids=lambda one: f"{one.model}-{one.operation}"
)
def test_an_example_is_read_without_loss(server: Server, example: Example) -> None:
    server.answers(200, example.answer)
    read = READERS[example.model, example.operation](Clients(server, example.answer))
    assert read == _as_read(example.answer)


def _as_read(value: Any) -> Any:
    """The source with its amounts as numbers, which is how they are kept."""
    if isinstance(value, dict):
        return {name: Decimal(one) if name == "Amount" else _as_read(one) for name, one in value.items()}
    return [_as_read(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    "example", [one for one in EXAMPLES if one.status != 200], ids=lambda one: f"{one.operation}-{one.status}"
)
def test_a_refusal_keeps_amazons_code_and_words(server: Server, example: Example) -> None:
    server.answers(example.status, example.answer)
    with pytest.raises(NfeError) as refused:
        READERS[example.model, example.operation](Clients(server, example.answer))
    [told] = example.answer["errors"]
    assert isinstance(refused.value, Refused)
    assert refused.value.code == told["code"]
    assert refused.value.message == f"{example.operation}: {told['message']}"
