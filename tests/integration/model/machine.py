"""What happens to an installation, step by step, and its end: the faults stop, and everything comes to rest."""

import json
from collections import Counter, deque
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from tasks.authorize import authorize
from tasks.cancel import cancel
from tasks.fetch import fetch
from tasks.generate import generate
from tasks.poll import poll
from tasks.submit import submit
from tests.integration.model.fate import LATEST, Aimed, Clock, Fault, Killed, Ordeal, Trouble
from tests.integration.model.invariants import Promises
from tests.integration.model.kit import AMAZON, FrailStore, Kit, learn_product, loaded, register_seller
from tests.integration.model.plans import (
    SHIPMENTS,
    commands,
    faults,
    gaps,
    happenings,
    hitches,
    lags,
    losses,
    orders,
    scenes,
    some_shipment,
    troubles,
)
from tests.integration.model.world import World
from workflow.corrections import correct
from workflow.crypto import Vault
from workflow.engine import Done
from workflow.errors import NfeError
from workflow.models import DocumentKind
from workflow.nfe.certificate import SigningKey
from workflow.nfe.protocol import chNFe_of
from workflow.orders import reissue
from workflow.sandbox import shipments
from workflow.settings import Settings
from workflow.states import Stage, State, remaining
from workflow.store import SHIPMENT, Claim, shipment_id
from workflow.void_numbers import void
from workflow.voidings import Voidings
from workflow.withdrawal import withdraw

#: So that a month's end, with which the access key changes, comes soon.
BEGIN = datetime(2026, 11, 30, 18, tzinfo=UTC)
ACTS: dict[Stage, Callable[[Claim, Any], Done]] = {
    Stage.FETCH: fetch,
    Stage.GENERATE: generate,
    Stage.AUTHORIZE: authorize,
    Stage.SUBMIT: submit,
    Stage.POLL: poll,
    Stage.CANCEL: cancel,
}
#: What no retry mends: the law, or another program's doing at SEFAZ.
FINAL_STOPS = {"cancel-deadline-over", "501"}
#: How a person's program may end; the order may be given again.
FAILED = (NfeError, Killed, OperationalError, KeyError)
#: A person's orders about a shipment or its seller, as the command line and the page give them.
ORDERS: dict[str, Callable[[Kit, str], Any]] = {
    "retry": lambda kit, id: kit.store.retry(id, actor="maria"),
    "refetch": lambda kit, id: kit.store.retry(id, actor="maria", refetch=True),
    "cancel": lambda kit, id: kit.store.cancel(id, reason="O comprador desistiu", actor="maria"),
    "reissue": lambda kit, id: reissue(kit.store, id, reason="O produto era outro", actor="maria"),
    "withdraw": lambda kit, id: withdraw(kit, id, reason="O comprador ficou com ele", actor="maria"),
    "correct": lambda kit, id: correct(kit, id, "O volume e de 2 caixas", actor="maria"),
    "correct otherwise": lambda kit, id: correct(kit, id, "O volume e de 3 caixas", actor="maria"),
    "void": lambda kit, _: void(kit, shipments.SELLER_ID),
    "void anew": lambda kit, _: (Voidings(kit.store).recall(shipments.SELLER_ID), void(kit, shipments.SELLER_ID)),
}
#: Whether the UF's SEFAZ is out of order, and what the SVC says of itself.
WEATHERS = {"outage": (True, "107"), "down": (True, "114"), "leaving": (False, "113"), "fair": (False, "114")}


