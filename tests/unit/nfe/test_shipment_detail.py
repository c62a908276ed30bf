import json
from decimal import Decimal
from pathlib import Path

import pytest

from workflow.errors import Invalid
from workflow.nfe.shipment_detail import ShipmentDetail

EXAMPLES = Path(__file__).parents[4] / "shared" / "amazon" / "sandbox_examples.json"


def test_amazons_own_example_is_read() -> None:
    if not EXAMPLES.exists():
        pytest.skip("Amazon's models are not beside the repository")
    answer = json.loads(EXAMPLES.read_text())["shipmentInvoicingV0"][0]["sandbox"]["static"][0]["response"]
    detail = ShipmentDetail.parse(json.dumps(answer).encode())
    assert detail.Payments[0].AuthorizationCode == "123456"
    assert detail.ShipmentItems[0].SerialNumbers == ("23424", "23423")
    assert detail.ShipmentItems[0].ItemPrice is not None
    assert detail.ShipmentItems[0].ItemPrice.Amount == Decimal(100)


def test_every_field_may_be_absent_null_or_blank() -> None:
    raw = b'{"BuyerName": "  ", "Payments": null, "ShipmentItems": [{"ItemPrice": {"Amount": ""}}]}'
    detail = ShipmentDetail.parse(raw)
    assert detail.BuyerName is None
    assert detail.Payments == ()


def test_an_amount_written_as_a_number_keeps_its_cents() -> None:
    detail = ShipmentDetail.parse(b'{"ShipmentItems": [{"ItemPrice": {"CurrencyCode": "BRL", "Amount": 100.10}}]}')
    assert detail.ShipmentItems[0].ItemPrice is not None
    assert str(detail.ShipmentItems[0].ItemPrice.Amount) == "100.10"


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"payload": {}}', b'{"errors": []}', b"<html>"])
def test_what_is_not_shipment_details_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        ShipmentDetail.parse(raw)
    assert refused.value.code == "bad-shipment-details"


def test_a_field_of_the_wrong_shape_is_named_and_its_value_is_not() -> None:
    with pytest.raises(Invalid, match=r"ShippingAddress\.City") as refused:
        ShipmentDetail.parse(b'{"ShippingAddress": {"City": ["Rua Secreta"]}}')
    assert "Secreta" not in str(refused.value)
