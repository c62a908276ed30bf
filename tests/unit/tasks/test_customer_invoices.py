"""The scheduled pulls: one per connector, one at a time, and what Flower shows of each end."""

from datetime import timedelta

import pytest
from celery.exceptions import Retry

from tasks import customer_invoices as pulls
from tasks.app import Stopped, schedule
from tests.unit.test_customer_invoices import LIST, NAME, NOON, Vendor, vendor  # noqa: F401  a fixture
from workflow.sandbox.faults import Fault
from workflow.settings import Settings


@pytest.fixture
def scheduled(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> Vendor:  # noqa: F811
    monkeypatch.setattr(pulls, "tools", lambda: vendor.tools)
    monkeypatch.setattr(pulls, "BRIEF", ())
    return vendor


def is_free(vendor: Vendor) -> bool:  # noqa: F811
    return vendor.row.pulling_until is None


def test_what_is_new_is_pulled_and_the_connector_is_free_again(scheduled: Vendor) -> None:
    scheduled.holds(1, NOON - timedelta(days=1))
    assert pulls.pull_customer_invoices(NAME) == "1 of 1 windows, 1 pages: 1 new, 0 changed, 0 seen before"
    assert is_free(scheduled)


def test_a_connector_that_another_pull_has_is_left_alone(scheduled: Vendor) -> None:
    assert scheduled.vendors.take(NAME, lease=pulls.LEASE)
    assert pulls.pull_customer_invoices(NAME) == "another pull has it"
    assert scheduled.asked() == 0
    assert not is_free(scheduled)


def test_what_may_pass_shows_as_retry_and_the_next_pull_goes_on(scheduled: Vendor) -> None:
    scheduled.holds(1, NOON - timedelta(days=1))
    scheduled.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=503))
    with pytest.raises(Retry, match="amazon-http-503"):
        pulls.pull_customer_invoices(NAME)
    assert is_free(scheduled)
    assert "1 new" in pulls.pull_customer_invoices(NAME)


def test_what_a_person_must_mend_shows_as_failure(scheduled: Vendor) -> None:
    scheduled.amazon.book.change({"sellers": {"Atzr|another": "X"}})
    with pytest.raises(Stopped, match="lwa-invalid-grant"):
        pulls.pull_customer_invoices(NAME)
    assert is_free(scheduled)
    with pytest.raises(Stopped, match="no connector china"):
        pulls.pull_customer_invoices("china")


def test_content_that_is_no_file_is_counted(scheduled: Vendor) -> None:
    scheduled.holds(1, NOON - timedelta(days=1), "base 64 content goes here")
    assert pulls.pull_customer_invoices(NAME).endswith("1 unusable")


def test_each_connector_gets_a_pull_of_its_own(scheduled: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(pulls.pull_customer_invoices, "apply_async", lambda args, **_: started.append(args))
    assert pulls.customer_invoices() == 1
    assert started == [(NAME,)]


def test_beat_pulls_every_hour_or_never() -> None:
    assert schedule(Settings())["customer_invoices"]["schedule"] == 3600
    assert "customer_invoices" not in schedule(Settings(customer_invoices_every=timedelta()))
