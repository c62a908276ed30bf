"""What SEFAZ's answers about one NF-e mean for its shipment.

`workflow.nfe.reactions` says what each cStat asks for; this file does it. 104 says that the batch was processed, never
that the note was authorised; 100, 120 and 150 say so, and only with our key and our digest (MOC 7.0 Anexo I, 4.4).
"""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile

from sqlalchemy import Connection

from workflow import contingency, numbers
from workflow.clients.sefaz import Authorization, Consultation
from workflow.engine import Done
from workflow.errors import Invalid, LostAnswer, RetryLater, SellerStopped
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe import protocol
from workflow.nfe.access_key import split
from workflow.nfe.reactions import Reaction, Service, key_in, reaction
from workflow.nfe.signature import digest_value
from workflow.states import Stage, State
from workflow.stops import UNKNOWN_NUMBERS, Side
from workflow.store import Claim, Left
from workflow.tools import Tools

#: Ways in which an answer of NFeAutorizacao4 leaves the note refused; what else follows is beside each.
_REFUSED = frozenset({Reaction.REJECTED_FIX, Reaction.PERSON, Reaction.SELLER_STOP, Reaction.OUR_BUG})
#: After these nothing else of the seller goes out before a person mends it.
_STOPS_SELLER = frozenset({Reaction.SELLER_STOP, Reaction.OUR_BUG})
#: The number was voided: 206, 256, 563. Of other burnt ones an NF-e has it.
_VOIDED = frozenset({"206", "256", "563"})
#: The batch is queued, and its receipt is nRec; it is still in process; SEFAZ does not know the receipt.
QUEUED, IN_PROCESS, UNKNOWN_RECEIPT = "103", "105", "106"
#: The least time until a receipt is asked for, in seconds.
SHORTEST_QUEUE = 5
_RECEIPT = re.compile(r"nRec (\d{15})")
#: How long nothing is sent after a 656 that came past the barrier.
BLOCKED_FOR = timedelta(minutes=65)


def after_answer(claim: Claim, tools: Tools, signed: bytes, answer: Authorization) -> Done:
    """What NFeAutorizacao4's answer leads to: what `workflow.nfe.reactions` says of its cStat."""
    found = reaction(answer.cStat)
    if answer.cStat == QUEUED and answer.nRec is not None:
        wait = timedelta(seconds=max(answer.tMed or 0, SHORTEST_QUEUE))
        raise LostAnswer(QUEUED, f"{answer.xMotivo}; nRec {answer.nRec}", after=wait)
    if found is Reaction.DONE:
        if answer.protNFe is None:
            raise LostAnswer("no-protocol", f"SEFAZ said {answer.cStat} without a protocol; it is asked by key")
        return _authorized(claim, tools, signed, answer.protNFe, answer.cStat, answer.xMotivo)
    if found is Reaction.ASK_BY_KEY:
        return _ask_again(claim, tools, signed, answer.cStat)
    if found is Reaction.CANCELLED:
        return _used(claim, State.CANCELLED, protocol.chNFe_of(signed), answer.cStat, answer.xMotivo)
    if found is Reaction.NUMBER_TAKEN:
        return _taken(claim, tools, answer)
    if found is Reaction.NUMBER_BURNT:
        return _refused(answer, also=_give_up(claim, answer.cStat))
    if found is Reaction.LEAVE_SVC:
        return contingency.leave(claim, tools, answer.cStat, answer.xMotivo)
    if found in _REFUSED:
        return _refused(answer, stops_seller=found in _STOPS_SELLER)
    wait_if_told(answer.cStat, answer.xMotivo)
    raise RetryLater(answer.cStat, answer.xMotivo)


def ask_for_receipt(claim: Claim, tools: Tools, signed: bytes) -> Done | None:
    """Ask what became of a queued batch, where an answer gave its receipt; None: there is none to ask for."""
    answer = _queued(claim, tools, signed)
    return None if answer is None else after_answer(claim, tools, signed, answer)


def wait_for_queue(claim: Claim, tools: Tools, signed: bytes) -> None:
    """Raise RetryLater while the document waits under a receipt: till then SEFAZ knows no such key, and may soon."""
    answer = _queued(claim, tools, signed)
    if answer is not None:
        wait_if_told(answer.cStat, answer.xMotivo)


