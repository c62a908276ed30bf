"""Example shipments become XML: valid by the official schema and by SEFAZ's rules on every run, and equal to the stored one.

A case says only what differs from the case it is `like` (a JSON merge patch, RFC 7386).
`pytest tests/golden --rewrite-golden` writes `expected/` anew; then read the difference before committing it.
Expected files are indented for reading; that the real bytes have no blanks between tags is a unit test's matter.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from workflow.nfe import rules, schema, signature, xml
from workflow.nfe.certificate import SigningKey
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Address, Invoice, Issuer, Product

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.json"))
TEMPLATES = xml.TemplateSet()
#: No template is in this folder: the packaged ones, but parsed and written canonically as a seller's own are.
PARSED = xml.TemplateSet(HERE)


def read(path: Path) -> dict[str, Any]:
    """A case, with what it takes from the one that it is like."""
    case: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    like = case.pop("like", None)
    return merged(read(path.with_name(f"{like}.json")), case) if like else case


def merged(base: Any, patch: Any) -> Any:
    """The base with the patch's values; null takes one away."""
    if not isinstance(base, dict) or not isinstance(patch, dict):
        return patch
    found = {name: merged(base.get(name), value) for name, value in patch.items() if value is not None}
    return {name: value for name, value in base.items() if name not in patch} | found


def numbering_of(case: dict[str, Any]) -> xml.Numbering:
    """The case's number, code and moment."""
    drawn = case["numbering"]
    return xml.Numbering(drawn["nNF"], drawn["cNF"], datetime.fromisoformat(drawn["dhEmi"]))


def invoice_of(case: dict[str, Any]) -> Invoice:
    """The case's invoice, of the day of its number."""
    products = [Product.parse(product) for product in case["products"]]
    issuer = Issuer.parse(case["issuer"])
    given = case.get("arguments", {})
    return build_invoice(
        ShipmentDetail.parse(json.dumps(case["shipment"]).encode()),
        issuer=issuer,
        products={product.sku: product for product in products},
        buyer_ie=given.get("buyer_ie"),
        buyer_address=Address.model_validate(given["buyer_address"]) if "buyer_address" in given else None,
        issued_on=xml.local_date(numbering_of(case).dhEmi, issuer.address.uf),
    )


def _readable(document: bytes, warnings: tuple[str, ...]) -> str:
    root = etree.fromstring(document)
    etree.indent(root)
    comment = "".join(f"<!-- warning: {warning} -->\n" for warning in warnings)
    return comment + etree.tostring(root, encoding="unicode") + "\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_shipment_becomes_the_expected_nfe(
    path: Path, signing_key: SigningKey, request: pytest.FixtureRequest
) -> None:
    case = read(path)
    numbering, invoice = numbering_of(case), invoice_of(case)
    unsigned = xml.render(invoice, numbering, TEMPLATES)
    assert unsigned == xml.render(invoice, numbering, PARSED)
    signed = signature.sign(unsigned, signing_key)
    schema.validate(signed)
    error = rules.first_error(rules.breaches(signed, now=numbering.dhEmi))
    assert error is None, f"{error.cStat} {error.told}"

    expected = HERE / "expected" / f"{path.stem}.xml"
    if request.config.getoption("--rewrite-golden"):
        expected.write_text(_readable(unsigned, invoice.warnings), encoding="utf-8")
    assert _readable(unsigned, invoice.warnings) == expected.read_text(encoding="utf-8")
