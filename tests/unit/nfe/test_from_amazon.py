from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workflow.errors import Invalid
from workflow.nfe import schema, signature
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Intermediary, Invoice
from workflow.nfe.xml import Numbering, TemplateSet, render

Build = Callable[..., Invoice]
Detail = dict[str, Any]


ADDRESS_FIELDS = ("Name", "AddressLine1", "AddressLine2", "AddressLine3", "District", "County", "Phone")
NAMED = {"address-withheld", "no-street", "no-district", "no-title", "no-buyer-name"}


def brl(amount: str) -> dict[str, str]:
    return {"CurrencyCode": "BRL", "Amount": amount}


def code(build: Build, detail: Detail, **issuer: Any) -> str:
    with pytest.raises(Invalid) as refused:
        build(detail, **issuer)
    return refused.value.code


def test_the_item_price_is_the_lines_total(build: Build, detail: Detail) -> None:
    (item,) = build(detail).items
    assert (item.quantity, item.unit_price, item.vProd) == (2, Decimal("2549.995"), Decimal("5099.99"))


def test_every_amount_of_amazon_has_its_field(build: Build, detail: Detail) -> None:
    detail["ShipmentItems"][0] |= {
        "GiftWrapPrice": brl("7.00"),
        "ShippingDiscount": brl("10.00"),
        "PromotionDiscount": brl("-2.50"),
    }
    invoice = build(detail)
    totals = invoice.totals
    assert (totals.vFrete, totals.vOutro, totals.vDesc) == (Decimal("30.00"), Decimal("7.00"), Decimal("12.50"))
    assert totals.vNF == Decimal("5124.49")
    assert "ShipmentItems[0].PromotionDiscount has a minus sign: it is taken as a discount" in invoice.warnings


@pytest.mark.parametrize("told", [None, "", "yesterday", "0001-01-01T00:00:00+14:00"])
def test_a_purchase_at_no_moment_is_one_of_no_known_day(build: Build, detail: Detail, told: str | None) -> None:
    assert build(detail | {"PurchaseDate": told}).items == build(detail).items


amounts = st.decimals("0.00", "99.99", places=2).map(str)
lines = st.fixed_dictionaries(
    {
        "SellerSKU": st.just("SKU-1"),
        "Title": st.just("Fone"),
        "QuantityOrdered": st.integers(1, 50),
        **{
            name: amounts.map(brl)
            for name in ("ItemPrice", "ShippingPrice", "GiftWrapPrice", "ShippingDiscount", "PromotionDiscount")
        },
    }
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(items=st.lists(lines, min_size=1, max_size=6))
def test_the_invoice_is_what_the_buyer_paid_whatever_the_discounts(
    build: Build, detail: Detail, items: list[Detail]
) -> None:
    def total(*names: str) -> Decimal:
        return sum((Decimal(item[name]["Amount"]) for item in items for name in names), Decimal(0))

    paid = total("ItemPrice", "ShippingPrice", "GiftWrapPrice") - total("ShippingDiscount", "PromotionDiscount")
    detail = detail | {"ShipmentItems": items, "Payments": [], "PaymentMethodDetails": ["Pix"]}
    if paid < 0:
        assert code(build, detail) == "discount-too-large"
        return
    invoice = build(detail)
    assert invoice.totals.vNF == paid
    assert sum(payment.vPag for payment in invoice.payments) == paid
    assert sum(item.value for item in invoice.items) == paid
    assert all(0 <= item.vDesc <= item.vProd for item in invoice.items)
    assert all(item.vFrete >= 0 and item.vOutro >= 0 for item in invoice.items)


texts = st.none() | st.text(max_size=80) | st.text("0123456789 ,.-nºABab/", max_size=30)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_whatever_texts_amazon_sends_become_a_valid_document_or_a_named_refusal(
    build: Build,
    detail: Detail,
    numbering: Numbering,
    templates: TemplateSet,
    signing_key: SigningKey,
    data: st.DataObject,
) -> None:
    for field in data.draw(st.sets(st.sampled_from(ADDRESS_FIELDS))):
        detail["ShippingAddress"][field] = data.draw(texts)
    for field in ("BuyerName", "BuyerCounty", "AmazonOrderId", "SellerDisplayName"):
        detail[field] = data.draw(texts)
    detail["ShipmentItems"][0] |= {"Title": data.draw(texts), "SerialNumbers": data.draw(st.lists(st.text()))}
    detail["Payments"][0] |= {"AuthorizationCode": data.draw(texts), "CardBrand": data.draw(texts)}
    refusal = None
    try:
        invoice = build(detail, intermediary_id="SellerDisplayName")
    except Invalid as error:
        refusal = error.code
    if refusal is not None:
        assert refusal in NAMED
        return
    schema.validate(signature.sign(render(invoice, numbering, templates), signing_key))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"SellerSKU": "NEW"}, "unknown-sku"),
        ({"SellerSKU": None}, "no-sku"),
        ({"ItemPrice": None}, "no-price"),
        ({"ItemPrice": brl("")}, "no-price"),
        ({"ItemPrice": brl("-1.00")}, "bad-amount"),
        ({"ItemPrice": brl("1.001")}, "bad-amount"),
        ({"ItemPrice": {"CurrencyCode": "USD", "Amount": "1.00"}}, "not-brl"),
        ({"ShippingPrice": brl("-1.00")}, "bad-amount"),
        ({"QuantityOrdered": 0}, "bad-quantity"),
        ({"QuantityOrdered": None}, "bad-quantity"),
        ({"QuantityOrdered": 1.00001}, "bad-quantity"),
        ({"Title": "😀"}, "no-title"),
        ({"PromotionDiscount": brl("6000.00")}, "discount-too-large"),
    ],
)
def test_an_item_that_cannot_be_invoiced_is_refused_by_name(
    build: Build, detail: Detail, changes: Detail, expected: str
) -> None:
    detail["ShipmentItems"][0] |= changes
    assert code(build, detail) == expected


