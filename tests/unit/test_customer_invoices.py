"""Pulling a vendor's customer invoices from a local Amazon, on both databases: nothing lost, nothing kept twice."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Clock
from workflow.clients.vendor import CustomerInvoice
from workflow.connector import ConnectorSecrets, Source
from workflow.connector_file import read_connector, register
from workflow.customer_invoices import (
    LONGEST,
    OVERLAP,
    Tally,
    Wish,
    cut,
    fetch,
    file_of,
    is_out_of_reach,
    media_type,
    pull,
)
from workflow.errors import Invalid, Misconfigured, NfeError, Refused, RetryLater, SellerStopped
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.faults import Fault
from workflow.sandbox.server import Started, start_amazon
from workflow.sandbox.vendor_shelf import HeldInvoice
from workflow.settings import Settings
from workflow.store import Store
from workflow.tools import Tools
from workflow.vendors import Vendors

NAME = "india"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)  # where the tests' clock stands
OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
LIST, GET = "getCustomerInvoices", "getCustomerInvoice"


def pdf(text: object) -> bytes:
    return f"%PDF-1.7 {text}".encode()


@dataclass
class Vendor:
    """A connector at a local Amazon, and what waited for it."""

    amazon: Started[AmazonBook]
    tools: Tools
    vendors: Vendors
    paused: list[float] = field(default_factory=list)

    @property
    def row(self) -> Any:
        return self.vendors.connector(NAME)

    def holds(self, number: object, created: datetime, content: bytes | str | None = None, **changes: Any) -> None:
        """Let Amazon hold an invoice: a PDF unless a content, or a text instead of base64, is given."""
        raw = pdf(number) if content is None else content
        text = raw if isinstance(raw, str) else base64.b64encode(raw).decode()
        self.amazon.book.add_customer_invoice(
            HeldInvoice(purchaseOrderNumber=f"PO{number}", content=text, created=created, **changes)
        )

    def source(self, *, waits: tuple[float, ...] = ()) -> Source:
        return Source(self.tools, self.row, waits=waits, pause=self.paused.append)

    def pull(self, after: datetime | None = None, before: datetime | None = None, **wish: Any) -> Tally:
        tally = Tally()
        pull(self.vendors, self.row, self.source(), Wish(after, before, **wish), tally=tally)
        return tally

    def fails(self, kind: type[NfeError], *args: Any, **wish: Any) -> NfeError:
        with pytest.raises(kind) as caught:
            self.pull(*args, **wish)
        return caught.value

    def asked(self, operation: str = LIST) -> int:
        return int(self.amazon.book.dump(requests=False)["counts"].get(operation, 0))

    def kept(self) -> dict[tuple[str, int], Any]:
        return {(row.purchase_order_number, row.version): row for row in self.vendors.invoices()}

    def numbers(self) -> set[str]:
        return {number for number, _ in self.kept()}

    def content(self, number: str) -> bytes | None:
        file = self.vendors.file(NAME, number)
        return file.content if file else None


@pytest.fixture
def vendor(store: Store, clock: Clock, tmp_path: Path) -> Iterator[Vendor]:
    with start_amazon(settings=AmazonSettings(rate_plan=False)) as amazon:
        tools = Tools(Settings(data_dir=tmp_path / "data", lwa_url=f"{amazon.url}/auth/o2/token", amazon_timeout=2))
        tools.__dict__["store"] = store
        vendors = Vendors(store)
        secrets = ConnectorSecrets("Atzr|vendor", "client", "secret").dump()
        vendors.put_connector(NAME, base_url=amazon.url, ship_from_party_id=None, secrets=secrets)
        yield Vendor(amazon, tools, vendors)


# -- windows ------------------------------------------------------------------------------------------------


@given(st.integers(1, 400 * 86400), st.integers(0, 400 * 86400))
def test_the_windows_of_a_period_leave_no_moment_out(seconds: int, inside: int) -> None:
    before = OCTOBER + timedelta(seconds=seconds)
    pieces = list(cut(OCTOBER, before))
    assert pieces[0][0] == OCTOBER
    assert pieces[-1][1] == before
    assert all(timedelta() < end - start <= LONGEST for start, end in pieces)
    assert all(one[1] - two[0] == OVERLAP for one, two in pairwise(pieces))
    moment = OCTOBER + timedelta(seconds=inside)
    assert any(start < moment < end for start, end in pieces) == (OCTOBER < moment < before)


def test_an_invoice_of_the_very_moment_between_two_windows_is_not_lost(vendor: Vendor) -> None:
    for days in (1, 7, 8, 14):
        vendor.holds(days, OCTOBER + timedelta(days=days))
    tally = vendor.pull(OCTOBER, OCTOBER + timedelta(days=21))
    assert vendor.numbers() == {"PO1", "PO7", "PO8", "PO14"}
    assert (tally.windows, tally.windows_done, tally.new, tally.changed) == (4, 4, 4, 0)


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"after": datetime(2026, 10, 1), "before": NOON}, "no-time-zone"),  # noqa: DTZ001
        ({"after": OCTOBER, "before": datetime(2026, 10, 1)}, "no-time-zone"),  # noqa: DTZ001
        ({"after": OCTOBER}, "half-a-period"),
        ({"before": OCTOBER}, "half-a-period"),
        ({"after": NOON, "before": OCTOBER}, "empty-period"),
        ({"after": NOON, "before": NOON}, "empty-period"),
        ({"page_size": 0}, "bad-limit"),
        ({"page_size": 101}, "bad-limit"),
        ({"sort_order": "UP"}, "bad-sort"),
    ],
)
def test_a_wish_that_amazon_would_refuse_is_refused_here(wish: dict[str, Any], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        Wish(**wish)
    assert caught.value.code == code


def test_any_time_zone_is_the_same_moment(vendor: Vendor) -> None:
    vendor.holds(1, OCTOBER + timedelta(hours=1))
    india = timezone(timedelta(hours=5, minutes=30))
    vendor.pull(OCTOBER.astimezone(india), (OCTOBER + timedelta(days=1)).astimezone(india))
    assert vendor.numbers() == {"PO1"}


def test_a_period_in_the_future_is_refused_and_one_into_it_ends_now(vendor: Vendor, clock: Clock) -> None:
    assert vendor.fails(Invalid, NOON + timedelta(days=1), NOON + timedelta(days=2)).code == "empty-period"
    vendor.pull(NOON - timedelta(days=1), NOON + timedelta(days=9))
    assert vendor.vendors.read_until(NAME, "") == NOON


def test_six_months_are_in_reach() -> None:
    assert not is_out_of_reach(NOON - timedelta(days=183), NOON)
    assert is_out_of_reach(NOON - timedelta(days=184), NOON)


# -- what is new --------------------------------------------------------------------------------------------


def test_without_a_period_the_last_week_comes_first_and_then_what_is_new(vendor: Vendor, clock: Clock) -> None:
    vendor.holds(1, NOON - timedelta(days=6))
    vendor.holds(2, NOON - timedelta(days=8))
    assert vendor.pull().new == 1
    clock.pass_(hours=3)
    vendor.holds(3, NOON + timedelta(hours=2))
    vendor.holds(4, NOON - timedelta(minutes=30))  # it came to light late
    assert vendor.pull().new == 2
    assert vendor.numbers() == {"PO1", "PO3", "PO4"}


def test_what_a_long_silence_left_is_cut_into_windows(vendor: Vendor, clock: Clock) -> None:
    vendor.pull()
    clock.pass_(days=20)
    vendor.holds(1, NOON + timedelta(days=5))
    tally = vendor.pull()
    assert (tally.windows, tally.new) == (3, 1)


def test_a_window_that_was_left_open_is_read_before_what_is_new(vendor: Vendor, clock: Clock) -> None:
    for number in range(4):
        vendor.holds(number, NOON - timedelta(days=3, minutes=number))
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=503, match="MDAwMDAwMDAwMg=="))
    vendor.fails(RetryLater, page_size=2)
    assert len(vendor.numbers()) == 2
    clock.pass_(hours=1)
    vendor.pull(page_size=2)
    assert len(vendor.numbers()) == 4
    assert not vendor.vendors.unfinished(NAME, "", since=OCTOBER)


# -- pages, resumption, versions ----------------------------------------------------------------------------


def test_every_page_is_read_in_either_order(vendor: Vendor) -> None:
    for number in range(7):
        vendor.holds(number, OCTOBER + timedelta(hours=number + 1))
    tally = vendor.pull(OCTOBER, OCTOBER + timedelta(days=1), page_size=3, sort_order="DESC")
    assert (tally.pages, tally.new) == (3, 7)
    assert vendor.content("PO4") == pdf(4)


def test_an_interrupted_pull_goes_on_at_its_page_and_a_finished_one_begins_anew(vendor: Vendor) -> None:
    period = (OCTOBER, OCTOBER + timedelta(days=10))
    for number in range(12):
        vendor.holds(number, OCTOBER + timedelta(hours=18 * number + 1))
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="drop_before", match="MDAwMDAwMDAwNg=="))
    vendor.fails(RetryLater, *period, page_size=2)
    assert (vendor.asked(), len(vendor.numbers())) == (4, 6)
    rest = vendor.pull(*period, page_size=2)
    assert (rest.pages, rest.new, rest.same) == (3, 6, 0)  # two pages of the first window, one of the second
    again = vendor.pull(*period, page_size=2)
    assert (again.new, again.changed, again.same) == (0, 0, 12)
    assert len(vendor.kept()) == 12


def test_a_next_token_belongs_to_its_query(vendor: Vendor) -> None:
    period = (OCTOBER, OCTOBER + timedelta(days=1))
    for number in range(5):
        vendor.holds(number, OCTOBER + timedelta(hours=number + 1))
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="garbage", match="MDAwMDAwMDAwMg=="))
    vendor.fails(RetryLater, *period, page_size=2)
    assert vendor.pull(*period, page_size=3, sort_order="DESC").new == 3
    assert len(vendor.kept()) == 5


def test_a_token_too_old_for_amazon_costs_the_window_a_new_beginning(vendor: Vendor) -> None:
    period = (OCTOBER, OCTOBER + timedelta(days=1))
    for number in range(4):
        vendor.holds(number, OCTOBER + timedelta(hours=number + 1))
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="drop_before", match="MDAwMDAwMDAwMg=="))
    vendor.fails(RetryLater, *period, page_size=2)
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=400, match="MDAwMDAwMDAwMg=="))
    tally = vendor.pull(*period, page_size=2)
    assert (tally.pages, tally.new, tally.same) == (2, 2, 2)


def test_two_pulls_of_the_same_read_it_together(vendor: Vendor) -> None:
    for number in range(6):
        vendor.holds(number, OCTOBER + timedelta(hours=number + 1))
    wish = Wish(OCTOBER, OCTOBER + timedelta(days=1), page_size=2)
    other = Tally()

    def meanwhile() -> None:
        if not other.pages:
            pull(vendor.vendors, vendor.row, vendor.source(), wish, tally=other)

    mine = Tally()
    pull(vendor.vendors, vendor.row, vendor.source(), wish, tally=mine, on_page=meanwhile)
    assert (mine.new + other.new, len(vendor.kept())) == (6, 6)
    assert mine.windows_done == other.windows_done == 1


def test_other_content_is_another_version_and_the_same_is_only_seen_again(vendor: Vendor, clock: Clock) -> None:
    period = (OCTOBER, OCTOBER + timedelta(days=1))
    vendor.holds(1, OCTOBER + timedelta(hours=1), pdf("first"))
    assert vendor.pull(*period).new == 1
    clock.pass_(minutes=1)
    vendor.holds(1, OCTOBER + timedelta(hours=1), pdf("second"))
    changed = vendor.pull(*period)
    assert (changed.new, changed.changed, changed.same) == (0, 1, 0)
    assert vendor.content("PO1") == pdf("second")
    clock.pass_(minutes=1)
    vendor.holds(1, OCTOBER + timedelta(hours=1), pdf("first"))
    assert vendor.pull(*period).same == 1
    assert sorted(vendor.kept()) == [("PO1", 1), ("PO1", 2)]
    assert vendor.content("PO1") == pdf("first")


def test_a_page_and_its_progress_are_kept_together_or_not_at_all(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    vendor.holds(1, OCTOBER + timedelta(hours=1))
    period = (OCTOBER, OCTOBER + timedelta(days=1))
    source = vendor.source()
    with monkeypatch.context() as patch:

        def page(*asked: Any) -> Any:
            patch.setattr(vendor.vendors, "_progress", lambda *_: 1 / 0)  # the transaction's last step
            return Source.page(source, *asked)

        patch.setattr(source, "page", page)
        with pytest.raises(ZeroDivisionError):
            pull(vendor.vendors, vendor.row, source, Wish(*period), tally=Tally())
    assert vendor.asked() == 1
    assert vendor.kept() == {}
    assert vendor.pull(*period).new == 1


def test_a_list_without_end_is_left(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    vendor.holds(1, OCTOBER + timedelta(hours=1))
    vendor.holds(2, OCTOBER + timedelta(hours=2))
    monkeypatch.setattr("workflow.sandbox.vendor_shelf.token", lambda _: "MDAwMDAwMDAwMA==")
    error = vendor.fails(Invalid, OCTOBER, OCTOBER + timedelta(days=1), page_size=1)
    assert error.code == "endless-pages"
    assert vendor.numbers() == {"PO1"}


def test_a_warehouse_is_pulled_on_its_own(vendor: Vendor) -> None:
    period = (OCTOBER, OCTOBER + timedelta(days=1))
    vendor.holds(1, OCTOBER + timedelta(hours=1), shipFromPartyId="W1")
    vendor.holds(2, OCTOBER + timedelta(hours=2))
    assert vendor.pull(*period, party="W1").new == 1
    assert vendor.vendors.read_until(NAME, "") is None
    assert vendor.pull(*period).new == 1


# -- contents -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"PK\x03\x04...", "application/zip"),
        (b'<?xml version="1.0"?><a/>', "application/xml"),
        (b"\xef\xbb\xbf<?xml?>", "application/xml"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b" %PDF-1.7", "application/octet-stream"),
        (b"", "application/octet-stream"),
    ],
)
def test_the_first_bytes_say_what_it_is(content: bytes, name: str) -> None:
    assert media_type(content) == name


@pytest.mark.parametrize(
    ("number", "text", "problem"),
    [
        ("PO1", "base 64 content goes here", "bad-base64"),
        ("PO1", "base 64 encoded string", "bad-base64"),
        ("PO1", "JVBERi0\n", "bad-base64"),
        ("PO1", "JVBERi0", "bad-base64"),
        ("PO1", "JVBERi0=\n", "bad-base64"),
        ("PO1", "JVBE_i0=", "bad-base64"),
        ("PO1", "JVBERi0=JVBERi0=", "bad-base64"),
        ("PO1", "\ud800é", "bad-base64"),
        ("PO1", "", "no-content"),
        ("", "JVBERi0=", "no-order-number"),
        ("PO\x00", "JVBERi0=", "no-order-number"),
        ("PO-1/2", "JVBERi0=", None),
    ],
)
def test_what_is_no_file_is_kept_with_its_reason(number: str, text: str, problem: str | None) -> None:
    file = file_of(CustomerInvoice(number, text))
    assert file.problem == problem
    if problem in ("bad-base64", "no-content"):
        assert file.content == text.encode(errors="surrogatepass")
    else:
        assert (file.content, file.media_type) == (b"%PDF-", "application/pdf")


@given(st.binary())
def test_what_is_base64_comes_back_byte_for_byte(content: bytes) -> None:
    file = file_of(CustomerInvoice("PO1", base64.b64encode(content).decode()))
    assert (file.content, file.problem) == (content, None if content else "no-content")


def test_one_bad_content_is_recorded_and_the_others_go_on(vendor: Vendor) -> None:
    period = (OCTOBER, OCTOBER + timedelta(days=1))
    vendor.holds(1, OCTOBER + timedelta(hours=1))
    vendor.holds(2, OCTOBER + timedelta(hours=2), "base 64 content goes here")
    vendor.holds(3, OCTOBER + timedelta(hours=3))
    tally = vendor.pull(*period)
    assert tally.problems == [("PO2", "bad-base64")]
    assert vendor.kept()["PO2", 1].problem == "bad-base64"
    assert vendor.content("PO2") is None
    vendor.holds(2, OCTOBER + timedelta(hours=2))
    assert vendor.pull(*period).changed == 1
    assert vendor.content("PO2") == pdf(2)


def test_the_static_examples_are_unusable_and_end(vendor: Vendor) -> None:
    tally = vendor.pull(OCTOBER, OCTOBER + timedelta(days=1))
    assert (tally.pages, tally.problems) == (2, [("mockpurchaseOrderNumber", "bad-base64")])


def test_nothing_readable_is_stored(vendor: Vendor, store: Store) -> None:
    vendor.holds(1, OCTOBER + timedelta(hours=1), pdf("Fulana da Silva"))
    vendor.pull(OCTOBER, OCTOBER + timedelta(days=1))
    with store.reading() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM customer_invoice").all()
        rows += connection.exec_driver_sql("SELECT * FROM vendor_connector").all()
    stored = (
        b"".join(bytes(cell) for row in rows for cell in row if isinstance(cell, bytes | memoryview))
        + str([cell for row in rows for cell in row]).encode()
    )
    for secret in (b"Fulana", b"%PDF", b"Atzr|vendor"):
        assert secret not in stored


# -- one order ----------------------------------------------------------------------------------------------


def test_one_order_is_asked_for_and_kept(vendor: Vendor) -> None:
    vendor.holds(1, OCTOBER)
    assert fetch(vendor.vendors, vendor.row, vendor.source(), "PO1").content == pdf(1)
    assert vendor.content("PO1") == pdf(1)


def test_one_order_without_a_file_is_an_error_by_name(vendor: Vendor) -> None:
    vendor.holds(1, OCTOBER, "base 64 encoded string")
    with pytest.raises(Invalid, match="bad-base64"):
        fetch(vendor.vendors, vendor.row, vendor.source(), "PO1")
    assert vendor.kept()["PO1", 1].problem == "bad-base64"
    with pytest.raises(Refused, match="NotFound"):
        fetch(vendor.vendors, vendor.row, vendor.source(), "PO2")


def test_another_orders_invoice_is_not_taken(vendor: Vendor) -> None:
    with pytest.raises(Refused, match="another-order"):  # the catch-all example
        fetch(vendor.vendors, vendor.row, vendor.source(), "PO1")
    assert vendor.kept() == {}


# -- patience, permits, tokens ------------------------------------------------------------------------------


def test_a_refused_window_does_not_keep_the_others_from_being_read(vendor: Vendor) -> None:
    vendor.holds(1, OCTOBER + timedelta(days=1))
    vendor.holds(2, OCTOBER + timedelta(days=9))
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=400))
    vendor.fails(Refused, OCTOBER, OCTOBER + timedelta(days=10))
    assert vendor.numbers() == {"PO2"}
    vendor.pull(OCTOBER, OCTOBER + timedelta(days=10))
    assert vendor.numbers() == {"PO1", "PO2"}


def test_what_may_pass_is_tried_again_and_then_given_up(vendor: Vendor) -> None:
    vendor.holds(1, OCTOBER + timedelta(hours=1))
    wish = Wish(OCTOBER, OCTOBER + timedelta(days=1))
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=503, times=2))
    pull(vendor.vendors, vendor.row, vendor.source(waits=(1, 2)), wish, tally=Tally())
    assert [wait for wait in vendor.paused if wait >= 1] == [1, 2]
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=503, times=3))
    with pytest.raises(RetryLater, match="amazon-http-503"):
        pull(vendor.vendors, vendor.row, vendor.source(waits=(1, 2)), wish, tally=Tally())


def test_a_revoked_authorisation_ends_the_pull_at_once(vendor: Vendor) -> None:
    vendor.amazon.book.change({"sellers": {"Atzr|another": "X"}})
    assert vendor.fails(SellerStopped, OCTOBER, NOON).code == "lwa-invalid-grant"
    assert vendor.asked() == 0


def test_requests_are_kept_apart_where_no_broker_runs(vendor: Vendor) -> None:
    vendor.pull(OCTOBER, OCTOBER + timedelta(days=20))
    assert vendor.paused == [0.1] * vendor.asked()


def test_a_connector_without_an_application_says_so(vendor: Vendor) -> None:
    vendor.vendors.put_connector(NAME, base_url="x", ship_from_party_id=None, secrets=ConnectorSecrets("r").dump())
    with pytest.raises(Misconfigured, match="no-application"):
        vendor.source()


def test_during_a_rotation_a_connectors_second_secret_is_tried(vendor: Vendor) -> None:
    vendor.amazon.book.change({"clients": {"client": "new"}})
    secrets = ConnectorSecrets("Atzr|vendor", "client", "old,new").dump()
    vendor.vendors.put_connector(NAME, base_url=vendor.amazon.url, ship_from_party_id=None, secrets=secrets)
    vendor.holds(1, OCTOBER + timedelta(hours=1))
    vendor.pull(OCTOBER, OCTOBER + timedelta(days=1))
    assert vendor.numbers() == {"PO1"}


def test_permits_come_from_the_plan_all_workers_share(vendor: Vendor, valkey: str, redis_client: redis.Redis) -> None:
    vendor.tools.settings = vendor.tools.settings.model_copy(update={"redis_url": valkey})
    vendor.tools.__dict__["redis"] = redis_client
    vendor.pull(OCTOBER, OCTOBER + timedelta(days=100))
    assert vendor.asked() > 10
    assert vendor.paused  # the eleventh waited
    assert all(wait < 0.2 for wait in vendor.paused)
    keys = {key.decode() for key in redis_client.scan_iter()}
    assert f"nfe:rate:{{client:{NAME}:{LIST}}}:full" in keys
    assert not any("Atz" in str(redis_client.dump(key)) for key in keys)


def test_a_throttled_request_empties_the_bucket(vendor: Vendor, valkey: str, redis_client: redis.Redis) -> None:
    vendor.tools.settings = vendor.tools.settings.model_copy(update={"redis_url": valkey})
    vendor.tools.__dict__["redis"] = redis_client
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=429))
    vendor.fails(RetryLater, OCTOBER, OCTOBER + timedelta(days=1))
    vendor.pull(OCTOBER, OCTOBER + timedelta(days=1))
    assert vendor.paused


def test_a_broker_that_is_away_is_worth_another_try(vendor: Vendor) -> None:
    vendor.tools.settings = vendor.tools.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    assert vendor.fails(RetryLater, OCTOBER, OCTOBER + timedelta(days=1)).code == "redis-unavailable"


# -- connectors ---------------------------------------------------------------------------------------------


def test_a_scheduled_pull_has_its_connector_alone_for_a_while(vendor: Vendor, clock: Clock) -> None:
    lease = timedelta(minutes=10)
    assert vendor.vendors.take(NAME, lease=lease)
    assert not vendor.vendors.take(NAME, lease=lease)
    clock.pass_(minutes=9)
    vendor.vendors.hold(NAME, lease=lease)
    clock.pass_(minutes=9)
    assert not vendor.vendors.take(NAME, lease=lease)
    clock.pass_(minutes=2)
    assert vendor.vendors.take(NAME, lease=lease)
    vendor.vendors.release(NAME)
    assert vendor.vendors.take(NAME, lease=lease)
    assert not vendor.vendors.take("unknown", lease=lease)


def test_connectors_tell_how_far_they_are(vendor: Vendor) -> None:
    vendor.amazon.book.faults.add(Fault(operation=LIST, kind="status", status=400))
    vendor.fails(Refused, OCTOBER, OCTOBER + timedelta(days=10))
    [row] = vendor.vendors.connectors()
    assert (row.name, row.open_windows) == (NAME, 1)
    assert row.read_until == OCTOBER + timedelta(days=10)


FILE = """\
name = "india"
[amazon]
client_id = "amzn1.application"
client_secret = "s3cret"
refresh_token_file = "token.txt"
"""


def connector_toml(folder: Path, text: str = FILE) -> Path:
    (folder / "token.txt").write_text("Atzr|file\n")
    path = folder / "connector.toml"
    path.write_text(text)
    return path


def test_a_file_becomes_a_connector_and_again_replaces_it(store: Store, tmp_path: Path) -> None:
    vendors = Vendors(store)
    register(vendors, connector_toml(tmp_path))
    register(vendors, connector_toml(tmp_path, 'region = "NA"\nship_from_party_id = "W1"\n' + FILE))
    [row] = vendors.connectors()
    assert (row.base_url, row.ship_from_party_id) == ("https://sellingpartnerapi-na.amazon.com", "W1")
    secrets = ConnectorSecrets.load(store.vault.open(row.sealed_secrets, "vendor_connector", row.name))
    assert secrets == ConnectorSecrets("Atzr|file", "amzn1.application", "s3cret")


def test_europe_is_asked_unless_another_address_is_given(tmp_path: Path) -> None:
    assert read_connector(connector_toml(tmp_path)).base_url == "https://sellingpartnerapi-eu.amazon.com"
    local = connector_toml(tmp_path, 'base_url = "http://127.0.0.1:8180/"\n' + FILE)
    assert read_connector(local).base_url == "http://127.0.0.1:8180"


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda text: text.replace('name = "india"', ""), "name is missing"),
        (lambda text: text.replace('"india"', '"in dia"'), "name is missing, or has other signs"),
        (lambda text: text.replace('"india"', "5"), "name is empty or no text"),
        (lambda text: 'region = "BR"\n' + text, "one of EU, NA, FE"),
        (lambda text: 'region = "EU"\nbase_url = "https://x"\n' + text, "exclude each other"),
        (lambda text: 'base_url = "http://example.com"\n' + text, "https://"),
        (lambda text: 'base_url = "example.com"\n' + text, "https://"),
        (lambda text: 'refresh_token = "x"\n' + text, "refresh_token: no such field"),
        (lambda text: text.replace("[amazon]", "[amazn]"), "[amazon] is missing"),
        (lambda text: text.replace("token.txt", "none.txt"), "amazon.refresh_token_file: none.txt"),
        (lambda text: text.replace('client_secret = "s3cret"', ""), "amazon.client_secret is missing"),
        (lambda text: text.replace('client_secret = "s3cret"', 'client_secret_env = "NO_SUCH"'), "NO_SUCH is not set"),
        (lambda text: text + "=", "no TOML"),
    ],
)
def test_each_mistake_of_a_file_is_told_with_its_place(tmp_path: Path, edit: Any, says: str) -> None:
    path = connector_toml(tmp_path, edit(FILE))
    with pytest.raises(Invalid) as caught:
        read_connector(path)
    assert str(path) in caught.value.message
    assert says in caught.value.message
    assert "s3cret" not in caught.value.message
