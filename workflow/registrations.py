"""Whether a company that buys is a contributor of ICMS: its state's register knows (CadConsultaCadastro4).

A CNPJ with an active registration may not be sent as a non-contributor (232), so the register is asked before the
document is made. It is asked in vain a few times at most: a register that is down stops no sale.
"""

from workflow.errors import Invalid, RetryLater
from workflow.logs import logger
from workflow.nfe.address import uf_of
from workflow.nfe.buyer import cnpj_in
from workflow.nfe.shipment_detail import ShipmentDetail
from workflow.stops import Side
from workflow.store import Claim
from workflow.tools import Tools

#: Tries of the stage in which an unanswered question makes it wait; afterwards it goes on without the answer.
PATIENCE = 3

log = logger(__name__)


def registration_of_buyer(claim: Claim, tools: Tools, detail: ShipmentDetail) -> str | None:
    """The buyer's IE; None for a person, where there is none, and where its state does not tell.

    Raise Invalid for several active registrations: which of them buys, nobody told.
    """
    cnpj = cnpj_in(detail.BuyerTaxInfo)
    uf = uf_of(detail.ShippingAddress.StateOrRegion) if detail.ShippingAddress else None
    if cnpj is None or uf is None or not tools.settings.ask_taxpayer:
        return None
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    try:
        answer = seller.sefaz.taxpayer(uf=uf, tpAmb=seller.issuer.tpAmb, cnpj=cnpj)
    except RetryLater as error:
        if claim.tries < PATIENCE and error.counts:
            raise
        log.warning("register does not answer", shipment=claim.id, uf=uf, code=error.code)
        return None
    active = sorted({one.ie for one in answer.active if one.uf == uf})
    if len(active) > 1:
        raise Invalid(
            "several-registrations",
            f"the buyer has {len(active)} active registrations in {uf}; issue this one by other means, or set "
            "NFE_ASK_TAXPAYER=false to send it without",
        )
    return active[0] if active else None
