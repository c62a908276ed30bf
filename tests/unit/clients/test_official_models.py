"""What our clients ask of Amazon is what Amazon's own models take, and what they get is what those promise."""

import hashlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests
from urllib3 import HTTPResponse

from tests.official_models import ABSENT, judge, judge_request, operation_of, present
from workflow.clients.amazon import AmazonClient
from workflow.clients.amazon_tokens import Tokens
from workflow.clients.delivery import INVOICE_TYPES, PROGRAMS, DeliveryClient
from workflow.clients.notifications_api import NotificationsApi
from workflow.clients.vendor import Query, VendorClient
from workflow.errors import Refused
from workflow.sandbox.amazon_book import AmazonSettings
from workflow.sandbox.server import start_amazon
from workflow.sandbox.shipments import demo_shipments

pytestmark = pytest.mark.skipif(not present(), reason=ABSENT)

MARKETPLACE = "A2Q3Y263D00KWC"
SOME_TIME = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC)


class Judging(requests.Session):
    """A session that lets nothing through that a model does not know; `called` are the operations."""

    def __init__(self) -> None:
        super().__init__()
        self.called: set[str] = set()

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        operation = operation_of(str(request.method), str(request.url))
        self.called.add(operation.name if operation else "")
        assert judge_request(request) == []
        answer = super().send(request, **options | {"stream": False})
        assert judge(answer) == []
        # What was read here the clients read once more.
        answer.raw = HTTPResponse(io.BytesIO(answer.content), preload_content=False)
        return answer


@pytest.fixture
def http() -> Judging:
    return Judging()


@pytest.fixture
def about(http: Judging) -> Iterator[dict[str, Any]]:
    """What every client is made with."""
    settings = AmazonSettings(processing_seconds=0, rate_plan=False)
    with start_amazon(settings=settings, shipments=[one.shipment() for one in demo_shipments(2)]) as amazon:
        common = {"http": http, "base_url": amazon.url, "timeout": 5}
        tokens = Tokens(
            **common,
            lwa_url=f"{amazon.url}/auth/o2/token",
            client_id="client",
            client_secret="secret",
            refresh_token="Atzr|one",
            cache=None,
        )
        yield common | {"tokens": tokens}


def test_the_invoicing_client_asks_as_the_model_says(http: Judging, about: dict[str, Any]) -> None:
    client, shipment = AmazonClient(**about, marketplace_id=MARKETPLACE), demo_shipments(1)[0].shipment_id
    client.shipment_details(shipment)
    client.submit_invoice(shipment, b"<nfeProc/>")
    client.invoice_status(shipment)
    with pytest.raises(Refused):
        client.invoice_status("BadShipId")
    assert http.called >= {"createRestrictedDataToken", "getShipmentDetails", "submitInvoice", "getInvoiceStatus"}


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_delivery_client_asks_as_the_model_says(http: Judging, about: dict[str, Any], program: str) -> None:
    client = DeliveryClient(**about, marketplace_id=MARKETPLACE, program=program, invoice_type=INVOICE_TYPES[0])
    shipment = demo_shipments(1)[0].shipment_id
    client.submit_invoice(shipment, b"<nfeProc/>")
    assert client.invoice_status(shipment).status == "Errored"  # no NF-e
    assert http.called >= {"submitInvoice", "getInvoiceStatus"}


def test_the_notifications_client_asks_as_the_model_says(http: Judging, about: dict[str, Any]) -> None:
    client = NotificationsApi(**about)
    made = client.create_destination("nfe", "arn:aws:sqs:us-east-1:123456789012:nfe")
    assert client.destinations() == [made]
    subscribed = client.subscribe(made.id)
    assert subscribed is not None
    assert client.subscribe(made.id) is None
    assert client.subscription() == subscribed
    client.unsubscribe(subscribed.id)
    client.delete_destination(made.id)
    assert client.subscription() is None
    assert len(http.called - {""}) == 6


@pytest.mark.parametrize("full", [True, False], ids=["all parameters", "the required alone"])
def test_the_vendor_client_asks_as_the_model_says(http: Judging, about: dict[str, Any], full: bool) -> None:
    client = VendorClient(**about)
    page = client.customer_invoices(Query(*SOME_TIME, 50, "DESC", "W1") if full else Query(*SOME_TIME))
    client.customer_invoices(Query(*SOME_TIME), page.next_token)
    assert client.customer_invoice("PO1").content == "base 64 encoded string"
    assert http.called >= {"getCustomerInvoices", "getCustomerInvoice"}


def test_a_request_that_the_model_does_not_know_is_found_out() -> None:
    url = "http://a/vendor/directFulfillment/shipping/v1/customerInvoices?createdAfter=now&limit=101&page=2"
    wrong = judge_request(requests.Request("GET", url).prepare())
    assert {one.split()[0] for one in wrong} == {"query", "createdAfter:", "limit:"}
    assert any("lacks createdBefore" in one for one in wrong)
    body = {"InvoiceContent": "x", "Digest": hashlib.md5(b"").hexdigest()}
    asked = requests.Request("POST", "http://a/fba/outbound/brazil/v0/shipments/1/invoice", json=body).prepare()
    assert len(judge_request(asked)) == 2
