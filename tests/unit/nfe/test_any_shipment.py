"""Any shipment of any seller: a named refusal, or a document that is valid, adds up, and costs what the buyer paid."""

import itertools
import json
import os
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.unit.nfe.conftest import DETAIL, ISSUER, brl
from workflow.errors import Invalid
from workflow.nfe import rules, schema, signature, tables
from workflow.nfe.certificate import SigningKey
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Address, Invoice, Issuer, Product
from workflow.nfe.xml import Numbering, TemplateSet, render

NFE = "{http://www.portalfiscal.inf.br/nfe}"
MOMENT = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
#: NFE_TEST_EXAMPLES looks longer.
EXAMPLES = int(os.environ.get("NFE_TEST_EXAMPLES", "150"))
CENT = Decimal("0.01")
#: Without `explain`, which takes longer than all else.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)

#: What a person is asked to decide; anything else that stops a document is a mistake of ours.
NAMED = {
    "bad-buyer-ie", "contributor-only", "discount-too-large", "no-buyer-id", "no-credit-rate", "no-ipi-rate",
    "payments-differ", "unknown-warehouse", "wrong-cfop",
}  # fmt: skip

PLACES = (
    ("SP", "Campinas", "13010-111"), ("RJ", "Niterói", "24020-000"), ("MG", "Belo Horizonte", "30110-000"),
    ("BA", "Salvador", "40020-000"), ("ES", "Vitória", "29010-000"), ("SE", "Aracaju", "49010-000"),
    ("AM", "Manaus", "69005-000"), ("AC", "Rio Branco", "69900-100"), ("SC", "Florianópolis", "88010-000"),
)  # fmt: skip
RESP_TEC = {"cnpj": "99999999000191", "contact": "Eu", "email": "a@b.com.br", "phone": "1133334444"}
WAREHOUSE = {"cnpj": "15436940000103", "name": "Operador", "ie": "110042490114", "address": ISSUER["address"]}

CSOSN = {1: ("101", "102", "103", "201", "202", "203", "300", "400", "500", "900"), 4: ("102", "300", "400", "900")}
PIS = ("04", "05", "06", "07", "08", "09", "49", "99")

percent = st.decimals("0", "35", places=2).map(str)
maybe = st.none() | percent
cents = st.integers(0, 200_000).map(lambda n: f"{Decimal(n) / 100:.2f}")
small = st.sampled_from(["0.00", "0.00", "0.01", "0.33", "7.77", "50.00"])
codes = {
    "cst": st.sampled_from(["00", "10", "20", "40", "41", "50", "51", "60", "70", "90"]),
    "ipi": st.sampled_from(["50", "51", "52", "53", "54", "55", "99"]),
    "class": st.sampled_from(["000001", "200003", "200034", "410008"]),
}


def address(place: tuple[str, str, str]) -> dict[str, str]:
    """A street in a place."""
    return {"street": "Rua A", "number": "1", "district": "Centro", "uf": place[0], "city": place[1], "cep": place[2]}


@st.composite
def issuers(draw: st.DrawFn) -> Issuer:
    """A seller of any regime in any of the places."""
    place = draw(st.sampled_from(PLACES))
    return Issuer.parse(
        ISSUER
        | {
            "crt": draw(st.integers(1, 4)),
            "address": address(place),
            "resp_tec": RESP_TEC if tables.ufs()[place[0]].needs_resp_tec else None,
            "tpAmb": draw(st.sampled_from([1, 2])),
            "pis_cofins": draw(st.sampled_from(["cumulative", "non-cumulative"])),
            "pis_cofins_base_without": draw(st.sampled_from([[], ["vICMS"], ["vICMS", "vFCP", "vICMSUFDest"]])),
            "ibs_cbs_base_without": draw(st.sampled_from([[], ["vPIS", "vCOFINS", "vICMS", "vICMSUFDest", "vFCP"]])),
            "ibs_cbs": {"pCBS": "8.70"} if draw(st.booleans()) else {},
            "industrial": draw(st.booleans()),
            "simples_credit": draw(st.none() | st.just("1.25")),
            "relief": draw(st.sampled_from(["simple", "inside"])),
            "rates": [{"uf": "MG", "difal_base": "double"}, {"ncm": "85", "uf": "RJ", "fcp_rate": draw(percent)}],
            "approximate_tax": draw(maybe),
            "autXML": draw(st.sampled_from([[], ["111.444.777-35"]])),
            "warehouses": draw(st.sampled_from([{}, {"GRU5": WAREHOUSE}])),
            "iest": draw(st.sampled_from([{}, {"RJ": "78445678"}])),
        }
    )


