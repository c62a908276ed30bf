"""What a person should know of: when it begins, how urgent it is, and what it says."""

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.test_exposition import NOW, a_seller, a_standing
from workflow.clients.broker import BrokerStanding
from workflow.clients.counters import Counted
from workflow.conditions import MOST_NAMED, OF_BROKER, OF_DATABASE, Condition, of_broker, of_database
from workflow.examination import BrokerFound, DatabaseFound
from workflow.handovers import Counts
from workflow.purge import REMOVED
from workflow.settings import Settings
from workflow.standing import Waiting

QUIET = {"for_person": 0, "stopped": {}}


def in_database(*, current: bool = True, moving: timedelta | None = None, **standing: Any) -> list[Condition]:
    since = None if moving is None else NOW - moving
    found = DatabaseFound(0.01, current, a_standing(**QUIET | standing), {}, since)
    waiting = [Waiting(f"A/{i}", "FETCHED", "unknown-sku") for i in range(20)]
    return list(of_database(found, waiting, Settings()))


def in_broker(since_sweep: timedelta | None, blocks: dict[str, list[timedelta]] | None = None) -> list[Condition]:
    standing = BrokerStanding(0.001, 0, 0, 0, "noeviction")
    return list(of_broker(BrokerFound(standing, Counted({}, 2), since_sweep, blocks or {}, {})))


def test_an_installation_as_it_should_be_has_nothing_to_tell() -> None:
    assert in_database() == []
    assert in_broker(timedelta(seconds=1), {"consulta": []}) == []


def test_an_old_database_is_told() -> None:
    assert [found.kind for found in in_database(current=False)] == ["database-revision"]


@pytest.mark.parametrize(
    ("days", "level", "severity"),
    [(30.1, None, ""), (29.9, "30", "info"), (6.9, "7", "warning"), (0.9, "1", "critical"), (-1, "ended", "critical")],
)
def test_a_certificate_is_told_at_thirty_seven_and_one_day_and_at_its_end(
    days: float, level: str | None, severity: str
) -> None:
    found = in_database(sellers=[a_seller(1, days=days)])
    assert [(one.key, one.level, str(one.severity)) for one in found] == (
        [] if level is None else [("certificate:SELLER0001", level, severity)]
    )


def test_a_stopped_seller_is_told_with_its_code_and_what_mends_it() -> None:
    (found,) = in_database(sellers=[a_seller(1, "lwa-invalid-grant")])
    assert (found.key, found.level) == ("seller-stopped:SELLER0001", "lwa-invalid-grant")
    assert "authorises" in found.text or "authorise" in found.text
    assert found.facts == {"seller": "SELLER0001", "code": "lwa-invalid-grant"}


def test_a_removed_seller_is_told_of_no_more() -> None:
    assert in_database(sellers=[a_seller(1, REMOVED, days=-3)]) == []


def test_shipments_that_wait_for_a_person_are_one_alert_that_names_some() -> None:
    (found,) = in_database(for_person=25, stopped={"unknown-sku": 5})
    assert (found.key, found.size) == ("person", 25)
    assert len(found.facts["shipments"]) == MOST_NAMED
    assert found.facts["shipments"][0] == {"shipment": "A/0", "state": "FETCHED", "code": "unknown-sku"}


def test_shipments_that_wait_for_their_seller_are_the_sellers_alert() -> None:
    assert in_database(for_person=5, stopped={"seller-stopped": 5}) == []


def test_what_is_due_for_too_long_is_told() -> None:
    assert in_database(oldest_due=timedelta(minutes=14)) == []
    (found,) = in_database(oldest_due=timedelta(minutes=16), due=3)
    assert (found.kind, found.size) == ("overdue", 3)
    assert "16 min" in found.text


@pytest.mark.parametrize(
    ("accepted", "moving", "is_told"),
    [
        (timedelta(hours=3), timedelta(hours=3), True),
        (None, timedelta(hours=3), True),
        (timedelta(hours=3), timedelta(minutes=5), False),  # a quiet night, and the first sale of the day
        (timedelta(hours=1), timedelta(hours=3), False),
        (timedelta(hours=3), None, False),
    ],
)
def test_silence_is_told_while_shipments_have_waited_as_long(
    accepted: timedelta | None, moving: timedelta | None, is_told: bool
) -> None:
    found = in_database(accepted=accepted, moving=moving)
    assert [one.kind for one in found] == ["nothing-accepted"] * is_told


def test_without_shipments_on_their_way_silence_is_no_trouble() -> None:
    assert in_database(accepted=None, moving=timedelta(hours=3), shipments={}) == []


def test_nobody_sweeping_is_told_after_two_minutes() -> None:
    assert in_broker(timedelta(seconds=110)) == []
    assert [found.kind for found in in_broker(timedelta(seconds=130))] == ["nobody-sweeps"]
    assert [found.kind for found in in_broker(None)] == ["nobody-sweeps"]


def test_what_sefaz_shut_is_told_by_service() -> None:
    (found,) = in_broker(timedelta(), {"consulta": [timedelta(minutes=5), timedelta(minutes=50)], "evento": []})
    assert (found.kind, found.level, found.size) == ("sefaz-blocked", "consulta", 2)
    assert "50 min" in found.text


def test_every_kind_is_known_to_whoever_ends_them() -> None:
    everything = [
        *in_database(current=False, sellers=[a_seller(1, "213", days=3)], for_person=2, oldest_due=timedelta(days=1)),
        *in_database(handovers=Counts(waiting=0, stopped=2)),
        *in_database(accepted=None, moving=timedelta(hours=3)),
    ]
    assert {found.kind for found in everything} == OF_DATABASE
    assert {found.kind for found in in_broker(None, {"evento": [timedelta(1)]})} == OF_BROKER
