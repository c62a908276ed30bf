"""Running counterparts, a seller's A1 of the sandbox's authority, signed NF-e, and the SOAP they travel in."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from tests import official_models
from workflow.clients.mutual_tls import mtls_session
from workflow.clients.sefaz import Endpoints, SefazClient
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.event import render_cancellation
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.protocol import splice
from workflow.nfe.signature import sign
from workflow.nfe.xml import Numbering, TemplateSet, render
from workflow.sandbox import certificates
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.server import Started, start_amazon, start_sefaz
from workflow.sandbox.shipments import (
    SELLER_CNPJ,
    SELLER_NAME,
    Example,
    demo_products,
    demo_seller,
    demo_shipments,
)

NFE = "{http://www.portalfiscal.inf.br/nfe}"
PASSWORD = "secret"
TEMPLATES = TemplateSet()

_METHODS = {
    "NFeAutorizacao4": "nfeAutorizacaoLote",
    "NFeConsultaProtocolo4": "nfeConsultaNF",
    "NFeStatusServico4": "nfeStatusServicoNF",
    "NFeRecepcaoEvento4": "nfeRecepcaoEvento",
    "NFeInutilizacao4": "nfeInutilizacaoNF",
    "NFeRetAutorizacao4": "nfeRetAutorizacaoLote",
    "CadConsultaCadastro4": "consultaCadastro",
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the sandbox's authority, shared since keys are slow to make."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(scope="session")
def seller_key(folder: Path) -> SigningKey:
    """The demo seller's A1."""
    return key_of(folder)


def key_of(folder: Path, cnpj: str = SELLER_CNPJ, **options: Any) -> SigningKey:
    """An A1 of the sandbox's authority."""
    issuer = certificates.authority(folder)
    pfx = certificates.seller_pfx(issuer, cnpj=cnpj, name=SELLER_NAME, password=PASSWORD, **options)
    return load_pfx(pfx, PASSWORD)


@dataclass
class Seller:
    """A client of the local SEFAZ: mTLS, SOAP by hand."""

    sefaz: Started[SefazBook]
    key: SigningKey
    pem: str
    session: requests.Session = field(default_factory=requests.Session)

    def post(
        self, service: str, message: bytes | str, timeout: float = 5, *, wrapped: bool = True
    ) -> requests.Response:
        """One message to one service."""
        text = message if isinstance(message, str) else message.decode()
        wsdl = f"http://www.portalfiscal.inf.br/nfe/wsdl/{service}"
        body = (
            '<soap12:Envelope xmlns:soap12="http://www.w3.org/2003/05/soap-envelope"><soap12:Body>'
            f'<nfeDadosMsg xmlns="{wsdl}">{text}</nfeDadosMsg></soap12:Body></soap12:Envelope>'
        )
        return self.session.post(
            f"{self.sefaz.url}/ws/{service}",
            data=(body if wrapped else text).encode(),
            headers={"Content-Type": f'application/soap+xml; charset=utf-8; action="{wsdl}/{_METHODS[service]}"'},
            cert=self.pem,
            verify=self.sefaz.announcement.ca_file,
            timeout=timeout,
        )

    def ask(self, service: str, message: bytes | str, **options: Any) -> etree._Element:
        """The result inside nfeResultMsg."""
        answer = self.post(service, message, **options)
        assert answer.status_code == 200
        root = etree.fromstring(answer.content)
        return next(root.iter("{*}nfeResultMsg"))[0]

    def authorize(self, nfe: bytes, **options: Any) -> str:
        """cStat of the protocol, or of the batch where there is none."""
        return decided(self.ask("NFeAutorizacao4", batch(nfe), **options))

    def consult(self, chNFe: str) -> etree._Element:
        """The situation of a key."""
        return self.ask(
            "NFeConsultaProtocolo4",
            '<consSitNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><tpAmb>2</tpAmb>'
            f"<xServ>CONSULTAR</xServ><chNFe>{chNFe}</chNFe></consSitNFe>",
        )

    def cancel(self, nfe: bytes, nProt: str, **changes: Any) -> etree._Element:
        """Send event 110111."""
        event = sign(unsigned_event(nfe, nProt, **changes), self.key)
        return self.ask(
            "NFeRecepcaoEvento4",
            '<envEvento xmlns="http://www.portalfiscal.inf.br/nfe" versao="1.00"><idLote>1</idLote>'
            f"{event.decode()}</envEvento>",
        )

    def control(self, name: str, value: Any) -> None:
        """Tell the counterpart something."""
        told = requests.post(f"{self.sefaz.control_url}/_control/{name}", json=value, timeout=5)
        assert told.ok, told.text


