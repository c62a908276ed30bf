"""Event 110111: the cancellation of an authorised NF-e by its issuer, inside its deadline."""

from datetime import datetime, timedelta

from lxml import etree

from workflow.sandbox import sefaz_answers
from workflow.sandbox.sefaz_book import Authorised, SefazBook
from workflow.sandbox.sefaz_rules import NFE
from workflow.sandbox.sefaz_signature import signer_stat
from workflow.sandbox.stat import Stat, stat

#: The clocks of issuer and SEFAZ may differ by this much (MOC 7.0 Anexo I, B09-10, taken for events too).
_CLOCK_TOLERANCE = timedelta(minutes=5)

_REGISTERED = ("135", "155")


def decide_event(book: SefazBook, evento: etree._Element) -> str:
    """The retEvento of one event that passed its schema; `evento` stands alone."""
    known = book.by_key.get(_text(evento, "chNFe"))
    given = _fault(book, evento, known)
    about = sefaz_answers.Event(
        cOrgao=_text(evento, "cOrgao"),
        chNFe=_text(evento, "chNFe"),
        tpEvento=_text(evento, "tpEvento"),
        nSeqEvento=_text(evento, "nSeqEvento"),
        document=known.document if known else None,
    )
    if given is None and known is not None:
        return _register(book, evento, known, about)
    refused = given or stat("494", chNFe=about.chNFe)
    book.count(refused.cStat)
    return sefaz_answers.retEvento(refused, about, at=book.clock())


def _register(book: SefazBook, evento: etree._Element, known: Authorised, about: sefaz_answers.Event) -> str:
    given = stat("155" if _is_late(book, known) else "135")
    nProt, at = book.next_protocol(about.chNFe[:2]), book.clock()
    answer = sefaz_answers.retEvento(given, about, at=at, nProt=nProt)
    procEventoNFe = sefaz_answers.procEventoNFe(etree.tostring(evento, encoding="unicode"), answer)
    book.cancel(known.chNFe, at=at, nProt=nProt, procEventoNFe=procEventoNFe)
    book.count(given.cStat)
    return answer


def _fault(book: SefazBook, evento: etree._Element, known: Authorised | None) -> Stat | None:
    trusted = book.authority if book.settings.chain else None
    cnpj = _text(evento, "CNPJ")
    signer = signer_stat(evento, cnpj=cnpj, now=book.now(), trusted=trusted)
    if signer is not None:
        return signer
    chNFe = _text(evento, "chNFe")
    identity = f"ID{_text(evento, 'tpEvento')}{chNFe}{int(_text(evento, 'nSeqEvento')):02d}"
    if evento[0].get("Id") != identity:
        return stat("572")
    if known is None:
        return stat("494", chNFe=chNFe)
    return _fault_of_known(book, evento, known)


def _fault_of_known(book: SefazBook, evento: etree._Element, known: Authorised) -> Stat | None:
    if _text(evento, "CNPJ")[:8] != known.cnpj[:8]:
        return stat("574")
    if known.cancelled_at is not None:
        return stat("573")
    if _text(evento, "nProt") != known.nProt:
        return stat("222")
    dhEvento = datetime.fromisoformat(_text(evento, "dhEvento"))
    if dhEvento > book.now() + _CLOCK_TOLERANCE:
        return stat("578")
    if dhEvento.timestamp() < known.at - _CLOCK_TOLERANCE.total_seconds():
        return stat("579")
    return stat("501") if _is_late(book, known) and not book.settings.late_cancel else None


def _is_late(book: SefazBook, known: Authorised) -> bool:
    return book.clock() - known.at > book.settings.cancel_seconds


def _text(evento: etree._Element, tag: str) -> str:
    return evento.findtext(f".//{NFE}{tag}") or ""