def _queued(claim: Claim, tools: Tools, signed: bytes) -> Authorization | None:
    """What became of the batch that has the document; None: no receipt of it is known, here or at SEFAZ.

    It is asked for ever more seldom: SEFAZ answers forty questions about a receipt in an hour.
    """
    nRec = _receipt(claim, tools)
    if nRec is None:
        return None
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    place = place_of(protocol.chNFe_of(signed))
    answer = seller.sefaz.receipt(nRec, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place)
    if answer.cStat == IN_PROCESS:
        wait = timedelta(seconds=SHORTEST_QUEUE * 2 ** min(claim.tries - 1, 16))
        raise LostAnswer(QUEUED, f"{answer.xMotivo}; nRec {nRec}", after=min(wait, tools.settings.backoff_cap))
    return None if answer.cStat == UNKNOWN_RECEIPT else answer


def _receipt(claim: Claim, tools: Tools) -> str | None:
    """The last receipt that was given for the newest document, whatever was answered since."""
    since = takewhile(lambda line: line.stage != Stage.GENERATE, reversed(tools.store.history(claim.id)))
    told = (_RECEIPT.search(line.reason or "") for line in since if line.code == QUEUED)
    return next((found[1] for found in told if found is not None), None)


def _ask_again(claim: Claim, tools: Tools, signed: bytes, cStat: str) -> Done:
    found = ask_by_key(claim, tools, signed)
    if found is None:
        raise RetryLater(cStat, "SEFAZ says it has the note but does not know its key; asked again later")
    return found


def _taken(claim: Claim, tools: Tools, answer: Authorization) -> Done:
    """Another key holds the number: an earlier document of this shipment, which is adopted, or a note of elsewhere."""
    key = key_in(answer.xMotivo)
    for earlier in tools.store.versions(claim.id, DocumentKind.NFE) if key else ():
        if protocol.chNFe_of(earlier) == key:
            return _ask_again(claim, tools, earlier, answer.cStat)
    # Whoever issued it, there may be more of them.
    refused = _refused(answer, also=_give_up(claim, answer.cStat), stops_seller=True)
    return replace(refused, stop_code=UNKNOWN_NUMBERS)


def _refused(
    answer: Authorization,
    *,
    also: Callable[[Connection, datetime], None] | None = None,
    stops_seller: bool = False,
) -> Done:
    return Done(
        state=State.REJECTED,
        documents=() if answer.protNFe is None else (Left(DocumentKind.REJECTION, answer.protNFe),),
        code=answer.cStat,
        reason=answer.xMotivo,
        also=also,
        stops_seller=stops_seller,
    )


def _give_up(claim: Claim, cStat: str) -> Callable[[Connection, datetime], None]:
    """The number is lost to the shipment: its next document takes the next one."""
    return lambda connection, now: numbers.give_up(connection, claim.id, claim.turn, _fate(cStat), now=now)


def _decide(claim: Claim, status: NumberStatus) -> Callable[[Connection, datetime], None]:
    return lambda connection, now: numbers.decide(connection, claim.id, claim.turn, status, now=now)


def _fate(cStat: str) -> NumberStatus:
    """What became of a number that is lost."""
    return NumberStatus.VOIDED if cStat in _VOIDED else NumberStatus.USED


def ask_by_every_key(claim: Claim, tools: Tools) -> Done | None:
    """Ask about every document with the shipment's present number, newest first; None: SEFAZ has none of them.

    Of a number before it, which a reissue or another's note took, SEFAZ has decided. Raise Invalid where another key
    holds the number and it is none of these.
    """
    taken: Invalid | None = None
    asked: set[str] = set()
    documents = tools.store.versions(claim.id, DocumentKind.NFE)
    present = _number_of(documents[0]) if documents else None
    for signed in documents:
        key = protocol.chNFe_of(signed)
        if key in asked or _number_of(signed) != present:
            continue
        asked.add(key)
        try:
            found = ask_by_key(claim, tools, signed, sends=False)
        except Invalid as error:
            taken = error
            continue
        if found is not None:
            return found
    if taken is not None:
        raise taken
    return None


def _number_of(signed: bytes) -> tuple[str, str, str]:
    key = split(protocol.chNFe_of(signed))
    return key.CNPJ, key.serie, key.nNF


