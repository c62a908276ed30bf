"""submit: AUTHORIZED → SUBMITTED. Amazon gets the stored nfeProc; a lost answer is asked for first."""

from tasks.app import stage
from workflow.adoption import is_from_before
from workflow.engine import Done
from workflow.errors import Invalid, LostAnswer, RetryLater
from workflow.models import DocumentKind
from workflow.settings import is_real_amazon
from workflow.states import Stage, State
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
    if (claim.sent_at is not None or is_from_before(claim, tools, seller)) and _has_it(claim, tools, seller):
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


def _has_it(claim: Claim, tools: Tools, seller: SellerTools) -> bool:
    """Whether Amazon has the file from the try whose answer was lost."""
    with seller.permit("getInvoiceStatus", claim.id):
        status = seller.submission.invoice_status(claim.amazon_shipment_id).status
    return status != "NotFound" and not _may_be_of_before(claim, tools, status)


def _may_be_of_before(claim: Claim, tools: Tools, status: str) -> bool:
    """Whether the status may be an older submission's: it names no file, and no moment.

    That is so once a reissue has given the shipment another note, and for an Errored that a person has read before. The
    same bytes once more harm nobody then; without them Amazon may be left with a note that is cancelled at SEFAZ.
    """
    lines = tools.store.history(claim.id)
    is_reissued = any(line.stage == Stage.CANCEL and line.state == State.FETCHED for line in lines)
    return is_reissued or (status == "Errored" and any(line.state == State.ERRORED for line in lines))
