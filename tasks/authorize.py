"""authorize: GENERATED → AUTHORIZED or REJECTED. SEFAZ decides on the stored bytes."""

from tasks.app import stage
from workflow import contingency
from workflow.authorization import after_answer, ask_by_key, ask_for_receipt, place_of
from workflow.clients.sefaz import Authorization
from workflow.engine import Done
from workflow.errors import Invalid, LostAnswer, RetryLater
from workflow.models import DocumentKind
from workflow.nfe.protocol import chNFe_of
from workflow.nfe.reactions import OUTAGE
from workflow.states import State
from workflow.stops import Side
from workflow.store import Claim
from workflow.tools import Tools


@stage
def authorize(claim: Claim, tools: Tools) -> Done:
    """Send the signed NF-e, unless an earlier try may have: then ask first, and send the same bytes on 217."""
    signed = tools.document(claim.id, DocumentKind.NFE)
    if claim.sent_at is not None:
        found = ask_for_receipt(claim, tools, signed) or ask_by_key(claim, tools, signed)
        if found is not None:
            return found
    try:
        answer = _send(claim, tools, signed)
    except LostAnswer:
        raise
    except Invalid as error:
        # The barrier: refused three times as it is. A retry makes the document anew from mended data.
        return Done(state=State.REJECTED, code=error.code, reason=error.message)
    except RetryLater as error:
        # A call that never left, or that SEFAZ did not take: the one case in which another place may have the note.
        elsewhere = contingency.enter(claim, tools) if error.counts else None
        if elsewhere is None:
            raise
        return elsewhere
    return after_answer(claim, tools, signed, answer)


def _send(claim: Claim, tools: Tools, signed: bytes) -> Authorization:
    """Send, with the mark that it may have left; RetryLater says that it did not, or was not taken."""
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    place = place_of(chNFe_of(signed))
    tools.before_sending(claim)
    try:
        answer = seller.sefaz.authorize(
            signed, uf=seller.uf, tpAmb=seller.issuer.tpAmb, idLote=tools.batch_id(), tpEmis=place
        )
        if answer.cStat in OUTAGE:
            raise RetryLater(answer.cStat, answer.xMotivo)
    except LostAnswer:
        raise
    except RetryLater:
        tools.store.mark_unsent(claim)
        raise
    return answer
