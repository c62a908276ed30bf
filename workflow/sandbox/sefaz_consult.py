"""NFeConsultaProtocolo4: what became of a key. The UF does not know the contingency's notes, nor it the UF's."""

from workflow.nfe import access_key
from workflow.sandbox import sefaz_answers
from workflow.sandbox.sefaz_book import Authorised, SefazBook, is_of_svc
from workflow.sandbox.sefaz_request import Request
from workflow.sandbox.stat import Stat, stat


def consult(book: SefazBook, request: Request) -> str:
    """The retConsSitNFe of a key."""
    chNFe = request.text("chNFe")
    given, found = _situation(book, request, chNFe)
    book.count(given.cStat)
    return sefaz_answers.retConsSitNFe(given, cUF=chNFe[:2], at=book.clock(), chNFe=chNFe, found=found)


def _situation(book: SefazBook, request: Request, chNFe: str) -> tuple[Stat, str]:
    limit = book.settings.consult_limit
    if book.misuse.is_too_often(("consult", chNFe), limit):
        book.misuse.block(request.transmitter, request.operation)
        return stat("656", det=f"Mais de {limit} consultas da mesma chave em uma hora"), ""
    wanted = book.refused_on_demand((chNFe,), "NFeConsultaProtocolo4")
    if wanted is not None:
        return wanted, ""
    if not access_key.is_valid(chNFe):
        return stat("236"), ""
    known = book.by_key.get(chNFe)
    if known is None or known.at_svc != request.at_svc:
        return _unknown(book, chNFe), ""
    if known.cancelled_at is not None:
        return stat("101"), known.protNFe + _events(known)
    return Stat(known.cStat, stat(known.cStat).xMotivo), known.protNFe + _events(known)


def _events(known: Authorised) -> str:
    return "".join(known.corrections.values()) + (known.procEventoNFe or "")


def _unknown(book: SefazBook, chNFe: str) -> Stat:
    """217, or what some units say where another key holds the number."""
    parts = access_key.split(chNFe)
    holder = book.holder(parts.CNPJ, int(parts.serie), int(parts.nNF))
    if holder in (None, chNFe) or is_of_svc(holder or "") != is_of_svc(chNFe):
        return stat("217")
    return stat(book.settings.other_key, chNFe=holder or "")