@pytest.fixture
def sefaz(folder: Path) -> Iterator[Started[SefazBook]]:
    """A local SEFAZ with an empty book."""
    with start_sefaz(folder) as started:
        yield started


@pytest.fixture
def client(sefaz: Started[SefazBook], seller_key: SigningKey) -> SefazClient:
    """The program's own client, with the demo seller's A1, at that SEFAZ."""
    trust = Path(str(sefaz.announcement.ca_file))
    session = mtls_session(seller_key.private_key, seller_key.certificate, seller_key.chain, ca_file=trust)
    return SefazClient(http=session, endpoints=Endpoints.single(sefaz.url), timeout=5)


@pytest.fixture
def seller(sefaz: Started[SefazBook], seller_key: SigningKey, tmp_path: Path) -> Seller:
    """The demo seller at that SEFAZ."""
    return Seller(sefaz, seller_key, pem_file(seller_key, tmp_path / "a1.pem"))


def pem_file(key: SigningKey, path: Path) -> str:
    """Key and certificate for requests."""
    private = key.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + key.certificate.public_bytes(Encoding.PEM))
    return str(path)


Draw = Callable[..., bytes]


def unsigned(
    nNF: int = 1,
    *,
    cNF: str = "48210937",
    dhEmi: datetime | None = None,
    cnpj: str = SELLER_CNPJ,
    tpEmis: int = 1,
    **edits: str,
) -> bytes:
    """An unsigned NF-e of the first example; `edits` replace the text of the first element of that tag."""
    example = demo_shipments(1)[0]
    detail = ShipmentDetail.parse(json.dumps({"payload": example.details}).encode())
    products = {row["sku"]: Product.parse(row) for row in demo_products()}
    invoice = build_invoice(detail, issuer=Issuer.parse(demo_seller(cnpj=cnpj)), products=products)
    now = datetime.now(UTC)
    numbering = Numbering(nNF, cNF, dhEmi or now, tpEmis, dhCont=now, xJust="SEFAZ de origem fora de operacao")
    xml = render(invoice, numbering, TEMPLATES)
    return edited(xml, edits)


def edited(xml: bytes, edits: dict[str, str]) -> bytes:
    """The document with other texts; `dest_CPF` is the CPF below dest."""
    root = etree.fromstring(xml)
    for name, value in edits.items():
        path = "/".join(NFE + tag for tag in name.split("_"))
        found = root.find(f".//{path}")
        assert found is not None, name
        found.text = value
    return etree.tostring(root)


def unsigned_event(nfe: bytes, nProt: str, **changes: Any) -> bytes:
    """A cancellation of an NF-e."""
    return render_cancellation(
        **{
            "chNFe": key_in(nfe),
            "nProt": nProt,
            "justification": "Pedido cancelado pela Amazon",
            "dhEvento": datetime.now(UTC),
            "cnpj": SELLER_CNPJ,
            "uf": "SP",
            "tpAmb": 2,
            "templates": TEMPLATES,
            **changes,
        }
    )


def batch(*nfe: bytes, indSinc: str = "1") -> str:
    """The NF-e in their enviNFe."""
    inside = b"".join(nfe).decode()
    return (
        '<enviNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><idLote>1</idLote>'
        f"<indSinc>{indSinc}</indSinc>{inside}</enviNFe>"
    )


def decided(result: etree._Element) -> str:
    """The innermost decision of an answer."""
    return [str(element.text) for element in result.iter(NFE + "cStat")][-1]