def ask_by_key(claim: Claim, tools: Tools, signed: bytes, *, sends: bool = True) -> Done | None:
    """Ask NFeConsultaProtocolo4 what became of the note; None: SEFAZ never had it, send the same bytes.

    Where another key holds the number (562, 613), sending says so again, and what follows; who does not send, stops.
    Where the number is lost without an authorised note (110), who sends is refused; for who cancels it is the end.
    """
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    key = protocol.chNFe_of(signed)
    with seller.consult_permit(key, claim.id):
        answer = seller.sefaz.consult(key, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place_of(key))
    if sends and reaction(answer.cStat, "consulta") is Reaction.NUMBER_TAKEN:
        return None
    return _after_question(claim, tools, signed, answer, sends=sends)


def place_of(key: str) -> int:
    """The tpEmis in a key: where its note was sent, is asked for and is cancelled (6 SVC-AN, 7 SVC-RS, else the UF).

    >>> place_of("35261199999999000191550010000000011482109373")
    1
    """
    return int(split(key).tpEmis)


def _after_question(claim: Claim, tools: Tools, signed: bytes, answer: Consultation, *, sends: bool) -> Done | None:
    found = reaction(answer.cStat, "consulta")
    if found is Reaction.RESEND:
        return None
    if found is Reaction.DONE:
        if answer.protNFe is None:
            raise RetryLater("no-protocol", f"SEFAZ said {answer.cStat} without a protocol; asked again later")
        return _authorized(claim, tools, signed, answer.protNFe, answer.cStat, answer.xMotivo)
    if found is Reaction.CANCELLED:
        return _used(claim, State.CANCELLED, protocol.chNFe_of(signed), answer.cStat, answer.xMotivo)
    if found is Reaction.NUMBER_BURNT:
        return _lost(claim, answer, sends=sends)
    wait_if_told(answer.cStat, answer.xMotivo)
    raise (SellerStopped if found is Reaction.SELLER_STOP else Invalid)(answer.cStat, answer.xMotivo)


def _lost(claim: Claim, answer: Consultation, *, sends: bool) -> Done:
    """The note was denied, or its number voided: the number is lost, and no note was authorised with it."""
    return Done(
        state=State.REJECTED if sends else State.CANCELLED,
        documents=() if answer.protNFe is None else (Left(DocumentKind.REJECTION, answer.protNFe),),
        code=answer.cStat,
        reason=answer.xMotivo,
        also=_give_up(claim, answer.cStat) if sends else _decide(claim, _fate(answer.cStat)),
    )


def wait_if_told(cStat: str, xMotivo: str, service: Service = "consulta") -> None:
    """Raise RetryLater where SEFAZ decided nothing and says so."""
    found = reaction(cStat, service)
    if found in (Reaction.WAIT, Reaction.LEAVE_SVC):
        raise RetryLater(cStat, xMotivo)
    if found is Reaction.BLOCKED:
        raise RetryLater(cStat, xMotivo, after=BLOCKED_FOR)


def _authorized(claim: Claim, tools: Tools, signed: bytes, protNFe: bytes, cStat: str, xMotivo: str) -> Done:
    nfeproc = _spliced(claim, tools, signed, protNFe)
    done = _used(claim, State.AUTHORIZED, protocol.chNFe_of(signed), cStat, xMotivo)
    return replace(done, documents=(Left(DocumentKind.NFEPROC, nfeproc),))


def _spliced(claim: Claim, tools: Tools, signed: bytes, protNFe: bytes) -> bytes:
    """The nfeProc of the version that SEFAZ authorised: the newest, or an earlier one of the same key and number, which
    came late and was authorised after all.
    """
    key, digVal = protocol.chNFe_of(signed), protocol.parse_protocol(protNFe).digVal
    if digVal == digest_value(signed):
        return protocol.splice(signed, protNFe)
    alike = [one for one in tools.store.versions(claim.id, DocumentKind.NFE) if protocol.chNFe_of(one) == key]
    meant = next((one for one in alike if digest_value(one) == digVal), signed)
    return protocol.splice(meant, protNFe, is_sole=len(alike) == 1)


def _used(claim: Claim, state: State, key: str, cStat: str, xMotivo: str) -> Done:
    """SEFAZ has, or had, an authorised NF-e: its number is used for ever."""
    return Done(
        state=state,
        access_key=key,  # an adopted note is not the newest document
        code=cStat,
        reason=xMotivo,
        also=lambda connection, now: numbers.decide(
            connection, claim.id, claim.turn, NumberStatus.USED, now=now, access_key=key
        ),
    )
