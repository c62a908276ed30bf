"""CadConsultaCadastro4: who is a taxpayer of a unit, from the list that the control API fills."""

from workflow.nfe import tables
from workflow.sandbox import sefaz_answers
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.sefaz_request import SOME_UF, Request
from workflow.sandbox.sefaz_settings import RegisteredTaxpayer
from workflow.sandbox.stat import Stat, stat

#: What is asked by, and what is said when nobody has it.
_NOBODY = {"CNPJ": "259", "CPF": "264", "IE": "261"}


def look_up(book: SefazBook, request: Request) -> str:
    """The retConsCad of a CNPJ, CPF or IE."""
    uf = request.text("UF")
    asked = {tag: request.text(tag) for tag in _NOBODY if request.text(tag)}
    if len(asked) != 1:
        return refuse(book, stat("215"), SOME_UF)
    [(tag, value)] = asked.items()
    found = [entry for entry in book.taxpayers if entry.uf == uf and _value(entry, tag) == value]
    given = stat(_NOBODY[tag] if not found else "111" if len(found) == 1 else "112")
    book.count(given.cStat)
    registrations = "".join(_infCad(entry) for entry in found)
    return _answer(book, given, uf, {tag: value}, registrations)


def refuse(book: SefazBook, given: Stat, cUF: str) -> str:
    """The retConsCad of a message that nobody looked at."""
    return _answer(book, given, "SP", {}, "")


def _answer(book: SefazBook, given: Stat, uf: str, asked: dict[str, str], found: str) -> str:
    unit = tables.ufs().get(uf)
    cUF = unit.cUF if unit else SOME_UF
    return sefaz_answers.retConsCad(given, uf=uf, cUF=cUF, at=book.clock(), asked=asked, found=found)


def _value(entry: RegisteredTaxpayer, tag: str) -> str | None:
    return {"CNPJ": entry.cnpj, "CPF": entry.cpf, "IE": entry.ie}[tag]


def _infCad(entry: RegisteredTaxpayer) -> str:
    inside = sefaz_answers.fields(
        {
            "IE": entry.ie,
            "CNPJ": entry.cnpj,
            "CPF": entry.cpf,
            "UF": entry.uf,
            "cSit": "1" if entry.is_active else "0",
            "indCredNFe": "1" if entry.is_active else "0",
            "indCredCTe": "0",
            "xNome": "CONTRIBUINTE DE TESTE",
        }
    )
    return f"<infCad>{inside}</infCad>"
