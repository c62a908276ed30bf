"""The example shipments are varied, repeatable, and end as they say."""

import json
from datetime import UTC, datetime

import pytest

from workflow.errors import Invalid
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Invoice, Issuer, Product
from workflow.sandbox.shipments import Example, demo_products, demo_seller, demo_shipments, notification

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def built(example: Example) -> Invoice:
    """The invoice of an example."""
    detail = ShipmentDetail.parse(json.dumps({"payload": example.details}).encode())
    products = {row["sku"]: Product.parse(row) for row in demo_products()}
    return build_invoice(detail, issuer=Issuer.parse(demo_seller()), products=products)


def test_the_same_seed_gives_the_same_shipments() -> None:
    assert demo_shipments(20, seed=3, now=NOW) == demo_shipments(20, seed=3, now=NOW)
    assert demo_shipments(20, seed=3, now=NOW) != demo_shipments(20, seed=4, now=NOW)


def test_ids_differ() -> None:
    examples = demo_shipments(500, now=NOW)
    assert len({example.shipment_id for example in examples}) == 500


def test_a_dozen_shows_every_end() -> None:
    ends = [example.expected for example in demo_shipments(12, now=NOW)]
    assert set(ends) == {"ACCEPTED", "ERRORED", "FETCHED", "REJECTED", "CANCELLED"}
    assert {example.expected for example in demo_shipments(12, now=NOW, only_good=True)} == {"ACCEPTED"}


def test_every_ordinary_shipment_becomes_an_invoice_without_a_doubt() -> None:
    for example in demo_shipments(100, now=NOW, only_good=True):
        assert built(example).warnings == ()


def test_what_waits_for_a_person_waits_for_a_named_reason() -> None:
    codes = []
    for example in demo_shipments(12, now=NOW):
        if example.expected == "FETCHED":
            with pytest.raises(Invalid) as caught:
                built(example)
            codes.append(caught.value.code)
    assert codes == ["unknown-sku", "unknown-municipality"]


def test_a_notification_has_amazons_pascal_case_and_its_own_id() -> None:
    example = demo_shipments(1, now=NOW)[0]
    first, second = (notification(example.details, "Created", copy=copy) for copy in (0, 1))
    told = first["Payload"]["FBAOutboundShipmentStatusNotification"]
    assert told == {
        "SellerId": "A2DEMOSELLER01",
        "AmazonOrderId": example.details["AmazonOrderId"],
        "AmazonShipmentId": example.shipment_id,
        "ShipmentStatus": "Created",
    }
    assert first["NotificationType"] == "FBA_OUTBOUND_SHIPMENT_STATUS"
    ids = {one["NotificationMetadata"]["NotificationId"] for one in (first, second)}
    assert len(ids) == 2


def test_cancellations_come_first_or_afterwards() -> None:
    cancelled = [example for example in demo_shipments(12, now=NOW) if example.expected == "CANCELLED"]
    seen = [
        [one["Payload"]["FBAOutboundShipmentStatusNotification"]["ShipmentStatus"] for one in told]
        for example in cancelled
        for told in (example.notifications, example.afterwards)
    ]
    assert seen == [["Cancelled", "Created"], [], ["Created"], ["Cancelled"]]
