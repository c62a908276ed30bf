"""NFeInutilizacao4: numbers that no NF-e will use, voided by their issuer."""

from workflow.sandbox import sefaz_answers
from workflow.sandbox.sefaz_book import SefazBook, Voided
from workflow.sandbox.sefaz_request import Request
from workflow.sandbox.sefaz_signature import signer_stat
from workflow.sandbox.stat import Stat, stat

_TAGS = ("ano", "CNPJ", "mod", "serie", "nNFIni", "nNFFin")
#: Numbers of one request; beyond it 201.
_LARGEST_RANGE = 10_000


def void(book: SefazBook, request: Request) -> str:
    """The retInutNFe of a range."""
    asked = {tag: request.text(tag) for tag in _TAGS}
    cUF = request.text("cUF")
    first, last = int(asked["nNFIni"]), int(asked["nNFFin"])
    wanted = Voided(asked["CNPJ"], asked["ano"], int(asked["serie"]), first, last, book.next_protocol(cUF))
    given = _fault(book, request, wanted) or stat("102")
    book.count(given.cStat)
    done = given.cStat == "102"
    if done:
        book.void(wanted)
    nProt = wanted.nProt if done else None
    return sefaz_answers.retInutNFe(given, cUF=cUF, at=book.clock(), asked=asked, nProt=nProt)


def _fault(book: SefazBook, request: Request, wanted: Voided) -> Stat | None:
    trusted = book.authority if book.settings.chain else None
    signer = signer_stat(request.message, cnpj=wanted.cnpj, now=book.now(), trusted=trusted)
    return signer or book.refused_on_demand(request.names, "NFeInutilizacao4") or _range_fault(book, wanted)


def _range_fault(book: SefazBook, wanted: Voided) -> Stat | None:
    if wanted.first > wanted.last:
        return stat("224")
    if wanted.last - wanted.first >= _LARGEST_RANGE:
        return stat("201")
    if int(wanted.ano) > book.now().year % 100:
        return stat("453")
    if any(entry._replace(nProt=wanted.nProt) == wanted for entry in book.voided):
        return stat("563")
    if any(entry.overlaps(wanted) for entry in book.voided):
        return stat("256")
    return stat("241") if book.numbers_used(wanted) else None