def test_a_shipment_without_items_is_refused(build: Build, detail: Detail) -> None:
    detail["ShipmentItems"] = []
    assert code(build, detail) == "no-items"


def test_another_sellers_shipment_is_refused(build: Build, detail: Detail) -> None:
    detail["SellerId"] = "SOMEONE"
    assert code(build, detail) == "other-seller"


def test_a_situation_outside_the_table_is_refused(build: Build, detail: Detail) -> None:
    assert code(build, detail, csosn="104") == "unknown-tax-situation"
    assert code(build, detail, crt=2, cst="99") == "unknown-tax-situation"


def test_an_item_that_costs_nothing_is_a_warning(build: Build, detail: Detail) -> None:
    detail["ShipmentItems"][0]["ItemPrice"] = brl("0.00")
    assert "ShipmentItems[0].ItemPrice is zero" in build(detail).warnings


def test_the_cfop_follows_the_state_and_the_product_goes_first(build: Build, detail: Detail) -> None:
    assert build(detail).items[0].cfop == "5102"
    assert build(detail, cfop_in_state="5106").items[0].cfop == "5106"
    detail["ShippingAddress"] |= {"City": "Niterói", "StateOrRegion": "RJ", "PostalCode": "24020-000"}
    invoice = build(detail)
    assert (invoice.idDest, invoice.items[0].cfop) == ("2", "6108")


def test_the_marketplace_is_amazons_word_then_the_sellers(build: Build, detail: Detail) -> None:
    assert build(detail).intermediary == Intermediary("15436940000103", "A1SELLERID123")
    detail["MarketplaceTaxInfo"] = {"TaxClassifications": [{"Name": "CNPJ", "Value": "15436940"}]}
    assert build(detail, intermediary_cnpj="11222333000181").intermediary.cnpj == "11222333000181"
    assert code(build, detail, intermediary_cnpj=None) == "no-intermediary"


def test_the_seller_may_be_known_by_its_display_name(build: Build, detail: Detail) -> None:
    detail["SellerDisplayName"] = "Loja “Boa”"
    invoice = build(detail, intermediary_id="SellerDisplayName")
    assert invoice.intermediary.idCadIntTran == 'Loja "Boa"'
    detail["SellerDisplayName"] = None
    invoice = build(detail, intermediary_id="SellerDisplayName")
    assert invoice.intermediary.idCadIntTran == "A1SELLERID123"
    assert invoice.warnings


def test_serial_numbers_are_cut_to_what_the_field_holds(build: Build, detail: Detail) -> None:
    detail["ShipmentItems"][0]["SerialNumbers"] = [f"SERIAL{i:06d}" for i in range(100)]
    note = build(detail).items[0].infAdProd
    assert note is not None
    assert len(note) <= 500


def test_the_sellers_text_names_the_order_and_never_the_buyer(build: Build, detail: Detail) -> None:
    assert build(detail).infCpl == "Pedido Amazon 701-0000000-0000000, remessa DrLqQwqvb."
    assert build(detail, infCpl="").infCpl is None
