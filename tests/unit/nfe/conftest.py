"""An issuer, a catalogue, a shipment and its invoice, for the tests of the document."""

import json
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Invoice, Issuer, Product
from workflow.nfe.xml import Numbering, TemplateSet

ISSUER: dict[str, Any] = {
    "seller_id": "A1SELLERID123",
    "name": "Empresa Teste Ltda",
    "trade_name": "Loja Teste",
    "cnpj": "99.999.999/0001-91",
    "ie": "110.042.490.114",
    "crt": 1,
    "address": {
        "street": "Rua Teste",
        "number": "100",
        "district": "Centro",
        "city": "São Paulo",
        "uf": "SP",
        "cep": "01001-000",
        "phone": "(11) 3333-4444",
    },
    "tpAmb": 1,
    "intermediary_cnpj": "15.436.940/0001-03",
}

PRODUCTS = {
    "SKU-1": {"sku": "SKU-1", "ncm": "8518.30.00", "cest": "21.050.00", "gtin": "7891000315507"},
    "SKU-2": {"sku": "SKU-2", "ncm": "49019900", "csosn": "300", "title": "Livro de receitas"},
}


def brl(amount: str) -> dict[str, str]:
    """An amount as Amazon writes it."""
    return {"CurrencyCode": "BRL", "Amount": amount}


DETAIL: dict[str, Any] = {
    "WarehouseId": "GRU5",
    "AmazonOrderId": "701-0000000-0000000",
    "AmazonShipmentId": "DrLqQwqvb",
    "PurchaseDate": "2026-11-21T14:44:38Z",
    "ShippingAddress": {
        "Name": "Beltrano da Silva",
        "AddressLine1": "Rua da Consolação, 700",
        "AddressLine2": "Apto 32",
        "City": "SAO PAULO",
        "StateOrRegion": "SP",
        "PostalCode": "01302-000",
        "CountryCode": "BR",
        "Phone": "11912345678",
    },
    "Payments": [
        {
            "PaymentMethod": "CreditCard",
            "AcquirerId": "01.027.058/0001-91",
            "CardBrand": "Visa",
            "PaymentValue": brl("5129.99"),
            "AuthorizationCode": "A1B2C3",
        }
    ],
    "MarketplaceId": "A2Q3Y263D00KWC",
    "SellerId": "A1SELLERID123",
    "BuyerName": "Fulano da Silva",
    "BuyerCounty": "Centro",
    "BuyerTaxInfo": {"TaxClassifications": [{"Name": "CPF", "Value": "111.444.777-35"}]},
    "MarketplaceTaxInfo": {"TaxClassifications": [{"Name": "CNPJ", "Value": "15436940000103"}]},
    "ShipmentItems": [
        {
            "ASIN": "B078HVJB69",
            "SellerSKU": "SKU-1",
            "OrderItemId": "19441439621890",
            "Title": "Fone de ouvido “sem fio” – preto",
            "QuantityOrdered": 2,
            "ItemPrice": brl("5099.99"),
            "ShippingPrice": brl("30.00"),
            "GiftWrapPrice": brl("0.00"),
            "ShippingDiscount": brl("0.00"),
            "PromotionDiscount": brl("0.00"),
            "SerialNumbers": ["1234567890", "1234567687"],
        }
    ],
}

Build = Callable[..., Invoice]


@pytest.fixture
def detail() -> dict[str, Any]:
    """A shipment's details that a test may change."""
    return deepcopy(DETAIL)


@pytest.fixture
def build() -> Build:
    """Build the invoice of a shipment's details; keyword arguments change the issuer or are build_invoice's own."""

    def built(detail: dict[str, Any], **changes: Any) -> Invoice:
        own = {name: changes.pop(name) for name in ("buyer_ie", "buyer_address", "issued_on") if name in changes}
        products = {sku: Product.parse(product) for sku, product in PRODUCTS.items()}
        parsed = ShipmentDetail.parse(json.dumps({"payload": detail}).encode())
        return build_invoice(parsed, issuer=Issuer.parse(ISSUER | changes), products=products, **own)

    return built


@pytest.fixture
def invoice(build: Build, detail: dict[str, Any]) -> Invoice:
    """The invoice of the example shipment."""
    return build(detail)


@pytest.fixture(scope="session")
def numbering() -> Numbering:
    """A number, a code and a moment."""
    return Numbering(nNF=1, cNF="48210937", dhEmi=datetime(2026, 11, 22, 13, 0, 0, 250_000, tzinfo=UTC))


@pytest.fixture(scope="session")
def templates() -> TemplateSet:
    """The packaged templates."""
    return TemplateSet()
