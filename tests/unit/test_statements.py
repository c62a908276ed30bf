"""Every statement on a shipment's way, and every list of an operator, is answered by an index: the database's own plan says so."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from tests.unit.conftest import SELLER, Clock
from workflow.catalog import Catalog
from workflow.models import DocumentKind, NumberSeries, NumberStatus, table
from workflow.numbers import NUMBER
from workflow.standing import standing
from workflow.states import Stage, State
from workflow.store import DOCUMENT, HISTORY, SHIPMENT, Left, Settlement, Store

OTHER = "A9OTHER"
MINUTE = timedelta(minutes=1)


@pytest.fixture
def large(store: Store, clock: Clock) -> Store:
    """10,000 shipments as they are in life, with history, documents and numbers, and what the planner knows of them."""
    for seller in (SELLER, OTHER):
        values = {"id": seller, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None}
        Catalog(store).put_seller(values, secrets=b"{}")
    places = range(10_000)
    settled = {"state": "ACCEPTED", "due_at": None, "ring_at": None}
    ids = [f"{SELLER if place % 200 else OTHER}/S{place:05}" for place in places]
    rows = [
        _large_row(id, place, clock()) | ({} if place % 50 == 0 else settled)
        for place, id in zip(places, ids, strict=True)
    ]
    lines = [
        {"shipment_id": id, "seq": seq, "at": clock(), "stage": "poll", "state": "ACCEPTED", "outcome": "done",
         "tries": 1, "actor": "engine"}
        for id in ids
        for seq in (1, 2)
    ]  # fmt: skip
    documents = [
        {"shipment_id": id, "kind": "details", "version": 1, "sealed": b"", "sha256": "", "created_at": clock()}
        for id in ids
    ]  # fmt: skip
    series = {"cnpj": "99999999000191", "environment": 2, "series": 1}
    numbers = [
        series | {"number": place + 1, "shipment_id": id, "turn": 1, "random_code": "1", "reserved_at": clock(),
                  "status": NumberStatus.RESERVED if place % 50 == 0 else NumberStatus.USED}
        for place, id in enumerate(ids)
    ]  # fmt: skip
    with store.writing() as connection:
        connection.execute(insert(table(NumberSeries)), series | {"next_number": len(ids) + 1})
        for into, values in ((SHIPMENT, rows), (HISTORY, lines), (DOCUMENT, documents), (NUMBER, numbers)):
            connection.execute(insert(into), values)
    with store.writing() as connection:
        connection.execute(text("ANALYZE"))
    return store


def _large_row(id: str, place: int, now: datetime) -> dict[str, Any]:
    due = now + timedelta(seconds=place - 100)
    stop_code = "unknown-sku" if place % 250 == 0 else None
    return {
        "id": id, "seller_id": id.partition("/")[0], "amazon_shipment_id": f"S{place:05}",
        "amazon_order_id": f"701-{place:07}", "state": "SUBMITTED", "cancelling": False, "tries": 0, "crashes": 0,
        "turn": 1, "seq": 2, "due_at": due, "ring_at": due, "stop_code": stop_code, "lease": None,
        "created_at": now - timedelta(days=100) + timedelta(seconds=place), "updated_at": now - timedelta(days=50),
    }  # fmt: skip


#: What workers, the sweeper and operators ask, by name.
QUESTIONS: dict[str, Callable[[Store], object]] = {
    "claim and settle": lambda store: _claimed_and_settled(store),
    "sweep": lambda store: store.sweep(limit=50, ring_again=MINUTE),
    "a seller's newest": lambda store: store.shipments(seller_id=OTHER, limit=20),
    "what waits for a person": lambda store: store.shipments(stopped=True, limit=20),
    "a state's newest": lambda store: store.shipments(state=State.SUBMITTED, limit=20),
    "the newest": lambda store: store.shipments(limit=20),
    "find": lambda store: store.find("701-0000500"),
    "history": lambda store: store.history(f"{SELLER}/S00501"),
    "documents": lambda store: store.documents(f"{SELLER}/S00501"),
    "unfinished": lambda store: store.unfinished(),
    "standing": lambda store: standing(store, longest_ring=MINUTE),
}


def _claimed_and_settled(store: Store) -> None:
    claim = store.claim(f"{SELLER}/S00050", Stage.POLL, lease=MINUTE)
    assert claim is not None
    assert store.mark_sent(claim)
    store.mark_unsent(claim)
    verdict = (Left(DocumentKind.VERDICT, b"{}"),)
    done = Settlement(state=State.ACCEPTED, outcome="done", due=None, documents=verdict)
    assert store.settle(claim, Stage.POLL, done, ring_after=MINUTE)


def test_no_question_reads_a_whole_table(large: Store) -> None:
    """As the database itself plans each statement, with 10,000 rows and what it knows of them."""
    found = {
        (name, line)
        for name, ask in QUESTIONS.items()
        for statement in _asked(large, ask)
        for line in _plan(large, *statement)
        if WHOLE_TABLE.search(line)
    }
    assert found == set()


#: PostgreSQL's words, and SQLite's; sellers are few, and CTEs no tables.
WHOLE_TABLE = re.compile(
    r"Seq Scan on (?:shipment|history|document|number)\b|^SCAN (?:shipment|history|document|number)$"
)


def _asked(store: Store, ask: Callable[[Store], object]) -> list[tuple[str, Any]]:
    """The statements of a question, as the driver got them."""
    seen: list[tuple[str, Any]] = []

    def see(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "INSERT", "WITH")):
            seen.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", see)
    try:
        ask(store)
    finally:
        event.remove(store.engine, "before_cursor_execute", see)
    assert seen
    return seen


def _plan(store: Store, statement: str, parameters: Any) -> list[str]:
    explain = "EXPLAIN" if store.engine.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with store.writing() as connection:
        return [str(line[-1]).strip() for line in connection.exec_driver_sql(f"{explain} {statement}", parameters)]
