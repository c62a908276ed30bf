"""The checks of one NF-e in the order SEFAZ makes them; the first that fails decides.

Certificate and signature, key, dates, duplicates, then a choice of the business rules. All of a rule's text and
number is in `workflow/data/cstat_texts.csv`; the number of the rule stands in place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache, cached_property

from lxml import etree

from workflow.nfe import access_key, tables, tax_ids
from workflow.sandbox.sefaz_answers import moment
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.sefaz_request import NFE
from workflow.sandbox.sefaz_signature import digest_value, signer_stat
from workflow.sandbox.stat import Stat, stat

HOMOLOGATION_NAME = "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL"

_CENT = Decimal("0.01")
#: MOC 7.0 Anexo I, note *3: tolerance of the total of the NF-e.
_TOTAL_TOLERANCE = Decimal("0.50")
#: MOC 7.0 Anexo I, B09-10.
_CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Note:
    """One NF-e that passed its schema, standing alone."""

    document: etree._Element

    def text(self, path: str) -> str:
        """The text at a path below infNFe such as `ide/nNF`, empty where there is none."""
        return self.document.findtext(f"{NFE}infNFe/" + "/".join(NFE + tag for tag in path.split("/"))) or ""

    def all(self, tag: str) -> Iterator[etree._Element]:
        """Every element of that tag."""
        return self.document.iter(NFE + tag)

    @cached_property
    def chNFe(self) -> str:
        """The key, from the Id."""
        return (self.document[0].get("Id") or "").removeprefix("NFe")

    @cached_property
    def cnpj(self) -> str:
        """The issuer's CNPJ."""
        return self.text("emit/CNPJ")

    @cached_property
    def number(self) -> tuple[str, int, int]:
        """(CNPJ, serie, nNF)."""
        return self.cnpj, int(self.text("ide/serie")), int(self.text("ide/nNF"))

    @cached_property
    def dhEmi(self) -> datetime:
        """The moment of emission."""
        return datetime.fromisoformat(self.text("ide/dhEmi"))

    @cached_property
    def digVal(self) -> str:
        """The DigestValue of its signature."""
        return digest_value(self.document)

    @cached_property
    def buyer(self) -> str:
        """The buyer's CPF or CNPJ."""
        return self.text("dest/CPF") or self.text("dest/CNPJ")


def first_fault(note: Note, book: SefazBook, names: frozenset[str], *, at_svc: bool) -> Stat | None:
    """The first check that fails, None when the NF-e is to be authorised."""
    signer = signer_stat(
        note.document,
        cnpj=note.cnpj,
        now=book.now(),
        trusted=book.authority if book.settings.chain else None,
    )
    return (
        signer
        or _key(note)
        or _emission(note, at_svc=at_svc)
        or _dates(note, book)
        or _duplicates(note, book)
        or book.refused_on_demand(names)
        or _people(note)
        or _register(note, book)
        or _intermediary(note)
        or _regime(note)
        or _sums(note)
    )


def _key(note: Note) -> Stat | None:
    chNFe = note.chNFe
    cnpj, serie, nNF = note.number
    composed = (
        f"{note.text('ide/cUF')}{note.dhEmi:%y%m}{cnpj}{note.text('ide/mod')}{serie:03d}{nNF:09d}"
        f"{note.text('ide/tpEmis')}{note.text('ide/cNF')}"
    )
    if composed != chNFe[:43]:
        return stat("502")
    if access_key.check_digit(composed) != chNFe[43] or note.text("ide/cDV") != chNFe[43]:
        return stat("253")
    return None


def _emission(note: Note, *, at_svc: bool) -> Stat | None:
    """Whether tpEmis is that of the place, and dhCont and xJust go with it (MOC 7.0: B22, B28, B29)."""
    tpEmis = note.text("ide/tpEmis")
    if at_svc and tpEmis != _svc_tpEmis()[note.text("ide/cUF")]:
        return stat("713")
    if not at_svc and tpEmis in ("3", "6", "7"):
        return stat("570")
    has_reason = bool(note.text("ide/xJust") and note.text("ide/dhCont"))
    if tpEmis != "1":
        return None if has_reason else stat("557")
    return stat("556") if note.text("ide/xJust") or note.text("ide/dhCont") else None


