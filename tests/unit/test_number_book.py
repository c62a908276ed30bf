"""The book of numbers: each is there, whatever is not is told, and other systems' numbers are not ours."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import delete, update

from tests.unit.test_numbers import NOW, WHERE, cNF_of, fate, take
from tests.unit.test_store import SELLER, add_shipments, seller
from workflow.errors import Invalid
from workflow.models import NumberStatus
from workflow.number_book import NumberBook, Series, void_by
from workflow.numbers import NUMBER, SERIES
from workflow.store import Store

__all__ = ["cNF_of", "seller"]
pytestmark = pytest.mark.usefixtures("seller")

OURS = Series(WHERE.cnpj, WHERE.environment, WHERE.series)


def lose(store: Store, *numbers: int) -> None:
    with store.writing() as connection:
        connection.execute(delete(NUMBER).where(NUMBER.c.number.in_(numbers)))


def standing(store: Store) -> Any:
    (found,) = NumberBook(store).standings()
    return found


def test_a_series_without_gaps_says_so_with_its_counts(store: Store) -> None:
    ids = add_shipments(store, 4)
    for id in ids:
        take(store, id, where=WHERE._replace(first=11))
    fate(store, ids[0], NumberStatus.USED)
    fate(store, ids[1], NumberStatus.UNUSED)
    found = standing(store)
    assert (found.first, found.next, found.gaps, found.missing) == (11, 15, (), 0)
    assert found.counts == {"used": 1, "unused": 1, "reserved": 2}


@pytest.mark.parametrize(
    ("lost", "gaps"),
    [
        ((1,), ((1, 1),)),
        ((3, 4), ((3, 4),)),
        ((6,), ((6, 6),)),
        ((1, 2, 5), ((1, 2), (5, 5))),
        (range(1, 7), ((1, 6),)),
    ],
    ids=str,
)
def test_whatever_is_missing_is_told(store: Store, lost: Any, gaps: Any) -> None:
    for id in add_shipments(store, 6):
        take(store, id)
    lose(store, *lost)
    found = standing(store)
    assert found.gaps == gaps
    assert found.missing == len(lost)


def test_each_series_is_judged_apart(store: Store) -> None:
    first, second, third = add_shipments(store, 3)
    take(store, first)
    take(store, second, where=WHERE._replace(series=2))
    take(store, third, where=WHERE._replace(series=2))
    with store.writing() as connection:
        connection.execute(delete(NUMBER).where(NUMBER.c.series == 2, NUMBER.c.number == 1))
    assert [(one.series.series, one.gaps) for one in NumberBook(store).standings()] == [(1, ()), (2, ((1, 1),))]
    assert NumberBook(store).standings(cnpj="11222333000181") == []


def test_a_new_series_begins_where_the_operator_says(store: Store) -> None:
    (id,) = add_shipments(store, 1)
    assert NumberBook(store).start(OURS, 5001, actor="me") == 0
    assert take(store, id).nNF == 5001
    assert (standing(store).first, standing(store).gaps) == (5001, ())


def test_a_series_goes_on_above_another_systems_numbers_without_a_gap(store: Store) -> None:
    first, second = add_shipments(store, 2)
    take(store, first)
    assert NumberBook(store).start(OURS, 100, actor="me") == 2
    assert take(store, second).nNF == 100
    assert (standing(store).foreign, standing(store).gaps) == (((2, 99),), ())


def test_a_series_nothing_was_taken_from_may_begin_higher_still(store: Store) -> None:
    book = NumberBook(store)
    book.start(OURS, 10, actor="me")
    assert book.start(OURS, 20, actor="me") == 10
    assert book.start(OURS, 20, actor="me") == 20
    assert (standing(store).first, standing(store).next, standing(store).foreign) == (20, 20, ())


@pytest.mark.parametrize(
    ("series", "number", "code"),
    [(1, 1, "known-number"), (1, 0, "bad-number"), (1, 1_000_000_000, "bad-number"), (890, 9, "bad-number")],
)
def test_a_series_goes_only_upwards_and_within_the_law(store: Store, series: int, number: int, code: str) -> None:
    (id,) = add_shipments(store, 1)
    take(store, id)
    with pytest.raises(Invalid) as caught:
        NumberBook(store).start(OURS._replace(series=series), number, actor="me")
    assert caught.value.code == code
    assert standing(store).next == 2


def test_numbers_are_told_with_their_shipments_the_highest_first(store: Store) -> None:
    ids = add_shipments(store, 3)
    for id in ids:
        take(store, id)
    fate(store, ids[0], NumberStatus.USED, access_key="K" * 44)
    book = NumberBook(store)
    assert [row.number for row in book.numbers()] == [3, 2, 1]
    assert [row.number for row in book.numbers(limit=1)] == [3]
    (used,) = book.numbers(seller_id=SELLER, status=NumberStatus.USED)
    assert (used.shipment_id, used.access_key, used.since) == (ids[0], "K" * 44, NOW)
    assert book.numbers(seller_id="NOBODY") == []


def test_the_oldest_unused_number_tells_the_deadline(store: Store) -> None:
    book = NumberBook(store)
    assert book.unused_since() is None
    (id,) = add_shipments(store, 1)
    take(store, id)
    fate(store, id, NumberStatus.UNUSED)
    assert book.unused_since() == NOW


@pytest.mark.parametrize(("month", "day"), [(1, "2026-02-10"), (11, "2026-12-10"), (12, "2027-01-10")])
def test_a_number_is_voided_by_the_tenth_of_the_next_month(month: int, day: str) -> None:
    assert void_by(datetime(2026, month, 20, tzinfo=UTC)).isoformat() == day


def test_a_series_from_before_the_first_number_was_kept_counts_from_its_lowest(store: Store) -> None:
    """What the migration does."""
    for id in add_shipments(store, 2):
        take(store, id, where=WHERE._replace(first=7))
    with store.writing() as connection:
        connection.execute(update(SERIES).values(first_number=1))
    assert standing(store).gaps == ((1, 6),)
