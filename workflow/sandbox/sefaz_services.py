"""What each web service does with a message that passed the checks of the data area."""

from collections.abc import Callable
from typing import NamedTuple

from lxml import etree

from workflow.nfe import access_key
from workflow.sandbox import sefaz_answers, soap
from workflow.sandbox.sefaz_book import Authorised, SefazBook, Voided
from workflow.sandbox.sefaz_events import decide_event
from workflow.sandbox.sefaz_rules import NFE, Note, first_fault
from workflow.sandbox.sefaz_signature import signer_stat
from workflow.sandbox.stat import Stat, stat

#: The unit of an answer whose request names none.
SOME_UF = "35"


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


def uf_of(request: Request) -> str:
    """The unit an answer is to name."""
    return request.text("cUF") or request.text("cOrgao") or request.text("chNFe")[:2] or SOME_UF


def _authorize(book: SefazBook, request: Request) -> str:
    cUF = uf_of(request)
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
    return sefaz_answers.retConsStatServ(given, cUF=uf_of(request), at=book.clock())


def _receipt(book: SefazBook, request: Request) -> str:
    given = stat("106")
    book.count(given.cStat)
    return sefaz_answers.retConsReciNFe(given, cUF=SOME_UF, at=book.clock(), nRec=request.text("nRec"))


def _events(book: SefazBook, request: Request) -> str:
    answers = "".join(decide_event(book, soap.alone(evento)) for evento in request.message.findall(f"{NFE}evento"))
    return sefaz_answers.retEnvEvento(stat("128"), cOrgao=uf_of(request), idLote=request.text("idLote"), events=answers)


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
