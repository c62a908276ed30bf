"""What an accountant asks of an NF-e: its number, buyer's state and value, and how the value divides by CFOP.

Read from the document itself, so that the sums are the archive's and not a second calculation: what the items of all
CFOPs have together is the document's vNF, to the cent.
"""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.amounts import ZERO
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE

_NS = {"n": NFE}
#: What is summed up, and where an item has it.
AMOUNTS: Mapping[str, str] = {
    "vProd": "n:prod/n:vProd",
    "vDesc": "n:prod/n:vDesc",
    "vFrete": "n:prod/n:vFrete",
    "vSeg": "n:prod/n:vSeg",
    "vOutro": "n:prod/n:vOutro",
    "vBC": "n:imposto/n:ICMS/*/n:vBC",
    "vICMS": "n:imposto/n:ICMS/*/n:vICMS",
    "vFCP": "n:imposto/n:ICMS/*/n:vFCP",
    "vBCST": "n:imposto/n:ICMS/*/n:vBCST",
    "vST": "n:imposto/n:ICMS/*/n:vICMSST",
    "vFCPST": "n:imposto/n:ICMS/*/n:vFCPST",
    "vICMSUFDest": "n:imposto/n:ICMSUFDest/n:vICMSUFDest",
    "vFCPUFDest": "n:imposto/n:ICMSUFDest/n:vFCPUFDest",
    "vII": "n:imposto/n:II/n:vII",
    "vIPI": "n:imposto/n:IPI/n:IPITrib/n:vIPI",
    "vIPIDevol": "n:impostoDevol/n:IPI/n:vIPIDevol",
    "vPIS": "n:imposto/n:PIS/*/n:vPIS",
    "vCOFINS": "n:imposto/n:COFINS/*/n:vCOFINS",
    "vIBS": "n:imposto/n:IBSCBS/n:gIBSCBS/n:vIBS",
    "vCBS": "n:imposto/n:IBSCBS/n:gIBSCBS/n:gCBS/n:vCBS",
}
#: W16-10 (610): what makes up vNF besides the goods, less the discount.
_ADDED = ("vProd", "vST", "vFCPST", "vFrete", "vSeg", "vOutro", "vII", "vIPI", "vIPIDevol")


class Share(NamedTuple):
    """What of a note is of one CFOP: how many items, their part of vNF, and the sums of `AMOUNTS`."""

    items: int
    vNF: Decimal
    amounts: Mapping[str, Decimal]


class Summary(NamedTuple):
    """The facts of one NF-e; `dhEmi` as it is written, `uf` the buyer's (EX abroad)."""

    chNFe: str
    nNF: str
    serie: str
    dhEmi: str
    uf: str
    vNF: Decimal
    nProt: str
    shares: Mapping[str, Share]


def summary_of(document: bytes) -> Summary:
    """The facts of a nfeProc, or of a signed NF-e; raise Invalid('not-an-nfe')."""
    root = parsed(document)
    infNFe = root.find(".//n:infNFe", _NS)
    Id = infNFe.get("Id") if infNFe is not None else None
    if infNFe is None or not Id:
        raise Invalid("not-an-nfe", "the document is no NF-e of version 4.00: it cannot be summed up")
    vNF = Decimal(_text(infNFe, "n:total/n:ICMSTot/n:vNF") or "0.00")
    return Summary(
        chNFe=Id.removeprefix("NFe"),
        nNF=_text(infNFe, "n:ide/n:nNF"),
        serie=_text(infNFe, "n:ide/n:serie"),
        dhEmi=_text(infNFe, "n:ide/n:dhEmi"),
        uf=_text(infNFe, "n:dest/n:enderDest/n:UF"),
        vNF=vNF,
        nProt=_text(root, "n:protNFe/n:infProt/n:nProt"),
        shares=_shares(infNFe, vNF),
    )


def _shares(infNFe: etree._Element, vNF: Decimal) -> dict[str, Share]:
    found: defaultdict[str, list[dict[str, Decimal]]] = defaultdict(list)
    for det in infNFe.iterfind("n:det", _NS):
        found[_text(det, "n:prod/n:CFOP")].append({name: _amount(det, path) for name, path in AMOUNTS.items()})
    shares = {cfop: _share(items) for cfop, items in sorted(found.items())}
    # What the items do not explain (a relief that is deducted, PIS by substitution) is the largest share's.
    rest = vNF - sum((share.vNF for share in shares.values()), ZERO)
    if rest and shares:
        largest = max(shares, key=lambda cfop: shares[cfop].vNF)
        shares[largest] = shares[largest]._replace(vNF=shares[largest].vNF + rest)
    return shares


def _share(items: list[dict[str, Decimal]]) -> Share:
    sums = {name: sum((item[name] for item in items), ZERO) for name in AMOUNTS}
    return Share(len(items), sum((sums[name] for name in _ADDED), ZERO) - sums["vDesc"], sums)


def _amount(det: etree._Element, path: str) -> Decimal:
    return sum((Decimal(one.text or "0") for one in det.iterfind(path, _NS)), ZERO)


def _text(element: etree._Element, path: str) -> str:
    return (element.findtext(path, None, _NS) or "").strip()
