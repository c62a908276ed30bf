"""A local SEFAZ over HTTPS with client certificates: the services of layout 4.00, homologation only.

A message passes the checks of the data area (size, form, root, prefix, schema, environment), then those of its
service. What SEFAZ decides stays in the book, also when a fault spoils the answer.
"""

import re
from collections.abc import Callable, Collection
from functools import lru_cache
from typing import NamedTuple

from cryptography import x509
from lxml import etree
from tornado.routing import URLSpec
from tornado.web import Application

from workflow.errors import Invalid
from workflow.nfe import access_key, schema
from workflow.nfe.certificate import cnpj_of
from workflow.sandbox import control, sefaz_answers, soap
from workflow.sandbox.faults import Answer, SpoiltHandler
from workflow.sandbox.sefaz_book import Authorised, SefazBook, Voided
from workflow.sandbox.sefaz_events import decide_event
from workflow.sandbox.sefaz_rules import NFE, Note, first_fault
from workflow.sandbox.sefaz_signature import signer_stat
from workflow.sandbox.stat import Stat, stat

#: MOC 7.0 Anexo I: a message of more than 500 KB is refused with 214.
MAX_MESSAGE = 500 * 1024

#: What a request is about, read before the XML is trusted: faults match these.
_NAMED = re.compile(
    rb"<(?:nNF|chNFe|xPed|nNFIni)>([^<]{1,60})<|Id=\"(?:NFe|ID\d{6})([0-9A-Z]{44})|<dest><C(?:PF|NPJ)>([0-9A-Z]{11,14})<"
)
_INFORMATION = re.compile(rb"<infCpl>([^<]*)<")
_WORD = re.compile(r"[\w-]+")

#: TMotivo.
_MAX_MOTIVO = 255

#: The unit of an answer whose request names none.
_SOME_UF = "35"


class Request(NamedTuple):
    """One message: its root standing alone, who transmits it, what it is about."""

    message: etree._Element
    transmitter: str
    names: frozenset[str]

    def text(self, tag: str) -> str:
        """The text of the first element of that tag."""
        return self.message.findtext(f".//{NFE}{tag}") or ""


class Service(NamedTuple):
    """One web service: its name, the root and the schema of its message, its refusal, its work."""

    name: str
    root: str
    schema: str | None
    schema_cStat: str
    refuse: Callable[[SefazBook, Stat, str], str]
    work: Callable[[SefazBook, Request], str]


def application(book: SefazBook) -> Application:
    """The services under `/ws/`."""
    return Application(
        [URLSpec(rf"/ws/{service.name}", SefazHandler, {"book": book, "service": service}) for service in SERVICES],
        log_function=lambda handler: None,
    )


def control_application(book: SefazBook) -> Application:
    """The control API, which listens on a port of its own."""
    return Application(list(control.routes(book)), log_function=lambda handler: None)


class SefazHandler(SpoiltHandler):
    """One service: SOAP in, SOAP out."""

    def initialize(self, book: SefazBook, service: Service) -> None:
        """Take the book and the service of this address."""
        self.book = book
        self.service = service
        self.faults = book.faults
        self.record: Callable[[str, Collection[str], str], None] = book.record

    async def post(self) -> None:
        """Answer one message."""
        if self.book.settings.seconds:
            await self._pause(self.book.settings.seconds)
        names = named(self.request.body)
        await self.respond(self.service.name, names, lambda: self._answer(names))

    def _answer(self, names: frozenset[str]) -> Answer:
        version = self.book.settings.soap
        body = soap.envelope(self._decide(names), self.service.name, version)
        return Answer(200, body, soap.content_type(version))

    def _client_certificate(self) -> bytes | None:
        given = self.request.get_ssl_certificate(binary_form=True)
        return given if isinstance(given, bytes) else None

    def _decide(self, names: frozenset[str]) -> str:
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
        request = Request(message, transmitter, names)
        refused = self._data_area(request)
        if refused is not None:
            return self._refuse(refused, _uf_of(request))
        return self.service.work(self.book, request)

    def _data_area(self, request: Request) -> Stat | None:
        if self.book.settings.service != "107" and self.service.name != "NFeStatusServico4":
            return stat(self.book.settings.service)
        if self.book.is_blocked(request.transmitter, self.service.name):
            return stat("656", det="Rejeitado por bloqueio em vigor")
        if any(element.prefix for element in request.message.iter(etree.Element)):
            return stat("404")
        wrong = _schema_fault(request.message, self.service)
        if wrong is not None:
            return wrong
        if any(element.text != "2" for element in request.message.iter(f"{NFE}tpAmb")):
            return stat("252")
        return None

    def _refuse(self, given: Stat, cUF: str = _SOME_UF) -> str:
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
    try:
        schema.validate(etree.tostring(message), service.schema)
    except Invalid as error:
        known = stat(service.schema_cStat)
        return Stat(known.cStat, f"{known.xMotivo} [{error.message}]"[:_MAX_MOTIVO])
    return None


