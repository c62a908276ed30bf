"""What reads other people's bytes. A target returns, or lets through an exception that no error of ours names."""

import json
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

from tests.unit.nfe.conftest import ISSUER, PRODUCTS
from workflow import reconciliation
from workflow.clients import amazon, notifications, sefaz_results, selling_partner, soap, vendor
from workflow.clients.exchange import Answer, Request
from workflow.errors import NfeError
from workflow.nfe import free_text, protocol, rules, schema, signature
from workflow.nfe.address import municipality, parse_lines, uf_of
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.xml import Numbering, TemplateSet, render
from workflow.privacy import LONGEST, discreet, one_line, values_of, without
from workflow.product_file import read_products
from workflow.sandbox import certificates
from workflow.seller_file import read_seller

#: Seconds for one input of at most `LARGEST` bytes: an expression that never ends is a finding too.
SLOWEST = 5.0
LARGEST = 65_536

Target = Callable[[bytes], None]


def notification(data: bytes) -> None:
    """Amazon's notification: what is understood has ids that are safe in a path, a URL and a log."""
    notifications.announced_at(data)
    said = notifications.parse(data)
    for id in (said.seller_id, said.shipment_id, said.order_id, said.notification_id):
        assert id is None or notifications.IDENTIFIER.fullmatch(id)


def address(data: bytes) -> None:
    """A buyer's free lines: any text has a street, a number and perhaps a complement."""
    city, state, cep, *lines = [*data.decode(errors="replace").split("\n"), "", "", "", ""]
    found = parse_lines(lines[0], *lines[1:3])
    assert found.number
    municipality(uf_of(state), city, cep)


def details(data: bytes) -> None:
    """Amazon's details: what becomes an invoice becomes an XML of the schema."""
    values_of(data)
    detail = ShipmentDetail.parse(data)
    invoice = build_invoice(detail, issuer=_issuer(), products=_products(), issued_on=date(2026, 11, 22))
    numbering = Numbering(nNF=1, cNF="12345670", dhEmi=datetime(2026, 11, 22, tzinfo=UTC))
    signed = signature.sign(render(invoice, numbering, _templates()), _key())
    rules.breaches(signed)
    schema.validate(signed)


def soap_answer(data: bytes) -> None:
    """SEFAZ's answers, whichever question they answer: a decision, or an error that says what may have happened."""
    request = Request("POST", "https://sefaz.example/ws", {}, b"", asks=False)
    for element, read in _ANSWERS.items():
        try:
            read(soap.answer_in(data, element, request))
        except NfeError:
            continue
    try:
        protocol.splice(_signed(), data)
    except NfeError:
        protocol.protocol_of(data)


def amazon_answer(data: bytes) -> None:
    """Amazon's JSON, right or refusing, of every operation."""
    call = selling_partner.Call("getInvoiceStatus", "GET", "/x")
    for status in (200, 400, 403, 404, 500):
        error = selling_partner._judge(call, Answer(status, {}, data))
        assert error is None or (error.message.isprintable() and len(error.message) < 500)
    content = selling_partner.content_of(call, Answer(200, {}, data))
    for entry in content.values():
        if isinstance(entry, dict):
            vendor._invoice(entry)
    amazon._verdict(content, "FBA1")


def shipments_list(data: bytes) -> None:
    """The list that `nfe reconcile` takes: every line is an id, or is told by its number."""
    for line in reconciliation.read(data, "A1SELLERID123"):
        assert line.line >= 1


def products_csv(data: bytes) -> None:
    """A catalogue as CSV."""
    read_products(_file(data, ".csv"), issuer=_issuer())


def products_toml(data: bytes) -> None:
    """A catalogue as TOML."""
    read_products(_file(data, ".toml"), issuer=_issuer())


def seller_toml(data: bytes) -> None:
    """A seller's file."""
    read_seller(_file(data, ".toml"))


def quoted(data: bytes) -> None:
    """A reason that quotes a buyer: one short line, without any word of the buyer's that is longer than two letters."""
    text, _, value = data.decode(errors="replace").partition("\n")
    shown = discreet(text, [value])
    assert shown.isprintable()
    assert len(shown) <= LONGEST
    name = "zq" + "".join(one for one in value if one.isascii() and one.isalpha())[:20].lower()
    assert len(name) < 3 or name not in without(f"de {name} a", [name]).lower()


def checked(data: bytes) -> None:
    """Anybody's NF-e for `nfe check`: a verdict of one cStat, each breach in one line."""
    verdict = rules.check(data, now=datetime(2026, 11, 22, tzinfo=UTC))
    assert verdict.cStat.isdigit()
    json.dumps(verdict.breaches)


def seller_text(data: bytes) -> None:
    """A seller's own text for infCpl: it reaches no attribute, no loop without end, no memory without bound."""
    written = free_text.written(data.decode(errors="replace"), dict.fromkeys(free_text.NAMES, "x"))
    assert len(written) < 10 * LARGEST
    for inside in ("<class", "<function", "<built-in", "object at 0x", "mappingproxy"):
        assert inside not in written or inside in data.decode(errors="replace")


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        notification, address, details, soap_answer, amazon_answer, shipments_list, products_csv, products_toml,
        seller_toml, checked, seller_text, quoted,
    )
}  # fmt: skip


def ask(name: str, data: bytes) -> bool:
    """Give a target an input; True where it was read, False where an error of ours refused it."""
    began = time.process_time()
    try:
        TARGETS[name](data[:LARGEST])
    except NfeError as error:
        one_line(str(error)).encode()
        return False
    finally:
        took = time.process_time() - began
        assert took < SLOWEST, f"{took:.1f} s"
    return True


_ANSWERS = {
    "retEnviNFe": sefaz_results.Authorization.of,
    "retConsSitNFe": sefaz_results.Consultation.of,
    "retConsStatServ": sefaz_results.ServiceStatus.of,
    "retEnvEvento": sefaz_results.EventResult.of,
    "retInutNFe": sefaz_results.VoidResult.of,
    "retConsCad": sefaz_results.Taxpayer.of,
}


@cache
def _issuer() -> Issuer:
    return Issuer.parse(ISSUER)


@cache
def _products() -> dict[str, Product]:
    return {sku: Product.parse(values) for sku, values in PRODUCTS.items()}


@cache
def _templates() -> TemplateSet:
    return TemplateSet()


@cache
def _key() -> SigningKey:
    return load_pfx((_folder() / "a1.pfx").read_bytes(), "secret")


@cache
def _signed() -> bytes:
    return (Path(__file__).parents[1] / "golden" / "expected" / "01-in-state.xml").read_bytes()


@cache
def _folder() -> Path:
    """Where input files are, and the A1 certificate that a seller's file names; in memory, and removed at the end."""
    folder = tempfile.TemporaryDirectory(prefix="nfe-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    _FOLDERS.append(folder)
    path = Path(folder.name)
    pfx = certificates.seller_pfx(certificates.authority(path), cnpj=_issuer().cnpj, name="LOJA", password="secret")
    (path / "a1.pfx").write_bytes(pfx)
    return path


def _file(data: bytes, suffix: str) -> Path:
    path = _folder() / f"input{suffix}"
    path.write_bytes(data)
    return path


#: Kept, so that they live as long as the process.
_FOLDERS: list[tempfile.TemporaryDirectory[str]] = []
