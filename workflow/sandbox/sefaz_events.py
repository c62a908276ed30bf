"""Events of an authorised NF-e by its issuer: cancellation (110111), letter of correction (110110).

A cancellation is taken where its note is, inside its deadline; a letter of correction by the UF alone.
"""

from datetime import datetime, timedelta

from lxml import etree

from workflow.nfe.event import REGISTERED
from workflow.sandbox import sefaz_answers
from workflow.sandbox.sefaz_book import Authorised, SefazBook
from workflow.sandbox.sefaz_request import NFE
from workflow.sandbox.sefaz_signature import signer_stat
from workflow.sandbox.stat import Stat, stat

#: The clocks of issuer and SEFAZ may differ by this much (MOC 7.0 Anexo I, B09-10, taken for events too).
_CLOCK_TOLERANCE = timedelta(minutes=5)

CORRECTION = "110110"


def decide_event(book: SefazBook, evento: etree._Element, *, at_svc: bool) -> str:
    """The retEvento of one event that passed its schema; `evento` stands alone."""
    known = _known(book, evento, at_svc=at_svc)
    given = _fault(book, evento, known, at_svc=at_svc)
    about = sefaz_answers.Event(
        cOrgao=_text(evento, "cOrgao"),
        chNFe=_text(evento, "chNFe"),
        tpEvento=_text(evento, "tpEvento"),
        nSeqEvento=_text(evento, "nSeqEvento"),
        document=known.document if known else None,
    )
    if given is None and known is not None:
        is_late = not _is_correction(evento) and _is_late(book, known)
        return _register(book, evento, known, about, stat("155" if is_late else "135"))
    if given is not None and known is not None and given.cStat in REGISTERED:
        return _register(book, evento, known, about, given)  # on demand, in these words
    refused = given or stat("494", chNFe=about.chNFe)
    book.count(refused.cStat)
    return sefaz_answers.retEvento(refused, about, at=book.clock())


def _known(book: SefazBook, evento: etree._Element, *, at_svc: bool) -> Authorised | None:
    """The note, where this place knows it: the UF corrects the contingency's notes too."""
    known = book.by_key.get(_text(evento, "chNFe"))
    if known is None or known.at_svc == at_svc or _is_correction(evento):
        return known
    return None


def _register(
    book: SefazBook, evento: etree._Element, known: Authorised, about: sefaz_answers.Event, given: Stat
) -> str:
    nProt, at = book.next_protocol(about.chNFe[:2]), book.clock()
    answer = sefaz_answers.retEvento(given, about, at=at, nProt=nProt)
    procEventoNFe = sefaz_answers.procEventoNFe(etree.tostring(evento, encoding="unicode"), answer)
    if _is_correction(evento):
        book.correct(known.chNFe, nSeqEvento=about.nSeqEvento, nProt=nProt, procEventoNFe=procEventoNFe)
    else:
        book.cancel(known.chNFe, at=at, nProt=nProt, procEventoNFe=procEventoNFe)
    book.count(given.cStat)
    return answer


def _fault(book: SefazBook, evento: etree._Element, known: Authorised | None, *, at_svc: bool) -> Stat | None:
    trusted = book.authority if book.settings.chain else None
    cnpj = _text(evento, "CNPJ")
    signer = signer_stat(evento, cnpj=cnpj, now=book.now(), trusted=trusted)
    if signer is not None:
        return signer
    chNFe = _text(evento, "chNFe")
    identity = f"ID{_text(evento, 'tpEvento')}{chNFe}{int(_text(evento, 'nSeqEvento')):02d}"
    if evento[0].get("Id") != identity:
        return stat("572")
    if _is_correction(evento) and at_svc:
        return stat("491")
    wanted = book.refused_on_demand((chNFe,), "NFeRecepcaoEvento4")
    if wanted is not None:
        return wanted
    if known is None:
        return stat("494", chNFe=chNFe)
    return _fault_of_known(book, evento, known)


def _fault_of_known(book: SefazBook, evento: etree._Element, known: Authorised) -> Stat | None:
    if _text(evento, "CNPJ")[:8] != known.cnpj[:8]:
        return stat("574")
    dhEvento = datetime.fromisoformat(_text(evento, "dhEvento"))
    own = _fault_of_correction if _is_correction(evento) else _fault_of_cancellation
    given = own(book, evento, known)
    if given is not None:
        return given
    if dhEvento > book.now() + _CLOCK_TOLERANCE:
        return stat("578")
    return stat("579") if dhEvento.timestamp() < known.at - _CLOCK_TOLERANCE.total_seconds() else None


def _fault_of_cancellation(book: SefazBook, evento: etree._Element, known: Authorised) -> Stat | None:
    if known.cancelled_at is not None:
        return stat("573")
    if _text(evento, "nProt") != known.nProt:
        return stat("222")
    return stat("501") if _is_late(book, known) and not book.settings.late_cancel else None


def _fault_of_correction(book: SefazBook, evento: etree._Element, known: Authorised) -> Stat | None:
    if known.cancelled_at is not None:
        return stat("580")
    if _text(evento, "nSeqEvento") in known.corrections:
        return stat("573")
    if book.clock() - known.at > book.settings.correct_seconds:
        return stat("596", deadline=f"{book.settings.correct_seconds / 86400:.0f} dias")
    return None


def _is_correction(evento: etree._Element) -> bool:
    return _text(evento, "tpEvento") == CORRECTION


def _is_late(book: SefazBook, known: Authorised) -> bool:
    return book.clock() - known.at > book.settings.cancel_seconds


def _text(evento: etree._Element, tag: str) -> str:
    return evento.findtext(f".//{NFE}{tag}") or ""
