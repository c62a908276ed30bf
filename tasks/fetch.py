"""fetch: RECEIVED → FETCHED. Amazon's shipment details are stored as they came."""

from tasks.app import stage
from workflow.clients.amazon import NoSuchShipment
from workflow.engine import Done
from workflow.errors import RetryLater
from workflow.models import DocumentKind
from workflow.states import State
from workflow.stops import Side
from workflow.store import Claim, Left
from workflow.tools import Tools


@stage
def fetch(claim: Claim, tools: Tools) -> Done:
    """Ask Amazon for the shipment's details."""
    seller = tools.seller(claim.seller_id, Side.AMAZON)
    with seller.permit("getShipmentDetails", claim.id):
        try:
            details = seller.amazon.shipment_details(claim.amazon_shipment_id)
        except NoSuchShipment as error:
            if not _is_new(claim, tools):
                raise
            raise RetryLater("not-known-yet", f"{error.message}; just announced: asked again") from error
    return Done(state=State.FETCHED, documents=(Left(DocumentKind.DETAILS, details),))


def _is_new(claim: Claim, tools: Tools) -> bool:
    """Whether the shipment was announced so lately that Amazon's API may not know it yet."""
    row = tools.store.shipment(claim.id)
    return row is not None and tools.store.now() - row.created_at < tools.settings.details_grace
