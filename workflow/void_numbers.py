"""Voiding (inutilização) a seller's unused numbers at SEFAZ: grouped, signed, stored, sent, and each answer kept.

A lost answer is no decision: the request stays open, and the next run sends the same bytes, to which SEFAZ says 563
where it had voided them. A range that it refuses because of some of its numbers (241, 256) is halved until those are
found. Source: MOC 7.0, 4.3 (NFeInutilizacao4) and Anexo I, 4.4.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from workflow.clients.sefaz import VoidResult
from workflow.errors import Invalid, RetryLater, SellerStopped
from workflow.logs import logger
from workflow.models import NumberStatus, VoidingState
from workflow.nfe import schema, signature
from workflow.nfe.reactions import Reaction, reaction
from workflow.nfe.voiding import VOIDED, render_voiding, splice_voiding
from workflow.stops import Side
from workflow.tools import SellerTools, Tools
from workflow.voidings import Made, Range, Verdict, Voidings

log = logger(__name__)

#: What SEFAZ stores as xJust where nobody says otherwise.
REASON = "Numeros reservados para vendas canceladas antes da emissao da NF-e"
MIN_REASON, MAX_REASON = 15, 255
#: How long a number rests unused before the schedule voids it.
RESTED = timedelta(days=1)
#: Refusals of one run: more than twenty equal ones, and SEFAZ blocks the CNPJ (MOC 7.0 Anexo I, 4.3: 656). Enough to
#: find one number among 10,000 by halving, so that each run gets on.
MAX_REFUSALS = 15
#: How long a block of SEFAZ's lasts, and a little more.
BLOCKED_FOR = timedelta(minutes=65)

#: SEFAZ decided nothing, and may at another time.
LATER = frozenset({Reaction.WAIT, Reaction.BLOCKED, Reaction.ASK_BY_KEY, Reaction.RESEND, Reaction.LEAVE_SVC})


class Answered(NamedTuple):
    """What came of one range: `voided`, `person`, `split`, `refused`, or `skipped` without asking SEFAZ."""

    range: Range
    fate: str
    code: str
    reason: str


def check_reason(reason: str) -> str:
    """The reason without blanks around it; raise Invalid('bad-reason') where SEFAZ would not take it."""
    text = reason.strip()
    if not MIN_REASON <= len(text) <= MAX_REASON:
        raise Invalid("bad-reason", f"the reason of a voiding has {MIN_REASON} to {MAX_REASON} characters")
    return text


def void(
    tools: Tools,
    seller_id: str,
    *,
    reason: str = REASON,
    rested: timedelta = timedelta(),
    tell: Callable[[Answered], None] = lambda answered: None,
) -> None:
    """Void what the seller has unused for longer than `rested`, telling of each range.

    Raises RetryLater where SEFAZ cannot now (run it again: the same bytes go out), SellerStopped, Invalid.
    """
    justification = check_reason(reason)
    seller = tools.seller(seller_id, Side.SEFAZ)
    voidings = Voidings(tools.store)
    lease = tools.settings.lease
    until = voidings.take(seller_id, lease=lease)
    if until is None:
        raise RetryLater("voiding-under-way", f"somebody voids the numbers of {seller_id} just now", after=lease)
    run = _Run(tools, seller_id, seller, voidings, justification, until, tell)
    try:
        run.all(tools.store.now() - rested)
    finally:
        voidings.release(seller_id, run.until)


@dataclass(slots=True)
class _Run:
    """One pass over a seller's numbers, while they are ours."""

    tools: Tools
    seller_id: str
    seller: SellerTools
    voidings: Voidings
    justification: str
    until: datetime
    tell: Callable[[Answered], None]
    refusals: int = 0

    def all(self, before: datetime) -> None:
        """First what was sent before, then what is new; what is halved at once."""
        fresh = self.voidings.ranges(self.seller_id, self.seller.uf, before=before)
        work: deque[Made | Range] = deque([*self.voidings.open(self.seller_id), *fresh])
        while work:
            wanted = work.popleft()
            made = wanted if isinstance(wanted, Made) else self._make(wanted)
            if made is not None:
                work.extendleft(reversed(self._send(made)))

    def _make(self, wanted: Range) -> Made | None:
        issuer = self.seller.issuer
        if wanted.cnpj != issuer.cnpj:
            told = f"CNPJ {wanted.cnpj} is no longer the seller's: set the seller back to void them"
            self.tell(Answered(wanted, "skipped", "other-cnpj", told))
            return None
        unsigned = render_voiding(
            uf=self.seller.uf, cnpj=wanted.cnpj, year=wanted.year, serie=wanted.series, first=wanted.first,
            last=wanted.last, justification=self.justification, tpAmb=wanted.environment,
            templates=self.seller.templates,
        )  # fmt: skip
        signed = signature.sign(unsigned, self.seller.signing_key)
        schema.validate(signed, "inutNFe")
        return self.voidings.make(self.seller_id, wanted, signed)

    def _send(self, made: Made) -> list[Range]:
        """Send the stored bytes and keep the answer; returns the halves of a range that was refused as a whole."""
        self._hold()
        self.voidings.mark_sent(made)
        answer = self.seller.sefaz.void(made.signed, uf=self.seller.uf, tpAmb=made.range.environment)
        which = reaction(answer.cStat, "inutilizacao")
        if which in LATER:
            after = BLOCKED_FOR if which is Reaction.BLOCKED else None
            raise RetryLater(answer.cStat, answer.xMotivo, after=after)
        verdict = _verdict(made, answer, which)
        self.voidings.settle(made, verdict)
        log.info("voiding", seller=self.seller_id, range=str(made.range), code=answer.cStat, state=str(verdict.state))
        if which is Reaction.SELLER_STOP:
            # Authorising finds out for itself whether the seller must stop; the numbers stay to be voided.
            raise SellerStopped(answer.cStat, answer.xMotivo)
        halves = self._halves(made.range) if verdict.status is None else []
        self.tell(Answered(made.range, _fate(verdict), verdict.code, verdict.reason))
        self._count(verdict)
        return halves

    def _hold(self) -> None:
        until = self.voidings.hold(self.seller_id, self.until, lease=self.tools.settings.lease)
        if until is None:
            raise RetryLater("lease-lost", "somebody else voids these numbers now; nothing was sent")
        self.until = until

    def _halves(self, whole: Range) -> list[Range]:
        """Both halves, without numbers that turned out used meanwhile."""
        found = [self.voidings.ranges(self.seller_id, self.seller.uf, within=half) for half in whole.halves()]
        return [one._replace(year=whole.year) for half in found for one in half]

    def _count(self, verdict: Verdict) -> None:
        self.refusals += verdict.state is VoidingState.REFUSED
        if self.refusals >= MAX_REFUSALS:
            raise RetryLater(
                "many-refusals", "SEFAZ refused many ranges and would block the CNPJ; the rest another time",
                after=BLOCKED_FOR,
            )  # fmt: skip


