"""SEFAZ's web services 4.00 over SOAP 1.2: authorisation, query by key, service status, event.

A method is one request and returns SEFAZ's decision, cStat and xMotivo verbatim, whatever they are: only an answer
that is none is an error. The signed bytes are written into the envelope as they are, and the protocol is taken out
so that it can be written behind them. Answers are found by local name, because some authorizers answer in SOAP 1.1.
Source: MOC 7.0; names of services and methods as in its WSDL.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import requests
from jinja2 import Environment, FunctionLoader, StrictUndefined
from lxml import etree
from markupsafe import Markup

from workflow.clients.exchange import Answer, Request, exchange
from workflow.clients.mutual_tls import mtls_session
from workflow.clients.sefaz_endpoints import SERVICES, Endpoints
from workflow.errors import Invalid, NfeError, RetryLater, SellerStopped

__all__ = [
    "Authorization",
    "Consultation",
    "Endpoints",
    "EventResult",
    "SefazClient",
    "ServiceStatus",
    "mtls_session",
]

#: The batch was processed: the decision is the protocol's cStat.
BATCH_PROCESSED = "104"
#: The batch of events was processed: the decision is the event's cStat.
EVENTS_PROCESSED = "128"

_WSDL = "http://www.portalfiscal.inf.br/nfe/wsdl"
#: The method behind the service in the action of the content type.
_METHODS = {
    "autorizacao": "nfeAutorizacaoLote",
    "consulta": "nfeConsultaNF",
    "status": "nfeStatusServicoNF",
    "evento": "nfeRecepcaoEvento",
}
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?")


class Authorization(NamedTuple):
    """The decision about one NF-e; `protNFe` is its protocol with its own xmlns, or None where SEFAZ gave none.

    cStat and xMotivo are the protocol's where the batch was processed (104), else the batch's. `nRec` is the
    receipt of an authorizer that queued the batch (103) in spite of indSinc=1: the key is asked for later.
    """

    cStat: str
    xMotivo: str
    chNFe: str | None
    nProt: str | None
    dhRecbto: str | None
    protNFe: bytes | None
    batch_cStat: str
    batch_xMotivo: str
    nRec: str | None


class Consultation(NamedTuple):
    """What SEFAZ knows about a key; `events` are the procEventoNFe it keeps, oldest first as sent."""

    cStat: str
    xMotivo: str
    chNFe: str | None
    nProt: str | None
    protNFe: bytes | None
    events: tuple[bytes, ...]


class ServiceStatus(NamedTuple):
    """Whether the service works: 107; `tMed` is the mean time of an answer in seconds, where SEFAZ tells it."""

    cStat: str
    xMotivo: str
    tMed: int | None
    dhRetorno: str | None


class EventResult(NamedTuple):
    """The decision about one event; `retEvento` is its receipt with its own xmlns, or None where SEFAZ gave none."""

    cStat: str
    xMotivo: str
    chNFe: str | None
    nProt: str | None
    dhRegEvento: str | None
    retEvento: bytes | None
    batch_cStat: str
    batch_xMotivo: str


class SefazClient:
    """The services for whichever UF and environment a call names, with one seller's certificate (see mtls_session)."""

    def __init__(self, *, http: requests.Session, endpoints: Endpoints, timeout: float) -> None:
        self._http = http
        self._endpoints = endpoints
        self._timeout = timeout

    def authorize(self, nfe: bytes, *, uf: str, tpAmb: int, idLote: str) -> Authorization:
        """Send one signed NF-e (UTF-8) and wait for the decision.

        Raises LostAnswer when SEFAZ may have it, RetryLater when it was not sent, SellerStopped.
        """
        body = _envelope("authorize", "autorizacao", idLote=idLote, document=_verbatim(nfe))
        batch = self._ask("autorizacao", body, "retEnviNFe", uf=uf, tpAmb=tpAmb, asks=False)
        protocol = _child(batch, "protNFe")
        decided = batch
        if _text(batch, "cStat") == BATCH_PROCESSED:
            decided = _inside(protocol, "infProt", uf)
        return Authorization(
            cStat=_required(decided, "cStat", uf, asks=False),
            xMotivo=_text(decided, "xMotivo") or "",
            chNFe=_text(decided, "chNFe"),
            nProt=_text(decided, "nProt"),
            dhRecbto=_text(decided, "dhRecbto"),
            protNFe=_bytes(protocol),
            batch_cStat=_required(batch, "cStat", uf, asks=False),
            batch_xMotivo=_text(batch, "xMotivo") or "",
            nRec=_text(_child(batch, "infRec"), "nRec"),
        )

    def consult(self, chNFe: str, *, uf: str, tpAmb: int) -> Consultation:
        """Ask for an NF-e by its key (at most 10 times an hour and key, or SEFAZ blocks: 656). Raises RetryLater."""
        body = _envelope("consult", "consulta", tpAmb=tpAmb, chNFe=chNFe)
        found = self._ask("consulta", body, "retConsSitNFe", uf=uf, tpAmb=tpAmb)
        protocol = _child(found, "protNFe")
        events = (_bytes(event) for event in _children(found, "procEventoNFe"))
        return Consultation(
            cStat=_required(found, "cStat", uf),
            xMotivo=_text(found, "xMotivo") or "",
            chNFe=_text(found, "chNFe"),
            nProt=_text(_child(protocol, "infProt"), "nProt"),
            protNFe=_bytes(protocol),
            events=tuple(event for event in events if event),
        )

    def service_status(self, *, uf: str, tpAmb: int) -> ServiceStatus:
        """Ask whether the service works; not in a loop. Raises RetryLater."""
        body = _envelope("service_status", "status", tpAmb=tpAmb, cUF=self._endpoints.code(uf))
        found = self._ask("status", body, "retConsStatServ", uf=uf, tpAmb=tpAmb)
        mean = _text(found, "tMed") or ""
        return ServiceStatus(
            cStat=_required(found, "cStat", uf),
            xMotivo=_text(found, "xMotivo") or "",
            tMed=int(mean) if mean.isdecimal() else None,
            dhRetorno=_text(found, "dhRetorno"),
        )

    def send_event(self, signed_event: bytes, *, uf: str, tpAmb: int, idLote: str) -> EventResult:
        """Send one signed event (110111 cancels) and wait for the decision. Raises as authorize."""
        body = _envelope("send_event", "evento", idLote=idLote, document=_verbatim(signed_event))
        batch = self._ask("evento", body, "retEnvEvento", uf=uf, tpAmb=tpAmb, asks=False)
        receipt = _child(batch, "retEvento")
        decided = batch
        if _text(batch, "cStat") == EVENTS_PROCESSED:
            decided = _inside(receipt, "infEvento", uf)
        return EventResult(
            cStat=_required(decided, "cStat", uf, asks=False),
            xMotivo=_text(decided, "xMotivo") or "",
            chNFe=_text(decided, "chNFe"),
            nProt=_text(decided, "nProt"),
            dhRegEvento=_text(decided, "dhRegEvento"),
            retEvento=_bytes(receipt),
            batch_cStat=_required(batch, "cStat", uf, asks=False),
            batch_xMotivo=_text(batch, "xMotivo") or "",
        )

    def _ask(
        self, service: str, body: bytes, expected: str, *, uf: str, tpAmb: int, asks: bool = True
    ) -> etree._Element:
        """One request; the element of the answer that has the expected local name."""
        action = f"{_WSDL}/{SERVICES[service]}/{_METHODS[service]}"
        headers = {"content-type": f'application/soap+xml; charset=utf-8; action="{action}"'}
        url = self._endpoints.url(service, uf=uf, tpAmb=tpAmb)
        request = Request("POST", url, headers, body, asks)
        answer = exchange(self._http, request, timeout=self._timeout, party="sefaz")
        if error := _judge(request, answer):
            raise error
        return _answer_in(answer.body, expected, request)


