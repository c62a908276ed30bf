"""Whoever changes one amount of a good document is caught: for every amount field of every kind of document.

An amount is a leaf v…, p… or q… with digits. It is raised by 1.00; an amount in reais also by one cent, which SEFAZ's
tolerances may let pass, and we do not. A rate a hundredth of a point higher is not tried: on a small base it makes
the same cents. Nor is a rate of a base of nothing.
"""

import re
from collections.abc import Iterator
from decimal import Decimal

import pytest
from lxml import etree

from tests.unit.nfe.rules import documents
from tests.unit.nfe.rules.documents import GOLDEN
from workflow.nfe import rules

#: What no rule can know, with the reason.
FREE = {
    "qVol": "how many parcels: only the warehouse knows",
    "pesoL": "a weight: only the warehouse knows",
    "pesoB": "a weight: only the warehouse knows",
    "vBCSTRet": "what an earlier seller was charged, copied from its note",
    "pST": "what an earlier seller was charged, copied from its note",
    "vICMSSubstituto": "what an earlier seller was charged, copied from its note",
    "vICMSSTRet": "what an earlier seller was charged, copied from its note",
    "pFCPSTRet": "what an earlier seller was charged, copied from its note",
    "vBCFCPSTRet": "what an earlier seller was charged, copied from its note",
}

_AMOUNT = re.compile(r"[vpq][A-Z].*|pesoL|pesoB")
_DIGITS = re.compile(r"[0-9]+(\.[0-9]+)?")


def amounts(root: etree._Element) -> Iterator[etree._Element]:
    for element in root.iter():
        name = etree.QName(element).localname if isinstance(element.tag, str) else ""
        if _AMOUNT.fullmatch(name) and _DIGITS.fullmatch((element.text or "").strip()):
            yield element


def is_idle(rate: etree._Element) -> bool:
    """Whether it is a rate of nothing: every amount beside it is zero, and stays so."""
    parent = rate.getparent()
    assert parent is not None
    beside = [one for one in parent if etree.QName(one).localname.startswith("v")]
    return etree.QName(rate).localname.startswith("p") and not any(Decimal(one.text or "0") for one in beside)


def shape(root: etree._Element) -> frozenset[str]:
    """Which amount fields a document has, by their paths, one item like another."""
    tree = root.getroottree()
    return frozenset(re.sub(r"\[\d+\]|\{.*?\}", "", str(tree.getelementpath(one))) for one in amounts(root))


def good_documents() -> dict[str, bytes]:
    """Our own documents, and of the golden files each that has an amount field which none before it has."""
    found = {name: getattr(documents, name)() for name in ("normal", "reduced", "three_items")}
    found |= {path.stem: path.read_bytes() for path in sorted(GOLDEN.glob("*.xml"))}
    seen: set[str] = set()
    kept = {}
    for name, document in found.items():
        fields = shape(etree.fromstring(document))
        if fields - seen:
            kept[name] = document
            seen |= fields
    return kept


DOCUMENTS = good_documents()


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("step", ["1.00", "0.01"])
def test_one_changed_amount_is_caught(name: str, step: str) -> None:
    root = etree.fromstring(DOCUMENTS[name])
    before = set(rules.breaches(DOCUMENTS[name]))
    missed = []
    for element in amounts(root):
        field = etree.QName(element).localname
        if field in FREE or is_idle(element) or (step == "0.01" and not field.startswith("v")):
            continue
        text = element.text or ""
        element.text = str(Decimal(text) + Decimal(step))
        if not set(rules.breaches(etree.tostring(root))) - before:
            missed.append(f"{root.getroottree().getelementpath(element)} {text} -> {element.text}")
        element.text = text
    assert missed == []


def test_the_documents_are_of_several_regimes_and_have_all_kinds_of_amounts() -> None:
    roots = [etree.fromstring(document) for document in DOCUMENTS.values()]
    regimes = {root.findtext(".//{*}CRT") for root in roots}
    fields = {etree.QName(element).localname for root in roots for element in amounts(root)}
    assert {"1", "3"} <= regimes
    assert {"qCom", "vUnCom", "vDesc", "vICMSUFDest", "pRedBC", "vIBSUF", "pAliqEfet", "vNFTot", "vPag"} <= fields
