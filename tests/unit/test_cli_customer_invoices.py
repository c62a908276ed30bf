"""`nfe customer-invoices`: what the commands print, what they return, and that every failure is one line."""

# ruff: noqa: F811  the fixtures come from the other commands' tests

import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.test_cli import Nfe, environment, nfe  # noqa: F401
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.server import Started, start_amazon
from workflow.sandbox.vendor_shelf import HeldInvoice

START = datetime.now(UTC).replace(microsecond=0) - timedelta(days=5)
PERIOD = ("--after", START.isoformat(), "--before", (START + timedelta(days=1)).isoformat())


@pytest.fixture
def amazon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Started[AmazonBook]]:
    with start_amazon(settings=AmazonSettings(rate_plan=False)) as started:
        monkeypatch.setenv("NFE_LWA_URL", f"{started.url}/auth/o2/token")
        yield started


@pytest.fixture
def invoices(nfe: Nfe, amazon: Started[AmazonBook], tmp_path: Path) -> Nfe:
    """Run `nfe customer-invoices …`, with one connector."""

    assert nfe("customer-invoices", "connect", connector(tmp_path, "india", amazon.url)).code == 0
    return lambda *args: nfe("customer-invoices", *args)


def connector(folder: Path, name: str, url: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\nbase_url = "{url}"\n'
        '[amazon]\nclient_id = "client"\nclient_secret = "s3cret"\nrefresh_token = "Atzr|vendor"\n'
    )
    return path


def hold(amazon: Started[AmazonBook], number: str, content: bytes | str = b"%PDF-1.7") -> None:
    text = content if isinstance(content, str) else base64.b64encode(content).decode()
    amazon.book.add_customer_invoice(
        HeldInvoice(purchaseOrderNumber=number, content=text, created=START + timedelta(hours=1))
    )