def _verdict(made: Made, answer: VoidResult, which: Reaction) -> Verdict:
    """What an answer that decides means for the range."""
    refused = Verdict(VoidingState.REFUSED, answer.cStat, answer.xMotivo, answer.retInutNFe)
    if which is Reaction.DONE:
        return _done(made, answer, refused)
    if which is Reaction.SELLER_STOP:
        return refused
    if which in (Reaction.NUMBER_TAKEN, Reaction.NUMBER_BURNT):
        if made.range.size > 1:
            return refused
        if which is Reaction.NUMBER_BURNT:  # as part of a range that somebody voided: as good as ours
            return refused._replace(status=NumberStatus.VOIDED)
    return refused._replace(status=NumberStatus.PERSON)


def _done(made: Made, answer: VoidResult, refused: Verdict) -> Verdict:
    voided = refused._replace(state=VoidingState.DONE, status=NumberStatus.VOIDED)
    if answer.cStat != VOIDED:
        return voided  # 563: an earlier request was answered with the protocol, and that answer was lost
    try:
        return voided._replace(proof=splice_voiding(made.signed, answer.retInutNFe))
    except Invalid as error:
        return refused._replace(status=NumberStatus.PERSON, reason=error.message)


def _fate(verdict: Verdict) -> str:
    return "split" if verdict.status is None else str(verdict.status)
