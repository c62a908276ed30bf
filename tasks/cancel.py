"""cancel: any state → CANCELLED.

Before SEFAZ authorised the NF-e by not going on; afterwards by event 110111, inside its deadline.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from tasks.app import stage
from workflow import handovers, numbers
from workflow.adoption import refuse_where_it_lives
from workflow.authorization import ask_by_every_key, place_of, wait_for_queue, wait_if_told
from workflow.clients.sefaz import EventResult
from workflow.engine import Done
from workflow.errors import Invalid, LostAnswer, RetryLater, SellerStopped
from workflow.models import ASKED, REISSUE, DocumentKind, NumberStatus
from workflow.nfe import event, signature, tables
from workflow.nfe.protocol import Protocol, protocol_of
from workflow.nfe.reactions import Reaction, reaction
from workflow.orders import MAX_REASON, MIN_REASON
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.stops import Side
from workflow.store import Claim, Left
from workflow.tools import Tools

#: The event is there already (573), the note is cancelled (420), or is not what we think: SEFAZ is asked by key.
_ASKED_ABOUT = frozenset({Reaction.ASK_BY_KEY, Reaction.CANCELLED, Reaction.DONE})


@stage
def cancel(claim: Claim, tools: Tools) -> Done:
    """Cancel what there is to cancel."""
    if claim.state in AUTHORIZED_AND_LATER:
        return _cancel_at_sefaz(claim, tools)
    if claim.state is State.GENERATED and claim.sent_at is not None:
        wait_for_queue(claim, tools, tools.document(claim.id, DocumentKind.NFE))
        found = ask_by_every_key(claim, tools)
        if found is not None:
            return found  # authorised after all: the next try cancels it there
        tools.wait_until_certain(claim)
    refuse_where_it_lives(claim, tools)
    return Done(
        state=State.CANCELLED,
        reason="no NF-e was authorised; its number, if any, is to be voided",
        also=lambda connection, now: numbers.decide(connection, claim.id, claim.turn, NumberStatus.UNUSED, now=now),
    )


def _cancel_at_sefaz(claim: Claim, tools: Tools) -> Done:
    protocol = protocol_of(tools.document(claim.id, DocumentKind.NFEPROC))
    proof = _proof(claim, tools, protocol) if claim.sent_at is not None else None
    if proof is not None:
        return _cancelled(claim, tools, "101", "SEFAZ had registered the cancellation", *proof)
    _check_deadline(claim, tools, protocol)
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    unsigned = event.render_cancellation(
        chNFe=protocol.chNFe, nProt=protocol.nProt, justification=_justification(claim, tools),
        dhEvento=tools.store.now(), cnpj=seller.issuer.cnpj, uf=seller.uf, tpAmb=seller.issuer.tpAmb,
        templates=seller.templates,
    )  # fmt: skip
    signed = signature.sign(unsigned, seller.signing_key)
    tools.before_sending(claim)
    try:
        answer = seller.sefaz.send_event(
            signed,
            uf=seller.uf,
            tpAmb=seller.issuer.tpAmb,
            idLote=tools.batch_id(),
            tpEmis=place_of(protocol.chNFe),
        )
    except LostAnswer:
        raise
    except RetryLater:
        tools.store.mark_unsent(claim)
        raise
    return _after_event(claim, tools, protocol, signed, answer)


def _after_event(claim: Claim, tools: Tools, protocol: Protocol, signed: bytes, answer: EventResult) -> Done:
    """What NFeRecepcaoEvento4's answer leads to: what `workflow.nfe.reactions` says of its cStat."""
    cStat, xMotivo = answer.cStat, answer.xMotivo
    if cStat in event.REGISTERED and answer.retEvento is not None:
        left = Left(DocumentKind.CANCELLATION, event.splice_event(signed, answer.retEvento))
        return _cancelled(claim, tools, cStat, xMotivo, left)
    found = reaction(cStat, "evento")
    if found in _ASKED_ABOUT:
        proof = _proof(claim, tools, protocol)
        if proof is not None:
            return _cancelled(claim, tools, cStat, xMotivo, *proof)
        raise Invalid(cStat, xMotivo)
    wait_if_told(cStat, xMotivo, "evento")
    tools.store.mark_unsent(claim)  # SEFAZ did not register it
    raise (SellerStopped if found is Reaction.SELLER_STOP else Invalid)(cStat, xMotivo)


def _cancelled(claim: Claim, tools: Tools, cStat: str, xMotivo: str, *left: Left) -> Done:
    """The note is cancelled at SEFAZ: the end, or, where a reissue was asked for, the beginning of the next one."""
    begins_anew = _last_order(claim, tools).code == REISSUE

    def also(connection: Connection, now: datetime) -> None:
        handovers.follow(connection, claim.id, claim.access_key or "", now=now)
        if begins_anew:
            numbers.turn_over(connection, claim.id, claim.turn, now=now)

    state = State.FETCHED if begins_anew else State.CANCELLED
    return Done(state=state, documents=left, code=cStat, reason=xMotivo, also=also)


def _proof(claim: Claim, tools: Tools, protocol: Protocol) -> tuple[Left, ...] | None:
    """The procEventoNFe that SEFAZ keeps, where it tells it; None when the note is not cancelled."""
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    with seller.consult_permit(protocol.chNFe, claim.id):
        answer = seller.sefaz.consult(
            protocol.chNFe, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place_of(protocol.chNFe)
        )
    wait_if_told(answer.cStat, answer.xMotivo)
    if reaction(answer.cStat, "consulta") is not Reaction.CANCELLED:
        return None
    return tuple(Left(DocumentKind.CANCELLATION, kept) for kept in answer.events if b"<tpEvento>110111<" in kept)


def _check_deadline(claim: Claim, tools: Tools, protocol: Protocol) -> None:
    age = tools.store.now() - protocol.dhRecbto
    in_time, late = tables.cancel_deadlines()[tools.seller(claim.seller_id, Side.SEFAZ).uf]
    limit = late if tools.settings.cancel_late else in_time
    if age > limit:
        hours = limit // timedelta(hours=1)
        raise Invalid("cancel-deadline-over", f"authorised more than {hours} h ago: issue a devolution NF-e (finNFe 4)")


def _last_order(claim: Claim, tools: Tools) -> Any:
    """The history's line of who asked for the cancellation, and why."""
    return next(line for line in reversed(tools.store.history(claim.id)) if line.outcome == ASKED)


def _justification(claim: Claim, tools: Tools) -> str:
    """What was given as the reason, long enough for xJust."""
    text = _last_order(claim, tools).reason or "Cancelamento solicitado"
    return (text if len(text) >= MIN_REASON else f"Cancelamento: {text}".ljust(MIN_REASON, "."))[:MAX_REASON]
