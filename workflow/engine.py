"""Claim → act → settle: the only place that changes a shipment's state.

A stage is claimed with a lease, acts with no transaction open, and is settled (state, history line, documents) in one
transaction, only if the lease is still its own. Whatever a stage raises ends here as one of: again later, or a person.
"""

import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from workflow import metrics
from workflow.catalog import SELLER_STOPPED, Catalog
from workflow.clients.notifications import CANCELLED, CREATED, IDENTIFIER, Notification, parse
from workflow.errors import Invalid, Misconfigured, NfeError, Refused, RetryLater, SellerStopped
from workflow.logs import frames, logger
from workflow.models import ASKED, WITHDRAWN, DocumentKind
from workflow.nfe.tables import cstat_texts
from workflow.privacy import discreet, values_of, without
from workflow.settings import Settings
from workflow.states import SETTLED, Stage, State, is_allowed, next_stage, remaining
from workflow.store import Claim, Left, Notice, Settlement, Store, shipment_id

log = logger(__name__)

NOW = timedelta()

#: What else belongs to the transaction that settles a stage.
Also = Callable[[Connection, datetime], None]
_CSTAT = re.compile(r"\d{3,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a stage found: the state it leads to, and what it leaves."""

    state: State
    documents: tuple[Left, ...] = ()
    #: From now until the next stage is due.
    after: timedelta = NOW
    #: The authority's code and reason, or ours, for the history.
    code: str | None = None
    reason: str | None = None
    access_key: str | None = None
    also: Also | None = None
    #: What was refused is the seller's fault, not the document's: nothing else of it goes out before it is mended.
    stops_seller: bool = False
    #: What that stop is called, where not by `code`.
    stop_code: str | None = None


#: Why a shipment is cancelled that no person cancels.
CANCELLED_BY_AMAZON = "Amazon cancelled the shipment"


class Kind(StrEnum):
    """How a stage ended, for whoever rang."""

    DONE = "done"
    WAITING = "waiting"
    STOPPED = "stopped"
    REFUSED = "refused"
    SKIPPED = "skipped"


class Outcome(NamedTuple):
    """How a stage ended; `goes_on` says whether the chain's next link has something to do now."""

    kind: Kind
    state: State | None = None
    code: str | None = None
    reason: str | None = None
    wait: timedelta | None = None
    goes_on: bool = False


class Reception(StrEnum):
    """What a notification came to."""

    CREATED = "created"
    REPEATED = "repeated"
    CANCELLING = "cancelling"
    BURIED = "buried"
    IGNORED = "ignored"


Act = Callable[[Claim], Done]


def backoff(tries: int, *, base: timedelta, cap: timedelta, draw: Callable[[], float]) -> timedelta:
    """Full jitter: anything from a tenth of a second up to base × 2^(tries-1), at most `cap`.

    >>> backoff(3, base=timedelta(seconds=2), cap=timedelta(minutes=15), draw=lambda: 1.0).total_seconds()
    8.0
    >>> backoff(99, base=timedelta(seconds=2), cap=timedelta(minutes=15), draw=lambda: 0.5).total_seconds()
    450.0
    """
    ceiling = min(cap.total_seconds(), base.total_seconds() * 2.0 ** min(tries - 1, 32))
    return timedelta(seconds=max(ceiling * draw(), 0.1))


def _code(code: str, values: list[str]) -> str:
    """A code without the buyer's own data; a cStat is none of them, though his house may have its number."""
    return code if _CSTAT.fullmatch(code) else without(code, values)


class Engine:
    """Moves shipments through their states."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        draw: Callable[[], float] = random.random,
        version_in_use: Callable[[str], int | None] = lambda seller_id: None,
    ) -> None:
        self.store = store
        self.catalog = Catalog(store)
        self._settings = settings
        self._draw = draw
        #: Of a seller, the version that the stages of this process work with.
        self._version_in_use = version_in_use

    # -- notifications --------------------------------------------------------------------------------------

    def receive(self, raw: bytes, *, actor: str = "engine", rings: bool = False) -> tuple[str, Reception]:
        """Take a notification: the shipment's id and what came of it; raise Invalid when it is none of ours.

        Nothing is written unless the notification is understood whole and its seller is known. A caller that `rings`
        the doorbell itself keeps the sweeper from ringing too.
        """
        return self.take(parse(raw), raw, actor=actor, rings=rings)

    def take(
        self, said: Notification, raw: bytes, *, actor: str = "engine", rings: bool = False
    ) -> tuple[str, Reception]:
        """Take a notification that has been parsed already, as receive does."""
        self.check_seller(said.seller_id)
        id = shipment_id(said.seller_id, said.shipment_id)
        came = self._receive(id, said, raw, actor, self._settings.ring_again if rings else NOW)
        log.info("received", shipment=id, status=said.status, came=str(came))
        return id, came

    def adopt(
        self, seller_id: str, amazon_shipment_id: str, order_id: str | None, *, actor: str, rings: bool = False
    ) -> tuple[str, Reception]:
        """Take a shipment whose notification never came, from a person's list; raise Invalid as receive does."""
        if not IDENTIFIER.fullmatch(amazon_shipment_id):
            raise Invalid("bad-shipment-id", "this is no shipment id of Amazon's: letters, digits, - _ . only")
        self.check_seller(seller_id)
        ids = {"SellerId": seller_id, "AmazonShipmentId": amazon_shipment_id, "AmazonOrderId": order_id}
        said = json.dumps({"HandedInBy": actor} | ids).encode()
        notice = Notice(seller_id, amazon_shipment_id, order_id, said)
        ring_after = self._settings.ring_again if rings else NOW
        made = self.store.receive(notice, ring_after=ring_after, actor=actor, reason="handed in by reconcile")
        return shipment_id(seller_id, amazon_shipment_id), Reception.CREATED if made else Reception.REPEATED

    def check_seller(self, id: str) -> None:
        """Raise Invalid when the seller is not registered."""
        if self.catalog.seller(id) is None:
            raise Invalid("unknown-seller", f"SellerId {id} is not registered; add it: nfe seller add FILE")

    def _receive(self, id: str, said: Notification, raw: bytes, actor: str, ring_after: timedelta) -> Reception:
        notice = Notice(said.seller_id, said.shipment_id, said.order_id, raw)
        if said.status == CREATED:
            made = self.store.receive(notice, ring_after=ring_after, actor=actor)
            return Reception.CREATED if made else Reception.REPEATED
        if said.status == CANCELLED:
            if self.store.bury(notice, actor=actor):
                return Reception.BURIED
            if self._was_withdrawn(id):
                return Reception.REPEATED
            asked = self.store.cancel(id, reason=CANCELLED_BY_AMAZON, actor=actor)
            return Reception.CANCELLING if asked else Reception.REPEATED
        if self.store.shipment(id) is not None:
            reason = f"unknown ShipmentStatus {said.status[:40]!r}"
            self.store.note(id, stage="receive", outcome="ignored", reason=reason)
        log.warning("unknown ShipmentStatus", shipment=id, status=said.status[:40])
        return Reception.IGNORED

    def _was_withdrawn(self, id: str) -> bool:
        """Whether a person has taken Amazon's cancellation back: what says it once more is a repetition."""
        orders = [line for line in self.store.history(id) if line.outcome in (ASKED, WITHDRAWN)]
        last = max((place for place, line in enumerate(orders) if line.outcome == WITHDRAWN), default=0)
        return any(line.reason == CANCELLED_BY_AMAZON for line in orders[:last])

    # -- stages ---------------------------------------------------------------------------------------------

    def advance(self, id: str, stage: Stage, act: Act) -> Outcome:
        """Run one stage of one shipment, if it may run now."""
        begun = time.perf_counter()
        claim = self.store.claim(id, stage, lease=self._settings.lease)
        if claim is None:
            metrics.stage_skipped(stage)
            return Outcome(Kind.SKIPPED)
        found, crashes = self._act(claim, stage, act)
        found = self._discreet(claim, found)
        outcome, settlement = self._judge(claim, stage, found, crashes)
        # The chain's next link looks at once; where it has none for the new state, the sweeper must.
        ring_after = self._settings.ring_again if outcome.goes_on else NOW
        if not self.store.settle(claim, stage, settlement, ring_after=ring_after):
            log.warning("lease lost", shipment=id, stage=str(stage))
            metrics.stage_ended(stage, seconds=time.perf_counter() - begun, outcome="lost")
            return Outcome(Kind.SKIPPED)
        _count(stage, claim, outcome, seconds=time.perf_counter() - begun)
        log.info(
            "settled", shipment=id, stage=str(stage), state=str(settlement.state), outcome=str(outcome.kind),
            code=settlement.code, tries=claim.tries,
        )  # fmt: skip
        return outcome

    def _act(self, claim: Claim, stage: Stage, act: Act) -> tuple[Done | NfeError, int]:
        """Run the stage; returns what it found or raised, and how many crashes in a row that makes."""
        if claim.crashes >= self._settings.max_crashes:
            return Invalid("gave-up", f"{stage} crashed {claim.crashes} times in a row; see the worker's log"), 0
        limit = self._settings.max_polls if stage is Stage.POLL else self._settings.max_tries
        if claim.tries > limit:
            return Invalid("gave-up", f"{stage} was tried {limit} times; see the history, then `nfe retry`"), 0
        try:
            done = act(claim)
        except Misconfigured as error:
            # This installation's fault, or that of a part not yet restarted with the others: no shipment's.
            return RetryLater(error.code, error.message), 0
        except NfeError as error:
            return error, 0
        except Exception as error:
            # Anything unforeseen must neither lose the shipment nor stop the worker. Its text may hold a buyer's
            # data, so the log gets the kind and the place only.
            kind = type(error).__name__
            log.error("unforeseen", shipment=claim.id, stage=str(stage), kind=kind, frames=frames(error))
            message = f"{kind} in {stage}; the worker's log says where"
            return RetryLater("bug", message), claim.crashes + 1
        if not is_allowed(stage, claim.state, done.state):
            raise AssertionError(f"{stage} may not lead from {claim.state} to {done.state}")
        return done, 0

    def _discreet(self, claim: Claim, found: Done | NfeError) -> Done | NfeError:
        """The same, its words without the buyer's own data: from here they go to history, log and Flower."""
        if isinstance(found, Done):
            if found.reason is None or found.reason == cstat_texts().get(found.code or ""):
                return found
            values = self._buyers(claim)
            return replace(found, code=found.code and _code(found.code, values), reason=discreet(found.reason, values))
        if isinstance(found, RetryLater) and not found.counts:
            return found  # nobody failed: the words are ours
        values = self._buyers(claim)
        return found.reworded(_code(found.code, values), discreet(found.message, values))

    def _buyers(self, claim: Claim) -> list[str]:
        try:
            return values_of(self.store.document(claim.id, DocumentKind.DETAILS) or b"")
        except NfeError:
            return []  # purged, or under a lost key: what has a private form is still known

    def _judge(self, claim: Claim, stage: Stage, found: Done | NfeError, crashes: int) -> tuple[Outcome, Settlement]:
        if isinstance(found, Done):
            return self._finish(claim, stage, found)
        if isinstance(found, RetryLater):
            return self._postpone(claim, found, crashes)
        if isinstance(found, SellerStopped):
            if found.code != SELLER_STOPPED:
                self._stop_seller(claim, found.code, found.message)
            return self._stop(claim, found, stop_code=SELLER_STOPPED)
        return self._stop(claim, found, stop_code=found.code)

    def _stop_seller(self, claim: Claim, code: str, reason: str) -> None:
        version = self._version_in_use(claim.seller_id)
        if self.catalog.stop_seller(claim.seller_id, code, reason, version=version):
            log.error("seller stopped", seller=claim.seller_id, code=code)
        else:
            log.info("seller mended meanwhile", seller=claim.seller_id, code=code)

    def _held(self, claim: Claim) -> Also:
        """What belongs to the transaction that stops a shipment for its seller."""
        return partial(self.catalog.release, claim.id, claim.seller_id)

    def _finish(self, claim: Claim, stage: Stage, done: Done) -> tuple[Outcome, Settlement]:
        refused = done.state in (State.REJECTED, State.ERRORED)
        kind = Kind.REFUSED if refused else Kind.DONE if done.state is not claim.state else Kind.WAITING
        due = None if done.state in SETTLED else done.after
        also = done.also
        if done.stops_seller:
            self._stop_seller(claim, done.stop_code or done.code or "stopped", done.reason or "")
            also = _both(done.also, self._held(claim))
        settlement = Settlement(
            state=done.state,
            stop_code=SELLER_STOPPED if done.stops_seller else None,
            outcome=str(kind),
            due=due,
            tries=claim.tries if done.state is claim.state else 0,
            code=done.code,
            reason=done.reason,
            documents=done.documents,
            access_key=done.access_key,
            also=also,
        )
        # A cancellation is a chain of one link, even where it finds an NF-e that must be cancelled at SEFAZ.
        goes_on = due == NOW and stage is not Stage.CANCEL and next_stage(done.state) in remaining(claim.state)[1:]
        return Outcome(kind, done.state, done.code, done.reason, due, goes_on), settlement

    def _postpone(self, claim: Claim, error: RetryLater, crashes: int) -> tuple[Outcome, Settlement]:
        wait = error.after
        if wait is None:
            wait = backoff(
                claim.tries, base=self._settings.backoff_base, cap=self._settings.backoff_cap, draw=self._draw
            )
        settlement = Settlement(
            state=claim.state,
            outcome=str(Kind.WAITING),
            due=wait,
            tries=claim.tries if error.counts else claim.tries - 1,
            crashes=crashes,
            code=error.code,
            reason=error.message,
            told=error.told,
        )
        return Outcome(Kind.WAITING, claim.state, error.code, error.message, wait), settlement

    def _stop(self, claim: Claim, error: NfeError, *, stop_code: str) -> tuple[Outcome, Settlement]:
        answer = error.answer if isinstance(error, Refused) else b""
        settlement = Settlement(
            state=claim.state,
            outcome=str(Kind.STOPPED),
            due=None,
            tries=claim.tries,
            code=error.code,
            reason=error.message,
            stop_code=stop_code,
            documents=(Left(DocumentKind.REJECTION, answer),) if answer else (),
            also=self._held(claim) if stop_code == SELLER_STOPPED else None,
        )
        return Outcome(Kind.STOPPED, claim.state, error.code, error.message), settlement


def _both(first: Also | None, second: Also) -> Also:
    """Two things in one transaction."""

    def also(connection: Connection, now: datetime) -> None:
        if first is not None:
            first(connection, now)
        second(connection, now)

    return also


def _count(stage: Stage, claim: Claim, outcome: Outcome, *, seconds: float) -> None:
    """For the metrics: how the stage ended, and how long its shipment has taken where it got on."""
    metrics.stage_ended(stage, seconds=seconds, outcome=outcome.kind, code=outcome.code)
    if outcome.state in (None, claim.state) or claim.since is None:
        return
    metrics.reached(outcome.state, seconds=(claim.at - claim.since).total_seconds() + seconds)
    if stage is Stage.POLL and outcome.state in SETTLED:
        metrics.verdict(outcome.state, polls=claim.tries)