@st.composite
def products(draw: st.DrawFn, sku: str, crt: int) -> Product:
    """A product of any situation of a regime."""
    pis = draw(st.sampled_from(PIS if crt == 4 else ("01", "02", *PIS)))
    csosn = st.none() | st.sampled_from(CSOSN.get(crt, ("102",)))
    return Product.parse(
        {
            "sku": sku,
            "ncm": "85183000",
            "cest": "2105000",
            "origin": draw(st.sampled_from(["0", "1", "5", "8"])),
            "cst": draw(st.none() | codes["cst"]),
            "cst_interstate": draw(st.none() | codes["cst"]),
            "csosn": draw(csosn),
            "csosn_interstate": draw(csosn),
            "pis_cst": draw(st.none() | st.just(pis)),
            "cofins_cst": draw(st.none() | st.just(pis)),
            "pis_rate": draw(maybe),
            "icms_rate": draw(maybe),
            "fcp_rate": draw(maybe),
            "icms_reduction": draw(maybe),
            "icms_deferral": draw(maybe),
            "icms_relief": draw(st.none() | st.just("9")),
            "by_uf": draw(st.sampled_from([{}, {"RJ": {"fcp_rate": "2", "difal_reduction": "10"}}])),
            "st_margin": draw(maybe),
            "st_rate": draw(maybe),
            "st_fcp_rate": draw(maybe),
            "ipi_cst": draw(st.none() | codes["ipi"]),
            "own_production": draw(st.none() | st.booleans()),
            "cclasstrib": draw(st.none() | codes["class"]),
            "approximate_tax": draw(maybe),
        }
        | draw(st.sampled_from([{}, {"ipi_cst": "50", "ipi_rate": "9.75"}, {"ipi_cst": None, "ipi_rate": "15"}]))
    )


@st.composite
def lines(draw: st.DrawFn, sku: str) -> dict[str, Any]:
    """One line of Amazon's."""
    return {
        "SellerSKU": sku,
        "Title": "Fone",
        "QuantityOrdered": draw(st.integers(1, 13)),
        "ItemPrice": brl(draw(cents)),
        **{
            name: brl(draw(small))
            for name in ("ShippingPrice", "GiftWrapPrice", "ShippingDiscount", "PromotionDiscount")
        },
    }


@st.composite
def shipments(draw: st.DrawFn, count: int) -> dict[str, Any]:
    """A shipment of so many lines to any of the places."""
    uf, city, cep = draw(st.sampled_from(PLACES))
    where = {**DETAIL["ShippingAddress"], "StateOrRegion": uf, "City": city, "PostalCode": cep}
    buyer = draw(st.sampled_from([("CPF", "11144477735"), ("CNPJ", "11222333000181"), ("Passport", "AB12345")]))
    items = [draw(lines(f"SKU-{i}")) for i in range(count)]
    methods = draw(st.sampled_from([("Pix",), ("CreditCard", "GiftCard"), ("BankSlip", "Other", "DebitCard")]))
    return DETAIL | {
        "ShippingAddress": where,
        "BuyerTaxInfo": {"TaxClassifications": [{"Name": buyer[0], "Value": buyer[1]}]},
        "ShipmentItems": items,
        "Payments": _payments(methods, paid(items)),
    }


def _payments(methods: tuple[str, ...], total: Decimal) -> list[dict[str, Any]]:
    first, *others = methods
    shares = [(method, CENT) for method in others] if total > 1 else []
    rest = total - sum((amount for _, amount in shares), Decimal(0))
    return [
        {"PaymentMethod": method, "PaymentValue": brl(f"{max(amount, Decimal(0)):.2f}")}
        for method, amount in [(first, rest), *shares]
    ]


def paid(items: list[dict[str, Any]]) -> Decimal:
    """What the buyer paid for the lines."""
    added = itertools.product(items, ("ItemPrice", "ShippingPrice", "GiftWrapPrice"))
    taken = itertools.product(items, ("ShippingDiscount", "PromotionDiscount"))
    return sum((Decimal(item[name]["Amount"]) for item, name in added), Decimal(0)) - sum(
        (Decimal(item[name]["Amount"]) for item, name in taken), Decimal(0)
    )


