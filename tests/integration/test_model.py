"""The real engine and the real stages against a world that fails at every call, searched for a way to break a promise.

Each step is something that may happen: a notification, a sweep, a worker that meets faults, dies or falls asleep past
its lease while others go on, an operator's order, time. After each step the rows, SEFAZ's book and Amazon's book must
agree; at the end the faults stop, an operator retries what waits, and every shipment must come to its end.

NFE_MODEL_EXAMPLES (default 30) says how long to search; a failure prints how to repeat it.
"""

import json
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from tasks.authorize import authorize
from tasks.cancel import cancel
from tasks.fetch import fetch
from tasks.generate import generate
from tasks.poll import poll
from tasks.submit import submit
from tests.integration.world import LATEST, Clock, Fault, FrailStore, Killed, Kit, Ordeal, Trouble, World
from tests.promises import (
    assert_histories_are_paths_without_gaps,
    assert_rows_are_due_or_settled_or_wait_for_a_person,
)
from workflow.crypto import Vault
from workflow.engine import Done
from workflow.errors import NfeError
from workflow.key_source import new_key
from workflow.migrations import upgrade
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe.certificate import SigningKey
from workflow.nfe.protocol import chNFe_of
from workflow.numbers import NUMBER, SERIES
from workflow.sandbox import shipments
from workflow.settings import Settings
from workflow.states import AUTHORIZED_AND_LATER, Stage, State, remaining
from workflow.store import DOCUMENT, HISTORY, SHIPMENT, Claim, shipment_id
from workflow.tools import SellerSecrets
from workflow.withdrawal import withdraw

EXAMPLES = int(os.environ.get("NFE_MODEL_EXAMPLES", "30"))
STEPS = int(os.environ.get("NFE_MODEL_STEPS", "40"))
#: So that a month's end, with which the access key changes, comes soon.
BEGIN = datetime(2026, 11, 30, 18, tzinfo=UTC)
SHIPMENTS = 4
#: Notes without fiscal value go to no other Amazon than a local one.
AMAZON = "http://127.0.0.1:1"
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

some_shipment = st.integers(0, SHIPMENTS - 1)
#: Most calls go well: a chain that fails at its first one shows little. Of the others, lost answers are the worst.
LOST = [Fault.LATE, Fault.UNHEARD] * 4
faults = st.lists(st.sampled_from([*[Fault.NONE] * 2 * len(Fault), *LOST, *Fault]), max_size=4)
orders = st.sampled_from([*[None] * 7, "cancel", "withdraw"])
gaps = st.sampled_from([timedelta(seconds=5), timedelta(minutes=1), timedelta(minutes=4), LATEST])
meanwhile_steps = st.tuples(
    st.sampled_from(["work", "work", "pass", "pass", "cancel", "cancelled", "withdraw", "retry", "resume", "renew"]),
    gaps,
    faults,
)
#: Past the lease, something happens, and another worker goes on: what a sleeper is likeliest to spoil.
stories = st.builds(
    lambda what, faults: [("pass", LATEST, []), (what, LATEST, []), ("work", LATEST, faults), ("work", LATEST, [])],
    st.sampled_from(["cancel", "cancelled", "withdraw", "work", "retry", "renew"]),
    faults,
)
troubles = st.one_of(
    st.none(),
    st.none(),
    st.tuples(
        st.sampled_from([*Trouble, Trouble.SLEEPS]), st.integers(0, 9), st.lists(meanwhile_steps, max_size=5) | stories
    ),
)


