"""The events of an authorised NF-e, signed like it: cancellation (110111), letter of correction (110110).

Each is kept as its `procEventoNFe`. A letter of correction replaces the ones before it: its text tells everything
that is to be corrected, and neither amounts, nor parties, nor the date can be (MOC 7.0; Ajuste SINIEF 07/05, 14-A).
"""

from datetime import datetime

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.protocol import joined
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE
from workflow.nfe.text import fit
from workflow.nfe.xml import TemplateSet, local_time

#: 135 bound to the NF-e, 136 registered but not bound, 155 bound after the deadline (MOC 7.0, events).
REGISTERED = frozenset({"135", "136", "155"})

#: Letters of correction per NF-e (MOC 7.0: 594 beyond it).
MOST_CORRECTIONS = 20

_SHORTEST, _LONGEST = 15, 255  # TJust
_LONGEST_CORRECTION = 1000


def render_cancellation(
    *,
    chNFe: str,
    nProt: str,
    justification: str,
    dhEvento: datetime,
    cnpj: str,
    uf: str,
    tpAmb: int,
    templates: TemplateSet,
) -> bytes:
    """The unsigned event; `dhEvento` is aware; raise Invalid('bad-justification') outside 15 to 255 characters."""
    xJust = fit(justification, _LONGEST)
    if len(xJust) < _SHORTEST:
        raise Invalid("bad-justification", f"the reason of a cancellation has {_SHORTEST} to {_LONGEST} characters")
    return templates.document(
        "event_cancel.xml.j2",
        {
            "chNFe": chNFe,
            "nProt": nProt,
            "xJust": xJust,
            "dhEvento": local_time(dhEvento, uf),
            "cnpj": cnpj,
            "cOrgao": tables.ufs()[uf].cUF,
            "tpAmb": tpAmb,
        },
    )


def render_correction(
    *,
    chNFe: str,
    correction: str,
    nSeqEvento: int,
    dhEvento: datetime,
    cnpj: str,
    uf: str,
    tpAmb: int,
    templates: TemplateSet,
) -> bytes:
    """The unsigned letter of correction, the `nSeqEvento`th of its NF-e; `dhEvento` is aware.

    Raise Invalid('bad-correction') outside 15 to 1000 characters, Invalid('too-many-corrections') beyond the 20th.
    """
    xCorrecao = correction_text(correction)
    if len(xCorrecao) < _SHORTEST:
        wrong = f"the text of a letter of correction has {_SHORTEST} to {_LONGEST_CORRECTION} characters"
        raise Invalid("bad-correction", wrong)
    if not 1 <= nSeqEvento <= MOST_CORRECTIONS:
        raise Invalid("too-many-corrections", f"an NF-e has at most {MOST_CORRECTIONS} letters of correction")
    return templates.document(
        "event_correct.xml.j2",
        {
            "chNFe": chNFe,
            "nSeqEvento": nSeqEvento,
            "xCorrecao": xCorrecao,
            "dhEvento": local_time(dhEvento, uf),
            "cnpj": cnpj,
            "cOrgao": tables.ufs()[uf].cUF,
            "tpAmb": tpAmb,
        },
    )


def correction_text(correction: str) -> str:
    """A letter's text as it is written into it."""
    return fit(correction, _LONGEST_CORRECTION)


def splice_event(signed: bytes, retEvento: bytes) -> bytes:
    """The procEventoNFe of the stored event and SEFAZ's answer.

    Raise Invalid('event-not-registered'), or Invalid('event-other-key') when SEFAZ answers about another event.
    """
    answer = parsed(retEvento)
    cStat = answer.findtext(f"{{{NFE}}}infEvento/{{{NFE}}}cStat") or ""
    if cStat not in REGISTERED:
        raise Invalid("event-not-registered", f"the event's cStat is {cStat}: not registered")
    asked = parsed(signed)
    for tag in ("chNFe", "tpEvento", "nSeqEvento"):
        path = f"{{{NFE}}}infEvento/{{{NFE}}}{tag}"
        answered = answer.findtext(path)
        if answered is not None and answered != asked.findtext(path):
            raise Invalid("event-other-key", f"the answer is of {tag} {answered}, another event's")
    return joined("procEventoNFe", "1.00", signed, retEvento)
