"""poll: SUBMITTED → ACCEPTED or ERRORED, or SUBMITTED again with a longer wait. The wait is in the row."""

from datetime import timedelta

from tasks.app import stage
from workflow.engine import Done
from workflow.models import DocumentKind
from workflow.settings import Settings
from workflow.states import State
from workflow.store import Claim, Left
from workflow.tools import Tools

#: Answers of NotFound after which Amazon is believed not to have the file.
NOT_FOUND_LIMIT = 3


@stage
def poll(claim: Claim, tools: Tools) -> Done:
    """Ask for Amazon's verdict once."""
    seller = tools.seller(claim.seller_id)
    with seller.permit("getInvoiceStatus", claim.id):
        status, raw = seller.amazon.invoice_status(claim.amazon_shipment_id)
    verdict = (Left(DocumentKind.VERDICT, raw),)
    if status == "Accepted":
        return Done(state=State.ACCEPTED, documents=verdict, code=status)
    if status == "Errored":
        reason = "Amazon gives no reason; compare CNPJ, buyer and amounts with Seller Central, then `nfe retry`"
        return Done(state=State.ERRORED, documents=verdict, code=status, reason=reason)
    if status == "NotFound" and claim.tries >= NOT_FOUND_LIMIT:
        return Done(state=State.AUTHORIZED, code=status, reason="Amazon does not have the file: it is submitted again")
    wait = gap(claim.tries, tools.settings)
    if status in ("Processing", "NotFound"):
        return Done(state=State.SUBMITTED, after=wait, code=status)
    return Done(state=State.SUBMITTED, after=wait, code="unknown-status", reason=f"Amazon says {status[:40]!r}")


def gap(polls: int, settings: Settings) -> timedelta:
    """From one question to the next: doubling from the first wait up to the cap."""
    seconds = max(settings.poll_first.total_seconds(), 0.2) * 2.0 ** min(polls - 1, 20)
    return min(timedelta(seconds=seconds), settings.poll_cap)