@lru_cache(maxsize=64)
def _transmitter(der: bytes | None) -> str | None:
    return cnpj_of(x509.load_der_x509_certificate(der)) if der else None


def _uf_of(request: Request) -> str:
    return request.text("cUF") or request.text("cOrgao") or request.text("chNFe")[:2] or _SOME_UF


def _authorize(book: SefazBook, request: Request) -> str:
    cUF = _uf_of(request)
    documents = request.message.findall(f"{NFE}NFe")
    wrong = _batch_fault(request, len(documents)) or _edited(request.message)
    if wrong is not None:
        book.count(wrong.cStat)
        return sefaz_answers.retEnviNFe(wrong, cUF=cUF, at=book.clock())
    note = Note(soap.alone(documents[0]))
    if book.is_blocked(note.cnpj, "NFeAutorizacao4"):
        given = stat("656", det="Rejeitado por bloqueio em vigor")
        return sefaz_answers.retEnviNFe(given, cUF=cUF, at=book.clock())
    return sefaz_answers.retEnviNFe(
        stat("104"), cUF=cUF, at=book.clock(), protocol=_protocol(book, note, request.names)
    )


def _batch_fault(request: Request, notes: int) -> Stat | None:
    if request.text("indSinc") == "0":
        return stat("452") if notes == 1 else stat("999")
    return stat("764") if notes > 1 else None


def _edited(message: etree._Element) -> Stat | None:
    """588: white space between tags."""
    for element in message.iter(etree.Element):
        between = [element.text] if len(element) else []
        if any(text and not text.strip() for text in [*between, element.tail]):
            return stat("588")
    return None


def _protocol(book: SefazBook, note: Note, names: frozenset[str]) -> str:
    known = book.by_key.get(note.chNFe)
    wrong = first_fault(note, book, names)
    if wrong is None:
        return _authorised(book, note)
    if known and wrong.cStat == "204" and book.settings.duplicate_with_protocol and known.digVal == note.digVal:
        return known.protNFe
    if book.is_too_often((note.chNFe, wrong.cStat), book.settings.rejection_limit):
        book.block(note.cnpj, "NFeAutorizacao4")
        wrong = stat("656", det=f"Mais de {book.settings.rejection_limit} rejeicoes iguais")
    book.count(wrong.cStat)
    return sefaz_answers.protNFe(wrong, chNFe=note.chNFe, at=book.clock(), digVal=note.digVal)


def _authorised(book: SefazBook, note: Note) -> str:
    age = book.now() - note.dhEmi
    given = stat("150" if age.days >= book.settings.late_days else "100")
    nProt, at = book.next_protocol(note.text("ide/cUF")), book.clock()
    digVal = note.digVal if book.settings.dig_val else None
    protNFe = sefaz_answers.protNFe(given, chNFe=note.chNFe, at=at, nProt=nProt, digVal=digVal)
    book.authorise(
        Authorised(
            note.chNFe,
            *note.number,
            tpAmb=note.text("ide/tpAmb"),
            digVal=note.digVal,
            nProt=nProt,
            cStat=given.cStat,
            at=at,
            protNFe=protNFe,
            document=note.buyer or None,
        )
    )
    book.count(given.cStat)
    return protNFe


def _consult(book: SefazBook, request: Request) -> str:
    chNFe = request.text("chNFe")
    given, found = _situation(book, request.transmitter, chNFe)
    book.count(given.cStat)
    return sefaz_answers.retConsSitNFe(given, cUF=chNFe[:2], at=book.clock(), chNFe=chNFe, found=found)


def _situation(book: SefazBook, transmitter: str, chNFe: str) -> tuple[Stat, str]:
    limit = book.settings.consult_limit
    if book.is_too_often(("consult", chNFe), limit):
        book.block(transmitter, "NFeConsultaProtocolo4")
        return stat("656", det=f"Mais de {limit} consultas da mesma chave em uma hora"), ""
    if not access_key.is_valid(chNFe):
        return stat("236"), ""
    known = book.by_key.get(chNFe)
    if known is None:
        return stat("217"), ""
    if known.cancelled_at is not None:
        return stat("101"), known.protNFe + (known.procEventoNFe or "")
    return Stat(known.cStat, stat(known.cStat).xMotivo), known.protNFe