@cache
def _svc_tpEmis() -> Mapping[str, str]:
    """The tpEmis of each unit's contingency in homologation, by cUF."""
    names = {"SVC-AN": "6", "SVC-RS": "7"}
    return {row["cUF"]: names[row["svc_homologacao"]] for row in tables.rows("sefaz_authorizers.csv")}


def _register(note: Note, book: SefazBook) -> Stat | None:
    """5E17-50: a company that is a taxpayer of its unit is none for whom indIEDest may be 9."""
    cnpj, uf = note.text("dest/CNPJ"), note.text("dest/enderDest/UF")
    if note.text("dest/indIEDest") != "9" or not cnpj:
        return None
    is_taxpayer = any(one.is_active and (one.cnpj, one.uf) == (cnpj, uf) for one in book.taxpayers)
    return stat("232") if is_taxpayer else None


def _dates(note: Note, book: SefazBook) -> Stat | None:
    if note.dhEmi > book.now() + _CLOCK_TOLERANCE:
        return stat("703")
    if note.dhEmi < book.now() - timedelta(days=book.settings.too_late_days):
        return stat("228")
    return None


def _duplicates(note: Note, book: SefazBook) -> Stat | None:
    if note.chNFe in book.by_key:
        return _same_key(note.chNFe, book)
    holder = book.holder(*note.number)
    if holder is not None:
        return stat("539", chNFe=holder, nRec=book.by_key[holder].nProt)
    return stat("206") if book.is_voided(*note.number) else None


def _same_key(chNFe: str, book: SefazBook) -> Stat:
    known = book.by_key[chNFe]
    if known.cancelled_at is not None:
        return stat("218", nRec=known.nProt)
    return stat("204", nRec=known.nProt, nProt=known.nProt, dhAut=moment(known.at))


def _people(note: Note) -> Stat | None:
    if note.text("dest/xNome") != HOMOLOGATION_NAME:
        return stat("598")
    if note.text("dest/CPF") and not tax_ids.is_cpf(note.text("dest/CPF")):
        return stat("237")
    if note.text("dest/CNPJ") and not tax_ids.is_cnpj(note.text("dest/CNPJ")):
        return stat("208")
    return None


def _intermediary(note: Note) -> Stat | None:
    # NT 2020.006: B25c-10 and YB01-10.
    if note.text("ide/indPres") in ("2", "3", "4", "9") and not note.text("ide/indIntermed"):
        return stat("434")
    if note.text("ide/indIntermed") == "1" and not note.text("infIntermed/CNPJ"):
        return stat("438")
    return None


def _regime(note: Note) -> Stat | None:
    # NT 2024.001: N12-20 and N12a-10.
    is_simple = note.text("emit/CRT") in ("1", "4")
    for icms in note.all("ICMS"):
        if is_simple and icms.find(f"*/{NFE}CST") is not None:
            return stat("590")
        if not is_simple and icms.find(f"*/{NFE}CSOSN") is not None:
            return stat("591")
    return None


def _sums(note: Note) -> Stat | None:
    for place, prod in enumerate(note.all("prod"), start=1):
        if abs(_amount(prod, "qCom") * _amount(prod, "vUnCom") - _amount(prod, "vProd")) > _CENT:
            return stat("629", nItem=str(place))
    total = next(note.all("ICMSTot"))
    counted = (prod for prod in note.all("prod") if prod.findtext(f"{NFE}indTot") == "1")
    if sum((_amount(prod, "vProd") for prod in counted), Decimal(0)) != _amount(total, "vProd"):
        return stat("564")
    return stat("610") if abs(_composed(total) - _amount(total, "vNF")) > _TOTAL_TOLERANCE else None


def _composed(total: etree._Element) -> Decimal:
    """W16-10: what makes up vNF."""
    added = ("vProd", "vST", "vFCPST", "vICMSMonoReten", "vFrete", "vSeg", "vOutro", "vII", "vIPI", "vIPIDevol")
    return sum((_amount(total, tag) for tag in added), Decimal(0)) - _amount(total, "vDesc")


def _amount(parent: etree._Element, tag: str) -> Decimal:
    return Decimal(parent.findtext(f"{NFE}{tag}") or "0")
