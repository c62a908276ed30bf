"""A local SEFAZ over HTTPS with client certificates: the services of layout 4.00, homologation only.

A message passes the checks of the data area (size, form, root, prefix, schema, environment), then those of its
service. What SEFAZ decides stays in the book, also when a fault spoils the answer. The UF's services are under `/ws/`,
those of its contingency (SVC) under `/svc/ws/`: each has its own switch and knows its own notes only.
"""

import copy
import re
from collections.abc import Callable, Collection
from functools import lru_cache

from cryptography import x509
from lxml import etree
from tornado.routing import URLSpec
from tornado.web import Application

from workflow.errors import Invalid
from workflow.nfe import schema
from workflow.nfe.certificate import cnpj_of
from workflow.sandbox import control, soap
from workflow.sandbox.faults import Answer, SpoiltHandler
from workflow.sandbox.sefaz_authorize import process
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.sefaz_request import NFE, SOME_UF, Request, uf_of
from workflow.sandbox.sefaz_services import SERVICES, SVC_SERVICES, Service, service_stat
from workflow.sandbox.stat import Stat, stat

#: MOC 7.0 Anexo I: a message of more than 500 KB is refused with 214.
MAX_MESSAGE = 500 * 1024

#: What a request is about, read before the XML is trusted: faults match these.
_NAMED = re.compile(
    rb"<(?:nNF|chNFe|xPed|nNFIni|NCM)>([^<]{1,60})<|Id=\"(?:NFe|ID\d{6})([0-9A-Z]{44})|<dest><C(?:PF|NPJ)>([0-9A-Z]{11,14})<"
)
_INFORMATION = re.compile(rb"<infCpl>([^<]*)<")
_WORD = re.compile(r"[\w-]+")
_LETTER = re.compile("[A-Z]")

#: TMotivo.
_MAX_MOTIVO = 255


def application(book: SefazBook) -> Application:
    """The services of the UF and of its contingency."""
    book.queue.process = lambda entry: process(book, entry)
    own = [_address(book, service, at_svc=False) for service in SERVICES]
    svc = [_address(book, service, at_svc=True) for service in SVC_SERVICES]
    return Application(own + svc, log_function=lambda handler: None)


def _address(book: SefazBook, service: Service, *, at_svc: bool) -> URLSpec:
    about = {"book": book, "service": service, "at_svc": at_svc}
    return URLSpec(rf"{'/svc' if at_svc else ''}/ws/{service.name}", SefazHandler, about)


def control_application(book: SefazBook) -> Application:
    """The control API, which listens on a port of its own."""
    return Application(list(control.routes(book)), log_function=lambda handler: None)


class SefazHandler(SpoiltHandler):
    """One service: SOAP in, SOAP out."""

    def initialize(self, book: SefazBook, service: Service, at_svc: bool) -> None:
        """Take the book and the service of this address."""
        self.book = book
        self.service = service
        self.at_svc = at_svc
        self.operation = f"svc/{service.name}" if at_svc else service.name
        self.faults = book.faults
        self.record: Callable[[str, Collection[str], str], None] = book.record

    async def post(self) -> None:
        """Answer one message."""
        if self.book.settings.seconds:
            await self._pause(self.book.settings.seconds)
        names = named(self.request.body)
        await self.respond(self.operation, names, lambda: self._answer(names))

    def _answer(self, names: frozenset[str]) -> Answer:
        version = self.book.settings.soap
        body = soap.envelope(self._decide(names), self.service.name, version)
        return Answer(200, body, soap.content_type(version))

    def _client_certificate(self) -> bytes | None:
        given = self.request.get_ssl_certificate(binary_form=True)
        return given if isinstance(given, bytes) else None

    def _decide(self, names: frozenset[str]) -> str:
        self.book.queue.settle(self.book.clock())
        transmitter = _transmitter(self._client_certificate())
        if transmitter is None:
            return self._refuse(stat("280"))
        if len(self.request.body) > MAX_MESSAGE:
            return self._refuse(stat("214"))
        try:
            message = soap.message(soap.parse(self.request.body))
        except etree.XMLSyntaxError:
            return self._refuse(stat("243"))
        if message is None or message.tag != NFE + self.service.root:
            return self._refuse(stat("516"))
        request = Request(message, transmitter, names, self.operation, self.at_svc)
        refused = self._data_area(request)
        if refused is not None:
            return self._refuse(refused, uf_of(request))
        return self.service.work(self.book, request)

    def _data_area(self, request: Request) -> Stat | None:
        if self._is_down():
            return service_stat(self.book, at_svc=self.at_svc)
        if self.book.misuse.is_blocked(request.transmitter, self.operation):
            return stat("656", det="Rejeitado por bloqueio em vigor")
        if any(element.prefix for element in request.message.iter(etree.Element)):
            return stat("404")
        wrong = _schema_fault(request.message, self.service)
        if wrong is not None:
            return wrong
        if any(element.text != "2" for element in request.message.iter(f"{NFE}tpAmb")):
            return stat("252")
        return None

    def _is_down(self) -> bool:
        """Whether the service turns every message away; a contingency that is off still knows its own notes."""
        if self.at_svc:
            return self.book.settings.svc == "114" and self.service.name == "NFeAutorizacao4"
        return self.book.settings.service != "107" and self.service.name != "NFeStatusServico4"

    def _refuse(self, given: Stat, cUF: str = SOME_UF) -> str:
        self.book.count(given.cStat)
        return self.service.refuse(self.book, given, cUF)


def named(body: bytes) -> frozenset[str]:
    """The keys, numbers, buyer and words a request is about, from its bytes alone."""
    found = {group.decode("utf-8", "replace") for match in _NAMED.finditer(body) for group in match.groups() if group}
    for information in _INFORMATION.findall(body):
        found.update(_WORD.findall(information.decode("utf-8", "replace")))
    return frozenset(found)


def _schema_fault(message: etree._Element, service: Service) -> Stat | None:
    if service.schema is None:
        return None
    name = "envCCe" if message.findtext(f".//{NFE}tpEvento") == "110110" else service.schema
    try:
        schema.validate(_readable(message), name)
    except Invalid as error:
        known = stat(service.schema_cStat)
        return Stat(known.cStat, f"{known.xMotivo} [{error.message}]"[:_MAX_MOTIVO])
    return None


def _readable(message: etree._Element) -> bytes:
    """The message as its schema is to read it.

    The packaged XSD of the cancellation is older than the CNPJ with letters (IN RFB 2.229/2024): there they count
    as digits.
    """
    if message.tag != f"{NFE}envEvento":
        return etree.tostring(message)
    numeric = copy.deepcopy(message)
    for element in numeric.iter(f"{NFE}chNFe", f"{NFE}CNPJ"):
        element.text = _LETTER.sub("0", element.text or "")
    for infEvento in numeric.iter(f"{NFE}infEvento"):
        infEvento.set("Id", "ID" + _LETTER.sub("0", infEvento.get("Id", "")[2:]))
    return etree.tostring(numeric)


@lru_cache(maxsize=64)
def _transmitter(der: bytes | None) -> str | None:
    return cnpj_of(x509.load_der_x509_certificate(der)) if der else None