class Model(RuleBasedStateMachine):
    """Four shipments of one seller, any number of workers."""

    folder: Path
    template: Path
    vault: Vault
    key: SigningKey
    names = count()

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / f"model{next(self.names)}.sqlite3"
        shutil.copyfile(self.template, self.path)
        self.clock = Clock(BEGIN)
        examples = shipments.demo_shipments(SHIPMENTS - 1, now=BEGIN, only_good=True)
        examples += [e for e in shipments.demo_shipments(12, seed=2, now=BEGIN) if "not in the catalogue" in e.title]
        self.ids = [example.shipment_id for example in examples]
        self.world = World(self.clock, examples)
        self.store = FrailStore(_connect(self.path), self.vault)
        self.store.set_clock(self.clock)
        self.settings = Settings(amazon_url=AMAZON)
        self.kit = Kit(self.settings, self.store, self.world, self.key)
        self.store.world = self.world
        self.announced: set[str] = set()
        #: Who sleeps may not be woken by a sleeper: one at a time.
        self.depth = 0

    # -- what happens ---------------------------------------------------------------------------------------

    @initialize()
    def begin(self) -> None:
        """Without shipments nothing happens; the last one, whose product is unknown, may come later."""
        for which in range(SHIPMENTS - 1):
            self._announce(which, "Created")

    # Few rules, because the search leaves some out of each run: workers must not be among those.

    @rule(which=some_shipment, gap=gaps, first=orders, faults=faults, trouble=troubles)
    def come_back(self, which: int, gap: timedelta, first: str | None, faults: list[Fault], trouble: Any) -> None:
        """Time passes until the shipment is due, or an operator mends what stopped it, and its message arrives."""
        self.clock.pass_(gap)
        self._mend(self._id(which))
        if first is not None:
            self._order(self._id(which), first)
        row = self.store.shipment(self._id(which))
        if row is not None and row.ring_at is not None and row.ring_at > self.clock():
            self.clock.pass_(row.ring_at - self.clock())
        self._chain(self._id(which), faults, trouble)

    @rule(which=some_shipment, how=st.sampled_from(["ring", "sweep", "lose", *Stage]), faults=faults, trouble=troubles)
    def ring(self, which: int, how: str, faults: list[Fault], trouble: Any) -> None:
        """A chain's message arrives, or the sweeper's, or the broker loses all of these, or one comes late or twice."""
        if how == "ring":
            self._chain(self._id(which), faults, trouble)
        elif how in ("sweep", "lose"):
            for due in self.store.sweep(limit=3, ring_again=self.settings.ring_again):
                if how == "sweep":
                    self._chain(due.id, faults, trouble)
        else:
            self._run(self._id(which), Stage(how), self._ordeal(self._id(which), faults, trouble))

    @rule(which=some_shipment, what=st.sampled_from(["retry", "retry", "resume", "renew", "cancel", "learn"]))
    def operate(self, which: int, what: str) -> None:
        """An operator gives an order."""
        if what == "learn":
            _learn_product(self.kit)
        else:
            self._order(self._id(which), what)

    @rule(
        which=some_shipment,
        what=st.sampled_from(
            [
                *("Created", "Created", "Cancelled", "Accepted", "Errored", "forget", "cancel", "take"),
                *(timedelta(seconds=2), timedelta(minutes=5), timedelta(hours=1), timedelta(hours=26)),
            ]
        ),
    )
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
        elif what == "cancel":
            for note in self._notes_of(self._id(which)):
                note.cancelled = True
        elif not any(int(key[25:34]) == which + 1 for key in self.world.sefaz.notes):
            self.world.sefaz.take(shipments.SELLER_CNPJ, serie=1, nNF=which + 1)

    def _mend(self, id: str) -> None:
        row = self.store.shipment(id)
        if row is not None and row.due_at is None:
            self._order(id, "resume")
            self._order(id, "retry")

    def _announce(self, which: int, status: str) -> None:
        details = self.world.examples[self.ids[which]].details
        self.kit.engine.receive(json.dumps(shipments.notification(details, status)).encode())
        self.announced.add(self._id(which))

    def _order(self, id: str, what: str) -> None:
        if what == "retry":
            self.store.retry(id, actor="maria")
        elif what == "cancel":
            self.store.cancel(id, reason="O comprador desistiu", actor="maria")
        elif what == "withdraw":
            with suppress(NfeError):
                withdraw(self.kit, id, reason="O comprador ficou com ele", actor="maria")
        else:
            if what == "renew":
                register_seller(self.kit)
            self.kit.catalog.resume_seller(shipments.SELLER_ID, actor="maria")

    # -- a worker -------------------------------------------------------------------------------------------

    def _chain(self, id: str, faults: list[Fault], trouble: Any) -> None:
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

    def _ordeal(self, id: str, faults: list[Fault], trouble: Any) -> Ordeal:
        ordeal = Ordeal(deque(faults))
        if trouble is not None and (self.depth == 0 or trouble[0] is not Trouble.SLEEPS):
            ordeal.trouble, ordeal.at, steps = trouble
            ordeal.meanwhile = partial(self._meanwhile, id, steps)
        return ordeal

    def _meanwhile(self, id: str, steps: list[tuple[str, timedelta, list[Fault]]]) -> None:
        """What others do while a worker sleeps: ten minutes at the most."""
        began = self.clock()
        self.depth += 1
        with self.world.meets(Ordeal()):
            for what, gap, faults in steps:
                self._meanwhile_step(id, what, min(gap, LATEST - (self.clock() - began)), faults)
        self.depth -= 1

    def _meanwhile_step(self, id: str, what: str, gap: timedelta, faults: list[Fault]) -> None:
        if what == "pass":
            self.clock.pass_(gap)
        elif what == "work":
            self._chain(id, faults, None)
        elif what == "cancelled":
            self._announce(self.ids.index(id.split("/")[1]), "Cancelled")
        else:
            self._order(id, what)

    # -- what must hold -------------------------------------------------------------------------------------

    @invariant()
    def promises_hold(self) -> None:
        """All of them, after each step."""
        self.every_announced_shipment_has_one_row()
        rows = self._rows(select(*SHIPMENT.c))
        assert_rows_are_due_or_settled_or_wait_for_a_person(rows)
        lines = self._rows(select(*HISTORY.c).order_by(HISTORY.c.shipment_id, HISTORY.c.seq))
        assert_histories_are_paths_without_gaps(rows, lines)
        self.sefaz_and_the_rows_agree()
        self.bytes_are_never_other_ones()
        self.nothing_is_submitted_twice()
        self.every_number_is_accounted_for()

    def every_announced_shipment_has_one_row(self) -> None:
        """No more, no fewer."""
        rows = self._rows(select(SHIPMENT.c.id))
        assert sorted(row.id for row in rows) == sorted(self.announced)

    def sefaz_and_the_rows_agree(self) -> None:
        """One living NF-e per shipment, none of a cancelled one, none that we do not know of."""
        rows = {row.id: row for row in self._rows(select(*SHIPMENT.c))}
        numbers = {row.number: row for row in self._rows(select(*NUMBER.c))}
        living: dict[tuple[str, int], str] = {}
        for note in self.world.sefaz.notes.values():
            number = numbers[int(note.key[25:34])]
            if note.cancelled:
                continue
            assert living.setdefault((number.shipment_id, number.turn), note.key) == note.key
            row = rows[number.shipment_id]
            known = row.state in AUTHORIZED_AND_LATER
            asked_for = row.state == State.GENERATED and row.sent_at is not None
            assert known or asked_for, (row, note.key)
            if known:
                assert number.status == NumberStatus.USED
                assert number.access_key == note.key == row.access_key
        assert not self.world.sefaz.complaints

    def bytes_are_never_other_ones(self) -> None:
        """What SEFAZ and Amazon got is what is stored."""
        stored = self._rows(select(DOCUMENT.c.shipment_id, DOCUMENT.c.kind, DOCUMENT.c.sha256))
        made = {row.sha256 for row in stored if row.kind == DocumentKind.NFE}
        received = self.world.sefaz.received + [signed for _, signed in self.world.sefaz.late]
        assert {sha256(signed).hexdigest() for signed in received} <= made
        for name, files in self.world.amazon.submitted.items():
            id = shipment_id(shipments.SELLER_ID, name)
            mine = {row.sha256 for row in stored if row.kind == DocumentKind.NFEPROC and row.shipment_id == id}
            assert {sha256(file).hexdigest() for file in files} <= mine

    def nothing_is_submitted_twice(self) -> None:
        """Once, and once more for each order to, and for each file that Amazon lost."""
        for name, files in self.world.amazon.submitted.items():
            lines = self.store.history(shipment_id(shipments.SELLER_ID, name))
            orders = sum(line.stage == "retry" and line.from_state == State.ERRORED for line in lines)
            assert len(files) <= 1 + orders + self.world.amazon.forgotten[name], name

    def every_number_is_accounted_for(self) -> None:
        """No gap, one shipment each; decided where the shipment is."""
        series = self._rows(select(SERIES.c.next_number))
        numbers = self._rows(select(*NUMBER.c).order_by(NUMBER.c.number))
        assert [row.number for row in numbers] == list(range(1, series[0].next_number if series else 1))
        states = {row.id: row.state for row in self._rows(select(SHIPMENT.c.id, SHIPMENT.c.state))}
        for number in numbers:
            held = self.world.sefaz.is_taken(number.number)
            if states[number.shipment_id] == State.CANCELLED and number.status != NumberStatus.USED:
                assert number.status == NumberStatus.UNUSED, number
                assert not any(int(key[25:34]) == number.number for key in self.world.sefaz.notes), number
            if number.status == NumberStatus.USED:
                assert held, number

    # -- the end --------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """The faults stop: everything comes to rest, and after an operator's retries to its end."""
        try:
            if self.announced:
                self._come_to_an_end()
        finally:
            self.store.engine.dispose()
            for file in self.folder.glob(self.path.name + "*"):
                file.unlink()

    def _come_to_an_end(self) -> None:
        self._rest()
        self.world.amazon.verdict = "Accepted"
        _learn_product(self.kit)
        for _ in range(SHIPMENTS + 2):
            self.kit.catalog.resume_seller(shipments.SELLER_ID, actor="maria")
            for id in sorted(self.announced):
                self.store.retry(id, actor="maria")
            self._rest()
        for row in self._rows(select(*SHIPMENT.c)):
            reason = [(line.stage, line.outcome, line.code, line.reason) for line in self.store.history(row.id)][-6:]
            ended = row.state in (State.ACCEPTED, State.CANCELLED) and row.stop_code is None
            assert ended or row.stop_code in FINAL_STOPS, (row, reason)

    def _rest(self) -> None:
        """Ring and let time pass until nothing is due."""
        for _ in range(400):
            self.world.sefaz.process_late()
            for due in self.store.sweep(limit=100, ring_again=self.settings.ring_again):
                self._chain(due.id, [], None)
            nexts = [row.ring_at for row in self._rows(select(SHIPMENT.c.ring_at)) if row.ring_at is not None]
            if not nexts and not self.world.sefaz.late and not self.world.sefaz.late_events:
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


