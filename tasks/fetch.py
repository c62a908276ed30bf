"""fetch: RECEIVED → FETCHED. Amazon's shipment details are stored as they came."""

from tasks.app import stage
from workflow.engine import Done
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
        details = seller.amazon.shipment_details(claim.amazon_shipment_id)
    return Done(state=State.FETCHED, documents=(Left(DocumentKind.DETAILS, details),))
