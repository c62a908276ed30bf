"""submit: AUTHORIZED → SUBMITTED. Amazon gets the stored nfeProc; a lost answer is asked for first."""

from tasks.app import stage
from workflow.engine import Done
from workflow.errors import Invalid, LostAnswer, RetryLater
from workflow.models import DocumentKind
from workflow.settings import is_real_amazon
from workflow.states import State
from workflow.stops import Side
from workflow.store import Claim
from workflow.tools import SellerTools, Tools

#: tpAmb of notes without fiscal value.
HOMOLOGATION = 2


@stage
def submit(claim: Claim, tools: Tools) -> Done:
    """Hand the authorised file in, unless Amazon has it from an earlier try."""
    seller = tools.seller(claim.seller_id, Side.AMAZON)
    if seller.issuer.tpAmb == HOMOLOGATION and is_real_amazon(seller.amazon_url):
        raise Invalid(
            "no-fiscal-value",
            "an NF-e of homologation must not reach the real Amazon; set tpAmb = 1, or NFE_AMAZON_URL",
        )
    submitted = Done(state=State.SUBMITTED, after=tools.pace.first(claim.seller_id))
    if claim.sent_at is not None and _has_it(claim, seller):
        return submitted
    xml = tools.document(claim.id, DocumentKind.NFEPROC)
    with seller.permit("submitInvoice", claim.id):
        tools.before_sending(claim)
        try:
            seller.submission.submit_invoice(claim.amazon_shipment_id, xml)
        except LostAnswer as error:
            # Asked at once, Amazon may not know yet what is still on its way.
            error.after = tools.settings.poll_first
            raise
        except RetryLater:
            tools.store.mark_unsent(claim)  # Amazon did not take it
            raise
    return submitted


def _has_it(claim: Claim, seller: SellerTools) -> bool:
    with seller.permit("getInvoiceStatus", claim.id):
        status = seller.submission.invoice_status(claim.amazon_shipment_id).status
    # Errored may be the verdict on an earlier submission: the same bytes once more harm nobody.
    return status not in ("NotFound", "Errored")
