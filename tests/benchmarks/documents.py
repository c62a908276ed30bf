"""How fast one core makes NF-e: from an Invoice to rendered, signed, XSD-valid bytes, at 1, 10 and 50 items.

Beside the floor, the SHA-1, RSA signature, parse and XSD that nothing avoids, and beside peers that make the same note
with their key and their schema kept. All take turns of some documents each, so that a busy machine is busy for all of
them; medians of CPU time. A busy machine empties the caches, which RSA minds less than Python does: the ratio to the
floor in the quietest tenth of each is told too.
"""

import hashlib
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from lxml import etree

from tests.benchmarks import peers
from workflow.nfe import rules, schema, signature, xml
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Issuer, Product
from workflow.sandbox import certificates
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_NAME, demo_products, demo_seller, demo_shipments

#: How often each has its turn, by the items of the document.
TURNS = {1: 30, 10: 15, 50: 8}
#: Documents of one turn.
TURN = 20
PASSWORD = "bench"

Work = Callable[[], object]


def run() -> None:
    """Print, per size of document, what everyone makes in a second, and what each step of ours takes."""
    with TemporaryDirectory() as name, one_core():
        pfx = certificates.demo_a1(Path(name), cnpj=SELLER_CNPJ, name=SELLER_NAME, password=PASSWORD)
        for items, turns in TURNS.items():
            _measure(items, turns, pfx)


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, where the system can bind it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Spent(NamedTuple):
    """Milliseconds of CPU of one document: the median, and what the quietest tenth stayed below."""

    median: float
    quiet: float


def spent_by(works: Mapping[str, Work], turns: int) -> dict[str, Spent]:
    """What each work takes, by its name."""
    spent: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(turns):
        for name, work in works.items():
            work()  # what the others have left in the caches is not its own
            for _ in range(TURN):
                began = time.thread_time()
                work()
                spent[name].append((time.thread_time() - began) * 1000)
    return {
        name: Spent(statistics.median(times), statistics.quantiles(times, n=10)[0]) for name, times in spent.items()
    }


def shipment(items: int) -> ShipmentDetail:
    """A shipment of so many lines of the example seller."""
    examples = demo_shipments(items, only_good=True)
    lines = [line for example in examples for line in example.details["ShipmentItems"]]
    details = examples[0].details | {"ShipmentItems": lines[:items]}
    # Without amounts the one payment is the whole total.
    return ShipmentDetail.model_validate(details | {"Payments": [], "PaymentMethodDetails": ["CreditCard"]})


def _measure(items: int, turns: int, pfx: Path) -> None:
    key = load_pfx(pfx.read_bytes(), PASSWORD)
    issuer = Issuer.parse(demo_seller())
    products = {row["sku"]: Product.parse(row) for row in demo_products()}
    detail, templates = shipment(items), xml.TemplateSet()
    numbering = xml.Numbering(nNF=1, cNF="12345679", dhEmi=datetime.now(UTC))
    invoice = build_invoice(detail, issuer=issuer, products=products)
    unsigned = xml.render(invoice, numbering, templates)
    signed = signature.signed(unsigned, key)

    def ours() -> bytes:
        made = signature.signed(xml.render(invoice, numbering, templates), key)
        schema.validate(made.root)
        return made.xml

    others = dict((peers.pynfe(invoice, numbering, pfx, PASSWORD), peers.nfelib(invoice, numbering, key)))
    for name, make in others.items():
        _check(name, make(), ours())
    _tell(items, spent_by({"floor": _floor(signed, key), "ours": ours, **others}, turns))
    steps = {
        "build": lambda: build_invoice(detail, issuer=issuer, products=products),
        "render": lambda: xml.render(invoice, numbering, templates),
        "sign": lambda: signature.signed(unsigned, key),
        "validate": lambda: schema.validate(signed.root),
        "rules": lambda: rules.breaches(signed.root, now=numbering.dhEmi),
    }
    told = ", ".join(f"{step} {spent.median:.2f}" for step, spent in spent_by(steps, turns).items())
    print(f"document {items:2} items  in ms: {told}")


def _floor(signed: signature.Signed, key: SigningKey) -> Work:
    """What no maker of these bytes is spared."""
    infNFe = etree.tostring(signed.root[0], method="c14n")
    compiled = schema._compiled("nfe")

    def least() -> None:
        key.private_key.sign(hashlib.sha1(infNFe, usedforsecurity=False).digest(), PKCS1v15(), SHA1())
        compiled.validate(etree.fromstring(signed.xml))

    return least


def _check(name: str, theirs: bytes, ours: bytes) -> None:
    """A peer's document is signed, valid, and of the same items and amount as ours."""
    signature.verify(theirs)
    schema.validate(theirs)
    told = [
        (root.findtext(".//{*}vNF"), len(root.findall(".//{*}det")), root.find("{*}infNFe").get("Id"))
        for root in (schema.parsed(theirs), schema.parsed(ours))
    ]
    assert told[0] == told[1], (name, told)


def _tell(items: int, found: Mapping[str, Spent]) -> None:
    floor, ours = found["floor"], found["ours"]
    beside = {
        "floor": "",
        "ours": f", {floor.median / ours.median:.0%} of the floor ({floor.quiet / ours.quiet:.0%} in the quietest tenth)",
    }
    for name, spent in found.items():
        told = beside.get(name, f", ours {spent.median / ours.median:.1f} x as many")
        print(f"document {items:2} items  {1000 / spent.median:5.0f} a second  {name}{told}")
