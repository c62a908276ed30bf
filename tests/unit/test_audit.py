"""What a person did is written down, and passwords cannot be tried without end."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.conftest import Clock
from workflow.audit import TRIES, TRIES_BY_ADDRESS, TRIES_BY_NAME, Action, Audit
from workflow.store import Store

#: Where the database has no part in what is shown.
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def audit(store: Store, clock: Clock) -> Audit:
    return Audit(store)


def test_lines_are_told_newest_first_by_shipment_and_by_person(audit: Audit) -> None:
    audit.note(Action.SAW_BUYER, actor="maria", address="127.0.0.1", shipment_id="S/A")
    audit.note(Action.RETRY, actor="maria", address="127.0.0.1", shipment_id="S/B", detail="FETCHED")
    audit.note(Action.LOGIN, actor="joao", address="10.0.0.1")
    assert [line.action for line in audit.lines()] == ["login", "retry", "saw-buyer"]
    assert [line.action for line in audit.lines(shipment_id="S/A")] == ["saw-buyer"]
    assert [line.action for line in audit.lines(actor="maria", action=Action.RETRY)] == ["retry"]
    newest = audit.lines(limit=1)[0]
    assert [line.action for line in audit.lines(before=newest.id, limit=1)] == ["retry"]


@on_sqlite
def test_what_comes_from_outside_is_cut(audit: Audit) -> None:
    audit.note(Action.LOGIN_TRIED, actor="x" * 10_000, address="127.0.0.1")
    assert len(audit.lines()[0].actor) == 200


@on_sqlite
def test_a_name_from_one_place_may_be_tried_ten_times_in_a_quarter_of_an_hour(audit: Audit, clock: Clock) -> None:
    assert [audit.may_try("maria", "10.0.0.1") for _ in range(TRIES + 1)] == [True] * TRIES + [False]
    assert audit.may_try("maria", "10.0.0.2"), "somebody elsewhere does not shut maria out"
    clock.pass_(minutes=16)
    assert audit.may_try("maria", "10.0.0.1")


@on_sqlite
def test_many_names_from_one_place_are_stopped_too(audit: Audit) -> None:
    done = [audit.may_try(f"user{number}", "10.0.0.1") for number in range(TRIES_BY_ADDRESS + 1)]
    assert done.count(False) == 1


@on_sqlite
def test_one_name_from_many_places_is_stopped_too(audit: Audit) -> None:
    done = [audit.may_try("maria", f"10.0.0.{number}") for number in range(TRIES_BY_NAME + 1)]
    assert done.count(False) == 1


def test_a_login_that_succeeded_begins_the_count_anew(audit: Audit, clock: Clock) -> None:
    for _ in range(TRIES - 1):
        audit.may_try("maria", "10.0.0.1")
    clock.pass_(seconds=1)
    audit.note(Action.LOGIN, actor="maria", address="10.0.0.1")
    clock.pass_(seconds=1)
    assert all(audit.may_try("maria", "10.0.0.1") for _ in range(TRIES))


@on_sqlite
def test_refused_tries_leave_no_line(audit: Audit) -> None:
    for _ in range(TRIES + 5):
        audit.may_try("maria", "10.0.0.1")
    assert len(audit.lines()) == TRIES


def test_many_tries_at_once_are_counted_each(audit: Audit) -> None:
    with ThreadPoolExecutor(8) as pool:
        let = list(pool.map(lambda _: audit.may_try("maria", "10.0.0.1"), range(24)))
    assert let.count(True) <= TRIES
