"""The DANFE: the page that goes with the goods, drawn from the nfeProc by the package brazilfiscalreport.

Its form changes with NT 2026.010: an NF-e issued before 2026-12-01 is drawn as MOC 7.0 says, a later one as the note
says. The same document on the same day gives the same bytes: the PDF's date is the document's own.
"""

import warnings
from datetime import date, datetime
from typing import NamedTuple

from brazilfiscalreport.danfe import Danfe, DanfeConfig, DanfeEtiqueta, DanfeEtiquetaConfig
from brazilfiscalreport.danfe.config import DanfeLayout, DecimalConfig
from fpdf import FPDF
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.protocol import AUTHORIZED
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE

#: NT 2026.010: the first day of the new form, by the date of issue.
NEW_FORM = date(2026, 12, 1)

#: More of them, the XML allows ten, do not fit into the columns.
MOST_DECIMALS = 4

_NS = {"nfe": NFE}


class _Paper(NamedTuple):
    """What is drawn: the XML without a protocol that authorises nothing, and the moment it was issued at."""

    xml: str
    issued: datetime
    decimals: DecimalConfig


def danfe(document: bytes, *, on: date | None = None, cancelled: bool = False) -> bytes:
    """The DANFE of a nfeProc as PDF (A4), in the form in force `on` a day; None: the day of issue (dhEmi).

    Homologation, and an NF-e without authorisation, get the watermark SEM VALOR FISCAL; `cancelled` gets CANCELADA.
    Raise Invalid('not-an-nfe').
    """
    paper = _paper(document)
    form = DanfeLayout.MOC_7_0 if (on or paper.issued.date()) < NEW_FORM else DanfeLayout.NT_2026_010
    config = DanfeConfig(layout=form, watermark_cancelled=cancelled, decimal_config=paper.decimals)
    with _quiet():
        return _pdf(Danfe(paper.xml, config), paper)


def label(document: bytes, *, cancelled: bool = False) -> bytes:
    """The simplified DANFE for the parcel (NT 2020.004) as PDF, one page of 100 by 150 mm; marks as `danfe` has."""
    paper = _paper(document)
    with _quiet():
        return _pdf(DanfeEtiqueta(paper.xml, DanfeEtiquetaConfig(watermark_cancelled=cancelled)), paper)


def _paper(document: bytes) -> _Paper:
    root = parsed(document)
    infNFe = root.find(".//nfe:infNFe", _NS)
    issued = root.findtext(".//nfe:ide/nfe:dhEmi", None, _NS)
    if infNFe is None or not infNFe.get("Id") or not issued:
        raise Invalid("not-an-nfe", "the document is no NF-e of version 4.00: a DANFE cannot be drawn")
    for protNFe in root.findall("nfe:protNFe", _NS):
        # The package takes any protocol for an authorisation.
        if protNFe.findtext("nfe:infProt/nfe:cStat", None, _NS) not in AUTHORIZED:
            root.remove(protNFe)
    for infCpl in root.iterfind(".//nfe:infCpl", _NS):
        # The package sets the rest of a long address right behind it.
        infCpl.text = f"{infCpl.text or ''} "
    decimals = DecimalConfig(max(2, _decimals(root, "vUnCom")), _decimals(root, "qCom"))
    return _Paper(etree.tostring(root, encoding="unicode"), datetime.fromisoformat(issued), decimals)


def _decimals(root: etree._Element, tag: str) -> int:
    """The decimals that the document's values need, at most `MOST_DECIMALS`."""
    fractions = ((one.text or "").partition(".")[2].rstrip("0") for one in root.iterfind(f".//nfe:{tag}", _NS))
    return min(MOST_DECIMALS, max(map(len, fractions), default=0))


def _quiet() -> "warnings.catch_warnings[None]":
    """The package warns of the old form, which the law still wants, and repeats a phone it cannot read."""
    return warnings.catch_warnings(action="ignore")


def _pdf(drawn: FPDF, paper: _Paper) -> bytes:
    drawn.set_creation_date(paper.issued)
    return bytes(drawn.output())