def key_in(nfe: bytes) -> str:
    """The key of an NF-e."""
    return str(etree.fromstring(nfe)[0].get("Id")).removeprefix("NFe")


@pytest.fixture
def note(seller_key: SigningKey) -> Draw:
    """Signed NF-e on demand; see `unsigned`."""

    def draw(nNF: int = 1, *, key: SigningKey | None = None, **options: Any) -> bytes:
        return sign(unsigned(nNF, **options), key or seller_key)

    return draw


@dataclass
class Partner:
    """A client of the local Amazon: plain requests."""

    amazon: Started[AmazonBook]
    refresh_token: str = "Atzr|one"
    is_judged: bool = True

    def call(self, method: str, path: str, token: str | None = None, **options: Any) -> requests.Response:
        """One call; an answer in JSON must be what Amazon's models say, where they are at hand."""
        headers = {"x-amz-access-token": token} if token else {}
        answer = requests.request(method, self.amazon.url + path, headers=headers, timeout=5, **options)
        if self.is_judged and official_models.present() and answer.headers["Content-Type"] == "application/json":
            assert official_models.judge(answer) == []
        return answer

    def lwa(self, **changes: str) -> requests.Response:
        """Ask Login with Amazon."""
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.refresh_token,
            "client_id": "client",
            "client_secret": "any",
        }
        return self.call("POST", "/auth/o2/token", data=form | changes)

    def token(self) -> str:
        """An access token."""
        return str(self.lwa().json()["access_token"])

    def restricted(self, path: str = "/fba/outbound/brazil/v0/shipments/{shipmentId}") -> str:
        """A restricted data token."""
        body = {"restrictedResources": [{"method": "GET", "path": path}], "marketplaceIds": ["x"]}
        return str(
            self.call("POST", "/tokens/2021-03-01/restrictedDataToken", self.token(), json=body).json()[
                "restrictedDataToken"
            ]
        )

    def details(self, shipment_id: str, token: str) -> requests.Response:
        """getShipmentDetails."""
        return self.call("GET", f"/fba/outbound/brazil/v0/shipments/{shipment_id}", token)

    def submit(self, shipment_id: str, xml: bytes, **changes: str) -> requests.Response:
        """submitInvoice."""
        body = {
            "InvoiceContent": base64.b64encode(xml).decode(),
            "ContentMD5Value": base64.b64encode(hashlib.md5(xml).digest()).decode(),
            "MarketplaceId": "A2Q3Y263D00KWC",
        }
        path = f"/fba/outbound/brazil/v0/shipments/{shipment_id}/invoice"
        return self.call("POST", path, self.token(), json=body | changes)

    def status(self, shipment_id: str) -> str:
        """getInvoiceStatus."""
        path = f"/fba/outbound/brazil/v0/shipments/{shipment_id}/invoice/status"
        return str(self.call("GET", path, self.token()).json()["payload"]["Shipments"]["InvoiceStatus"])

    def control(self, name: str, value: Any) -> requests.Response:
        """Tell the counterpart something."""
        told = self.call("POST", f"/_control/{name}", json=value)
        assert told.ok, told.text
        return told

    def book(self) -> dict[str, Any]:
        """What it knows."""
        return dict(self.call("GET", "/_control/book").json())


@pytest.fixture(scope="session")
def examples() -> list[Example]:
    """The dozen of example shipments."""
    return demo_shipments(12)


@pytest.fixture
def partner(examples: list[Example]) -> Iterator[Partner]:
    """A local Amazon that holds the examples and decides at once."""
    settings = AmazonSettings(processing_seconds=0)
    with start_amazon(settings=settings, shipments=[example.shipment() for example in examples]) as started:
        yield Partner(started)


@pytest.fixture
def nfeProc(seller: Seller, note: Draw) -> bytes:
    """An NF-e that the local SEFAZ authorised, with its protocol."""
    nfe = note()
    result = seller.ask("NFeAutorizacao4", batch(nfe))
    protNFe = result.find(NFE + "protNFe")
    assert protNFe is not None
    return splice(nfe, etree.tostring(protNFe))
