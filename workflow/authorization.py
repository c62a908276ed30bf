"""What SEFAZ's answers about one NF-e mean for its shipment.

Sources: MOC 7.0 Anexo I, 4.3 and 4.4; Nota Técnica 2018.002 (cStat 656). 104 says that the batch was processed, never
that the note was authorised; 100 and 150 say so, and only with our key and our digest.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from workflow import numbers
from workflow.clients.sefaz import Authorization, Consultation
from workflow.engine import Done
from workflow.errors import Invalid, LostAnswer, RetryLater
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe import protocol
from workflow.states import State
from workflow.store import Claim, Left
from workflow.tools import Tools

AUTHORIZED = frozenset({"100", "150"})
CANCELLED = frozenset({"101", "151", "155"})
#: SEFAZ has no note with this key: the same bytes may be sent again.
UNKNOWN_KEY = "217"
#: This key is authorised, or cancelled, already: an earlier answer was lost.
DUPLICATE = frozenset({"204", "218"})
#: The number is lost to us: denied (110, 205), voided (206), or another key's (539). A retry takes the next one.
BURNT = {
    "110": NumberStatus.USED, "205": NumberStatus.USED, "206": NumberStatus.VOIDED, "539": NumberStatus.USED,
}  # fmt: skip
#: SEFAZ cannot now: batch received or in process, service paused or down, this number in process, not catalogued.
LATER = frozenset({"103", "105", "106", "108", "109", "635", "999"})
#: Consumo indevido: every request for an hour is refused, and each one begins the hour again.
BLOCKED = "656"
BLOCKED_FOR = timedelta(minutes=65)


def after_answer(claim: Claim, tools: Tools, signed: bytes, answer: Authorization) -> Done:
    """What NFeAutorizacao4's answer leads to."""
    if answer.cStat in AUTHORIZED:
        if answer.protNFe is None:
            raise LostAnswer("no-protocol", f"SEFAZ said {answer.cStat} without a protocol; it is asked by key")
        return _authorized(claim, signed, answer.protNFe, answer.cStat, answer.xMotivo)
    if answer.cStat in DUPLICATE:
        found = ask_by_key(claim, tools, signed)
        if found is None:
            raise RetryLater(answer.cStat, "SEFAZ says it has the note but does not know its key; asked again later")
        return found
    wait_if_told(answer.cStat, answer.xMotivo)
    return Done(
        state=State.REJECTED,
        documents=() if answer.protNFe is None else (Left(DocumentKind.REJECTION, answer.protNFe),),
        code=answer.cStat,
        reason=answer.xMotivo,
        also=_number_given_up(claim, answer.cStat),
    )


def _number_given_up(claim: Claim, cStat: str) -> Callable[[Connection, datetime], None] | None:
    status = BURNT.get(cStat)
    if status is None:
        return None
    return lambda connection, now: numbers.give_up(connection, claim.id, claim.turn, status, now=now)


def ask_by_key(claim: Claim, tools: Tools, signed: bytes) -> Done | None:
    """Ask NFeConsultaProtocolo4 what became of the note; None: SEFAZ never had it, send the same bytes."""
    seller = tools.seller(claim.seller_id)
    key = protocol.chNFe_of(signed)
    with seller.consult_permit(key, claim.id):
        answer = seller.sefaz.consult(key, uf=seller.uf, tpAmb=seller.issuer.tpAmb)
    return _after_question(claim, signed, answer)


def _after_question(claim: Claim, signed: bytes, answer: Consultation) -> Done | None:
    if answer.cStat == UNKNOWN_KEY:
        return None
    if answer.cStat in AUTHORIZED:
        if answer.protNFe is None:
            raise RetryLater("no-protocol", f"SEFAZ said {answer.cStat} without a protocol; asked again later")
        return _authorized(claim, signed, answer.protNFe, answer.cStat, answer.xMotivo)
    if answer.cStat in CANCELLED:
        return _used(claim, State.CANCELLED, protocol.chNFe_of(signed), answer.cStat, answer.xMotivo)
    wait_if_told(answer.cStat, answer.xMotivo)
    raise Invalid(answer.cStat, answer.xMotivo)


def wait_if_told(cStat: str, xMotivo: str) -> None:
    """Raise RetryLater where SEFAZ decided nothing and says so."""
    if cStat in LATER:
        raise RetryLater(cStat, xMotivo)
    if cStat == BLOCKED:
        raise RetryLater(cStat, xMotivo, after=BLOCKED_FOR)


def _authorized(claim: Claim, signed: bytes, protNFe: bytes, cStat: str, xMotivo: str) -> Done:
    nfeproc = protocol.splice(signed, protNFe)
    done = _used(claim, State.AUTHORIZED, protocol.chNFe_of(signed), cStat, xMotivo)
    return replace(done, documents=(Left(DocumentKind.NFEPROC, nfeproc),))


def _used(claim: Claim, state: State, key: str, cStat: str, xMotivo: str) -> Done:
    """SEFAZ has, or had, an authorised NF-e: its number is used for ever."""
    return Done(
        state=state,
        code=cStat,
        reason=xMotivo,
        also=lambda connection, now: numbers.decide(
            connection, claim.id, claim.turn, NumberStatus.USED, now=now, access_key=key
        ),
    )