@settings(
    max_examples=EXAMPLES,
    phases=PHASES,
    suppress_health_check=list(HealthCheck),
    deadline=None,
)
@given(data=st.data())
def test_any_shipment_is_a_named_refusal_or_a_document_that_adds_up(
    data: st.DataObject, signing_key: SigningKey, templates: TemplateSet
) -> None:
    count = data.draw(st.integers(1, 3))
    issuer = data.draw(issuers())
    catalogue = [data.draw(products(f"SKU-{i}", issuer.crt)) for i in range(count)]
    detail = data.draw(shipments(count))
    ie = data.draw(st.sampled_from([None, None, "110042490114", "ISENTO", "12-x"]))
    elsewhere = data.draw(st.none() | st.sampled_from(PLACES).map(address))
    moment = data.draw(st.sampled_from([MOMENT, MOMENT, datetime(2027, 1, 5, 13, 0, tzinfo=UTC)]))
    invoice = refused = None
    try:
        invoice = build_invoice(
            ShipmentDetail.parse(json.dumps(detail).encode()),
            issuer=issuer,
            products={product.sku: product for product in catalogue},
            buyer_ie=ie,
            buyer_address=Address.model_validate(elsewhere) if elsewhere else None,
            issued_on=moment.date(),
        )
    except Invalid as error:
        refused = error.code
    if invoice is None:
        event(f"refused, {refused}")
        assert refused in NAMED | ({"no-ibs-cbs-rate"} if moment.date() >= date(2027, 1, 1) else set())
        return
    event(f"issued, CRT {issuer.crt}")
    document = render(invoice, Numbering(1, "48210937", moment), templates)
    schema.validate(signature.sign(document, signing_key))
    _adds_up(invoice, etree.fromstring(document), paid(detail["ShipmentItems"]))
    breach = rules.first_error(rules.breaches(document, now=moment))
    assert breach is None, f"{breach.cStat} {breach.told}"


def _adds_up(invoice: Invoice, document: etree._Element, price: Decimal) -> None:
    """vNF is the price; the payments are vNF; every total that is written is the sum of what the items write."""
    total = next(document.iter(f"{NFE}ICMSTot"))
    assert Decimal(total.findtext(f"{NFE}vNF") or "") == price
    assert sum(Decimal(one.text or "") for one in document.iter(f"{NFE}vPag")) == price
    assert all(item.value >= 0 and item.vDesc <= item.vProd for item in invoice.items)
    for name, tags in SUMS.items():
        written = [Decimal(one.text or "") for tag in tags for det in _items(document) for one in det.iter(NFE + tag)]
        assert sum(written, Decimal(0)) == Decimal(total.findtext(NFE + name) or "0"), name
    for name, path in GROUPED.items():
        written = [Decimal(one.text or "") for det in _items(document) for one in det.iterfind(f".//{path}")]
        stated = document.findtext(f".//{NFE}IBSCBSTot//{NFE}{name}")
        assert sum(written, Decimal(0)) == Decimal(stated or "0"), name


def _items(document: etree._Element) -> list[etree._Element]:
    return list(document.iter(f"{NFE}det"))


#: A field of ICMSTot and the fields of the items that it sums.
SUMS = {
    "vICMS": ["vICMS"], "vICMSDeson": ["vICMSDeson"], "vFCP": ["vFCP"], "vBCST": ["vBCST"], "vST": ["vICMSST"],
    "vFCPST": ["vFCPST"], "vFCPUFDest": ["vFCPUFDest"], "vICMSUFDest": ["vICMSUFDest"], "vProd": ["vProd"],
    "vFrete": ["vFrete"], "vDesc": ["vDesc"], "vOutro": ["vOutro"], "vIPI": ["vIPI"], "vPIS": ["vPIS"],
    "vCOFINS": ["vCOFINS"], "vTotTrib": ["vTotTrib"],
}  # fmt: skip
#: A field of IBSCBSTot and where the items have it.
GROUPED = {
    "vBCIBSCBS": f"{NFE}gIBSCBS/{NFE}vBC",
    "vIBSUF": f"{NFE}gIBSUF/{NFE}vIBSUF",
    "vIBSMun": f"{NFE}gIBSMun/{NFE}vIBSMun",
    "vIBS": f"{NFE}gIBSCBS/{NFE}vIBS",
    "vCBS": f"{NFE}gCBS/{NFE}vCBS",
}


def test_the_seller_and_the_product_survive_being_stored() -> None:
    issuer = Issuer.parse(ISSUER | {"rates": [{"ncm": "85", "icms_rate": "18,5"}], "warehouses": {"GRU5": WAREHOUSE}})
    assert Issuer.parse(issuer.model_dump(mode="json", exclude_none=True)) == issuer
    product = Product.parse(
        {"sku": "A", "ncm": "85183000", "by_uf": "RJ fcp_rate=2 | MG icms_rate=12", "pis_rate": "1"}
    )
    assert Product.parse(product.model_dump(mode="json", exclude_none=True)) == product


@pytest.mark.parametrize(
    "text", ["RJ 2", "RJ fcp_rate=2 | RJ fcp_rate=3", "XX fcp_rate=2", "RJ rate=2", "RJ fcp_rate=x"]
)
def test_a_cell_that_cannot_be_read_is_told_by_its_column(text: str) -> None:
    with pytest.raises(Invalid, match="by_uf"):
        Product.parse({"sku": "A", "ncm": "85183000", "by_uf": text})
