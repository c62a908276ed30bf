"""The database's steps are taken while the program of before is at work: its workers go on, and lose and double nothing.

The store asks nothing that the step PREVIOUS does not know, so it stands for that program's workers.
"""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import inspect, select, text, update

from tests.promises import assert_histories_are_paths_without_gaps
from tests.unit.conftest import SELLER
from tests.unit.test_store import add_seller
from workflow import migrations
from workflow.crypto import Vault
from workflow.errors import Misconfigured
from workflow.key_source import new_key
from workflow.models import DocumentKind
from workflow.states import SETTLED, State, next_stage
from workflow.store import HISTORY, SHIPMENT, Left, Notice, Settlement, Store, connect, shipment_id

#: A step from which tables with rows get indexes, new tables refer to them, and nothing of a shipment changes.
PREVIOUS = "0005"
#: The last one before a table that refers to shipments.
BEFORE_A_REFERENCE = "0007"
WRITERS = 3
MINUTE = timedelta(minutes=1)


class Writer:
    """One worker of the version before: takes shipments in and stage by stage to their ends."""

    def __init__(self, url: str, vault: Vault, name: str) -> None:
        self.store = Store(connect(url), vault)
        self.name = name
        self.done: list[str] = []
        self.errors: list[Exception] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._work)

    def _work(self) -> None:
        while not self.stopping.is_set():
            try:
                self._one(f"{self.name}{len(self.done)}")
            except Exception as error:
                self.errors.append(error)
                return
        self.store.engine.dispose()

    def _one(self, name: str) -> None:
        notice = Notice(SELLER, name, None, b"{}")
        id, state = shipment_id(SELLER, name), State.RECEIVED
        assert self.store.receive(notice, ring_after=MINUTE)
        for found in (State.FETCHED, State.GENERATED, State.AUTHORIZED, State.SUBMITTED, State.ACCEPTED):
            stage = next_stage(state)
            assert stage is not None
            claim = self.store.claim(id, stage, lease=MINUTE)
            assert claim is not None, (id, stage)
            due = None if found in SETTLED else timedelta()
            left = (Left(DocumentKind.DETAILS, b"details"),) if found is State.FETCHED else ()
            settlement = Settlement(state=found, outcome="done", due=due, documents=left)
            assert self.store.settle(claim, stage, settlement, ring_after=MINUTE)
            state = found
        self.done.append(id)


@contextmanager
def writers(url: str, vault: Vault) -> Iterator[list[Writer]]:
    made = [Writer(url, vault, f"W{number}N") for number in range(WRITERS)]
    for writer in made:
        writer.thread.start()
    try:
        yield made
    finally:
        for writer in made:
            writer.stopping.set()
        for writer in made:
            writer.thread.join(60)


def wait(writers: list[Writer], more: int) -> None:
    """Return once each writer has brought so many more shipments to their ends."""
    wanted, deadline = [len(writer.done) + more for writer in writers], time.monotonic() + 60
    while any(len(writer.done) < count for writer, count in zip(writers, wanted, strict=True)):
        assert not [writer.errors for writer in writers if writer.errors]
        assert time.monotonic() < deadline, "the writers stand still"
        time.sleep(0.01)


@pytest.fixture
def vault() -> Vault:
    return Vault([new_key()])


@contextmanager
def at(url: str, step: str, vault: Vault) -> Iterator[Store]:
    """A database at that step, with a row in every state, one of them claimed."""
    store = Store(connect(url), vault)
    migrations.upgrade(store.engine, step)
    add_seller(store, SELLER)
    for state in State:
        store.receive(Notice(SELLER, f"OLD{state}", None, b"{}"), ring_after=MINUTE)
        with store.writing() as connection:
            row = update(SHIPMENT).where(SHIPMENT.c.id == shipment_id(SELLER, f"OLD{state}"))
            connection.execute(row.values(state=state))
    yield store
    store.engine.dispose()


