"""A vendor's customer invoices by the `nfe` command and its schedule, against the local Amazon: killed, and gone on."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.servers import fresh_database
from workflow.sandbox.amazon_book import AmazonBook
from workflow.sandbox.faults import Fault
from workflow.sandbox.server import Started, start_amazon
from workflow.sandbox.vendor_shelf import HeldInvoice

#: The command as it is installed, without needing the script's folder on PATH.
NFE = [sys.executable, "-c", "from tasks.doorbell import main; main()"]
ROOT = Path(__file__).parents[2]
#: Whole days, so that a page's place in its window is known.
START = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=21)
PERIOD = ("--after", START.isoformat(), "--before", (START + timedelta(days=20)).isoformat())
LIST, GET = "getCustomerInvoices", "getCustomerInvoice"


def pdf(number: object) -> bytes:
    return f"%PDF-1.7 invoice {number}\n".encode() * 100


@dataclass
class Vendor:
    """An installation with one connector, `india`, and the local Amazon it asks."""

    folder: Path
    amazon: Started[AmazonBook]
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start `nfe customer-invoices …` and leave it running."""
        return subprocess.Popen(
            [*NFE, "customer-invoices", *arguments],
            env=self.environment,
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def run(self, *arguments: str, status: int = 0) -> tuple[bytes, str]:
        """Run it to its end: what it put out, and what it said."""
        process = self.start(*arguments)
        out, said = process.communicate(timeout=60)
        assert process.returncode == status, said.decode()
        assert b"Traceback" not in said
        return out, said.decode()

    def pull(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """Pull, and what came of it."""
        return dict(json.loads(self.run("pull", *arguments, "--json", status=status)[0]))

    def holds(self, number: int, after: timedelta, content: str | None = None) -> None:
        """Let Amazon hold the invoice of an order."""
        text = base64.b64encode(pdf(number)).decode() if content is None else content
        self.amazon.book.add_customer_invoice(
            HeldInvoice(purchaseOrderNumber=f"PO{number}", content=text, created=START + after)
        )

    def listed(self) -> list[dict[str, Any]]:
        """All that is kept."""
        return list(json.loads(self.run("list", "--limit", "1000", "--json")[0]))

    def asked(self, operation: str = LIST) -> int:
        """How often Amazon was asked."""
        return int(self.amazon.book.dump(requests=False)["counts"].get(operation, 0))


@pytest.fixture(params=["sqlite", "postgresql"])
def vendor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vendor]:
    with start_amazon() as amazon:
        made = Vendor(tmp_path, amazon)
        made.environment = {name: value for name, value in os.environ.items() if not name.startswith("NFE_")} | {
            "NFE_DATA_DIR": str(tmp_path / "data"),
            "NFE_LWA_URL": f"{amazon.url}/auth/o2/token",
        }
        (tmp_path / "connector.toml").write_text(
            f'name = "india"\nbase_url = "{amazon.url}"\n'
            '[amazon]\nclient_id = "client"\nclient_secret = "secret"\nrefresh_token = "Atzr|vendor"\n'
        )
        if request.param == "sqlite":
            made.run("connect", str(tmp_path / "connector.toml"))
            yield made
            return
        with fresh_database(request.getfixturevalue("postgresql")) as url:
            made.environment |= {
                "NFE_DATABASE_URL": url,
                "NFE_ENCRYPTION_KEY": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=",
            }
            subprocess.run([*NFE, "migrate"], env=made.environment, cwd=ROOT, check=True, capture_output=True)
            made.run("connect", str(tmp_path / "connector.toml"))
            yield made


def test_a_period_is_pulled_and_each_file_comes_out_byte_for_byte(vendor: Vendor) -> None:
    for number in range(9):
        vendor.holds(number, timedelta(days=2 * number, hours=1))
    told = vendor.pull(*PERIOD, "--limit", "2")
    assert (told["windows"], told["windows_done"], told["new"]) == (3, 3, 9)
    rows = {row["purchase_order_number"]: row for row in vendor.listed()}
    assert len(rows) == 9
    assert (rows["PO3"]["media_type"], rows["PO3"]["size"]) == ("application/pdf", len(pdf(3)))
    assert vendor.run("get", "PO3")[0] == pdf(3)
    assert vendor.asked(GET) == 0  # it was there
    vendor.run("get", "PO4", "-o", str(vendor.folder / "invoice.pdf"))
    assert (vendor.folder / "invoice.pdf").read_bytes() == pdf(4)
    vendor.holds(20, timedelta(days=20, hours=1))
    assert vendor.run("get", "PO20")[0] == pdf(20)
    assert vendor.asked(GET) == 1
    columns = vendor.run("connectors")[0].decode().splitlines()
    assert columns[0].split("\t")[0] == "name"
    assert columns[1].startswith("india\t")


def test_a_pull_killed_in_the_middle_goes_on_and_loses_nothing(vendor: Vendor) -> None:
    for number in range(30):
        vendor.holds(number, timedelta(hours=16 * number + 1))
    # The fifth page never comes.
    vendor.amazon.book.faults.add(
        Fault(operation=LIST, kind="hang_after_processing", match=base64.b64encode(b"0000000008").decode())
    )
    killed = vendor.start("pull", *PERIOD, "--limit", "2")
    wait_for(lambda: vendor.asked() >= 5, Path(os.devnull))
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    assert len(vendor.listed()) == 8
    before = vendor.asked()
    told = vendor.pull(*PERIOD, "--limit", "2")
    assert (told["new"], told["changed"]) == (22, 0)
    # 11 invoices of the first window: 2 pages to go, and no page of before a second time.
    assert vendor.asked() - before == told["pages"]
    rows = vendor.listed()
    assert len(rows) == len({row["purchase_order_number"] for row in rows}) == 30
    assert vendor.run("get", "PO29")[0] == pdf(29)


@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)  # the database has no part in this
def test_bad_base64_is_told_and_the_others_are_kept(vendor: Vendor) -> None:
    vendor.holds(1, timedelta(hours=1))
    vendor.holds(2, timedelta(hours=2), "base 64 content goes here")
    vendor.holds(3, timedelta(hours=3), "base 64 encoded string")
    out, said = vendor.run("pull", *PERIOD, status=1)
    assert "1 new" not in said
    assert "3 new, 0 changed, 0 seen before, 2 unusable" in out.decode()
    assert [line for line in said.splitlines() if "PO2" in line] == ["nfe: PO2: bad-base64; it is kept as it came"]
    problems = {row["purchase_order_number"]: row["problem"] for row in vendor.listed()}
    assert problems == {"PO1": None, "PO2": "bad-base64", "PO3": "bad-base64"}
    assert vendor.run("get", "PO2", status=1)[1].startswith("nfe: bad-base64: ")
    vendor.holds(2, timedelta(hours=2))
    assert vendor.pull(*PERIOD, status=1)["changed"] == 1
    assert vendor.run("get", "PO2")[0] == pdf(2)


@pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)  # the database has no part in this
def test_the_schedule_pulls_what_is_new(vendor: Vendor) -> None:
    vendor.holds(1, timedelta(days=20))
    vendor.environment |= {
        "NFE_CUSTOMER_INVOICES_EVERY": "3",
        "NFE_FLOWER_PORT": "0",
        "NFE_WEB_PORT": "0",
        "NFE_CONCURRENCY": "1",
    }
    log = vendor.folder / "up.log"
    with log.open("wb") as file:
        up = subprocess.Popen([*NFE, "up"], env=vendor.environment, cwd=ROOT, stdout=file, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: vendor.asked() >= 1, log)
            wait_for(lambda: numbers(vendor) == {"PO1"}, log)
            vendor.holds(2, datetime.now(UTC) - START - timedelta(minutes=30))
            asked = vendor.asked()
            wait_for(lambda: vendor.asked() >= asked + 2, log)
            wait_for(lambda: numbers(vendor) == {"PO1", "PO2"}, log)
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(60)
    assert "Traceback" not in log.read_text()
    assert "%PDF" not in log.read_text()


def numbers(vendor: Vendor) -> set[str]:
    """The orders whose invoices are kept."""
    return {row["purchase_order_number"] for row in vendor.listed()}


def wait_for(happened: Callable[[], bool], log: Path) -> None:
    """Wait until it has, or fail with the end of the log."""
    deadline = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
