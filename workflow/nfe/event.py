"""The cancellation of an authorised NF-e: event 110111, signed like the NF-e, and its `procEventoNFe`."""

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

_SHORTEST, _LONGEST = 15, 255  # TJust


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


def splice_event(signed: bytes, retEvento: bytes) -> bytes:
    """The procEventoNFe of the stored event and SEFAZ's answer.

    Raise Invalid('event-not-registered') or Invalid('event-other-key').
    """
    answer = parsed(retEvento)
    cStat = answer.findtext(f"{{{NFE}}}infEvento/{{{NFE}}}cStat") or ""
    if cStat not in REGISTERED:
        raise Invalid("event-not-registered", f"the event's cStat is {cStat}: not registered")
    key = f"{{{NFE}}}infEvento/{{{NFE}}}chNFe"
    answered = answer.findtext(key)
    if answered is not None and answered != parsed(signed).findtext(key):
        raise Invalid("event-other-key", f"the answer is of {answered}, another NF-e")
    return joined("procEventoNFe", "1.00", signed, retEvento)