def _judge(request: Request, answer: Answer) -> NfeError | None:
    """What a status other than 2xx means; a SOAP fault comes with 400 or 500."""
    status, host = answer.status, urlsplit(request.url).netloc
    if 200 <= status < 300:
        return None
    code, message = f"sefaz-http-{status}", f"{host} answered HTTP {status}"
    if status in (401, 403):
        # SVRS, RS and PE say so instead of ending the handshake (probe of 2026-09-25).
        return SellerStopped("sefaz-certificate-refused", f"{message}: it refused the client certificate; replace it")
    if status in (404, 405, 413, 415, 429):
        return RetryLater(code, f"{message}: nothing was processed")
    return request.lost(code, message)


def _answer_in(body: bytes, expected: str, request: Request) -> etree._Element:
    """The expected element of the answer; a SOAP fault, another document or no XML is no answer."""
    host = urlsplit(request.url).netloc
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise request.lost("sefaz-garbled", f"{host} answered something that is not XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise request.lost("sefaz-garbled", f"{host} answered with a DTD, which no SEFAZ sends")
    found = next(_named(root, expected), None)
    if found is not None:
        return found
    if next(_named(root, "Fault"), None) is not None:
        raise request.lost("sefaz-fault", f"{host} answered with a SOAP fault")
    raise request.lost("sefaz-garbled", f"{host} answered without {expected}")


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _inside(element: etree._Element | None, name: str, uf: str) -> etree._Element:
    """The decision inside a processed batch: without it nobody knows what was decided."""
    found = _child(element, name)
    if found is None:
        raise _undecided(name, uf, asks=False)
    return found


def _required(element: etree._Element, name: str, uf: str, *, asks: bool = True) -> str:
    text = _text(element, name)
    if not text:
        raise _undecided(name, uf, asks=asks)
    return text


def _undecided(name: str, uf: str, *, asks: bool) -> RetryLater:
    request = Request("POST", "", {}, asks=asks)
    return request.lost("sefaz-garbled", f"the SEFAZ of {uf} answered without {name}")


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    return (element for element in root.iter(etree.Element) if etree.QName(element).localname == name)


def _children(element: etree._Element | None, name: str) -> Iterator[etree._Element]:
    if element is not None:
        yield from (child for child in element.iterchildren("{*}" + name))


def _child(element: etree._Element | None, name: str) -> etree._Element | None:
    return next(_children(element, name), None)


def _text(element: etree._Element | None, name: str) -> str | None:
    """The text of a direct child, None where it is missing or empty."""
    child = _child(element, name)
    return None if child is None else " ".join((child.text or "").split()) or None


def _bytes(element: etree._Element | None) -> bytes | None:
    """The element alone, with the namespaces it uses and no others: the envelope's stay behind."""
    if element is None:
        return None
    # Exclusive C14N of a sub-element is right only in a document of its own (lxml writes xmlns="" otherwise).
    alone = etree.fromstring(etree.tostring(element, with_tail=False), _parser())
    return etree.tostring(alone, method="c14n", exclusive=True, with_comments=False)


def _verbatim(document: bytes) -> Markup:
    """The signed bytes as text for the template, without BOM and XML declaration, which only open a file."""
    try:
        return Markup(_DECLARATION.sub(b"", document).decode())  # noqa: S704 - our own signed XML, never escaped
    except UnicodeDecodeError as error:
        raise Invalid("not-utf-8", "the signed document is not UTF-8; generate it again") from error


def _envelope(template: str, service: str, **values: Any) -> bytes:
    rendered = _templates().get_template(f"{template}.xml.j2").render(service=SERVICES[service], **values)
    return rendered.encode()


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined)


def _source(name: str) -> str:
    return (files("templates") / "soap" / name).read_text(encoding="utf-8")
