"""How fast one core makes NF-e: build, render, sign, validate; beside the RSA signature, XML parse and XSD that nothing avoids."""

import hashlib
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from lxml import etree

from workflow.nfe import schema, signature, xml
from workflow.nfe.certificate import load_pfx
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Issuer, Product
from workflow.sandbox import certificates
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_NAME, demo_products, demo_seller, demo_shipments

ROUNDS = 300


def median(work: Callable[[], object]) -> float:
    """Milliseconds, the median of many runs."""
    work()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def run() -> None:
    """Print a line per step and the ratio to the floor."""
    with TemporaryDirectory() as folder:
        pfx = certificates.demo_a1(Path(folder), cnpj=SELLER_CNPJ, name=SELLER_NAME, password="bench")
        key = load_pfx(pfx.read_bytes(), "bench")
    issuer = Issuer.parse(demo_seller())
    products = {row["sku"]: Product.parse(row) for row in demo_products()}
    example = demo_shipments(1, only_good=True)[0]
    detail = ShipmentDetail.model_validate(example.details)
    templates = xml.TemplateSet()
    numbering = xml.Numbering(nNF=1, cNF="12345679", dhEmi=datetime.now(UTC))

    invoice = build_invoice(detail, issuer=issuer, products=products)
    unsigned = xml.render(invoice, numbering, templates)
    signed = signature.sign(unsigned, key)
    steps: dict[str, Callable[[], object]] = {
        "build": lambda: build_invoice(detail, issuer=issuer, products=products),
        "render": lambda: xml.render(invoice, numbering, templates),
        "sign": lambda: signature.sign(unsigned, key),
        "validate": lambda: schema.validate(signed),
    }
    digest = hashlib.sha1(unsigned).digest()
    root = etree.fromstring(signed)
    floor = median(lambda: (key.private_key.sign(digest, PKCS1v15(), SHA1()), etree.fromstring(signed)))
    floor += median(lambda: schema.validate(etree.tostring(root)))
    total = 0.0
    for name, work in steps.items():
        spent = median(work)
        total += spent
        print(f"document {name:<9} {spent:6.2f} ms")
    print(
        f"document total     {total:6.2f} ms = {1000 / total:4.0f}/s a core; {total / floor:.1f} x the floor of {floor:.2f} ms"
    )
