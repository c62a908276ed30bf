"""A cancellation taken back by a person: the shipment goes on, or rests, in the state it has.

It is the way out where SEFAZ cancels no more (501, 219, the deadline). Where the event may have arrived, SEFAZ is asked
first: a note that it has cancelled stays cancelled.
"""

from typing import Any

from workflow.authorization import place_of, wait_if_told
from workflow.errors import Invalid, RetryLater
from workflow.models import DocumentKind
from workflow.nfe.protocol import protocol_of
from workflow.nfe.reactions import Reaction, reaction
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.stops import Side
from workflow.tools import UNTIL_CERTAIN, Tools


def withdraw(tools: Tools, id: str, *, reason: str, actor: str) -> State:
    """Take the cancellation, or the reissue, of a shipment back; its state.

    Raise Invalid where there is none to take back, or SEFAZ has registered it; RetryLater where that is not certain.
    """
    row = tools.store.shipment(id)
    if row is None or not row.cancelling:
        raise Invalid("nothing-to-withdraw", f"no cancellation of {id} is under way; see: nfe history {id}")
    if row.sent_at is not None and State(row.state) in AUTHORIZED_AND_LATER:
        _check_not_registered(tools, row)
    if not tools.store.withdraw(id, seq=row.seq, reason=reason, actor=actor):
        raise RetryLater("in-a-workers-hands", f"a worker has {id} in hand; try again in a minute")
    return State(row.state)


def _check_not_registered(tools: Tools, row: Any) -> None:
    """Ask SEFAZ by key what became of an event that may have arrived."""
    wait = row.sent_at + UNTIL_CERTAIN - tools.store.now()
    if wait.total_seconds() > 0:
        minutes = int(wait.total_seconds() // 60) + 1
        raise RetryLater("maybe-on-its-way", f"the cancellation was sent and not answered; ask in {minutes} min")
    key = protocol_of(tools.document(row.id, DocumentKind.NFEPROC)).chNFe
    seller = tools.seller(row.seller_id, Side.SEFAZ)
    with seller.consult_permit(key, row.id):
        answer = seller.sefaz.consult(key, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place_of(key))
    wait_if_told(answer.cStat, answer.xMotivo)
    found = reaction(answer.cStat, "consulta")
    if found is Reaction.CANCELLED:
        raise Invalid(
            "already-cancelled", f"SEFAZ has cancelled this NF-e ({answer.cStat}); finish it: nfe retry {row.id}"
        )
    if found is not Reaction.DONE:
        raise Invalid(answer.cStat, answer.xMotivo)
