"""authorize: GENERATED → AUTHORIZED or REJECTED. SEFAZ decides on the stored bytes."""

from tasks.app import stage
from workflow.authorization import after_answer, ask_by_key, place_of
from workflow.engine import Done
from workflow.errors import LostAnswer, RetryLater
from workflow.models import DocumentKind
from workflow.nfe.protocol import chNFe_of
from workflow.store import Claim
from workflow.tools import Tools


@stage
def authorize(claim: Claim, tools: Tools) -> Done:
    """Send the signed NF-e, unless an earlier try may have: then ask first, and send the same bytes on 217."""
    signed = tools.document(claim.id, DocumentKind.NFE)
    if claim.sent_at is not None:
        found = ask_by_key(claim, tools, signed)
        if found is not None:
            return found
    seller = tools.seller(claim.seller_id)
    tools.before_sending(claim)
    try:
        answer = seller.sefaz.authorize(
            signed,
            uf=seller.uf,
            tpAmb=seller.issuer.tpAmb,
            idLote=tools.batch_id(),
            tpEmis=place_of(chNFe_of(signed)),
        )
    except LostAnswer:
        raise
    except RetryLater:
        tools.store.mark_unsent(claim)  # it never reached SEFAZ
        raise
    return after_answer(claim, tools, signed, answer)
