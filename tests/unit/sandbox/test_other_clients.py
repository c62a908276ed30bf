"""Clients that others wrote work against the local Amazon: the official one and the most used one, unchanged but for
the addresses they call.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from datetime import datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.server import Started, start_amazon
from workflow.sandbox.shipments import Example

from .conftest import Partner

DETAILS = "/fba/outbound/brazil/v0/shipments/{shipmentId}"
LIST = "/vendor/directFulfillment/shipping/v1/customerInvoices"
ONE = LIST + "/{purchaseOrderNumber}"
ARN = "arn:aws:sqs:us-east-1:123456789012:nfe"
PERIOD = {"createdAfter": "2026-11-01T00:00:00Z", "createdBefore": "2026-11-08T00:00:00Z"}
PDF = b"%PDF-1.7 an invoice"


@pytest.fixture(scope="module")
def spapi() -> Iterator[ModuleType]:
    """The official client, whose import configures the root logger; that is taken back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield pytest.importorskip("spapi", reason="no amzn-sp-api here; install the group dev")
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="module")
def sp_api() -> ModuleType:
    """The most used client; its tokens are cached in its module, by refresh token."""
    pytest.importorskip("sp_api.api", reason="no python-amazon-sp-api here; install the group dev")
    import sp_api
    import sp_api.api

    return sp_api


def invoice(xml: bytes) -> dict[str, str]:
    """The body of submitInvoice."""
    return {
        "InvoiceContent": base64.b64encode(xml).decode(),
        "ContentMD5Value": base64.b64encode(hashlib.md5(xml).digest()).decode(),
        "MarketplaceId": "A2Q3Y263D00KWC",
    }


# -- amzn-sp-api ----------------------------------------------------------------------------------------------


def official(spapi: Any, amazon: Started[AmazonBook]) -> Any:
    """Its client, with a refresh token."""
    config = spapi.SPAPIConfig(client_id="client", client_secret="secret", refresh_token="Atzr|official")
    return spapi.SPAPIClient(config, oauth_endpoint=f"{amazon.url}/auth/o2/token", endpoint=amazon.url)


def restricted(spapi: Any, client: Any, path: str = DETAILS) -> Any:
    """Its client with a restricted data token, where it asks its cache before each call."""
    wanted = {"restrictedResources": [{"method": "GET", "path": path}]}
    got = spapi.TokensApi(client.api_client).create_restricted_data_token(wanted)
    token = got.restricted_data_token
    configuration = spapi.Configuration()
    configuration.host = client.api_base_url
    configuration.access_token_cache = SimpleNamespace(get_lwa_access_token=lambda: token)
    return spapi.ApiClient(configuration=configuration)


def test_the_official_client_goes_from_login_to_the_verdict(
    spapi: Any, partner: Partner, examples: list[Example], nfeProc: bytes
) -> None:
    example, client = examples[0], official(spapi, partner.amazon)
    told = spapi.ShipmentInvoiceApi(restricted(spapi, client)).get_shipment_details(example.shipment_id)
    raw = spapi.ShipmentInvoiceApi(client.api_client)
    kept = client.api_client.sanitize_for_serialization(told.payload)
    assert datetime.fromisoformat(kept.pop("PurchaseDate")) == datetime.fromisoformat(example.details["PurchaseDate"])
    assert kept == {name: value for name, value in example.details.items() if name != "PurchaseDate"}
    assert raw.get_invoice_status(example.shipment_id).payload.shipments.invoice_status == "NotFound"
    raw.submit_invoice(example.shipment_id, invoice(nfeProc))
    assert raw.get_invoice_status(example.shipment_id).payload.shipments.invoice_status == "Accepted"
    assert partner.book()["shipments"][example.shipment_id]["effective"] == 1


def test_the_official_client_is_told_what_is_wrong(spapi: Any, partner: Partner, examples: list[Example]) -> None:
    api = spapi.ShipmentInvoiceApi(official(spapi, partner.amazon).api_client)
    with pytest.raises(spapi.ApiException) as plain_token:
        api.get_shipment_details(examples[0].shipment_id)
    with pytest.raises(spapi.ApiException) as unknown:
        api.get_invoice_status("BadShipId")
    assert (plain_token.value.status, unknown.value.status) == (403, 400)
    assert json.loads(unknown.value.body)["errors"][0]["message"] == "Invalid Shipment ID"


def test_the_official_client_reads_the_static_examples(spapi: Any) -> None:
    with start_amazon(static=True) as amazon:
        api = spapi.ShipmentInvoiceApi(official(spapi, amazon).api_client)
        assert api.get_shipment_details("shipmentId1").payload.payments[0].payment_method == "CreditCard"
        assert api.get_invoice_status("shipmentId1").payload.shipments.invoice_status == "Accepted"


def test_the_official_client_agrees_on_notifications(spapi: Any, partner: Partner) -> None:
    scope = "sellingpartnerapi::notifications"
    config = spapi.SPAPIConfig(client_id="client", client_secret="secret", scope=scope)
    url = partner.amazon.url
    grantless = spapi.SPAPIClient(config, oauth_endpoint=f"{url}/auth/o2/token", endpoint=url)
    application = spapi.NotificationsApi(grantless.api_client)
    seller = spapi.NotificationsApi(official(spapi, partner.amazon).api_client)
    body = {"name": "nfe", "resourceSpecification": {"sqs": {"arn": ARN}}}
    made = application.create_destination(body).payload
    assert [found.destination_id for found in application.get_destinations().payload] == [made.destination_id]
    wanted = {"payloadVersion": "1.0", "destinationId": made.destination_id}
    subscribed = seller.create_subscription("FBA_OUTBOUND_SHIPMENT_STATUS", wanted).payload
    assert seller.get_subscription("FBA_OUTBOUND_SHIPMENT_STATUS").payload == subscribed


