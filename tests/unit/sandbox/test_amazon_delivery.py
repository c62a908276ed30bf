"""The local Amazon's Delivery Shipment Invoicing answers as the official model says, and shares the submissions."""

import base64
import hashlib
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from workflow.sandbox.shipments import Example

from .conftest import Partner

ORDINARY = 0
PATH = "/delivery/2022-07-01/invoice"
ABOUT = {"marketplaceId": "A2Q3Y263D00KWC", "invoiceType": "Outbound", "programType": "EasyShip"}


def body_of(xml: bytes, **changes: Any) -> dict[str, Any]:
    """A submission's body; None leaves a field out."""
    body = {
        "invoiceContent": base64.b64encode(xml).decode(),
        "contentMD5Value": base64.b64encode(hashlib.md5(xml).digest()).decode(),
        **ABOUT,
        **changes,
    }
    return {name: value for name, value in body.items() if value is not None}


def submit(partner: Partner, body: Any, **named: str) -> requests.Response:
    return partner.call("POST", f"{PATH}?{urlencode(named)}", partner.token(), json=body)


def status(partner: Partner, **query: str) -> requests.Response:
    return partner.call("GET", f"{PATH}/status?{urlencode(query)}", partner.token())


def error_of(answer: requests.Response) -> tuple[int, str, str]:
    [error] = answer.json()["errors"]
    return answer.status_code, error["code"], error["message"]


def test_what_is_handed_in_here_is_known_to_both_channels(
    partner: Partner, examples: list[Example], nfeProc: bytes
) -> None:
    example = examples[ORDINARY]
    name, order = example.shipment_id, str(example.details["AmazonOrderId"])
    assert status(partner, shipmentId=name, **ABOUT).json()["invoiceStatus"] == "NotFound"
    taken = submit(partner, body_of(nfeProc), shipmentId=name)
    assert (taken.status_code, taken.json()) == (200, {})
    assert taken.headers["x-amzn-RateLimit-Limit"] == "1.133"
    flat = {"amazonOrderId": order, "amazonShipmentId": name, "invoiceStatus": "Accepted"}
    assert status(partner, shipmentId=name, **ABOUT).json() == flat
    assert status(partner, orderId=order, **ABOUT).json() == flat
    assert partner.status(name) == "Accepted"
    assert partner.submit(name, nfeProc).status_code == 200
    held = partner.book()["shipments"][name]
    assert (held["effective"], held["repeats"]) == (1, 1)


def test_the_order_takes_precedence_and_is_no_shipment(partner: Partner, examples: list[Example]) -> None:
    first, second = examples[0], examples[1]
    query = {"orderId": str(second.details["AmazonOrderId"]), "shipmentId": first.shipment_id, **ABOUT}
    assert status(partner, **query).json()["amazonShipmentId"] == second.shipment_id
    assert status(partner, orderId=first.shipment_id, **ABOUT).status_code == 400


@pytest.mark.parametrize("field", ["invoiceContent", "contentMD5Value", *ABOUT])
def test_every_field_of_a_submission_is_required(partner: Partner, examples: list[Example], field: str) -> None:
    name = examples[ORDINARY].shipment_id
    refused = submit(partner, body_of(b"<nfeProc/>", **{field: None}), shipmentId=name)
    assert error_of(refused) == (400, "InvalidInput", f"{field} is required.")
    assert partner.status(name) == "NotFound"


@pytest.mark.parametrize("field", ABOUT)
def test_every_parameter_of_the_status_is_required(partner: Partner, examples: list[Example], field: str) -> None:
    query = {name: value for name, value in ABOUT.items() if name != field}
    refused = status(partner, shipmentId=examples[ORDINARY].shipment_id, **query)
    assert error_of(refused) == (400, "InvalidInput", f"{field} is required.")


@pytest.mark.parametrize("changes", [{"programType": "Fba"}, {"invoiceType": "Inbound"}, {"invoiceContent": "ä"}])
def test_a_value_the_model_does_not_know_is_refused(
    partner: Partner, examples: list[Example], changes: dict[str, str]
) -> None:
    refused = submit(partner, body_of(b"<nfeProc/>", **changes), shipmentId=examples[ORDINARY].shipment_id)
    status_code, code, message = error_of(refused)
    assert (status_code, code, message.removesuffix(".")) == (400, "InvalidInput", f"{next(iter(changes))} is invalid")


def test_a_digest_in_hex_is_refused(partner: Partner, examples: list[Example]) -> None:
    body = body_of(b"<nfeProc/>", contentMD5Value=hashlib.md5(b"<nfeProc/>").hexdigest())
    refused = submit(partner, body, shipmentId=examples[ORDINARY].shipment_id)
    assert error_of(refused)[0] == 400
    assert "does not match" in refused.json()["errors"][0]["details"]


def test_unknown_shipments_get_the_texts_of_the_official_examples(partner: Partner) -> None:
    refused = submit(partner, body_of(b""), shipmentId="BadIDForShipment")
    assert error_of(refused) == (400, "EntityNotFound", "Entity (ShipmentId, BadIDForShipment) was not found")
    refused = status(partner, shipmentId="BadIDForShipment")
    assert error_of(refused) == (400, "InvalidInput", "Invalid Shipment Id")


def test_one_of_order_and_shipment_must_be_named(partner: Partner) -> None:
    assert error_of(submit(partner, body_of(b"")))[:2] == (400, "InvalidInput")
    assert error_of(status(partner, **ABOUT))[:2] == (400, "InvalidInput")


def test_it_takes_the_plain_token_and_json_only(partner: Partner, examples: list[Example]) -> None:
    name = examples[ORDINARY].shipment_id
    path = f"{PATH}/status?{urlencode({'shipmentId': name, **ABOUT})}"
    assert partner.call("GET", path, partner.restricted()).status_code == 403
    assert partner.call("GET", path).status_code == 403
    form = partner.call("POST", f"{PATH}?shipmentId={name}", partner.token(), data={"a": "b"})
    assert form.status_code == 415


def test_host_and_extra_fields_are_ignored(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    headers = {"x-amz-access-token": partner.token(), "Host": "27.0.0.1:18080"}
    query = urlencode({"shipmentId": examples[ORDINARY].shipment_id, "MarketplaceIds": "x"})
    body = body_of(nfeProc, marketplaceIds=["x"])
    taken = requests.post(f"{partner.amazon.url}{PATH}?{query}", json=body, headers=headers, timeout=5)
    assert taken.status_code == 200


def test_its_rate_plan_is_its_own(partner: Partner, examples: list[Example]) -> None:
    partner.control("settings", {"burst": 1, "rate": 0.001})
    name = examples[ORDINARY].shipment_id
    assert partner.status(name) == "NotFound"
    assert status(partner, shipmentId=name, **ABOUT).status_code == 200
    assert status(partner, shipmentId=name, **ABOUT).status_code == 429
    assert partner.book()["throttled"] == {"delivery.getInvoiceStatus": 1}