def assert_all_is_there(store: Store, made: list[Writer]) -> None:
    with store.reading() as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
        rows = {row.id: row for row in connection.execute(select(*SHIPMENT.c)).all()}
        lines = connection.execute(select(*HISTORY.c).order_by(HISTORY.c.shipment_id, HISTORY.c.seq)).all()
    assert found == migrations.HEAD
    for writer in made:
        assert not writer.errors
        assert {rows[id].state for id in writer.done} == {State.ACCEPTED}
        for id in writer.done:
            assert_histories_are_paths_without_gaps([rows[id]], [line for line in lines if line.shipment_id == id])
    assert {f"{SELLER}/OLD{state}" for state in State} <= set(rows)


def test_two_upgrades_at_once_under_workers_of_the_version_before(database_url: str, vault: Vault) -> None:
    with at(database_url, PREVIOUS, vault) as store:
        claim = store.claim(shipment_id(SELLER, f"OLD{State.RECEIVED}"), next_stage(State.RECEIVED), lease=MINUTE)  # type: ignore[arg-type]
        assert claim is not None
        with writers(database_url, vault) as made, ThreadPoolExecutor(2) as pool:
            wait(made, 1)
            upgrades = [pool.submit(migrations.upgrade, connect(database_url)) for _ in range(2)]
            for one in upgrades:
                one.result(60)
            wait(made, 1)
        assert_all_is_there(store, made)
        settlement = Settlement(state=State.FETCHED, outcome="done", due=timedelta())
        assert store.settle(claim, next_stage(State.RECEIVED), settlement, ring_after=MINUTE)  # type: ignore[arg-type]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("step", "waits_for"), [(PREVIOUS, "virtualxid"), (BEFORE_A_REFERENCE, "relation")])
def test_while_somebody_holds_a_table_the_upgrade_waits_and_the_workers_do_not(
    database_url: str, vault: Vault, step: str, waits_for: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index waits for the holder's end; what refers to the table asks again and again, and lets others go first."""
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "100ms")
    monkeypatch.setattr(migrations, "PAUSE", 0.1)
    with at(database_url, step, vault) as store, store.writing() as holder:
        held = shipment_id(SELLER, f"OLD{State.FETCHED}")
        holder.execute(update(SHIPMENT).where(SHIPMENT.c.id == held).values(tries=1))
        with writers(database_url, vault) as made, ThreadPoolExecutor(1) as pool:
            wait(made, 1)
            upgrade = pool.submit(migrations.upgrade, connect(database_url))
            try:
                wait_for_a_waiter(store, waits_for)
                wait(made, 5)
                assert not upgrade.done()
            finally:
                holder.commit()
            upgrade.result(60)
            wait(made, 1)
        assert_all_is_there(store, made)


def wait_for_a_waiter(store: Store, waits_for: str) -> None:
    """Return once somebody waits for that kind of a lock of another session's."""
    of_this = "wait_event_type = 'Lock' AND wait_event = :event AND datname = current_database()"
    question = text(f"SELECT count(*) FROM pg_stat_activity WHERE {of_this}")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with store.reading() as connection:
            if connection.execute(question, {"event": waits_for}).scalar_one():
                return
        time.sleep(0.005)
    raise AssertionError("nobody waits")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_what_an_interrupted_upgrade_left_of_an_index_is_made_anew(database_url: str, vault: Vault) -> None:
    with at(database_url, PREVIOUS, vault) as store:
        with store.writing() as connection:
            connection.execute(text("CREATE INDEX ix_shipment_stopped ON shipment (id)"))
        migrations.upgrade(store.engine)
        found = {index["name"]: index["column_names"] for index in inspect(store.engine).get_indexes("shipment")}
        assert found["ix_shipment_stopped"] == ["created_at"]
        assert_all_is_there(store, [])


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_table_that_is_never_let_go_of_is_told_in_one_line(
    database_url: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"LOCK_TIMEOUT": "50ms", "PAUSE": 0.05, "PATIENCE": 0.2}.items():
        monkeypatch.setattr(migrations, name, value)
    with at(database_url, BEFORE_A_REFERENCE, vault) as store:
        with store.writing() as holder:
            holder.execute(update(SHIPMENT).values(tries=1))
            with pytest.raises(Misconfigured, match="database-busy"):
                migrations.upgrade(store.engine)
        migrations.upgrade(store.engine)
        assert_all_is_there(store, [])