# -- python-amazon-sp-api ---------------------------------------------------------------------------------------


def popular(sp_api: Any, kind: str, amazon: Started[AmazonBook], token: str | None = None, **options: Any) -> Any:
    """One of its clients; its Host header lacks the first letter of an address without TLS."""
    from sp_api.auth import AccessTokenClient
    from sp_api.base import Marketplaces

    host = amazon.url.removeprefix("http://")
    login = type("Login", (AccessTokenClient,), {"scheme": "http://", "host": host})
    client = getattr(sp_api.api, kind)(
        Marketplaces.BR,
        # Its cache of access tokens knows no address: a refresh token of its own for each local Amazon.
        refresh_token=f"Atzr|{host}",
        credentials={"lwa_app_id": "client", "lwa_client_secret": "secret"},
        restricted_data_token=token,
        auth_token_client_class=login,
        **options,
    )
    client.endpoint = amazon.url
    return client


def rdt(sp_api: Any, amazon: Started[AmazonBook], path: str = DETAILS) -> str:
    """A restricted data token, asked for by its own client."""
    asked = popular(sp_api, "Tokens", amazon).create_restricted_data_token(
        restrictedResources=[{"method": "GET", "path": path}]
    )
    return str(asked.payload["restrictedDataToken"])


def test_the_most_used_client_goes_from_login_to_the_verdict(
    sp_api: Any, partner: Partner, examples: list[Example], nfeProc: bytes
) -> None:
    example, amazon = examples[0], partner.amazon
    details = popular(sp_api, "ShipmentInvoicing", amazon, rdt(sp_api, amazon))
    assert details.get_shipment_details(example.shipment_id).payload == example.details
    plain = popular(sp_api, "ShipmentInvoicing", amazon)
    assert plain.submit_invoice(example.shipment_id, **invoice(nfeProc)).errors is None
    shipments = plain.get_invoice_status(example.shipment_id).payload["Shipments"]
    assert shipments == {"AmazonShipmentId": example.shipment_id, "InvoiceStatus": "Accepted"}
    assert partner.book()["shipments"][example.shipment_id]["effective"] == 1


def test_the_most_used_client_is_told_what_is_wrong(sp_api: Any, partner: Partner, examples: list[Example]) -> None:
    from sp_api.base.exceptions import SellingApiBadRequestException, SellingApiForbiddenException

    plain = popular(sp_api, "ShipmentInvoicing", partner.amazon)
    with pytest.raises(SellingApiForbiddenException):
        plain.get_shipment_details(examples[0].shipment_id)
    with pytest.raises(SellingApiBadRequestException) as unknown:
        plain.get_invoice_status("BadShipId")
    assert (unknown.value.amzn_code, unknown.value.message) == ("InvalidInput", "Invalid Shipment ID")


def test_the_most_used_client_hands_in_by_the_delivery_channel(
    sp_api: Any, partner: Partner, examples: list[Example], nfeProc: bytes
) -> None:
    api, about = popular(sp_api, "DeliveryByAmazon", partner.amazon), {"shipmentId": examples[0].shipment_id}
    asked = {"marketplaceId": "A2Q3Y263D00KWC", "invoiceType": "Outbound", "programType": "FbaOnSite"}
    given = {name[0].lower() + name[1:]: value for name, value in invoice(nfeProc).items()}
    api.submit_invoice(**about, **given | asked)
    assert api.get_invoice_status(**about, **asked).payload["invoiceStatus"] == "Accepted"


@pytest.fixture
def vendor() -> Iterator[Started[AmazonBook]]:
    """A local Amazon that holds two customer invoices."""
    with start_amazon(settings=AmazonSettings(rate_plan=False)) as started:
        put = started.book.lists()["customer_invoices"]
        for number in (1, 2):
            content = base64.b64encode(PDF + str(number).encode()).decode()
            created = f"2026-11-0{number}T12:00:00Z"
            put({"purchaseOrderNumber": f"PO{number}", "content": content, "created": created})
        yield started


def test_the_most_used_client_fetches_the_customer_invoices_of_a_vendor(
    sp_api: Any, vendor: Started[AmazonBook]
) -> None:
    kind = "VendorDirectFulfillmentShipping"
    api = popular(sp_api, kind, vendor, rdt(sp_api, vendor, LIST), version="v1")
    first = api.get_customer_invoices(**PERIOD, limit=1)
    assert first.payload["customerInvoices"][0]["purchaseOrderNumber"] == "PO1"
    last = api.get_customer_invoices(**PERIOD, limit=1, nextToken=first.payload["pagination"]["nextToken"])
    assert [held["purchaseOrderNumber"] for held in last.payload["customerInvoices"]] == ["PO2"]
    assert "pagination" not in last.payload
    one = popular(sp_api, kind, vendor, rdt(sp_api, vendor, ONE), version="v1").get_customer_invoice("PO2")
    assert base64.b64decode(one.payload["content"]) == PDF + b"2"


def test_the_most_used_client_reads_the_static_examples_of_a_vendor(sp_api: Any) -> None:
    with start_amazon(static=True) as amazon:
        api = popular(sp_api, "VendorDirectFulfillmentShipping", amazon, "Atz.sprdt|any", version="v1")
        one = api.get_customer_invoice("PO98676856")
        assert one.payload == {"purchaseOrderNumber": "PO98676856", "content": "base 64 encoded string"}
