"""The XML of an invoice: its pages filled in, written once.

The bytes are UTF-8 without declaration, without a blank between tags and without prefixes (rejections 404, 588):
they are what is signed, stored, sent and spliced, and nothing ever re-serialises them.
"""

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.access_key import access_key
from workflow.nfe.invoice import Invoice
from workflow.nfe.template_set import TemplateSet
from workflow.nfe.text import fit

__all__ = ["VER_PROC", "Numbering", "TemplateSet", "chNFe_of", "hash_csrt", "local_date", "local_time", "render"]

#: Who made the document (verProc, 20 characters).
VER_PROC = "nfe-workflow 0.1"

_SHORTEST_REASON, _LONGEST_REASON = 15, 256  # MOC 7.0, B29


@dataclass(frozen=True, slots=True)
class Numbering:
    """What is drawn once per document and stored before the first send; `dhEmi` is aware.

    In contingency (tpEmis 6 SVC-AN, 7 SVC-RS) `dhCont`, aware, says since when, and `xJust` why (15 to 256 characters).
    """

    nNF: int
    cNF: str
    dhEmi: datetime
    tpEmis: int = 1
    dhCont: datetime | None = None
    xJust: str | None = None


def chNFe_of(invoice: Invoice, numbering: Numbering) -> str:
    """The invoice's access key under a numbering."""
    issuer = invoice.issuer
    unit = tables.ufs()[issuer.address.uf]
    return access_key(
        cUF=unit.cUF,
        issued_on=local_date(numbering.dhEmi, unit.uf),
        cnpj=issuer.cnpj,
        serie=issuer.serie,
        nNF=numbering.nNF,
        tpEmis=numbering.tpEmis,
        cNF=numbering.cNF,
    )


def local_time(moment: datetime, uf: str) -> str:
    """An aware moment as SEFAZ reads it: the offset of the UF, no fraction.

    >>> from datetime import UTC
    >>> local_time(datetime(2026, 11, 22, 13, 0, 0, 5, tzinfo=UTC), 'AC')
    '2026-11-22T08:00:00-05:00'
    """
    return moment.astimezone(tables.ufs()[uf].zone).replace(microsecond=0).isoformat()


def local_date(moment: datetime, uf: str) -> date:
    """The day of an aware moment in a UF: what dates a document and selects the rows of the tables.

    >>> from datetime import UTC
    >>> local_date(datetime(2027, 1, 1, 1, 0, tzinfo=UTC), 'SP')
    datetime.date(2026, 12, 31)
    """
    return moment.astimezone(tables.ufs()[uf].zone).date()


def hash_csrt(csrt: str, chNFe: str) -> str:
    """hashCSRT of NT 2018.005: Base64 of the SHA-1 of the CSRT and the key, one after the other.

    >>> hash_csrt('G8063VRTNDMO886SFNK5LDUDEI24XJ22YIPO', '41180678393592000146558900000006041028190697')
    'aWv6LeEM4X6u4+qBI2OYZ8grigw='
    """
    # SHA-1 is the authority's choice.
    return b64encode(hashlib.sha1((csrt + chNFe).encode(), usedforsecurity=False).digest()).decode()


def _contingency(numbering: Numbering, uf: str) -> Mapping[str, str | None]:
    """dhCont and xJust as they are written: both in contingency, neither in the normal emission (556, 557)."""
    if numbering.tpEmis == 1:
        return {"dhCont": None, "xJust": None}
    xJust = fit(numbering.xJust or "", _LONGEST_REASON)
    if numbering.dhCont is None or len(xJust) < _SHORTEST_REASON:
        wrong = f"since when, and a reason of {_SHORTEST_REASON} to {_LONGEST_REASON} characters"
        raise Invalid("bad-contingency", f"tpEmis {numbering.tpEmis} needs dhCont and xJust: {wrong}")
    return {"dhCont": local_time(numbering.dhCont, uf), "xJust": xJust}


def render(invoice: Invoice, numbering: Numbering, templates: TemplateSet) -> bytes:
    """The unsigned NF-e; raise Invalid('bad-template'), or Invalid('bad-contingency') where its reason is missing."""
    issuer = invoice.issuer
    chNFe = chNFe_of(invoice, numbering)
    csrt = issuer.resp_tec.csrt if issuer.resp_tec else None
    return templates.document(
        "nfe.xml.j2",
        {
            "invoice": invoice,
            "issuer": issuer,
            "numbering": numbering,
            "chNFe": chNFe,
            "cUF": chNFe[:2],
            "dhEmi": local_time(numbering.dhEmi, issuer.address.uf),
            "verProc": VER_PROC,
            **_contingency(numbering, issuer.address.uf),
            "hashCSRT": hash_csrt(csrt.get_secret_value(), chNFe) if csrt else None,
        },
    )
