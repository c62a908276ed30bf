"""NFeAutorizacao4 and NFeRetAutorizacao4: one NF-e is decided at once, later, or under a receipt."""

from lxml import etree

from workflow.nfe.protocol import AUTHORIZED
from workflow.sandbox import sefaz_answers, soap
from workflow.sandbox.sefaz_book import Authorised, SefazBook
from workflow.sandbox.sefaz_queue import Waiting
from workflow.sandbox.sefaz_request import NFE, SOME_UF, Request, uf_of
from workflow.sandbox.sefaz_rules import Note, first_fault
from workflow.sandbox.stat import Stat, stat


def authorize(book: SefazBook, request: Request) -> str:
    """The retEnviNFe of a batch."""
    cUF = uf_of(request)
    documents = request.message.findall(f"{NFE}NFe")
    wrong = _batch_fault(request, len(documents)) or _edited(request.message)
    if wrong is not None:
        book.count(wrong.cStat)
        return sefaz_answers.retEnviNFe(wrong, cUF=cUF, at=book.clock())
    note = Note(soap.alone(documents[0]))
    if book.misuse.is_blocked(note.cnpj, request.operation):
        given = stat("656", det="Rejeitado por bloqueio em vigor")
        return sefaz_answers.retEnviNFe(given, cUF=cUF, at=book.clock())
    if book.settings.async_batches or book.settings.late_seconds:
        return _received(book, request, note)
    protocol = _protocol(book, note, request.names, request.operation, at_svc=request.at_svc)
    return sefaz_answers.retEnviNFe(stat("104"), cUF=cUF, at=book.clock(), protocol=protocol)


def _received(book: SefazBook, request: Request, note: Note) -> str:
    """Let the NF-e wait: 103 with a receipt, or 105 without one."""
    cUF, at = uf_of(request), book.clock()
    if book.queue.holds(note.number):
        protocol = _refused(book, note, stat("635"), request.operation)
        return sefaz_answers.retEnviNFe(stat("104"), cUF=cUF, at=at, protocol=protocol)
    nRec = book.queue.next_receipt(cUF) if book.settings.async_batches else None
    due = at + book.settings.late_seconds
    waiting = Waiting(note.document, request.names, request.at_svc, note.chNFe, note.number, due)
    book.queue.put(waiting, nRec=nRec)
    given = stat("103" if nRec else "105")
    book.count(given.cStat)
    return sefaz_answers.retEnviNFe(given, cUF=cUF, at=at, nRec=nRec)


def process(book: SefazBook, entry: Waiting) -> str:
    """The protNFe of an NF-e that waited."""
    operation = "svc/NFeAutorizacao4" if entry.at_svc else "NFeAutorizacao4"
    return _protocol(book, Note(entry.document), entry.names, operation, at_svc=entry.at_svc)


def receipt(book: SefazBook, request: Request) -> str:
    """The retConsReciNFe of a receipt."""
    nRec = request.text("nRec")
    entry = book.queue.under(nRec)
    limit = book.settings.receipt_limit
    if book.misuse.is_too_often(("receipt", nRec), limit):
        book.misuse.block(request.transmitter, request.operation)
        given = stat("656", det=f"Mais de {limit} consultas do mesmo recibo em uma hora")
    elif entry is None or entry.at_svc != request.at_svc:
        given = stat("106")
    else:
        given = stat("104" if entry.protNFe else "105")
    book.count(given.cStat)
    protocol = (entry.protNFe or "") if entry and given.cStat == "104" else ""
    cUF = nRec[:2] if entry else SOME_UF
    return sefaz_answers.retConsReciNFe(given, cUF=cUF, at=book.clock(), nRec=nRec, protocol=protocol)


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


def _protocol(book: SefazBook, note: Note, names: frozenset[str], operation: str, *, at_svc: bool) -> str:
    known = book.by_key.get(note.chNFe)
    wrong = first_fault(note, book, names, at_svc=at_svc)
    if wrong is None:
        return _authorised(book, note, _in_time(book, note))
    if wrong.cStat in AUTHORIZED:
        return _authorised(book, note, wrong)  # on demand, in these words
    if known and wrong.cStat == "204" and book.settings.duplicate_with_protocol and known.digVal == note.digVal:
        return known.protNFe
    return _refused(book, note, wrong, operation)


def _refused(book: SefazBook, note: Note, wrong: Stat, operation: str) -> str:
    if book.misuse.is_too_often((note.chNFe, wrong.cStat), book.settings.rejection_limit):
        book.misuse.block(note.cnpj, operation)
        wrong = stat("656", det=f"Mais de {book.settings.rejection_limit} rejeicoes iguais")
    book.count(wrong.cStat)
    return sefaz_answers.protNFe(wrong, chNFe=note.chNFe, at=book.clock(), digVal=note.digVal)


def _in_time(book: SefazBook, note: Note) -> Stat:
    age = book.now() - note.dhEmi
    return stat("150" if age.days >= book.settings.late_days else "100")


def _authorised(book: SefazBook, note: Note, given: Stat) -> str:
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