def test_a_connector_is_told_without_its_secrets(
    nfe: Nfe,
    amazon: Started[AmazonBook],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = connector(tmp_path, "india", amazon.url)
    said = nfe("customer-invoices", "connect", path)
    assert said.lines == [f"connector india: {amazon.url}, pulled every 1:00:00 while `nfe up` runs"]
    monkeypatch.setenv("NFE_CUSTOMER_INVOICES_EVERY", "0")
    assert nfe("customer-invoices", "connect", path).out.endswith("pulled on command only\n")
    for arguments in (("connectors",), ("connectors", "--json")):
        listed = nfe("customer-invoices", *arguments)
        assert "india" in listed.out
        assert "s3cret" not in listed.out
        assert "Atzr" not in listed.out


def test_a_pull_tells_what_came(invoices: Nfe, amazon: Started[AmazonBook]) -> None:
    hold(amazon, "PO1")
    assert invoices("pull", *PERIOD).lines == ["india: 1 of 1 windows, 1 pages: 1 new, 0 changed, 0 seen before"]
    assert invoices("pull", *PERIOD, "--json", "--sort", "desc").json() == {
        "connector": "india", "windows": 1, "windows_done": 1, "pages": 1, "new": 0, "changed": 0, "same": 1,
        "problems": [],
    }  # fmt: skip
    assert invoices("pull").code == 0
    [row] = invoices("connectors", "--json").json()
    assert row["open_windows"] == 0
    assert row["read_until"] is not None


def test_a_list_shows_every_version(invoices: Nfe, amazon: Started[AmazonBook]) -> None:
    hold(amazon, "PO1")
    invoices("pull", *PERIOD)
    hold(amazon, "PO1", b"PK\x03\x04")
    invoices("pull", *PERIOD)
    header, *rows = [line.split("\t") for line in invoices("list").lines]
    assert header == ["connector", "purchase_order_number", "version", "media_type", "size", "fetched_at", "problem"]
    assert sorted(row[:5] for row in rows) == [
        ["india", "PO1", "1", "application/pdf", "8"],
        ["india", "PO1", "2", "application/zip", "4"],
    ]
    assert {"sha256", "seen_at"} <= set(invoices("list", "--json").json()[0])
    assert invoices("list", "--limit", "1").lines[1:] == ["\t".join(rows[0])]


def test_amazons_static_examples_are_unusable_by_name(invoices: Nfe) -> None:
    ran = invoices("pull", *PERIOD)
    assert ran.code == 1
    assert ran.lines == ["india: 1 of 1 windows, 2 pages: 1 new, 0 changed, 0 seen before, 1 unusable"]
    ran.failed("mockpurchaseOrderNumber: bad-base64")
    invoices("get", "PO98676856").failed("another-order")


def test_a_file_goes_where_it_is_told(invoices: Nfe, amazon: Started[AmazonBook], tmp_path: Path) -> None:
    hold(amazon, "PO1")
    assert invoices("get", "PO1", "-o", tmp_path / "one.pdf").code == 0
    assert (tmp_path / "one.pdf").read_bytes() == b"%PDF-1.7"
    invoices("get", "PO1", "-o", tmp_path / "no" / "one.pdf").failed("unwritable-file")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("get", "PO/1"), "bad-order-number"),
        (("get", "mockpurchaseOrderNumberDummy"), "InvalidInput: getCustomerInvoice: Invalid transmission ID."),
        (("pull", *PERIOD, "--party", "dummy"), "InvalidInput: getCustomerInvoices: Invalid transmission ID."),
        (("pull", "--connector", "china"), "no connector china"),
        (("pull", "--after", PERIOD[1]), "half-a-period"),
        (("pull", "--after", PERIOD[3], "--before", PERIOD[1]), "empty-period"),
        (("pull", "--sort", "up"), "bad-sort"),
        (("connect", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_every_mistake_is_one_line(invoices: Nfe, arguments: tuple[str, ...], says: str) -> None:
    invoices(*arguments).failed(says)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("pull", "--after", "2026-11-01T00:00:00", "--before", PERIOD[3]), "no time zone"),
        (("pull", "--after", "yesterday", "--before", PERIOD[3]), "no moment"),
        (("pull", "--after", "0001-01-01T00:00:00+14:00", "--before", PERIOD[3]), "no moment"),
        (("pull", "--limit", "101"), "--limit"),
        (("pull", "--limit", "0"), "--limit"),
        (("get",), "PO_NUMBER"),
    ],
)
def test_wrong_usage_is_told_as_such(invoices: Nfe, arguments: tuple[str, ...], says: str) -> None:
    ran = invoices(*arguments)
    assert ran.code == 2
    assert says in " ".join(ran.err.replace("│", " ").split())


def test_a_connector_must_be_named_where_there_are_several(
    invoices: Nfe,
    nfe: Nfe,
    amazon: Started[AmazonBook],
    tmp_path: Path,
) -> None:
    nfe("customer-invoices", "connect", connector(tmp_path, "other", amazon.url))
    invoices("pull").failed("ambiguous-connector", "india, other")
    assert invoices("pull", "--connector", "other", *PERIOD).out.startswith("other: ")


def test_without_a_connector_the_way_to_one_is_told(nfe: Nfe) -> None:
    nfe("customer-invoices", "pull").failed("no-connector", "nfe customer-invoices connect")


def test_what_amazon_keeps_no_more_is_warned_of(invoices: Nfe, amazon: Started[AmazonBook]) -> None:
    hold(amazon, "PO1")
    old = (START - timedelta(days=200)).isoformat()
    ran = invoices("pull", "--after", old, "--before", (START - timedelta(days=195)).isoformat())
    assert ran.code == 0
    assert "six months" in ran.err


def test_an_authorisation_that_is_revoked_is_one_line_after_what_came(
    invoices: Nfe, amazon: Started[AmazonBook]
) -> None:
    amazon.book.change({"sellers": {"Atzr|another": "X"}})
    ran = invoices("pull", *PERIOD)
    ran.failed("lwa-invalid-grant")
    assert ran.lines == ["india: 0 of 1 windows, 0 pages: 0 new, 0 changed, 0 seen before"]
