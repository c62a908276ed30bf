"""The database's answers: sweeping, retrying, cancelling, finding, and what several workers at once may do."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, event, insert, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from tests.unit.conftest import SELLER, Clock, notification
from workflow.catalog import Catalog
from workflow.crypto import Vault
from workflow.engine import Done, Engine
from workflow.errors import Invalid, Misconfigured, RetryLater
from workflow.key_source import new_key
from workflow.models import REISSUE, DocumentKind
from workflow.settings import Settings
from workflow.states import RETRY, WAY, Stage, State
from workflow.store import CLOCK_TOLERANCE, DOCUMENT, HISTORY, SHIPMENT, Claim, Left, Notice, Settlement, Store, connect

Notify = Callable[..., str]
LEASE = timedelta(seconds=60)
MINUTE = timedelta(minutes=1)
WORKERS = 4


@contextmanager
def another_store(url: str) -> Iterator[Store]:
    """A store with connections of its own, as another process has them."""
    engine = connect(url)
    try:
        yield Store(engine, Vault([new_key()]))
    finally:
        engine.dispose()


def all_at_once(url: str, work: Callable[[Store, int], Any], workers: int = WORKERS) -> list[Any]:
    """What each of some workers, with connections of its own, got when all began at the same moment."""
    barrier = threading.Barrier(workers)

    def run(number: int) -> Any:
        with another_store(url) as own:
            own.find("anything")  # connected before the start
            barrier.wait(10)
            return work(own, number)

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, range(workers)))


def add_shipments(store: Store, count: int, *, due: datetime | None = None, seller: str = SELLER) -> list[str]:
    """Rows that are due, a second apart."""
    due = due or datetime.now(UTC) - timedelta(hours=1)
    rows = [
        {
            "id": f"{seller}/S{number:04}", "seller_id": seller, "amazon_shipment_id": f"S{number:04}",
            "state": "RECEIVED", "cancelling": False, "tries": 0, "crashes": 0, "turn": 1, "seq": 0,
            "due_at": due + timedelta(seconds=number), "ring_at": due + timedelta(seconds=number),
            "created_at": due, "updated_at": due,
        }
        for number in range(count)
    ]  # fmt: skip
    with store.writing() as connection:
        connection.execute(insert(SHIPMENT), rows)
    return [str(row["id"]) for row in rows]


@pytest.fixture
def seller(store: Store) -> None:
    """The seller of the shipments that `add_shipments` makes; the database's own clock."""
    add_seller(store, SELLER)


def add_seller(store: Store, id: str) -> None:
    values = {"id": id, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None}
    Catalog(store).put_seller(values, secrets=b"{}")


def row_of(store: Store, id: str) -> Any:
    row = store.shipment(id)
    assert row is not None
    return row


def put(store: Store, id: str, **values: Any) -> None:
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(values))


def seqs(store: Store, id: str) -> list[int]:
    return [line.seq for line in store.history(id)]


# -- receive ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rings", "silence"), [(True, Settings().ring_again), (False, timedelta())])
def test_a_received_shipment_is_due_now_and_the_sweeper_keeps_quiet_only_for_who_rings(
    engine: Engine, store: Store, clock: Clock, rings: bool, silence: timedelta
) -> None:
    row = row_of(store, engine.receive(notification(), rings=rings)[0])
    assert (row.due_at, row.ring_at) == (clock(), clock() + silence)


def test_a_tombstone_is_never_due(store: Store, notify: Notify) -> None:
    row = row_of(store, notify(status="Cancelled"))
    assert (row.state, row.due_at, row.ring_at) == (State.CANCELLED, None, None)


def test_the_same_notification_to_four_workers_makes_one_row_one_line_one_document(
    store: Store, seller: None, database_url: str
) -> None:
    notice = Notice(SELLER, "FBA1", None, b"{}")
    made = all_at_once(database_url, lambda own, _: own.receive(notice, ring_after=MINUTE))
    assert sorted(made) == [False, False, False, True]
    assert seqs(store, f"{SELLER}/FBA1") == [1]
    assert [document.version for document in store.documents(f"{SELLER}/FBA1")] == [1]


# -- sweep --------------------------------------------------------------------------------------------------


def test_a_sweep_finds_what_is_due_and_lets_it_be_silent_afterwards(store: Store, seller: None, clock: Clock) -> None:
    ids = add_shipments(store, 3, due=clock())
    clock.pass_(seconds=1)
    assert [row.id for row in store.sweep(limit=10, ring_again=MINUTE)] == ids[:2]
    assert row_of(store, ids[0]).ring_at == clock() + MINUTE
    clock.pass_(seconds=1)
    assert [row.id for row in store.sweep(limit=10, ring_again=MINUTE)] == ids[2:]
    assert store.sweep(limit=10, ring_again=MINUTE) == []
    clock.pass_(seconds=59)
    assert [row.id for row in store.sweep(limit=10, ring_again=MINUTE)] == ids[:2]