def _connect(path: Path) -> Any:
    from workflow.store import connect

    return connect(f"sqlite:///{path}")


def register_seller(kit: Kit) -> None:
    """Add the demo's seller, or renew it."""
    issuer = shipments.demo_seller()
    values = {"id": shipments.SELLER_ID, "name": issuer["name"], "cnpj": issuer["cnpj"], "issuer": issuer}
    secrets = SellerSecrets(issuer, b"", "", "token", "client", "secret").dump()
    kit.catalog.put_seller(values | {"certificate_until": None}, secrets=secrets)


def sell_products(kit: Kit) -> None:
    """Add the demo's catalogue."""
    kit.catalog.put_products(shipments.SELLER_ID, [(p["sku"], _filled(p)) for p in shipments.demo_products()])


def _learn_product(kit: Kit) -> None:
    product = {**shipments.demo_products()[0], "sku": "NAO-CADASTRADO-01"}
    kit.catalog.put_products(shipments.SELLER_ID, [(product["sku"], _filled(product))])


def _filled(product: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in product.items() if value is not None}


@pytest.fixture
def silent() -> Iterator[None]:
    """No log: a search makes thousands of lines."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("critical"), cache_logger_on_first_use=False
    )
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("silent")
def test_no_search_finds_a_lost_shipment_or_a_second_invoice(tmp_path: Path, signing_key: SigningKey) -> None:
    template, vault = tmp_path / "template.sqlite3", Vault([new_key()])
    engine = _connect(template)
    upgrade(engine)
    store = FrailStore(engine, vault)
    kit = Kit(Settings(amazon_url=AMAZON), store, World(Clock(BEGIN), []), signing_key)
    register_seller(kit)
    sell_products(kit)
    engine.dispose()
    made = type("Model", (Model,), {"folder": tmp_path, "template": template, "vault": vault, "key": signing_key})
    run_state_machine_as_test(
        made,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            database=None,
            report_multiple_bugs=False,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )
