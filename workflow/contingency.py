"""Contingency: the SVC stands in for a UF's SEFAZ that is down, where the UF has opened it.

It is entered only when the SVC itself answers 107, and only by notes that were never sent: a note that may have reached
the UF keeps its number and its bytes and waits for the UF. It is left when the SVC answers 113 or 114, or when nobody
has asked it for a while. Source: MOC 7.0 Anexo III, 2.1.3.5; Nota Técnica 2013.007.
"""

from datetime import datetime
from typing import NamedTuple

from workflow.engine import Done
from workflow.errors import NfeError
from workflow.logs import logger
from workflow.states import State
from workflow.stops import Side
from workflow.store import Claim
from workflow.tools import SellerTools, Tools

log = logger(__name__)

#: The SVC's own words: it is in operation, for the UFs whose SEFAZ is down.
IN_OPERATION = "107"
#: xJust, 15 to 256 characters.
REASON = "SEFAZ autorizadora indisponivel; SVC ativada"


class Contingency(NamedTuple):
    """What a note in contingency says: tpEmis (6 SVC-AN, 7 SVC-RS), dhCont (aware), xJust."""

    tpEmis: int
    dhCont: datetime
    xJust: str = REASON


def in_force(tools: Tools, seller: SellerTools) -> Contingency | None:
    """The contingency in which the seller's next notes are made; None: the UF's own SEFAZ takes them."""
    found = tools.standby.get(seller.uf, seller.issuer.tpAmb)
    return None if found is None else Contingency(*found)


def enter(claim: Claim, tools: Tools) -> Done | None:
    """After tries that all failed before anything was sent: leave for the SVC, if it stands in; None: go on waiting."""
    settings = tools.settings
    if not settings.contingency or claim.tries < settings.contingency_after or claim.sent_at is not None:
        return None
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    svc, uf, tpAmb = seller.svc, seller.uf, seller.issuer.tpAmb
    try:
        answer = seller.sefaz.service_status(uf=uf, tpAmb=tpAmb, tpEmis=svc)
    except NfeError as error:
        log.warning("svc does not answer", shipment=claim.id, code=error.code)
        return None
    if answer.cStat != IN_OPERATION:
        return None
    already = in_force(tools, seller)
    if not tools.standby.put(uf, tpAmb, svc, already.dhCont if already else tools.store.now()):
        return None
    log.warning("contingency", shipment=claim.id, uf=uf, tpEmis=svc)
    return Done(state=State.FETCHED, code=answer.cStat, reason=f"contingency: made anew for the SVC, tpEmis {svc}")


def leave(claim: Claim, tools: Tools, cStat: str, xMotivo: str) -> Done:
    """The SVC takes no more notes (113, 114), and did not take this one: it is made anew for the UF.

    Not before an earlier send of the same note, whose answer was lost, can no longer arrive.
    """
    tools.wait_until_certain(claim)
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    tools.standby.drop(seller.uf, seller.issuer.tpAmb)
    return Done(state=State.FETCHED, code=cStat, reason=xMotivo)