def test_a_sweep_takes_the_oldest_first_and_no_more_than_its_limit(store: Store, seller: None, clock: Clock) -> None:
    ids = add_shipments(store, 7, due=clock())
    clock.pass_(hours=1)
    swept = [[row.id for row in store.sweep(limit=3, ring_again=MINUTE)] for _ in range(4)]
    assert swept == [ids[0:3], ids[3:6], ids[6:7], []]


def test_a_sweep_takes_every_sellers_oldest_before_any_sellers_second(store: Store, seller: None, clock: Clock) -> None:
    many = add_shipments(store, 40, due=clock())
    others = []
    for number, late in enumerate((50, 60)):
        add_seller(store, f"A9OTHER{number}")
        others += [add_shipments(store, 2, due=clock() + timedelta(seconds=late), seller=f"A9OTHER{number}")]
    clock.pass_(hours=1)
    swept = [row.id for row in store.sweep(limit=5, ring_again=MINUTE)]
    assert swept == [many[0], others[0][0], others[1][0], many[1], others[0][1]]
    # … and where the others have no more, the one has all there is room for.
    assert [row.id for row in store.sweep(limit=10, ring_again=MINUTE)] == [many[2], others[1][1], *many[3:11]]


@pytest.mark.parametrize("analysed", [False, True], ids=["no statistics", "statistics"])
def test_the_limit_holds_whatever_the_planner_thinks(store: Store, seller: None, analysed: bool) -> None:
    add_shipments(store, 60)
    if analysed:
        with store.writing() as connection:
            connection.execute(text("ANALYZE shipment"))
    assert [len(store.sweep(limit=7, ring_again=MINUTE)) for _ in range(3)] == [7, 7, 7]


def test_a_sweep_rings_for_whoever_wants_to_cancel(store: Store, notify: Notify, clock: Clock) -> None:
    notify()
    notify(status="Cancelled")
    (row,) = store.sweep(limit=10, ring_again=MINUTE)
    assert (row.state, row.cancelling) == (State.RECEIVED, True)


def test_no_row_is_swept_twice_by_four_sweepers_at_once(store: Store, seller: None, database_url: str) -> None:
    ids = add_shipments(store, 300)

    def sweep(own: Store, _: int) -> list[str]:
        swept: list[str] = []
        while rows := own.sweep(limit=20, ring_again=MINUTE):
            swept += [row.id for row in rows]
        return swept

    swept = Counter(id for own in all_at_once(database_url, sweep) for id in own)
    # A sweeper may leave early, when others hold the last rows: the next sweep finds what they dropped.
    swept.update(row.id for row in store.sweep(limit=500, ring_again=MINUTE))
    assert swept == Counter(ids)


