"""What is right: one or a few inputs for each target, from the tests' own examples and, where it is, from `../shared`."""

import json
from collections.abc import Iterator
from pathlib import Path

from tests.unit.conftest import notification
from tests.unit.nfe.conftest import DETAIL
from tests.unit.test_seller_file import SELLER
from workflow.nfe import tables
from workflow.sandbox.shipments import demo_products, demo_shipments

TESTS = Path(__file__).parents[1]
#: Real documents and answers; without them the fuzzer begins with ours alone.
SHARED = TESTS.parents[1] / "shared" / "nfe" / "samples"


def seeds(name: str) -> list[bytes]:
    """The target's right inputs."""
    return list(_SEEDS[name]())


def _notifications() -> Iterator[bytes]:
    yield notification()
    yield notification(status="Cancelled")
    yield json.dumps({"Type": "Notification", "Message": notification().decode()}).encode()
    yield json.dumps({"detail": json.loads(notification())}).encode()


def _addresses() -> Iterator[bytes]:
    for example in demo_shipments(30):
        given = example.details["ShippingAddress"]
        fields = ("City", "StateOrRegion", "PostalCode", "AddressLine1", "AddressLine2", "AddressLine3")
        yield "\n".join(str(given.get(field) or "") for field in fields).encode()
    for line in ("BR 101, km 5", "Rua 25 de Março 1000", "Quadra 5 Lote 3", "s/nº", "SQN 305 Bloco B apto 12"):
        yield f"São Paulo\nSP\n01310-100\n{line}\nFundos".encode()


def _details() -> Iterator[bytes]:
    yield json.dumps({"payload": DETAIL}).encode()
    for example in demo_shipments(12):
        items = [item | {"SellerSKU": "SKU-1"} for item in example.details["ShipmentItems"]]
        yield json.dumps({"payload": example.details | {"SellerId": None, "ShipmentItems": items}}).encode()


def _answers() -> Iterator[bytes]:
    yield from (path.read_bytes() for path in sorted((SHARED / "sefaz_responses").glob("*.xml")))
    for element, inside in (
        ("retEnviNFe", "<cStat>104</cStat><xMotivo>Lote processado</xMotivo><protNFe><infProt><cStat>100</cStat>"
         "<xMotivo>Autorizado</xMotivo><chNFe>1</chNFe><nProt>135</nProt></infProt></protNFe>"),
        ("retEnviNFe", "<cStat>103</cStat><infRec><nRec>351000012345678</nRec><tMed>1</tMed></infRec>"),
        ("retConsSitNFe", "<cStat>101</cStat><procEventoNFe><evento/></procEventoNFe>"),
        ("retConsStatServ", "<cStat>107</cStat><tMed>1</tMed><dhRetorno>2026-11-22T10:00:00-03:00</dhRetorno>"),
        ("retEnvEvento", "<cStat>128</cStat><retEvento><infEvento><cStat>135</cStat></infEvento></retEvento>"),
        ("retInutNFe", "<infInut><cStat>102</cStat><nProt>1</nProt></infInut>"),
        ("retConsCad", "<infCons><cStat>111</cStat><infCad><IE>1</IE><UF>SP</UF><cSit>1</cSit></infCad></infCons>"),
    ):  # fmt: skip
        body = f'<{element} xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00">{inside}</{element}>'
        yield f'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body>{body}</s:Body></s:Envelope>'.encode()


def _amazon() -> Iterator[bytes]:
    yield b'{"payload": {"Shipments": {"AmazonShipmentId": "FBA1", "InvoiceStatus": "Accepted"}}}'
    yield b'{"payload": {"Shipments": [{"InvoiceStatus": "Processing"}]}}'
    yield b'{"errors": [{"code": "InvalidInput", "message": "Invalid Shipment ID", "details": ""}]}'
    yield b'{"message": "gateway", "payload": {"purchaseOrderNumber": "PO1", "content": "JVBERi0="}}'


def _lists() -> Iterator[bytes]:
    yield b"FBA1\nFBA2\n# comment\n"
    yield b"amazon-order-id\tshipment-id\n701-1234567-1234567\tFBA1\n"
    yield notification() + b"\n" + notification(status="Cancelled")


def _csv() -> Iterator[bytes]:
    rows = demo_products()
    yield "\n".join(
        [",".join(rows[0]), *(",".join(f'"{value or ""}"' for value in row.values()) for row in rows)]
    ).encode()
    yield b"sku;ncm;by_uf.RJ.fcp_rate;icms_rate\nA;85183000;2;18,00\n"


def _toml() -> Iterator[bytes]:
    yield b'[[product]]\nsku = "A"\nncm = "85183000"\n[product.by_uf.RJ]\nfcp_rate = 2\n[[product]]\nsku = "B"\nncm = "49019900"\n'


def _sellers() -> Iterator[bytes]:
    yield SELLER.encode()


def _documents() -> Iterator[bytes]:
    yield from (path.read_bytes() for path in sorted((TESTS / "golden" / "expected").glob("*.xml"))[::12])
    yield from (path.read_bytes() for path in sorted(SHARED.glob("*.xml")) if path.stat().st_size < 30_000)


def _texts() -> Iterator[bytes]:
    yield b"Pedido Amazon {{ AmazonOrderId }}, remessa {{ AmazonShipmentId }}."
    yield b"{% if vTotTrib %}Tributos R$ {{ vTotTrib }}{% endif %}{{ remittances|upper|trim }}{{ ['a', 'b']|join }}"
    yield b"{% for one in [1, 2] %}{{ loop.index * one ** 2 }}{% endfor %}{% set a = 'x' %}{{ '%s' % a }}{{ a.upper() }}"


def _quotes() -> Iterator[bytes]:
    yield "Rejeição: destinatário MARIA DA SILVA, 123.456.789-09\nMaria da Silva".encode()
    yield b"Rua das Flores%2C 12345 &#233; \\u00e9 (11) 98765-4321\nRua das Flores, 12345"


_SEEDS = {
    "notification": _notifications, "address": _addresses, "details": _details, "soap_answer": _answers,
    "amazon_answer": _amazon, "shipments_list": _lists, "products_csv": _csv, "products_toml": _toml,
    "seller_toml": _sellers, "checked": _documents, "seller_text": _texts, "quoted": _quotes,
}  # fmt: skip

#: A word that opens a door in each target; libFuzzer puts them into inputs.
WORDS = ("NFeAutorizacao4", "infNFe", "infProt", "CDATA", "DOCTYPE", "ENTITY", *tables.ufs())