def _service_status(book: SefazBook, request: Request) -> str:
    given = stat(book.settings.service)
    limit = book.settings.status_limit
    if book.is_too_often(("status", request.transmitter), limit):
        book.block(request.transmitter, "NFeStatusServico4")
        given = stat("656", det=f"Mais de {limit} consultas em uma hora")
    book.count(given.cStat)
    return sefaz_answers.retConsStatServ(given, cUF=_uf_of(request), at=book.clock())


def _receipt(book: SefazBook, request: Request) -> str:
    given = stat("106")
    book.count(given.cStat)
    return sefaz_answers.retConsReciNFe(given, cUF=_SOME_UF, at=book.clock(), nRec=request.text("nRec"))


def _events(book: SefazBook, request: Request) -> str:
    answers = "".join(decide_event(book, soap.alone(evento)) for evento in request.message.findall(f"{NFE}evento"))
    return sefaz_answers.retEnvEvento(
        stat("128"), cOrgao=_uf_of(request), idLote=request.text("idLote"), events=answers
    )


def _void(book: SefazBook, request: Request) -> str:
    tags = ("ano", "CNPJ", "mod", "serie", "nNFIni", "nNFFin")
    asked = {tag: request.text(tag) for tag in tags}
    cUF = request.text("cUF")
    wanted = Voided(
        asked["CNPJ"],
        asked["ano"],
        int(asked["serie"]),
        int(asked["nNFIni"]),
        int(asked["nNFFin"]),
        book.next_protocol(cUF),
    )
    given = _void_fault(book, request, wanted) or stat("102")
    book.count(given.cStat)
    done = given.cStat == "102"
    if done:
        book.void(wanted)
    nProt = wanted.nProt if done else None
    return sefaz_answers.retInutNFe(given, cUF=cUF, at=book.clock(), asked=asked, nProt=nProt)


def _void_fault(book: SefazBook, request: Request, wanted: Voided) -> Stat | None:
    trusted = book.authority if book.settings.chain else None
    signer = signer_stat(request.message, cnpj=wanted.cnpj, now=book.now(), trusted=trusted)
    if signer is not None:
        return signer
    if any(entry._replace(nProt=wanted.nProt) == wanted for entry in book.voided):
        return stat("563")
    if any(entry.overlaps(wanted) for entry in book.voided):
        return stat("256")
    return stat("241") if book.numbers_used(wanted) else None


def _refuse_batch(book: SefazBook, given: Stat, cUF: str) -> str:
    return sefaz_answers.retEnviNFe(given, cUF=cUF, at=book.clock())


def _refuse_consult(book: SefazBook, given: Stat, cUF: str) -> str:
    return sefaz_answers.retConsSitNFe(given, cUF=cUF, at=book.clock(), chNFe="0" * 44)


def _refuse_status(book: SefazBook, given: Stat, cUF: str) -> str:
    return sefaz_answers.retConsStatServ(given, cUF=cUF, at=book.clock())


def _refuse_events(book: SefazBook, given: Stat, cUF: str) -> str:
    return sefaz_answers.retEnvEvento(given, cOrgao=cUF, idLote="0")


def _refuse_void(book: SefazBook, given: Stat, cUF: str) -> str:
    return sefaz_answers.retInutNFe(given, cUF=cUF, at=book.clock(), asked={})


def _refuse_receipt(book: SefazBook, given: Stat, cUF: str) -> str:
    return sefaz_answers.retConsReciNFe(given, cUF=cUF, at=book.clock(), nRec="0" * 15)


SERVICES = (
    Service("NFeAutorizacao4", "enviNFe", "enviNFe", "225", _refuse_batch, _authorize),
    Service("NFeRetAutorizacao4", "consReciNFe", None, "215", _refuse_receipt, _receipt),
    Service("NFeConsultaProtocolo4", "consSitNFe", "consSitNFe", "215", _refuse_consult, _consult),
    Service("NFeStatusServico4", "consStatServ", "consStatServ", "215", _refuse_status, _service_status),
    Service("NFeRecepcaoEvento4", "envEvento", "envEventoCancNFe", "215", _refuse_events, _events),
    Service("NFeInutilizacao4", "inutNFe", "inutNFe", "215", _refuse_void, _void),
)
