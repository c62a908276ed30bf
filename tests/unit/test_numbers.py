"""NF-e numbers: no gap, none twice, each shipment's own for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.unit.test_store import add_shipments, another_store, seller
from workflow.errors import Invalid
from workflow.models import NumberStatus
from workflow.numbers import NUMBER, Range, Reserved, decide, give_up, reserve
from workflow.store import Store

__all__ = ["seller"]
pytestmark = pytest.mark.usefixtures("seller")

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
WHERE = Range("99999999000191", 2, 1)


def cNF_of(nNF: int) -> str:
    return f"{nNF * 7:08}"


def take(store: Store, id: str, *, turn: int = 1, where: Range = WHERE) -> Reserved:
    with store.writing() as connection:
        return reserve(connection, id, turn, where, cNF_of, NOW)


def fate(store: Store, id: str, status: NumberStatus, **more: Any) -> None:
    with store.writing() as connection:
        decide(connection, id, 1, status, now=NOW, **more)


def rows(store: Store) -> list[Any]:
    with store.reading() as connection:
        return list(connection.execute(select(NUMBER).order_by(NUMBER.c.series, NUMBER.c.number)).all())


def test_four_workers_at_once_leave_no_gap_and_take_none_twice(store: Store, database_url: str) -> None:
    ids = add_shipments(store, 120)
    barrier = threading.Barrier(4)

    def work(worker: int) -> list[int]:
        with another_store(database_url) as own:
            own.find("anything")
            barrier.wait(10)
            return [take(own, id).nNF for id in ids[worker::4]]

    with ThreadPoolExecutor(4) as pool:
        taken = [nNF for numbers in pool.map(work, range(4)) for nNF in numbers]
    assert sorted(taken) == list(range(1, 121))


def test_four_workers_with_the_same_shipment_get_the_same_number(store: Store, database_url: str) -> None:
    """In the engine a lease keeps others out; should it run out, the database still gives one number only."""
    (id,) = add_shipments(store, 1)
    barrier = threading.Barrier(4)

    def work(_: int) -> Reserved | None:
        with another_store(database_url) as own:
            own.find("anything")
            barrier.wait(10)
            try:
                return take(own, id)
            except Exception:  # the loser's transaction is undone whole: it burns no number
                return None

    with ThreadPoolExecutor(4) as pool:
        got = set(pool.map(work, range(4)))
    assert got - {None} == {Reserved(1, cNF_of(1))}
    assert take(store, id) == Reserved(1, cNF_of(1))
    assert len(rows(store)) == 1


def test_a_shipment_always_gets_its_own_number_and_its_own_code(store: Store) -> None:
    first, second = add_shipments(store, 2)
    mine = take(store, first)
    take(store, second)
    with store.writing() as connection:
        again = reserve(connection, first, 1, WHERE, lambda nNF: "99999999", NOW + timedelta(days=1))
    assert again == mine == Reserved(1, cNF_of(1))


def test_another_turn_gets_another_number(store: Store) -> None:
    (id,) = add_shipments(store, 1)
    assert [take(store, id, turn=turn).nNF for turn in (1, 2, 1, 2)] == [1, 2, 1, 2]


def test_a_series_begins_where_the_seller_says_and_only_then(store: Store) -> None:
    ids = add_shipments(store, 3)
    assert take(store, ids[0], where=WHERE._replace(first=5001)).nNF == 5001
    assert take(store, ids[1], where=WHERE._replace(first=9000)).nNF == 5002
    assert take(store, ids[2], where=WHERE).nNF == 5003


@pytest.mark.parametrize(
    "change", [{"series": 2}, {"environment": 1}, {"cnpj": "12ABC34501DE35"}], ids=["series", "tpAmb", "CNPJ"]
)
def test_each_series_counts_apart(store: Store, change: dict[str, Any]) -> None:
    first, second = add_shipments(store, 2)
    assert take(store, first).nNF == 1
    assert take(store, second, where=WHERE._replace(**change)).nNF == 1


def test_a_transaction_that_fails_burns_no_number(store: Store) -> None:
    first, second = add_shipments(store, 2)

    def fail() -> None:
        with store.writing() as connection:
            reserve(connection, first, 1, WHERE, cNF_of, NOW)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert take(store, second).nNF == 1
    assert take(store, first).nNF == 2


def test_a_number_belongs_to_a_known_shipment(store: Store) -> None:
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        take(store, "NOBODY/X")
    assert rows(store) == []


def test_sefaz_makes_a_number_used(store: Store) -> None:
    (id,) = add_shipments(store, 1)
    take(store, id)
    fate(store, id, NumberStatus.USED, access_key="K" * 44)
    (row,) = rows(store)
    assert (row.status, row.access_key, row.decided_at, row.random_code) == ("used", "K" * 44, NOW, cNF_of(1))


@pytest.mark.parametrize("status", list(NumberStatus))
@pytest.mark.parametrize("decided", [NumberStatus.USED, NumberStatus.VOIDED])
def test_nothing_changes_a_decided_number(store: Store, decided: NumberStatus, status: NumberStatus) -> None:
    (id,) = add_shipments(store, 1)
    take(store, id)
    fate(store, id, decided, access_key="K" * 44)
    before = rows(store)
    fate(store, id, status, access_key="X" * 44)
    assert rows(store) == before


def test_an_unused_number_may_still_be_voided_or_turn_out_used(store: Store) -> None:
    for id, status in zip(add_shipments(store, 2), (NumberStatus.VOIDED, NumberStatus.USED), strict=True):
        take(store, id)
        fate(store, id, NumberStatus.UNUSED)
        fate(store, id, status)
    assert [row.status for row in rows(store)] == ["voided", "used"]


def test_the_fate_of_one_turn_leaves_the_other_alone(store: Store) -> None:
    (id,) = add_shipments(store, 1)
    take(store, id)
    take(store, id, turn=2)
    fate(store, id, NumberStatus.UNUSED)
    assert [row.status for row in rows(store)] == ["unused", "reserved"]


def test_the_code_is_drawn_for_the_number_taken(store: Store) -> None:
    drawn: list[int] = []

    def draw(nNF: int) -> str:
        drawn.append(nNF)
        return cNF_of(nNF)

    first, second = add_shipments(store, 2)
    for id in (first, second, first):
        with store.writing() as connection:
            reserve(connection, id, 1, WHERE, draw, NOW)
    assert drawn == [1, 2]


def test_a_number_of_another_series_is_not_used_in_this_one(store: Store) -> None:
    """A seller that goes from homologation to production, or to another series, has shipments with old numbers."""
    (id,) = add_shipments(store, 1)
    take(store, id)
    for where in (Range(WHERE.cnpj, 1, 1), Range(WHERE.cnpj, 2, 7), Range("99999999000272", 2, 1)):
        with pytest.raises(Invalid, match="number-of-another-series"):
            take(store, id, where=where)
    assert take(store, id).nNF == 1


def test_a_number_given_up_is_another_notes_and_the_next_turn_takes_the_next(store: Store) -> None:
    (id,) = add_shipments(store, 1)
    take(store, id)
    with store.writing() as connection:
        give_up(connection, id, 1, NumberStatus.USED, now=NOW)
    row = store.shipment(id)
    assert row is not None
    assert take(store, id, turn=row.turn).nNF == 2
    assert [(row.number, row.status) for row in rows(store)] == [(1, NumberStatus.USED), (2, NumberStatus.RESERVED)]
