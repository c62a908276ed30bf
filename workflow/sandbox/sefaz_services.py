"""Which web services there are, at the UF and at its contingency, and what each answers where it refuses at once."""

from collections.abc import Callable
from typing import NamedTuple

from workflow.sandbox import sefaz_answers, sefaz_register, soap
from workflow.sandbox.sefaz_authorize import authorize, receipt
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.sefaz_consult import consult
from workflow.sandbox.sefaz_events import decide_event
from workflow.sandbox.sefaz_request import NFE, Request, uf_of
from workflow.sandbox.sefaz_void import void
from workflow.sandbox.stat import Stat, stat


class Service(NamedTuple):
    """One web service: its name, the root and the schema of its message, its refusal, its work."""

    name: str
    root: str
    schema: str | None
    schema_cStat: str
    refuse: Callable[[SefazBook, Stat, str], str]
    work: Callable[[SefazBook, Request], str]


def service_stat(book: SefazBook, *, at_svc: bool) -> Stat:
    """Whether the UF's services work, or its contingency stands in."""
    if not at_svc:
        return stat(book.settings.service)
    return stat(book.settings.svc, at=book.settings.svc_until)


def _service_status(book: SefazBook, request: Request) -> str:
    given = service_stat(book, at_svc=request.at_svc)
    limit = book.settings.status_limit
    if book.misuse.is_too_often((request.operation, request.transmitter), limit):
        book.misuse.block(request.transmitter, request.operation)
        given = stat("656", det=f"Mais de {limit} consultas em uma hora")
    book.count(given.cStat)
    return sefaz_answers.retConsStatServ(given, cUF=uf_of(request), at=book.clock())


def _events(book: SefazBook, request: Request) -> str:
    asked = request.message.findall(f"{NFE}evento")
    answers = "".join(decide_event(book, soap.alone(evento), at_svc=request.at_svc) for evento in asked)
    return sefaz_answers.retEnvEvento(stat("128"), cOrgao=uf_of(request), idLote=request.text("idLote"), events=answers)


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


#: What the contingency offers too (MOC 7.0, annex III).
SVC_SERVICES = (
    Service("NFeAutorizacao4", "enviNFe", "enviNFe", "225", _refuse_batch, authorize),
    Service("NFeRetAutorizacao4", "consReciNFe", "consReciNFe", "215", _refuse_receipt, receipt),
    Service("NFeConsultaProtocolo4", "consSitNFe", "consSitNFe", "215", _refuse_consult, consult),
    Service("NFeStatusServico4", "consStatServ", "consStatServ", "215", _refuse_status, _service_status),
    Service("NFeRecepcaoEvento4", "envEvento", "envEventoCancNFe", "215", _refuse_events, _events),
)
SERVICES = (
    *SVC_SERVICES,
    Service("NFeInutilizacao4", "inutNFe", "inutNFe", "215", _refuse_void, void),
    Service("CadConsultaCadastro4", "ConsCad", None, "215", sefaz_register.refuse, sefaz_register.look_up),
)
