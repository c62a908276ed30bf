"""The voiding (inutilização) of numbers that no NF-e will ever use: `inutNFe`, and its `ProcInutNFe`.

Only a number of which SEFAZ is known to hold no NF-e may be voided: one whose send had no answer is asked for by its
key first (217). Due by the tenth of the month after; never at an SVC (MOC 7.0; Ajuste SINIEF 07/05).
"""

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.protocol import joined
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE
from workflow.nfe.text import fit
from workflow.nfe.xml import TemplateSet

#: Inutilização de número homologado (MOC 7.0 Anexo I, 4.4).
VOIDED = "102"
#: Numbers of one request; beyond it 201.
LARGEST_RANGE = 10_000

_LAST_NUMBER = 999_999_999
_SHORTEST, _LONGEST = 15, 255  # TJust
_RANGE = ("ano", "CNPJ", "mod", "serie", "nNFIni", "nNFFin")


def render_voiding(
    *,
    uf: str,
    cnpj: str,
    year: int,
    serie: int,
    first: int,
    last: int,
    justification: str,
    tpAmb: int,
    templates: TemplateSet,
) -> bytes:
    """The unsigned inutNFe of the numbers from `first` to `last`, both included; `year` is the numbers' own, 2026.

    Raise Invalid('bad-range'), or Invalid('bad-justification') outside 15 to 255 characters.
    """
    if not 1 <= first <= last <= _LAST_NUMBER or last - first >= LARGEST_RANGE:
        raise Invalid("bad-range", f"{first} to {last} is no range of at most {LARGEST_RANGE} numbers")
    xJust = fit(justification, _LONGEST)
    if len(xJust) < _SHORTEST:
        raise Invalid("bad-justification", f"the reason of a voiding has {_SHORTEST} to {_LONGEST} characters")
    cUF, ano = tables.ufs()[uf].cUF, f"{year % 100:02d}"
    return templates.document(
        "void.xml.j2",
        {
            "Id": f"ID{cUF}{ano}{cnpj}55{serie:03d}{first:09d}{last:09d}",
            "cUF": cUF,
            "ano": ano,
            "cnpj": cnpj,
            "serie": serie,
            "first": first,
            "last": last,
            "xJust": xJust,
            "tpAmb": tpAmb,
        },
    )


def splice_voiding(signed: bytes, retInutNFe: bytes) -> bytes:
    """The ProcInutNFe of the stored request and SEFAZ's answer.

    Raise Invalid('voiding-not-registered') unless it is 102, Invalid('voiding-other-range') where SEFAZ names another.
    """
    asked, answer = parsed(signed), parsed(retInutNFe)
    cStat = answer.findtext(_path("cStat")) or ""
    if cStat != VOIDED:
        raise Invalid("voiding-not-registered", f"the voiding's cStat is {cStat}: not registered")
    for tag in _RANGE:
        answered = answer.findtext(_path(tag))
        if answered is not None and answered != asked.findtext(_path(tag)):
            raise Invalid("voiding-other-range", f"the answer is of {tag} {answered}, another range's")
    return joined("ProcInutNFe", "4.00", signed, retInutNFe)


def _path(tag: str) -> str:
    return f"{{{NFE}}}infInut/{{{NFE}}}{tag}"
