"""A whole installation against the local counterparts: the `nfe` command, its processes, and both counterparts' books."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.servers import fresh_database
from workflow import migrations, product_file, seller_file
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.server import Started, start_amazon, start_sefaz
from workflow.sandbox.shipments import SELLER_ID, Example, demo_products, demo_seller, demo_shipments
from workflow.settings import load
from workflow.tools import Tools

#: The command as it is installed, without needing the script's folder on PATH.
NFE = [sys.executable, "-c", "from tasks.doorbell import main; main()"]
ROOT = Path(__file__).parents[2]


@dataclass
class Installation:
    """One data folder, one seller, two counterparts."""

    folder: Path
    amazon: Started[AmazonBook]
    sefaz: Started[SefazBook]
    environment: dict[str, str] = field(default_factory=dict)
    _tools: Tools | None = None

    def run(self, *arguments: str, stdin: bytes | None = None, status: int = 0) -> str:
        """Run one `nfe` command to its end; its standard output."""
        done = subprocess.run(
            [*NFE, *arguments], env=self.environment, cwd=ROOT, input=stdin, capture_output=True, timeout=60
        )
        assert done.returncode == status, done.stderr.decode()
        return done.stdout.decode()

    def announce(self, *examples: Example) -> None:
        """Let Amazon hold the shipments, SEFAZ refuse what it should, and hand the notifications in."""
        for example in examples:
            self.amazon.book.add(example.shipment())
            if example.refusal is not None:
                self.sefaz.book.lists()["refusals"](example.refusal)
        engine = self.tools().engine
        for example in examples:
            for notification in example.notifications:
                engine.receive(json.dumps(notification).encode())

    def tools(self) -> Tools:
        """The installation from inside this process: quicker than a command where many questions are asked."""
        if self._tools is None:
            names = {name: value for name, value in self.seen_from_here().items() if name.startswith("NFE_")}
            with pytest.MonkeyPatch.context() as patch:
                for name, value in names.items():
                    patch.setenv(name, value)
                self._tools = Tools(load())
        return self._tools

    def seen_from_here(self) -> dict[str, str]:
        """The environment of whoever looks on from this process."""
        return self.environment

    def settle_in(self, files: Path) -> None:
        """Make the tables, and add the seller and its products from files that are written for it."""
        (files / "seller.toml").write_text(seller_toml(self.sefaz))
        (files / "products.csv").write_text(products_csv())
        migrations.upgrade(self.tools().store.engine)
        read, _ = seller_file.register(self.tools(), files / "seller.toml", actor="test")
        products = product_file.read_products(files / "products.csv", issuer=read.issuer)
        self.tools().catalog.put_products(SELLER_ID, products)
        self.tools().store.engine.dispose()
        self._tools = None  # a test may change the environment before it begins

    @contextmanager
    def up(self, *parts: str) -> Iterator[subprocess.Popen[bytes]]:
        """`nfe up` as a process; ended afterwards if it still runs."""
        process = subprocess.Popen(
            [*NFE, "up", *parts],
            env=self.environment,
            cwd=ROOT,
            stdout=(self.folder / "up.log").open("ab"),
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(60)

    def rows(self) -> list[dict[str, Any]]:
        """Every shipment with what happened last."""
        return [dict(row._mapping) for row in self.tools().store.shipments(limit=1000)]

    def rest(self, timeout: float = 60) -> dict[str, str]:
        """Wait until nothing is due by itself; states by Amazon's shipment id."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            rows = self.rows()
            if all(row["ring_at"] is None and row["lease"] is None for row in rows):
                return {row["amazon_shipment_id"]: row["state"] for row in rows}
            time.sleep(0.2)
        log = (self.folder / "up.log").read_text()[-3000:]
        raise AssertionError(f"still on their way: {[(row['id'], row['state'], row['reason']) for row in rows]}\n{log}")

    def authorised(self) -> list[dict[str, Any]]:
        """The NF-e in SEFAZ's book."""
        return list(self.sefaz.book.dump(requests=False)["authorised"].values())

    def submissions(self) -> dict[str, dict[str, Any]]:
        """Amazon's book by shipment."""
        found: dict[str, dict[str, Any]] = self.amazon.book.dump(requests=False)["shipments"]
        return found

    def pids(self) -> list[int]:
        """The processes whose environment names this data folder."""
        mark = f"NFE_DATA_DIR={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                try:
                    environ = (entry / "environ").read_bytes().split(b"\0")
                    state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
                except OSError:
                    continue
                if mark in environ and state != "Z":
                    found.append(int(entry.name))
        return found


