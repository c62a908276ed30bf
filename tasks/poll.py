"""poll: SUBMITTED → ACCEPTED or ERRORED, or SUBMITTED again with a longer wait. The wait is in the row."""

import re
from collections.abc import Callable
from datetime import datetime
from itertools import takewhile

from sqlalchemy import Connection

from tasks.app import stage
from workflow import handovers
from workflow.clients.pace import after
from workflow.engine import Done
from workflow.errors import Invalid
from workflow.logs import logger
from workflow.models import Channel, DocumentKind
from workflow.states import Stage, State
from workflow.stops import Side
from workflow.store import Claim, Left
from workflow.tools import Tools

log = logger(__name__)

#: What a status of Amazon's looks like, a new one too.
_WORD = re.compile(r"[A-Z][A-Za-z]{1,39}")
#: Answers of NotFound, one after the other, after which Amazon is believed not to have the file.
NOT_FOUND_LIMIT = 3
#: Submissions that Amazon may lose before a person is asked.
LOST_LIMIT = 3


@stage
def poll(claim: Claim, tools: Tools) -> Done:
    """Ask for Amazon's verdict once."""
    seller = tools.seller(claim.seller_id, Side.AMAZON)
    with seller.permit("getInvoiceStatus", claim.id):
        status, raw = seller.submission.invoice_status(claim.amazon_shipment_id)
    verdict = (Left(DocumentKind.VERDICT, raw),)
    if status in ("Accepted", "Errored"):
        tools.pace.learn(claim.seller_id, questions=claim.tries)
    if status == "Accepted":
        return Done(state=State.ACCEPTED, documents=verdict, code=status, also=_handed_on(claim, seller.channels))
    if status == "Errored":
        reason = "Amazon gives no reason; compare CNPJ, buyer and amounts with Seller Central, then `nfe retry`"
        return Done(state=State.ERRORED, documents=verdict, code=status, reason=reason)
    if status == "NotFound" and _is_lost(claim, tools):
        return Done(state=State.AUTHORIZED, code=status, reason="Amazon does not have the file: it is submitted again")
    wait = after(tools.pace.first(claim.seller_id), claim.tries, longest=tools.settings.poll_cap)
    if status in ("Processing", "NotFound"):
        return Done(state=State.SUBMITTED, after=wait, code=status)
    # A sentence may hold a buyer's data: it is in the history only, where these are starred out.
    word = status if _WORD.fullmatch(status) else "no word"
    log.warning("unknown InvoiceStatus", shipment=claim.id, status=word)
    return Done(state=State.SUBMITTED, after=wait, code="unknown-status", reason=f"Amazon says {status[:40]!r}")


def _handed_on(claim: Claim, channels: tuple[Channel, ...]) -> Callable[[Connection, datetime], None] | None:
    """What lets the note be handed on, where its seller wants that."""
    key = claim.access_key
    if not channels or key is None:
        return None
    return lambda connection, now: handovers.begin(connection, claim.id, key, channels, now=now)


def _is_lost(claim: Claim, tools: Tools) -> bool:
    """Whether Amazon has not had the file for some time; raise Invalid when that happens again and again."""
    lines = [line for line in tools.store.history(claim.id) if line.stage in (Stage.POLL, Stage.SUBMIT, "retry")]
    in_a_row = list(takewhile(lambda line: line.stage == Stage.POLL and line.code == "NotFound", reversed(lines)))
    if len(in_a_row) + 1 < NOT_FOUND_LIMIT:
        return False
    since = list(takewhile(lambda line: line.stage != "retry", reversed(lines)))
    if sum(line.state == State.AUTHORIZED and line.code == "NotFound" for line in since) >= LOST_LIMIT:
        raise Invalid("file-not-kept", f"Amazon took the file {LOST_LIMIT + 1} times and never had it; ask its support")
    return True
