"""Amazon's shipment details as it sends them: every field optional, under Amazon's own names.

Source: Shipment Invoicing API v0, `ShipmentDetail`, with `Payments` (August 2025). Unknown fields are ignored;
a field of the wrong shape is named, its value is not.
"""

import json
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from workflow.errors import Invalid
from workflow.nfe.fields import complaints


def _none_if_blank(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _empty_if_none(value: object) -> object:
    return () if value is None else value


Text = Annotated[str | None, BeforeValidator(_none_if_blank)]


class _FromAmazon(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True, coerce_numbers_to_str=True)


class Money(_FromAmazon):
    """An amount: Amazon writes it as a text."""

    CurrencyCode: Text = None
    Amount: Annotated[Decimal | None, BeforeValidator(_none_if_blank)] = None


class AmazonAddress(_FromAmazon):
    """Where the goods go."""

    Name: Text = None
    AddressLine1: Text = None
    AddressLine2: Text = None
    AddressLine3: Text = None
    City: Text = None
    County: Text = None
    District: Text = None
    StateOrRegion: Text = None
    PostalCode: Text = None
    CountryCode: Text = None
    Phone: Text = None
    AddressType: Text = None


class TaxClassification(_FromAmazon):
    """One tax id: `Name` says its kind."""

    Name: Text = None
    Value: Text = None


class TaxInfo(_FromAmazon):
    """Tax information of the buyer or of the marketplace."""

    CompanyLegalName: Text = None
    TaxingRegion: Text = None
    TaxClassifications: Annotated[tuple[TaxClassification, ...], BeforeValidator(_empty_if_none)] = ()


class PaymentInformation(_FromAmazon):
    """One payment; `AcquirerId` is the acquirer's CNPJ."""

    PaymentMethod: Text = None
    AcquirerId: Text = None
    CardBrand: Text = None
    PaymentValue: Money | None = None
    AuthorizationCode: Text = None


class ShipmentItem(_FromAmazon):
    """One line; `ItemPrice` is the line's total without freight and gift wrap."""

    ASIN: Text = None
    SellerSKU: Text = None
    OrderItemId: Text = None
    Title: Text = None
    QuantityOrdered: Decimal | None = None
    ItemPrice: Money | None = None
    ShippingPrice: Money | None = None
    GiftWrapPrice: Money | None = None
    ShippingDiscount: Money | None = None
    PromotionDiscount: Money | None = None
    SerialNumbers: Annotated[tuple[str, ...], BeforeValidator(_empty_if_none)] = ()


class ShipmentDetail(_FromAmazon):
    """All that Amazon tells of a shipment."""

    WarehouseId: Text = None
    AmazonOrderId: Text = None
    AmazonShipmentId: Text = None
    PurchaseDate: Text = None
    ShippingAddress: AmazonAddress | None = None
    PaymentMethodDetails: Annotated[tuple[str, ...], BeforeValidator(_empty_if_none)] = ()
    Payments: Annotated[tuple[PaymentInformation, ...], BeforeValidator(_empty_if_none)] = ()
    MarketplaceId: Text = None
    SellerId: Text = None
    BuyerName: Text = None
    BuyerCounty: Text = None
    BuyerTaxInfo: TaxInfo | None = None
    MarketplaceTaxInfo: TaxInfo | None = None
    SellerDisplayName: Text = None
    ShipmentItems: Annotated[tuple[ShipmentItem, ...], BeforeValidator(_empty_if_none)] = ()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """The details from Amazon's JSON, inside `payload` or bare; raise Invalid('bad-shipment-details')."""
        try:
            return cls.model_validate(_payload(raw))
        except ValidationError as error:
            raise Invalid("bad-shipment-details", f"Amazon's shipment details: {complaints(error)}") from error


def _payload(raw: bytes) -> dict[str, Any]:
    try:
        # Amounts as they are written, should Amazon ever send them as JSON numbers.
        answer = json.loads(raw, parse_float=Decimal)
    except (ValueError, RecursionError, ArithmeticError) as error:  # the last for an exponent without end
        raise Invalid("bad-shipment-details", "Amazon's shipment details are not JSON; fetch them again") from error
    payload = answer.get("payload", answer) if isinstance(answer, dict) else None
    if not isinstance(payload, dict) or not payload or "errors" in payload:
        raise Invalid("bad-shipment-details", "Amazon's answer holds no shipment details; fetch them again")
    return payload