def test_a_claimed_shipment_rings_again_only_when_its_lease_runs_out(
    store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    assert store.claim(id, Stage.FETCH, lease=LEASE) is not None
    assert store.unfinished() == 1
    clock.pass_(seconds=59)
    assert store.sweep(limit=10, ring_again=MINUTE) == []
    clock.pass_(seconds=1)
    assert [row.id for row in store.sweep(limit=10, ring_again=MINUTE)] == [id]


def test_the_sweeps_question_is_answered_by_the_small_index(store: Store, seller: None, clock: Clock) -> None:
    add_shipments(store, 2000, due=clock())
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.id > f"{SELLER}/S0010").values(ring_at=None))
        connection.execute(text("ANALYZE shipment"))
    is_postgresql = store.engine.dialect.name == "postgresql"
    question = (
        select(SHIPMENT.c.id)
        .where(SHIPMENT.c.ring_at <= clock())
        .order_by(SHIPMENT.c.ring_at)
        .limit(500)
        .with_for_update(skip_locked=True)
    )
    dialect: Any = postgresql.dialect() if is_postgresql else sqlite.dialect()
    sql = str(question.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
    with store.writing() as connection:
        plan = " ".join(str(line) for line in connection.exec_driver_sql(f"{explain} {sql}").all())
    assert "ix_shipment_ring_at" in plan
    assert "Seq Scan" not in plan
    assert "USE TEMP B-TREE" not in plan


# -- claim and settle ---------------------------------------------------------------------------------------


def test_of_300_due_shipments_each_is_claimed_exactly_once_by_four_workers(
    store: Store, seller: None, database_url: str
) -> None:
    ids = add_shipments(store, 300)

    def claim(own: Store, number: int) -> list[str]:
        order = ids[number * 75 :] + ids[: number * 75] if number % 2 else ids
        return [id for id in order if own.claim(id, Stage.FETCH, lease=LEASE) is not None]

    claimed = Counter(id for own in all_at_once(database_url, claim) for id in own)
    assert claimed == Counter(ids)
    with store.reading() as connection:
        assert set(connection.execute(select(SHIPMENT.c.tries)).scalars()) == {1}


def test_a_stage_is_claimed_only_from_its_own_states(store: Store, notify: Notify) -> None:
    id = notify()
    for stage in Stage:
        for state in State:
            put(store, id, state=state, lease=None, lease_until=None, cancelling=stage is Stage.CANCEL)
            claimed = store.claim(id, stage, lease=LEASE) is not None
            assert claimed == (state in WAY[stage].sources), (stage, state)


def test_what_is_not_due_yet_cannot_be_claimed(store: Store, notify: Notify, clock: Clock) -> None:
    id = notify()
    put(store, id, due_at=clock() + CLOCK_TOLERANCE + timedelta(milliseconds=1))
    assert store.claim(id, Stage.FETCH, lease=LEASE) is None
    put(store, id, due_at=None)
    assert store.claim(id, Stage.FETCH, lease=LEASE) is None


def test_what_one_worker_made_due_another_whose_clock_lags_takes_too(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    """Else the chain's next link would find nothing to do, and the shipment would wait for the sweeper."""
    id = notify()
    assert engine.advance(id, Stage.FETCH, lambda claim: Done(state=State.FETCHED)).goes_on
    clock.pass_(milliseconds=-200)
    assert store.claim(id, Stage.GENERATE, lease=LEASE) is not None


def test_a_lost_lease_writes_nothing_at_all(store: Store, notify: Notify, clock: Clock) -> None:
    id = notify()
    late = store.claim(id, Stage.FETCH, lease=LEASE)
    clock.pass_(minutes=2)
    owner = store.claim(id, Stage.FETCH, lease=LEASE)
    assert late is not None
    assert owner is not None
    before, told, documents = row_of(store, id), store.history(id), store.documents(id)
    ran = []
    settlement = Settlement(
        state=State.FETCHED, outcome="done", due=timedelta(), access_key="K" * 44, stop_code="x",
        documents=(Left(DocumentKind.DETAILS, b"late"),), also=lambda connection, now: ran.append(now),
    )  # fmt: skip
    assert not store.settle(late, Stage.FETCH, settlement, ring_after=MINUTE)
    assert (row_of(store, id), store.history(id), store.documents(id)) == (before, told, documents)
    assert ran == []
    store.mark_unsent(late)
    assert store.mark_sent(owner)
    store.mark_unsent(late)
    assert row_of(store, id).sent_at is not None


def test_what_a_dead_owner_held_is_free_at_once_and_nothing_of_anybody_else(store: Store, notify: Notify) -> None:
    mine, others = notify("ONE"), notify("TWO")
    assert store.claim(others, Stage.FETCH, lease=LEASE) is not None
    store.owner = "dead"
    late = store.claim(mine, Stage.FETCH, lease=LEASE)
    assert late is not None
    assert store.release([mine, others], owner="dead") == 1
    assert [row.id for row in store.sweep(limit=10, ring_again=MINUTE)] == [mine]
    again = store.claim(mine, Stage.FETCH, lease=LEASE)
    assert again is not None
    assert (again.tries, again.crashes) == (2, 0)
    assert not store.settle(
        late, Stage.FETCH, Settlement(state=State.FETCHED, outcome="done", due=None), ring_after=MINUTE
    )


def test_a_claim_tells_its_sellers_version_while_the_seller_goes_on(store: Store, seller: None, notify: Notify) -> None:
    catalog, id = Catalog(store), notify()
    row = catalog.seller(SELLER)
    assert row is not None
    for stopped in (False, True):
        if stopped:
            catalog.stop_seller(SELLER, "lwa-invalid-grant", "revoked")
        put(store, id, lease=None, lease_until=None)
        claim = store.claim(id, Stage.FETCH, lease=LEASE)
        assert claim is not None
        assert claim.seller_version == (None if stopped else row.version)


DETAILS = Settlement(
    state=State.FETCHED, outcome="done", due=timedelta(), documents=(Left(DocumentKind.DETAILS, b"settled"),)
)


def test_on_a_server_a_settlement_is_one_statement(store: Store, notify: Notify) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite knows no such statement")
    id, asked = notify(), []
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    event.listen(store.engine, "before_cursor_execute", lambda *about: asked.append(about[2]))
    assert store.settle(claim, Stage.FETCH, DETAILS, ring_after=MINUTE)
    assert len(asked) == 1
    assert [line.state for line in store.history(id)] == ["RECEIVED", "FETCHED"]
    assert store.document(id, DocumentKind.DETAILS) == b"settled"


def test_a_settlement_that_waits_for_the_row_sees_what_was_left_meanwhile(
    store: Store, database_url: str, notify: Notify
) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite's writers stand in line")
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    with another_store(database_url) as other, ThreadPoolExecutor(1) as pool:
        with other.writing() as connection:
            connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(seq=SHIPMENT.c.seq + 1))
            line = {"shipment_id": id, "seq": 2, "at": store.now(), "stage": "receive", "state": "RECEIVED"}
            connection.execute(insert(HISTORY), line | {"outcome": "ignored", "tries": 0, "actor": "engine"})
            left = {"shipment_id": id, "kind": DocumentKind.DETAILS, "version": 1, "sealed": b"", "sha256": ""}
            connection.execute(insert(DOCUMENT), left | {"created_at": store.now()})
            settled = pool.submit(store.settle, claim, Stage.FETCH, DETAILS, ring_after=MINUTE)
            while not _waits_for_a_lock(database_url):
                time.sleep(0.01)
        assert settled.result(30)
    assert seqs(store, id) == [1, 2, 3]
    assert [document.version for document in store.documents(id) if document.kind == DocumentKind.DETAILS] == [1, 2]
    assert store.document(id, DocumentKind.DETAILS) == b"settled"


def _waits_for_a_lock(database_url: str) -> bool:
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        asked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        waiting = connection.exec_driver_sql(asked).scalar_one()
    admin.dispose()
    return bool(waiting)


def test_what_fails_beside_a_settlement_undoes_all_of_it(store: Store, notify: Notify) -> None:
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    before = row_of(store, id)

    def fails(connection: Any, now: datetime) -> None:
        raise RuntimeError("beside")

    settlement = Settlement(
        state=State.FETCHED, outcome="done", due=timedelta(), documents=(Left(DocumentKind.DETAILS, b"x"),), also=fails
    )
    with pytest.raises(RuntimeError, match="beside"):
        store.settle(claim, Stage.FETCH, settlement, ring_after=MINUTE)
    assert row_of(store, id) == before
    assert seqs(store, id) == [1]
    assert store.document(id, DocumentKind.DETAILS) is None


@pytest.mark.parametrize(
    ("due", "ring_after", "rings_in"),
    [(timedelta(), MINUTE, MINUTE), (timedelta(), timedelta(), timedelta()), (LEASE * 5, MINUTE, LEASE * 5)],
    ids=["the chain looks first", "nobody looks", "later"],
)
def test_the_sweeper_is_quiet_only_while_somebody_else_looks(
    store: Store, notify: Notify, clock: Clock, due: timedelta, ring_after: timedelta, rings_in: timedelta
) -> None:
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    assert store.settle(
        claim, Stage.FETCH, Settlement(state=State.FETCHED, outcome="done", due=due), ring_after=ring_after
    )
    row = row_of(store, id)
    assert (row.due_at, row.ring_at) == (clock() + due, clock() + rings_in)
    assert (row.lease, row.lease_until) == (None, None)


def test_what_is_due_never_rings_never(store: Store, notify: Notify) -> None:
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    store.settle(claim, Stage.FETCH, Settlement(state=State.RECEIVED, outcome="stopped", due=None), ring_after=MINUTE)
    row = row_of(store, id)
    assert (row.due_at, row.ring_at, store.unfinished()) == (None, None, 0)


# -- documents and history ----------------------------------------------------------------------------------


def test_a_later_document_has_a_higher_version_and_overwrites_none(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    for content in (b"one", b"two"):
        clock.pass_(seconds=1)
        left = (Left(DocumentKind.DETAILS, content),)
        engine.advance(id, Stage.FETCH, lambda claim, left=left: Done(state=State.FETCHED, documents=left))  # type: ignore[misc]
        put(store, id, state=State.RECEIVED)
    found = [(document.kind, document.version) for document in store.documents(id)]
    assert found == [("notification", 1), ("details", 1), ("details", 2)]
    assert store.document(id, DocumentKind.DETAILS) == b"two"
    assert store.document(id, DocumentKind.NFE) is None


def test_the_history_has_no_gap_whoever_writes(store: Store, seller: None, database_url: str) -> None:
    store.receive(Notice(SELLER, "FBA1", None, b"{}"), ring_after=MINUTE)
    id = f"{SELLER}/FBA1"

    def write(own: Store, number: int) -> None:
        for line in range(10):
            own.note(id, stage="receive", outcome="ignored", reason=f"{number}.{line}")
            own.retry(id, actor="maria")
            claim = own.claim(id, Stage.FETCH, lease=LEASE)
            if claim is not None:
                own.settle(
                    claim,
                    Stage.FETCH,
                    Settlement(state=State.RECEIVED, outcome="waiting", due=LEASE),
                    ring_after=MINUTE,
                )

    all_at_once(database_url, write)
    written = seqs(store, id)
    assert written == list(range(1, row_of(store, id).seq + 1))
    assert len(written) > WORKERS * 10


# -- an operator's questions --------------------------------------------------------------------------------


def test_a_shipment_is_found_by_any_of_its_names(store: Store, notify: Notify) -> None:
    id = notify("FBA1")
    assert [store.find(name) for name in (id, "FBA1", "701-1234567-1234567", "FBA", "%", "")] == [
        *([id], [id], [id]),
        *([], [], []),
    ]


def test_an_order_of_two_shipments_names_both_oldest_first(store: Store, notify: Notify, clock: Clock) -> None:
    first = notify("FBA2")
    clock.pass_(seconds=1)
    second = notify("FBA1")
    assert store.find("701-1234567-1234567") == [first, second]


def test_the_list_tells_what_happened_last_newest_first(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    old = notify("FBA1")
    clock.pass_(seconds=1)
    new = notify("FBA2")

    def stop(claim: Any) -> Done:
        raise Invalid("unknown-sku", "SKU X")

    engine.advance(old, Stage.FETCH, stop)
    rows = store.shipments()
    assert [(row.id, row.outcome, row.code, row.reason) for row in rows] == [
        (new, "done", None, None),
        (old, "stopped", "unknown-sku", "SKU X"),
    ]
    assert [row.id for row in store.shipments(stopped=True)] == [old]
    assert [row.id for row in store.shipments(limit=1)] == [new]
    assert [row.id for row in store.shipments(state=State.FETCHED)] == []
    assert len(store.shipments(state=State.RECEIVED, seller_id=SELLER)) == 2
    assert store.shipments(seller_id="NOBODY") == []


def test_the_counts_tell_states_and_who_needs_a_person(store: Store, notify: Notify) -> None:
    ids = [notify(f"FBA{number}") for number in range(4)]
    put(store, ids[0], stop_code="unknown-sku", due_at=None, ring_at=None)
    put(store, ids[1], state=State.ACCEPTED, due_at=None, ring_at=None)
    assert store.counts() == {(State.RECEIVED, False): 2, (State.RECEIVED, True): 1, (State.ACCEPTED, False): 1}
    assert store.unfinished() == 2


def test_no_such_shipment_is_none(store: Store) -> None:
    assert store.shipment("NOBODY/NOTHING") is None
    assert store.history("NOBODY/NOTHING") == []
    assert store.document("NOBODY/NOTHING", DocumentKind.NFE) is None
    assert store.retry("NOBODY/NOTHING", actor="maria") is None
    assert not store.cancel("NOBODY/NOTHING", reason="none", actor="maria")


# -- an operator's orders -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "target"), RETRY.items(), ids=str)
def test_a_retry_takes_what_the_other_side_decided_back(
    store: Store, notify: Notify, clock: Clock, state: State, target: State
) -> None:
    id = notify()
    put(store, id, state=state, due_at=None, ring_at=None, tries=3, crashes=2)
    assert store.retry(id, actor="maria") is target
    row = row_of(store, id)
    assert (row.state, row.due_at, row.ring_at, row.tries, row.crashes) == (target, clock(), clock(), 0, 0)
    line = store.history(id)[-1]
    assert (line.stage, line.from_state, line.state, line.actor) == ("retry", state, target, "maria")


@pytest.mark.parametrize("state", [State.RECEIVED, State.FETCHED, State.GENERATED, State.AUTHORIZED, State.SUBMITTED])
def test_a_retry_of_what_stopped_keeps_its_state(store: Store, notify: Notify, clock: Clock, state: State) -> None:
    id = notify()
    put(store, id, state=state, stop_code="gave-up", due_at=None, ring_at=None, tries=100)
    assert store.retry(id, actor="maria") is state
    row = row_of(store, id)
    assert (row.stop_code, row.tries, row.due_at) == (None, 0, clock())


def test_a_retry_hurries_what_waits_but_not_what_is_due(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    assert store.retry(id, actor="maria") is None

    def later(claim: Any) -> Done:
        raise RetryLater("http-503", "away", after=timedelta(hours=2))

    engine.advance(id, Stage.FETCH, later)
    assert store.retry(id, actor="maria") is State.RECEIVED
    assert row_of(store, id).due_at == clock()


@pytest.mark.parametrize("state", [State.ACCEPTED, State.CANCELLED])
def test_there_is_nothing_to_retry_in_a_finished_shipment(store: Store, notify: Notify, state: State) -> None:
    id = notify()
    put(store, id, state=state, due_at=None, ring_at=None)
    assert store.retry(id, actor="maria") is None
    assert seqs(store, id) == [1]


def test_a_shipment_in_a_workers_hands_is_not_retried(store: Store, notify: Notify) -> None:
    id = notify()
    put(store, id, stop_code="gave-up")
    assert store.claim(id, Stage.FETCH, lease=LEASE) is not None
    assert store.retry(id, actor="maria") is None


def test_a_retry_of_a_stopped_cancellation_goes_on_cancelling(store: Store, notify: Notify) -> None:
    id = notify()
    put(store, id, state=State.ERRORED, cancelling=True, stop_code="too-late", due_at=None, ring_at=None)
    assert store.retry(id, actor="maria") is State.ERRORED
    assert store.claim(id, Stage.CANCEL, lease=LEASE) is not None


def test_of_four_retries_at_once_one_does_it(store: Store, seller: None, database_url: str) -> None:
    (id,) = add_shipments(store, 1)
    put(store, id, state=State.REJECTED, due_at=None, ring_at=None)
    got = all_at_once(database_url, lambda own, _: own.retry(id, actor="maria"))
    assert Counter(got) == {State.FETCHED: 1, None: 3}
    assert seqs(store, id) == [1]


def test_a_cancellation_is_asked_for_once(store: Store, notify: Notify, clock: Clock) -> None:
    id = notify()
    put(store, id, stop_code="unknown-sku", due_at=None, ring_at=None)
    assert store.cancel(id, reason="the buyer changed his mind", actor="maria")
    assert not store.cancel(id, reason="the buyer changed his mind", actor="maria")
    row = row_of(store, id)
    assert (row.cancelling, row.stop_code, row.due_at, row.ring_at) == (True, None, clock(), clock())
    assert [(line.stage, line.outcome) for line in store.history(id)] == [("receive", "done"), ("cancel", "asked")]


@pytest.mark.parametrize(("state", "is_due"), [(State.AUTHORIZED, True), (State.ACCEPTED, False)])
def test_a_cancellation_that_is_taken_back_leaves_the_shipment_in_its_state(
    store: Store, notify: Notify, clock: Clock, state: State, is_due: bool
) -> None:
    id = notify()
    store.cancel(id, reason="the buyer changed his mind", actor="maria")
    put(store, id, state=state, stop_code="501", due_at=None, ring_at=None, sent_at=clock())
    assert not store.withdraw(id, seq=1, reason="seen too early", actor="maria")
    assert store.withdraw(id, seq=2, reason="SEFAZ takes it no more", actor="maria")
    row, line = row_of(store, id), store.history(id)[-1]
    due = clock() if is_due else None
    assert (row.state, row.cancelling, row.stop_code, row.due_at, row.ring_at) == (state, False, None, due, due)
    assert row.sent_at == clock()  # of a submission, perhaps: Amazon is asked before it is repeated
    assert (line.outcome, line.reason, line.actor) == ("withdrawn", "SEFAZ takes it no more", "maria")
    assert not store.withdraw(id, seq=3, reason="again", actor="maria")


def test_a_cancellation_in_a_workers_hands_is_not_taken_back(store: Store, notify: Notify) -> None:
    id = notify()
    store.cancel(id, reason="the buyer changed his mind", actor="maria")
    assert store.claim(id, Stage.CANCEL, lease=MINUTE) is not None
    assert not store.withdraw(id, seq=2, reason="too late", actor="maria")


def test_of_four_cancellations_at_once_one_is_taken(store: Store, seller: None, database_url: str) -> None:
    (id,) = add_shipments(store, 1)
    asked = all_at_once(database_url, lambda own, _: own.cancel(id, reason="changed", actor="maria"))
    assert sorted(asked) == [False, False, False, True]
    assert seqs(store, id) == [1]


def test_what_is_cancelled_cannot_be_cancelled(store: Store, notify: Notify) -> None:
    id = notify(status="Cancelled")
    assert not store.cancel(id, reason="again", actor="maria")
    assert seqs(store, id) == [1]


def test_asking_to_cancel_a_claimed_shipment_leaves_it_to_its_worker(
    store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    assert store.cancel(id, reason="changed", actor="maria")
    assert row_of(store, id).ring_at == clock() + LEASE
    assert store.claim(id, Stage.CANCEL, lease=LEASE) is None
    store.settle(claim, Stage.FETCH, Settlement(state=State.FETCHED, outcome="done", due=LEASE), ring_after=MINUTE)
    row = row_of(store, id)
    assert (row.due_at, row.ring_at, row.seq) == (clock(), clock(), 3)
    assert store.claim(id, Stage.CANCEL, lease=LEASE) is not None


# -- the database itself ------------------------------------------------------------------------------------


def test_sqlite_keeps_what_it_committed_and_lets_readers_read(store: Store) -> None:
    if store.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's own settings")
    with store.reading() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


def test_first_connections_at_once_do_not_find_the_new_file_locked(tmp_path: Path) -> None:
    """Seen in three of a hundred rounds: SQLite does not wait for the switch to WAL."""
    for number in range(40):
        barrier = threading.Barrier(WORKERS)

        def write(url: str, barrier: threading.Barrier = barrier) -> None:
            engine = connect(url)
            barrier.wait(10)
            with engine.begin() as connection:
                connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (a INTEGER)")
            engine.dispose()

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(write, [f"sqlite:///{tmp_path / str(number)}"] * WORKERS))


def test_nobody_waits_for_a_writer_to_read(store: Store, notify: Notify, database_url: str) -> None:
    id = notify()
    with store.writing() as connection, another_store(database_url) as reader:
        connection.execute(update(SHIPMENT).values(tries=9))
        assert row_of(reader, id).tries == 0


def test_a_transaction_that_fails_leaves_nothing_of_itself(store: Store, notify: Notify) -> None:
    id = notify()

    def change(crashes: int | None) -> None:
        with store.writing() as connection:
            connection.execute(update(SHIPMENT).values(tries=9))
            connection.execute(update(SHIPMENT).values(crashes=crashes))

    with pytest.raises(DBAPIError):
        change(None)
    assert row_of(store, id).tries == 0
    change(9)
    assert (row_of(store, id).tries, row_of(store, id).crashes) == (9, 9)


def test_who_waits_for_a_writer_in_vain_is_told_as_of_any_trouble_of_the_database(
    store: Store, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflow.store.SQLITE_BUSY_TIMEOUT", 0.05)
    if store.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL's writers wait for rows only")
    with another_store(database_url) as other:
        other.find("anything")
        with store.writing(), pytest.raises(DBAPIError, match="locked"), other.writing():
            pass
        with other.writing() as connection:
            connection.execute(update(SHIPMENT).values(tries=9))


@pytest.mark.parametrize("rested", [True, False])
def test_a_connection_that_the_server_ended_is_replaced(
    store: Store, database_url: str, notify: Notify, monkeypatch: pytest.MonkeyPatch, rested: bool
) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite is no server")
    id = notify()
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    admin.dispose()
    if rested:
        monkeypatch.setattr("workflow.store.UNASKED", -1.0)
    else:
        with pytest.raises(DBAPIError), store.writing():  # the first one after it learns it
            pass
    assert store.claim(id, Stage.FETCH, lease=LEASE) is not None
    assert row_of(store, id).tries == 1


def test_a_connection_has_a_time_to_be_made_and_keepalives_unless_its_url_says_otherwise(
    store: Store, database_url: str
) -> None:
    if store.engine.dialect.name != "postgresql":
        pytest.skip("SQLite is no server")
    with another_store(f"{database_url}&keepalives_idle=7") as other, other.reading() as connection:
        asked = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
    assert {name: asked[name] for name in ("connect_timeout", "keepalives_idle", "tcp_user_timeout")} == {
        "connect_timeout": "10", "keepalives_idle": "7", "tcp_user_timeout": "30000",
    }  # fmt: skip


def test_a_history_line_needs_its_shipment(store: Store) -> None:
    line = {"shipment_id": "NOBODY/X", "seq": 1, "at": datetime.now(UTC), "stage": "receive", "state": "RECEIVED"}
    with pytest.raises(Exception, match=r"(?i)foreign key"), store.writing() as connection:
        connection.execute(insert(HISTORY), line | {"outcome": "done", "tries": 0, "actor": "engine"})


def test_moments_come_back_aware_and_in_utc(store: Store, notify: Notify) -> None:
    row = row_of(store, notify())
    assert row.created_at.utcoffset() == timedelta()


def test_the_time_is_postgresqls_own(store: Store, database_url: str) -> None:
    if store.engine.dialect.name != "postgresql":
        assert abs(store.now() - datetime.now(UTC)) < timedelta(seconds=1)
        return
    admin = create_engine(database_url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:  # a server whose clock is three hours ahead
        connection.execute(
            text(
                "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
                "'SELECT pg_catalog.clock_timestamp() + interval ''3 hours'''"
            )
        )
        connection.execute(text(f"ALTER DATABASE {admin.url.database} SET search_path = public, pg_catalog"))
    admin.dispose()
    with another_store(database_url) as ahead:
        distance = ahead.now() - datetime.now(UTC)
    assert abs(distance - timedelta(hours=3)) < timedelta(seconds=1)


@pytest.mark.parametrize(
    "url", ["garbage", "foo://u:hidden@h/x", "postgresql+psycopg://u:hidden@h:port/x", "sqlite+x://"]
)
def test_a_wrong_database_url_is_told_without_its_password(url: str) -> None:
    with pytest.raises(Misconfigured, match="NFE_DATABASE_URL") as raised:
        connect(url)
    assert "hidden" not in str(raised.value)


def test_every_table_of_the_models_is_there(store: Store) -> None:
    with store.reading() as connection:
        for table in SQLModel.metadata.sorted_tables:
            assert connection.execute(select(table)).all() == []


def test_the_engine_and_the_store_agree_on_ids(engine: Engine) -> None:
    assert engine.receive(notification("FBA9"))[0] == f"{SELLER}/FBA9"


# -- sending ------------------------------------------------------------------------------------------------


def test_a_send_taken_back_leaves_the_mark_of_an_earlier_one(
    store: Store, engine: Engine, notify: Notify, clock: Clock
) -> None:
    id = notify()
    first = store.claim(id, Stage.FETCH, lease=LEASE)
    assert first is not None
    assert store.mark_sent(first)
    sent = clock()
    clock.pass_(minutes=5)
    second = store.claim(id, Stage.FETCH, lease=LEASE)
    assert second is not None
    assert store.mark_sent(second)
    assert row_of(store, id).sent_at == clock()
    store.mark_unsent(second)
    assert row_of(store, id).sent_at == sent


def test_who_sends_has_a_whole_lease_to_wait_for_the_answer(store: Store, notify: Notify, clock: Clock) -> None:
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=LEASE)
    assert claim is not None
    clock.pass_(seconds=50)
    assert store.mark_sent(claim)
    row = row_of(store, id)
    assert row.lease_until == row.ring_at == clock() + LEASE
    clock.pass_(seconds=50)
    assert store.claim(id, Stage.FETCH, lease=LEASE) is None


def test_a_cancellation_asked_for_while_a_stage_fails_begins_its_own_tries(
    store: Store, engine: Engine, notify: Notify, clock: Clock
) -> None:
    id = notify()
    put(store, id, tries=99)

    def meanwhile(claim: Claim) -> Done:
        notify(status="Cancelled")
        raise RetryLater("http-503", "away")

    engine.advance(id, Stage.FETCH, meanwhile)
    row = row_of(store, id)
    assert (row.cancelling, row.tries, row.due_at) == (True, 0, clock())


def test_what_a_stage_finds_cancelled_rests_though_a_cancellation_was_asked_for_meanwhile(
    store: Store, engine: Engine, notify: Notify
) -> None:
    id = notify()
    put(store, id, state=State.GENERATED)

    def meanwhile(claim: Claim) -> Done:
        notify(status="Cancelled")
        return Done(state=State.CANCELLED, code="101")

    engine.advance(id, Stage.AUTHORIZE, meanwhile)
    row = row_of(store, id)
    assert (row.state, row.cancelling, row.due_at, row.ring_at) == (State.CANCELLED, False, None, None)
    assert store.unfinished() == 0


def reissuing(store: Store, id: str, meanwhile: Callable[[], object]) -> None:
    put(store, id, state=State.AUTHORIZED)
    assert store.cancel(id, reason="Preço errado", actor="maria", code=REISSUE)
    claim = store.claim(id, Stage.CANCEL, lease=LEASE)
    assert claim is not None
    meanwhile()
    result = Settlement(state=State.FETCHED, outcome="done", due=timedelta())
    assert store.settle(claim, Stage.CANCEL, result, ring_after=timedelta())


def test_a_reissue_begins_anew(store: Store, notify: Notify) -> None:
    id = notify()
    reissuing(store, id, lambda: store.cancel(id, reason="Preço errado", actor="ana", code=REISSUE))
    row = row_of(store, id)
    assert (row.state, row.cancelling) == (State.FETCHED, False)


def test_a_cancellation_during_a_reissue_is_not_forgotten(store: Store, notify: Notify) -> None:
    id = notify()
    reissuing(store, id, lambda: notify(status="Cancelled"))
    row = row_of(store, id)
    assert (row.state, row.cancelling, row.due_at) == (State.FETCHED, True, row.ring_at)
    assert not store.cancel(id, reason="O comprador desistiu", actor="maria")


def test_a_cancellation_that_comes_as_a_reissue_is_settled_is_not_forgotten(
    store: Store, notify: Notify, database_url: str
) -> None:
    """Both at once: whoever is first, the cancellation is known in the end."""
    for number in range(10):
        id = notify(shipment=f"FBA{number}")
        put(store, id, state=State.AUTHORIZED)
        store.cancel(id, reason="Preço errado", actor="maria", code=REISSUE)
        claim = store.claim(id, Stage.CANCEL, lease=LEASE)
        assert claim is not None
        again = Settlement(state=State.FETCHED, outcome="done", due=timedelta())

        def work(own: Store, worker: int, id: str = id, claim: Claim = claim, again: Settlement = again) -> bool:
            if worker:
                return own.cancel(id, reason="O comprador desistiu", actor="amazon")
            return own.settle(claim, Stage.CANCEL, again, ring_after=timedelta())

        assert all_at_once(database_url, work, workers=2) == [True, True]
        assert row_of(store, id).cancelling