def good(count: int, seed: int = 7) -> list[Example]:
    """Shipments that all end ACCEPTED."""
    return demo_shipments(count, seed=seed, only_good=True)


def seller_toml(sefaz: Started[SefazBook]) -> str:
    """The demo's seller as a TOML file; JSON's strings and numbers are TOML's."""
    seller = demo_seller()
    address = seller.pop("address")
    sections: Sequence[tuple[str, dict[str, Any]]] = (
        ("address", address),
        ("certificate", {"file": sefaz.announcement.a1_file, "password": sefaz.announcement.a1_password}),
        ("amazon", {"refresh_token": "Atzr|acceptance"}),
    )
    lines = [f"{name} = {json.dumps(value)}" for name, value in seller.items()]
    for title, values in sections:
        lines += [f"[{title}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    return "\n".join(lines)


def products_csv() -> str:
    """The demo's catalogue."""
    rows = demo_products()
    lines = [";".join(rows[0])]
    lines += [";".join('"' + str(value or "").replace('"', '""') + '"' for value in row.values()) for row in rows]
    return "\n".join(lines)


def environment_of(folder: Path, amazon: Started[AmazonBook], sefaz: Started[SefazBook]) -> dict[str, str]:
    """An installation in the folder, against these counterparts, with waits that a test can sit out."""
    return {name: value for name, value in os.environ.items() if not name.startswith("NFE_")} | {
        "NFE_DATA_DIR": str(folder),
        "NFE_AMAZON_URL": amazon.url,
        "NFE_LWA_URL": f"{amazon.url}/auth/o2/token",
        "NFE_LWA_CLIENT_ID": "client",
        "NFE_LWA_CLIENT_SECRET": "secret",
        "NFE_SEFAZ_URL": sefaz.url,
        "NFE_SEFAZ_CA_FILE": str(sefaz.announcement.ca_file),
        "NFE_FLOWER_PORT": "0",
        "NFE_WEB_PORT": "0",
        "NFE_SWEEP_EVERY": "0.5",
        "NFE_POLL_FIRST": "PT1S",
        # Short, so that a dead worker's shipments come back while the test looks.
        "NFE_LEASE": "PT12S",
        "NFE_RING_AGAIN": "PT3S",
        "NFE_SEFAZ_TIMEOUT": "4",
        "NFE_AMAZON_TIMEOUT": "3",
        "NFE_BACKOFF_CAP": "PT2S",
    }


#: Of the tests' installations, where the database is not the embedded one.
ENCRYPTION_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


@pytest.fixture(params=["sqlite", "postgresql"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Installation]:
    """A seller with its products, ready to receive, with the embedded broker; nothing runs yet."""
    quick = AmazonSettings(processing_seconds=0.5)
    with start_amazon(settings=quick) as amazon, start_sefaz(tmp_path / "sandbox") as sefaz:
        made = Installation(tmp_path / "data", amazon, sefaz)
        made.environment = environment_of(made.folder, amazon, sefaz)
        made.folder.mkdir(mode=0o700)
        if request.param == "sqlite":
            made.settle_in(tmp_path)
            yield made
            return
        with fresh_database(request.getfixturevalue("postgresql")) as url:
            made.environment |= {"NFE_DATABASE_URL": url, "NFE_ENCRYPTION_KEY": ENCRYPTION_KEY}
            made.settle_in(tmp_path)
            yield made
