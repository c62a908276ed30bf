"""Example shipments become XML: valid by the official schema on every run, and equal to the stored document.

`pytest tests/golden --rewrite-golden` writes `expected/` anew; then read the difference before committing it.
Expected files are indented for reading; that the real bytes have no blanks between tags is a unit test's matter.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from workflow.nfe import schema, signature, xml
from workflow.nfe.certificate import SigningKey
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Invoice, Issuer, Product

HERE = Path(__file__).parent
CASES = sorted((HERE / "cases").glob("*.json"))
TEMPLATES = xml.TemplateSet()


def _invoice(case: dict[str, Any]) -> Invoice:
    products = [Product.parse(product) for product in case["products"]]
    return build_invoice(
        ShipmentDetail.parse(json.dumps(case["shipment"]).encode()),
        issuer=Issuer.parse(case["issuer"]),
        products={product.sku: product for product in products},
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
    case = json.loads(path.read_text(encoding="utf-8"))
    drawn = case["numbering"]
    numbering = xml.Numbering(drawn["nNF"], drawn["cNF"], datetime.fromisoformat(drawn["dhEmi"]))
    invoice = _invoice(case)
    unsigned = xml.render(invoice, numbering, TEMPLATES)
    schema.validate(signature.sign(unsigned, signing_key))

    expected = HERE / "expected" / f"{path.stem}.xml"
    if request.config.getoption("--rewrite-golden"):
        expected.write_text(_readable(unsigned, invoice.warnings), encoding="utf-8")
    assert _readable(unsigned, invoice.warnings) == expected.read_text(encoding="utf-8")
