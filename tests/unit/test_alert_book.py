"""What is told of an alert and when, on both databases: at least once, and no flood."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.conftest import Clock, one_database
from workflow.alert_book import GROWN_AFTER, LEASE, SETTLED, AlertBook
from workflow.conditions import Condition, Severity
from workflow.store import Store

AGAIN = timedelta(hours=6)
KINDS = frozenset({"person", "seller-stopped"})


@pytest.fixture
def book(store: Store, clock: Clock) -> AlertBook:
    return AlertBook(store)


def a_condition(kind: str = "person", **values: Any) -> Condition:
    return Condition(kind, Severity.WARNING, "a text", **values)


def see(book: AlertBook, *found: Condition) -> None:
    book.see(found, kinds=KINDS, again=AGAIN)


def told(book: AlertBook) -> list[str]:
    """What is told now; whoever reads it takes it."""
    rows = book.take(limit=10)
    for row in rows:
        book.told(row)
    return [f"{row.key} {'over' if row.quiet_since else 'on'}" for row in rows]


@one_database
def test_it_is_told_once_while_nothing_changes(book: AlertBook, clock: Clock) -> None:
    for _ in range(5):
        see(book, a_condition())
        told(book)
        clock.pass_(minutes=1)
    see(book, a_condition())
    assert told(book) == []


@one_database
def test_it_is_told_again_after_some_hours(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition())
    assert told(book) == ["person on"]
    clock.pass_(hours=6)
    see(book, a_condition())
    assert told(book) == ["person on"]


@one_database
def test_another_level_is_told_at_once_and_a_growth_after_an_hour(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition(level="7"))
    told(book)
    see(book, a_condition(level="1"))
    assert told(book) == ["person on"]
    see(book, a_condition(level="1", size=9))
    assert told(book) == []
    clock.pass_(hours=GROWN_AFTER / timedelta(hours=1))
    see(book, a_condition(level="1", size=9))
    assert told(book) == ["person on"]
    clock.pass_(hours=2)
    see(book, a_condition(level="1", size=3))
    assert told(book) == [], "less of it is no news"


def test_its_end_is_told_once_it_has_been_gone_for_some_minutes(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition())
    told(book)
    see(book)
    assert told(book) == []
    clock.pass_(minutes=SETTLED / timedelta(minutes=1))
    see(book)
    assert told(book) == ["person over"]
    assert book.rows() == []


@one_database
def test_what_comes_and_goes_is_told_once(book: AlertBook, clock: Clock) -> None:
    said = []
    for minute in range(40):
        see(book, *[a_condition()] * (minute % 3 == 0))
        said += told(book)
        clock.pass_(minutes=1)
    assert said == ["person on"]


@one_database
def test_what_is_gone_before_anybody_was_told_was_nothing(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition(grace=timedelta(minutes=1)))
    assert told(book) == []
    clock.pass_(seconds=30)
    see(book)
    clock.pass_(minutes=10)
    assert told(book) == []
    assert book.rows() == []


@one_database
def test_what_cannot_be_looked_for_does_not_end(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition("sefaz-blocked"))
    told(book)
    see(book)
    clock.pass_(minutes=30)
    see(book)
    assert told(book) == []
    assert [row.key for row in book.rows()] == ["sefaz-blocked"]


def test_what_was_not_taken_is_told_again_later_and_its_end_too(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition())
    (row,) = book.take(limit=10)
    book.postpone(row, timedelta(minutes=2))
    assert book.take(limit=10) == []
    clock.pass_(minutes=2)
    (row,) = book.take(limit=10)
    assert row.tries == 1
    book.told(row)
    assert [row.tries for row in book.rows()] == [0]


def test_whoever_dies_while_telling_leaves_it_to_the_next(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition())
    assert len(book.take(limit=10)) == 1
    assert book.take(limit=10) == [], "somebody has it"
    clock.pass_(seconds=LEASE.total_seconds())
    assert told(book) == ["person on"]


@one_database
def test_what_came_back_while_its_end_was_told_is_told_anew(book: AlertBook, clock: Clock) -> None:
    see(book, a_condition())
    told(book)
    see(book)
    clock.pass_(minutes=6)
    (row,) = book.take(limit=10)
    see(book, a_condition())
    book.told(row)
    see(book, a_condition())
    assert told(book) == ["person on"]


def test_each_seller_has_an_alert_of_its_own(book: AlertBook) -> None:
    see(book, a_condition("seller-stopped", whom="A"), a_condition("seller-stopped", whom="B"))
    assert told(book) == ["seller-stopped:A on", "seller-stopped:B on"]
    assert book.rows()[0].facts == {"text": "a text", "severity": "warning"}