class Model(RuleBasedStateMachine):
    """Some shipments of one seller, any number of workers."""

    blank: bytes
    vault: Vault
    keys: tuple[SigningKey, ...]
    #: Examples and steps of this process.
    counts: Counter[str] = Counter()  # noqa: RUF012 - of all examples together

    def __init__(self) -> None:
        super().__init__()
        self.counts["examples"] += 1
        self.clock = Clock(BEGIN)
        examples = shipments.demo_shipments(SHIPMENTS - 1, now=BEGIN, only_good=True)
        examples += [e for e in shipments.demo_shipments(12, seed=2, now=BEGIN) if "not in the catalogue" in e.title]
        self.ids = [example.shipment_id for example in examples]
        self.world = World(self.clock, examples)
        self.store = FrailStore(loaded(self.blank), self.vault)
        self.store.set_clock(self.clock)
        self.settings = Settings(amazon_url=AMAZON, contingency_after=2)
        self.kit = Kit(self.settings, self.store, self.world, *self.keys)
        self.store.world = self.world
        self.promises = Promises(self.store, self.world)
        self.announced: set[str] = set()
        #: Who sleeps may not be woken by a sleeper: one at a time.
        self.depth = 0

    @invariant()
    def promises_hold(self) -> None:
        """After each step."""
        self.counts["steps"] += 1
        self.promises.hold(self.announced)

    # -- what happens ---------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """Without shipments nothing happens; the others come when a worker looks for them, or by themselves."""
        self._announce(0, "Created")

    # Few rules, because the search leaves some out of each run: workers must not be among those.

    @rule(which=some_shipment, gap=gaps, first=orders, faults=faults, trouble=troubles)
    def come_back(
        self, which: int, gap: timedelta, first: str | None, faults: list[Fault | Aimed], trouble: Any
    ) -> None:
        """Time passes until the shipment is due, or an operator mends what stopped it, and its message arrives."""
        self.clock.pass_(gap)
        self._mend(self._id(which))
        if first is not None:
            self._order(self._id(which), first)
        self._come(which, faults, trouble)

    @rule(which=some_shipment, what=scenes, hitch=hitches, loss=losses, lag=lags, faults=faults, trouble=troubles)
    def scene(
        self, which: int, what: str, hitch: Fault, loss: Fault, lag: Fault, faults: list[Fault | Aimed], trouble: Any
    ) -> None:
        """What takes several steps in a row, which a search by itself seldom finds; of a new shipment, while there is one."""
        which = next((new for new in range(SHIPMENTS) if self._id(new) not in self.announced), which)
        id, lost = self._id(which), Aimed("submitInvoice", loss)
        if what == "storm":
            self._storm(which, faults, trouble)
        elif what == "refuse":
            for _ in range(4):
                self._come(which, [Aimed("autorizacao", Fault.REFUSED)], None)
                self._order(id, "retry")
            self._come(which, faults, trouble)
        elif what == "hitch":
            self._come(which, [Aimed("autorizacao", hitch)], None)
            self._come(which, [Aimed("consulta", lag), lost], None)
            for _ in range(2):
                self._come(which, faults, trouble)
        elif what == "give up":
            self._come(which, [Aimed("autorizacao", hitch)], None)
            self._order(id, "cancel")
            self._come(which, faults, trouble)
            self._come(which, [], None)
            self._order(id, "void", faults, trouble)
        else:
            for _ in range(2):
                self._come(which, [], None)
            self._order(id, "reissue")
            self._come(which, [], None)
            self._come(which, [lost], None)
            self._come(which, faults, trouble)
            self._come(which, [], None)

    def _storm(self, which: int, faults: list[Fault | Aimed], trouble: Any) -> None:
        """The UF's SEFAZ is out of order, and the SVC stands in: it is entered, and perhaps left at once."""
        self._let_weather_be("outage")
        for _ in range(3):
            self._come(which, [], None)
        self._come(which, faults, trouble)
        self._let_weather_be("leaving" if len(faults) % 2 else "fair")
        self._come(which, faults, None)

    @rule(which=some_shipment, how=st.sampled_from(["ring", "sweep", "lose", *Stage]), faults=faults, trouble=troubles)
    def ring(self, which: int, how: str, faults: list[Fault | Aimed], trouble: Any) -> None:
        """A chain's message arrives, or the sweeper's, or the broker loses all of these, or one comes late or twice."""
        if how == "ring":
            self._chain(self._id(which), faults, trouble)
        elif how in ("sweep", "lose"):
            for due in self.store.sweep(limit=3, ring_again=self.settings.ring_again):
                if how == "sweep":
                    self._chain(due.id, faults, trouble)
        else:
            self._run(self._id(which), Stage(how), self._ordeal(self._id(which), faults, trouble))

    @rule(which=some_shipment, what=commands, faults=faults, trouble=troubles)
    def operate(self, which: int, what: str, faults: list[Fault | Aimed], trouble: Any) -> None:
        """A person gives an order."""
        self._order(self._id(which), what, faults, trouble)

    @rule(which=some_shipment, what=happenings)
    def happen(self, which: int, what: str | timedelta) -> None:
        """Something outside: a notification again and in any order, a verdict, another program at SEFAZ, time."""
        if isinstance(what, timedelta):
            self.clock.pass_(what)
            self.world.sefaz.process_late()
        elif what in ("Created", "Cancelled"):
            self._announce(which, what)
        elif what in ("Accepted", "Errored"):
            self.world.amazon.verdict = what
        elif what == "forget":
            self.world.amazon.forget(self.ids[which])
        elif what in WEATHERS:
            self._let_weather_be(what)
        elif what == "cancel":
            for note in self._notes_of(self._id(which)):
                note.cancelled = True
        elif which + 1 not in self.world.sefaz.voided and not self.world.sefaz.is_taken(which + 1):
            self.world.sefaz.take(shipments.SELLER_CNPJ, serie=1, nNF=which + 1)

    def _come(self, which: int, faults: list[Fault | Aimed], trouble: Any) -> None:
        """A worker comes when the shipment is due; where there is none yet, it is announced."""
        id = self._id(which)
        row = self.store.shipment(id)
        if row is None:
            self._announce(which, "Created")
        elif row.ring_at is not None and row.ring_at > self.clock():
            self.clock.pass_(row.ring_at - self.clock())
        self._chain(id, faults, trouble)

    def _let_weather_be(self, what: str) -> None:
        self.world.sefaz.is_down, self.world.sefaz.svc = WEATHERS[what]

    def _mend(self, id: str) -> None:
        row = self.store.shipment(id)
        if row is not None and row.due_at is None:
            self._order(id, "resume")
            self._order(id, "retry")

    def _announce(self, which: int, status: str) -> None:
        details = self.world.examples[self.ids[which]].details
        self.kit.engine.receive(json.dumps(shipments.notification(details, status)).encode())
        self.announced.add(self._id(which))

    def _order(self, id: str, what: str, faults: list[Fault | Aimed] | None = None, trouble: Any = None) -> None:
        """A person's order; its program meets what workers meet, and may be given again."""
        if what == "learn":
            learn_product(self.kit)
        elif what == "renew":
            register_seller(self.kit)
        elif what == "resume":
            self.kit.catalog.resume_seller(shipments.SELLER_ID, actor="maria")
        else:
            with self.world.meets(self._ordeal(id, faults or [], trouble)), suppress(*FAILED):
                ORDERS[what](self.kit, id)

    # -- a worker -------------------------------------------------------------------------------------------

    def _chain(self, id: str, faults: list[Fault | Aimed], trouble: Any) -> None:
        """A worker runs the links of a shipment's chain, unless it dies."""
        row = self.store.shipment(id)
        if row is None:
            return
        ordeal = self._ordeal(id, faults, trouble)
        for stage in remaining(State(row.state), cancelling=row.cancelling):
            if not self._run(id, stage, ordeal):
                return

    def _run(self, id: str, stage: Stage, ordeal: Ordeal) -> bool:
        """One link; whether the chain goes on."""
        # A lagging reader of Amazon's is told from a file that never came only by asking again, which poll does.
        lags, self.world.amazon.may_lag = self.world.amazon.may_lag, stage is Stage.POLL
        try:
            with self.world.meets(ordeal):
                return self.kit.engine.advance(id, stage, partial(_swapped, ACTS[stage], self.kit)).goes_on
        except (Killed, OperationalError):
            return False
        finally:
            self.world.amazon.may_lag = lags

    def _ordeal(self, id: str, faults: list[Fault | Aimed], trouble: Any) -> Ordeal:
        aimed = [fault for fault in faults if isinstance(fault, Aimed)]
        ordeal = Ordeal(deque(fault for fault in faults if isinstance(fault, Fault)), aimed)
        if trouble is not None and (self.depth == 0 or trouble[0] is not Trouble.SLEEPS):
            ordeal.trouble, ordeal.at, steps = trouble
            ordeal.meanwhile = partial(self._meanwhile, id, steps)
        return ordeal

    def _meanwhile(self, id: str, steps: list[tuple[str, timedelta, list[Fault | Aimed]]]) -> None:
        """What others do while a worker sleeps: ten minutes at the most."""
        began = self.clock()
        self.depth += 1
        with self.world.meets(Ordeal()):
            for what, gap, faults in steps:
                self._meanwhile_step(id, what, min(gap, LATEST - (self.clock() - began)), faults)
        self.depth -= 1

    def _meanwhile_step(self, id: str, what: str, gap: timedelta, faults: list[Fault | Aimed]) -> None:
        if what == "pass":
            self.clock.pass_(gap)
        elif what == "work":
            self._chain(id, faults, None)
        elif what == "cancelled":
            self._announce(self.ids.index(id.split("/")[1]), "Cancelled")
        else:
            self._order(id, what, faults)

    # -- the end --------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """The faults stop: everything comes to rest, and after an operator's retries to its end."""
        try:
            if self.announced:
                self._come_to_an_end()
        finally:
            self.store.engine.dispose()

    def _come_to_an_end(self) -> None:
        self._let_weather_be("fair")
        self._rest()
        self.world.amazon.verdict = "Accepted"
        self.world.sefaz.refused.clear()
        learn_product(self.kit)
        for _ in range(SHIPMENTS + 2):
            self.clock.pass_(timedelta(minutes=66))  # no document is barred any longer
            self.kit.catalog.resume_seller(shipments.SELLER_ID, actor="maria")
            for id in sorted(self.announced):
                self.store.retry(id, actor="maria")
            self._rest()
        for row in self._rows(select(*SHIPMENT.c)):
            reason = [(line.stage, line.outcome, line.code, line.reason) for line in self.store.history(row.id)][-6:]
            ended = row.state in (State.ACCEPTED, State.CANCELLED) and row.stop_code is None
            assert ended or row.stop_code in FINAL_STOPS, (row, reason)
        Voidings(self.store).recall(shipments.SELLER_ID)
        void(self.kit, shipments.SELLER_ID)
        self.promises_hold()
        self.promises.end()

    def _rest(self) -> None:
        """Ring and let time pass until nothing is due."""
        for _ in range(400):
            self.world.sefaz.process_late()
            for due in self.store.sweep(limit=100, ring_again=self.settings.ring_again):
                self._chain(due.id, [], None)
            nexts = [row.ring_at for row in self._rows(select(SHIPMENT.c.ring_at)) if row.ring_at is not None]
            if not nexts and self.world.sefaz.rests:
                break
            self.clock.pass_(max(min(nexts, default=self.clock() + LATEST) - self.clock(), timedelta(seconds=1)))
        else:
            raise AssertionError("something is always due")
        self.promises_hold()

    # -- inside ---------------------------------------------------------------------------------------------

    def _id(self, which: int) -> str:
        return shipment_id(shipments.SELLER_ID, self.ids[which])

    def _rows(self, question: Any) -> Any:
        with self.store.reading() as connection:
            return connection.execute(question).all()

    def _notes_of(self, id: str) -> list[Any]:
        keys = {chNFe_of(self.kit.document(id, DocumentKind.NFE))} if self._has(id, DocumentKind.NFE) else set()
        return [note for key, note in self.world.sefaz.notes.items() if key in keys]

    def _has(self, id: str, kind: DocumentKind) -> bool:
        return any(row.kind == kind for row in self.store.documents(id))


def _swapped(act: Callable[[Claim, Any], Done], kit: Kit, claim: Claim) -> Done:
    return act(claim, kit)
