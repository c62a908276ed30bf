"""The command line: what it prints, what it returns, and that every failure is one line.

Most cases call the command inside this process; a handful start it as people do.
"""

import io
import json
import logging
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

import pypdfium2
import pytest
import redis
from cryptography.fernet import Fernet
from sqlalchemy import text, update

from tests.servers import fresh_database
from tests.unit.conftest import NFE, nfeproc, notification
from tests.unit.test_seller_file import SELLER as SELLER_TOML
from workflow import cli, migrations, settings
from workflow.clients.secret_age import used_since
from workflow.key_source import new_key
from workflow.models import DocumentKind
from workflow.nfe import signature
from workflow.nfe.protocol import protocol_of
from workflow.settings import load
from workflow.store import SHIPMENT, Due, Left, Store
from workflow.tools import Tools

SHIPMENT_ID = "A1TESTSELLER/FBA1"
PROGRAM = [sys.executable, "-c", "from tasks.doorbell import main; main()"]


@dataclass
class Ran:
    """What a command left."""

    code: int
    out: str
    err: str
    rung: list[Due] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self) -> Any:
        return json.loads(self.out)

    def failed(self, *says: str) -> None:
        """It failed with one line that says this."""
        assert self.code == 1
        told = [line for line in self.err.splitlines() if " [info " not in line]
        assert len(told) == 1, self.err
        assert told[0].startswith("nfe: ")
        assert "Traceback" not in self.err
        for part in says:
            assert part in told[0]


Nfe = Callable[..., Ran]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An installation in a folder of its own, and this process as it was before."""
    for name in [name for name in os.environ if name.upper().startswith("NFE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NFE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("NFE_SECRETS_DIR", str(tmp_path / "nowhere"))
    handlers, level, pipe = logging.root.handlers[:], logging.root.level, signal.getsignal(signal.SIGPIPE)
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    signal.signal(signal.SIGPIPE, pipe)
    settings.current.cache_clear()


@pytest.fixture
def nfe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Nfe:
    """Run a command inside this process."""

    def run(*args: object, stdin: bytes = b"") -> Ran:
        monkeypatch.setattr(sys, "argv", ["nfe", *map(str, args)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        settings.current.cache_clear()
        capsys.readouterr()
        rung: list[Due] = []
        try:
            cli.run(ring=rung.append)
            code: Any = 0
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return Ran(code, said.out, said.err, rung)

    return run


@pytest.fixture
def seller_file(tmp_path: Path, a1_pfx: bytes) -> Path:
    (tmp_path / "a1.pfx").write_bytes(a1_pfx)
    path = tmp_path / "seller.toml"
    path.write_text(SELLER_TOML, encoding="utf-8")
    return path


@pytest.fixture
def seller(nfe: Nfe, seller_file: Path) -> str:
    assert nfe("seller", "add", seller_file).code == 0
    return "A1TESTSELLER"


@pytest.fixture
def shipment(nfe: Nfe, seller: str) -> str:
    assert nfe("receive", "-", stdin=notification()).code == 0
    return SHIPMENT_ID


@pytest.fixture
def store(nfe: Nfe) -> Iterator[Store]:
    """The installation's own database."""
    assert nfe("list").code == 0
    own = Tools(load()).store
    yield own
    own.engine.dispose()


def put(store: Store, **values: Any) -> None:
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).values(values))


# -- as people start it -------------------------------------------------------------------------------------


def start(*args: str, stdin: bytes = b"", **environ: str) -> Ran:
    done = subprocess.run(
        [*PROGRAM, *args], input=stdin, capture_output=True, env={**os.environ, **environ}, timeout=60, check=False
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def test_a_first_command_makes_the_installation(tmp_path: Path) -> None:
    ran = start("list")
    assert (ran.code, ran.lines, ran.err) == (0, ["id\tstate\tperson\ttries\tdue_at\tcode\treason"], "")
    assert {"encryption.key", "nfe.sqlite3"} <= {path.name for path in (tmp_path / "data").iterdir()}
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


def test_first_commands_at_once_make_one_installation(tmp_path: Path) -> None:
    started = [subprocess.Popen([*PROGRAM, "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(4)]
    ended = [(*process.communicate(timeout=60), process.returncode) for process in started]
    assert {(err, code) for _, err, code in ended} == {(b"", 0)}


def test_broken_json_is_one_line_and_status_1(seller: str) -> None:
    start("receive", "-", stdin=b"{ Maria da Silva").failed("bad-notification", "no JSON")


def test_a_database_that_is_away_is_one_line(nfe: Nfe) -> None:
    url = "postgresql://user:hidden@127.0.0.1:1/nfe"
    ran = start("list", NFE_DATABASE_URL=url, NFE_ENCRYPTION_KEY=new_key())
    ran.failed("database-unavailable", "Connection refused", "NFE_DATABASE_URL")
    assert "hidden" not in ran.err


def test_wrong_usage_is_status_2() -> None:
    ran = start("list", "--no-such-option")
    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err


def test_a_reader_that_leaves_early_is_no_error(seller: str) -> None:
    """`nfe list | head`."""
    with subprocess.Popen([*PROGRAM, "seller", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode in (0, -signal.SIGPIPE)


def test_a_shipment_is_received_although_the_broker_is_away(seller: str, nfe: Nfe) -> None:
    began = time.monotonic()
    ran = start("receive", "-", stdin=notification())
    assert (ran.code, ran.lines) == (0, [f"{SHIPMENT_ID} created"])
    assert "Traceback" not in ran.err
    assert time.monotonic() - began < 20
    assert nfe("list", "--json").json()[0]["state"] == "RECEIVED"


# -- the installation ---------------------------------------------------------------------------------------


def test_migrate_may_be_repeated(nfe: Nfe) -> None:
    for _ in range(2):
        ran = nfe("migrate")
        assert (ran.code, ran.lines) == (0, [f"database at revision {migrations.HEAD}"])


def test_a_fresh_key_is_printed_and_nothing_else(nfe: Nfe, tmp_path: Path) -> None:
    first, second = nfe("doctor", "--new-key").out.strip(), nfe("doctor", "--new-key").out.strip()
    assert first != second
    Fernet(first)
    assert not (tmp_path / "data").exists()


def test_the_doctor_tells_all_findings_and_fails_where_one_fails(nfe: Nfe, seller: str) -> None:
    ran = nfe("doctor", "--json")
    found = {finding["check"]: finding["status"] for finding in ran.json() if finding["status"] != "failed"}
    failed = [(finding["check"], finding["message"]) for finding in ran.json() if finding["status"] == "failed"]
    assert ran.code == 1
    assert found == {
        "database": "ok",
        "encryption": "ok",
        "clock": "ok",
        "schema": "ok",
        "numbers": "ok",
        f"seller {seller}": "ok",
    }
    assert [check for check, _ in failed] == [
        "broker",
        f"seller {seller}",
    ]  # what cannot be compared without the broker is its finding
    assert "NFE_LWA_CLIENT_ID" in failed[1][1]


def test_the_doctor_finds_nothing_wrong_in_a_whole_installation(
    nfe: Nfe, seller: str, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFE_REDIS_URL", valkey)
    monkeypatch.setenv("NFE_LWA_CLIENT_ID", "app")
    monkeypatch.setenv("NFE_LWA_CLIENT_SECRET", "hidden")
    ran = nfe("doctor")
    assert (ran.code, ran.lines[0]) == (0, "check\tstatus\tmessage")
    assert {line.split("\t")[1] for line in ran.lines[1:]} == {"ok"}
    assert "hidden" not in ran.out

    five_months = datetime.now(UTC) - timedelta(days=150, hours=1)
    with redis.Redis.from_url(valkey) as client:
        client.flushall()
        used_since(client, "hidden", now=five_months)
    (told,) = [line for line in nfe("doctor").lines if "\twarning\t" in line]
    assert "LWA client secret in use for 150 of 180 days" in told


def test_the_doctor_examines_an_empty_installation(nfe: Nfe) -> None:
    found = {finding["check"]: (finding["status"], finding["message"]) for finding in nfe("doctor", "--json").json()}
    assert found["database"][0] == "failed"
    assert "nfe migrate" in found["database"][1]
    assert found["schema"][0] == "ok"


def test_the_doctor_says_which_sellers_template_is_wrong(
    nfe: Nfe, seller: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "templates" / seller
    folder.mkdir(parents=True)
    (folder / "infAdic.xml.j2").write_text("{% if %}")
    monkeypatch.setenv("NFE_TEMPLATES_DIR", str(folder.parent))
    found = [finding for finding in nfe("doctor", "--json").json() if finding["check"] == f"seller {seller}"]
    assert any(one["status"] == "failed" and "infAdic.xml.j2" in one["message"] for one in found)


def test_the_doctor_warns_of_a_registration_that_is_none(nfe: Nfe, seller: str, seller_file: Path) -> None:
    assert "check digits" not in nfe("doctor", "--json").out
    text = seller_file.read_text(encoding="utf-8")
    seller_file.write_text(text.replace('ie = "110042490114"', 'ie = "110042490115"'), encoding="utf-8")
    assert nfe("seller", "add", seller_file).code == 0
    (told,) = [one for one in nfe("doctor", "--json").json() if "check digits for SP" in one["message"]]
    assert (told["check"], told["status"]) == (f"seller {seller}", "warning")


def test_the_doctor_warns_where_only_signxml_signs(nfe: Nfe, seller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signature, "_SIGNED_INFO", signature._SIGNED_INFO.replace(b"Transforms>", b"Transform>"))
    ran = nfe("doctor", "--json")
    found = [finding["message"] for finding in ran.json() if finding["status"] == "warning"]
    assert [message for message in found if "signxml alone" in message]
    assert "signing slowly" in ran.err
    assert seller in ran.err


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NFE_LEASE", "soon", "bad-setting: NFE_LEASE"),
        ("NFE_LOG_LEVEL", "LOUD", "bad-setting: NFE_LOG_LEVEL"),
        ("NFE_ENCRYPTION_KEY", "short", "bad-encryption-key: NFE_ENCRYPTION_KEY"),
        ("NFE_DATABASE_URL", "garbage", "bad-database-url: NFE_DATABASE_URL"),
        ("NFE_DATABASE_URL", "postgresql://h/x", "no-encryption-key: NFE_ENCRYPTION_KEY is empty"),
        ("NFE_DATA_DIR", "/proc/nowhere", "unusable-file: /proc/nowhere"),
    ],
)
def test_a_bad_installation_is_one_line(
    nfe: Nfe, monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    if name == "NFE_DATABASE_URL" and value == "garbage":
        monkeypatch.setenv("NFE_ENCRYPTION_KEY", new_key())
    nfe("list").failed(says)


def test_another_encryption_key_is_told_and_damages_nothing(
    nfe: Nfe, shipment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFE_ENCRYPTION_KEY", new_key())
    nfe("xml", shipment, "--kind", "notification").failed("wrong-encryption-key", "this database was sealed with key")
    nfe("list").failed("wrong-encryption-key")
    monkeypatch.delenv("NFE_ENCRYPTION_KEY")
    assert nfe("xml", shipment, "--kind", "notification").code == 0


def test_an_unmigrated_postgresql_asks_for_migrate(
    nfe: Nfe, postgresql: str, monkeypatch: pytest.MonkeyPatch, seller_file: Path
) -> None:
    with fresh_database(postgresql) as url:
        monkeypatch.setenv("NFE_DATABASE_URL", url)
        monkeypatch.setenv("NFE_ENCRYPTION_KEY", new_key())
        nfe("list").failed("database-revision", "is at None", "run: nfe migrate")
        checks = {finding["check"]: finding["status"] for finding in nfe("doctor", "--json").json()}
        assert (checks["database"], checks["clock"], checks["sellers"]) == ("failed", "ok", "failed")
        assert nfe("migrate").code == 0
        assert nfe("seller", "add", seller_file).code == 0
        assert nfe("receive", "-", stdin=notification()).code == 0
        assert [row["id"] for row in nfe("list", "--json").json()] == [SHIPMENT_ID]
        with Tools(load()).store.writing() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        nfe("list").failed("is at 9999")


# -- sellers and products -----------------------------------------------------------------------------------


def test_a_seller_is_added_listed_and_shown_without_its_secrets(nfe: Nfe, seller_file: Path) -> None:
    added = nfe("seller", "add", seller_file)
    assert added.lines == ["seller A1TESTSELLER: certificate until 2060-01-01, 0 shipments due again"]
    assert nfe("seller", "list").lines[1].split("\t")[:3] == ["A1TESTSELLER", "Loja Teste Ltda", "99999999000191"]
    assert nfe("seller", "list", "--json").json()[0]["certificate_until"] == "2060-01-01T00:00:00Z"
    shown = nfe("seller", "show", "A1TESTSELLER", "--json")
    assert shown.json()["issuer"]["address"]["city_code"] == "3550308"
    plain = nfe("seller", "show", "A1TESTSELLER")
    assert "cnpj\t99999999000191" in plain.lines
    for ran in (shown, plain):
        assert "hidden" not in ran.out
        assert "sealed" not in ran.out


def test_a_bad_seller_file_is_one_line_and_adds_nothing(nfe: Nfe, seller_file: Path) -> None:
    seller_file.write_text(SELLER_TOML.replace("crt = 1", "crt = 9"), encoding="utf-8")
    nfe("seller", "add", seller_file).failed("bad-issuer", str(seller_file), "crt: ")
    nfe("seller", "add", seller_file.parent / "none.toml").failed("unreadable-file", "none.toml")
    assert nfe("seller", "list", "--json").json() == []


def test_resuming_a_seller_makes_due_what_its_stop_held_up(nfe: Nfe, seller: str, shipment: str, store: Store) -> None:
    put(store, stop_code="seller-stopped", due_at=None, ring_at=None)
    Tools(load()).catalog.stop_seller(seller, "certificate-expired", "renew the A1")
    listed = nfe("seller", "list", "--json").json()[0]
    assert (listed["stop_code"], listed["stopped"]) == ("certificate-expired", "sefaz")
    stopped = nfe("doctor", "--json").json()[-1]
    assert (stopped["status"], "renew the A1" in stopped["message"]) == ("failed", True)
    assert nfe("seller", "resume", seller).lines == ["1 shipments due again"]
    assert nfe("seller", "resume", seller).lines == ["0 shipments due again"]
    assert nfe("list", "--stopped", "--json").json() == []


@pytest.mark.parametrize("command", [("seller", "show", "NOBODY"), ("seller", "resume", "NOBODY")])
def test_an_unknown_seller_is_one_line(nfe: Nfe, command: tuple[str, ...]) -> None:
    nfe(*command).failed("unknown-seller", "NOBODY", "nfe seller list")


def test_products_are_imported_whole_or_not_at_all(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("sku,ncm\nA,85183000\nB,49019900\n")
    bad.write_text("sku,ncm\nC,85183000\nD,1\n")
    assert nfe("products", "import", good, "--seller", seller).lines == ["2 products"]
    assert nfe("products", "import", good, "--seller", seller).lines == ["2 products"]
    ran = nfe("products", "import", bad, "--seller", seller)
    assert (ran.code, ran.out) == (1, "")
    assert f"{bad}:3: " in ran.err
    assert set(Tools(load()).catalog.products(seller, ["A", "B", "C", "D"])) == {"A", "B"}
    nfe("products", "import", good, "--seller", "NOBODY").failed("unknown-seller")


@pytest.fixture
def stocked(nfe: Nfe, seller: str, tmp_path: Path) -> str:
    """A seller of two products."""
    path = tmp_path / "stock.csv"
    path.write_text('sku,ncm,title\nB,49019900,"""Livro"", 2 volumes"\nA,85183000,\n')
    assert nfe("products", "import", path, "--seller", seller).code == 0
    return seller


def test_a_dry_run_checks_and_imports_nothing(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text('[[product]]\nsku = "A"\nncm = "85183000"\n')
    ran = nfe("products", "import", path, "--seller", seller, "--dry-run")
    assert (ran.code, ran.lines) == (0, ["1 products would be imported"])
    assert nfe("products", "list", "--seller", seller, "--json").json() == []
    path.write_text('[[product]]\nsku = "A"\nncm = "77183000"\n')
    ran = nfe("products", "import", path, "--seller", seller, "--dry-run")
    assert ran.code == 1
    assert f"{path}:1: ncm: 77 is no chapter" in ran.err


def test_a_list_of_products_can_be_imported_again(nfe: Nfe, stocked: str, tmp_path: Path) -> None:
    listed, before = (
        nfe("products", "list", "--seller", stocked),
        nfe("products", "list", "--seller", stocked, "--json"),
    )
    assert [row["sku"] for row in before.json()] == ["A", "B"]
    assert "title" not in before.json()[0]
    path = tmp_path / "listed.tsv"
    path.write_text(listed.out)
    assert nfe("products", "import", path, "--seller", stocked).lines == ["2 products"]
    assert nfe("products", "list", "--seller", stocked, "--json").json() == before.json()


def test_a_check_tells_every_product_that_breaks_a_rule_of_today(nfe: Nfe, stocked: str) -> None:
    good = nfe("products", "check", "--seller", stocked)
    assert (good.code, good.lines) == (0, ["2 products, nothing wrong"])
    Tools(load()).catalog.put_products(
        stocked, [("A", {"sku": "A", "ncm": "77000000"}), ("C", {"sku": "C", "ncm": "1", "no_such_field": "x"})]
    )
    bad = nfe("products", "check", "--seller", stocked, "--json")
    assert bad.code == 1
    assert [one["sku"] for one in bad.json()] == ["A", "C"]
    assert "ncm: " in bad.json()[1]["problem"]
    assert "no_such_field: " in bad.json()[1]["problem"]
    assert nfe("products", "check", "--seller", stocked).lines[0] == "sku\tproblem"


def test_products_are_removed_all_or_none(nfe: Nfe, stocked: str) -> None:
    nfe("products", "remove", "A", "X", "--seller", stocked).failed("unknown-sku", "X", "nothing was removed")
    ran = nfe("products", "remove", "A", "A", "--seller", stocked)
    assert (ran.code, ran.lines) == (0, ["1 products removed"])
    assert [row["sku"] for row in nfe("products", "list", "--seller", stocked, "--json").json()] == ["B"]


@pytest.mark.parametrize("command", [("list",), ("check",), ("remove", "A")])
def test_products_of_an_unknown_seller_are_one_line(nfe: Nfe, command: tuple[str, ...]) -> None:
    nfe("products", *command, "--seller", "NOBODY").failed("unknown-seller", "NOBODY")


# -- shipments ----------------------------------------------------------------------------------------------


def test_a_notification_twice_is_one_shipment_and_one_ring(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    file = tmp_path / "notification.json"
    file.write_bytes(notification())
    first, second = nfe("receive", file), nfe("receive", "-", "--json", stdin=notification())
    assert (first.code, first.lines) == (0, [f"{SHIPMENT_ID} created"])
    assert second.json() == {"shipment": SHIPMENT_ID, "came": "repeated"}
    assert [row.id for row in first.rung] == [SHIPMENT_ID]
    assert second.rung == []
    assert len(nfe("list", "--json").json()) == 1


def test_a_cancellation_rings_and_a_tombstone_does_not(nfe: Nfe, shipment: str) -> None:
    asked = nfe("receive", "-", stdin=notification(status="Cancelled"))
    assert asked.lines == [f"{SHIPMENT_ID} cancelling"]
    assert [row.cancelling for row in asked.rung] == [True]
    assert nfe("receive", "-", stdin=notification("FBA2", "Cancelled")).rung == []


def test_what_is_no_notification_is_one_line(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    nfe("receive", "-").failed("bad-notification")
    nfe("receive", "-", stdin=b"\xff\xfe\x00").failed("bad-notification")
    nfe("receive", "-", stdin=notification(seller="NOBODY")).failed("unknown-seller", "nfe seller add FILE")
    nfe("receive", tmp_path / "none.json").failed("unreadable-file", "No such file")
    nfe("receive", tmp_path).failed("unreadable-file", "Is a directory")
    assert nfe("list", "--json").json() == []


def test_shipments_are_listed_plainly_when_piped_and_as_json_when_asked(nfe: Nfe, shipment: str) -> None:
    plain = nfe("list").lines
    assert plain[0].split("\t") == ["id", "state", "person", "tries", "due_at", "code", "reason"]
    assert plain[1].split("\t")[:4] == [SHIPMENT_ID, "RECEIVED", "", "0"]
    (row,) = nfe("list", "--json").json()
    assert (row["id"], row["state"], row["person"], row["due_at"][-1]) == (SHIPMENT_ID, "RECEIVED", False, "Z")


def test_the_list_can_be_narrowed(nfe: Nfe, shipment: str, store: Store) -> None:
    put(store, stop_code="unknown-sku")
    for narrowed, found in (
        (("--state", "received"), 1), (("--state", "ACCEPTED"), 0), (("--seller", "NOBODY"), 0), (("--stopped",), 1),
        (("--limit", "1"), 1),
    ):  # fmt: skip
        assert len(nfe("list", "--json", *narrowed).json()) == found


@pytest.mark.parametrize("name", ["FBA1", "701-1234567-1234567", SHIPMENT_ID])
def test_a_shipment_is_shown_by_any_of_its_names(nfe: Nfe, shipment: str, name: str) -> None:
    shown = nfe("show", name, "--json").json()
    assert (shown["id"], [document["kind"] for document in shown["documents"]]) == (SHIPMENT_ID, ["notification"])
    assert "state\tRECEIVED" in nfe("show", name).lines
    (line,) = nfe("history", name, "--json").json()
    assert (line["seq"], line["stage"], line["state"]) == (1, "receive", "RECEIVED")
    assert nfe("history", name).lines[1].split("\t")[2:6] == ["receive", "", "RECEIVED", "done"]


def test_a_shipment_that_needs_a_person_says_why_and_how_it_is_mended(nfe: Nfe, store: Store, shipment: str) -> None:
    assert "trouble" in nfe("show", "FBA1", "--json").json()
    assert nfe("show", "FBA1", "--json").json()["trouble"] is None
    put(store, stop_code="unknown-sku")
    store.note(SHIPMENT_ID, stage="generate", outcome="stopped", reason="ShipmentItems[0]: no product A-1")
    trouble = nfe("show", "FBA1", "--json").json()["trouble"]
    assert (trouble["code"], trouble["reason"]) == ("unknown-sku", "ShipmentItems[0]: no product A-1")
    assert "mend\tRegister the product, then retry." in nfe("show", "FBA1").lines


def test_a_shipment_says_where_it_is_to_be_seen(nfe: Nfe, shipment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFE_WEB_URL", "https://shop.example/nfe")
    monkeypatch.setenv("NFE_FLOWER_URL", "https://shop.example/flower/")
    links = nfe("show", "FBA1", "--json").json()["links"]
    assert links == {
        "page": f"https://shop.example/nfe/s/{SHIPMENT_ID}",
        "flower": "https://shop.example/flower/tasks?name=shipment%20OR%20args%3AFBA1",
    }


@pytest.mark.parametrize(
    "command",
    [("show",), ("history",), ("retry",), ("xml",), ("cancel", "--reason", "a reason long enough")],
    ids=lambda command: command[0],
)
def test_an_unknown_shipment_is_one_line(nfe: Nfe, shipment: str, command: tuple[str, ...]) -> None:
    nfe(command[0], "FBA9", *command[1:]).failed("unknown-shipment", "FBA9", "nfe list")


def test_a_name_of_two_shipments_is_one_line_that_names_both(nfe: Nfe, shipment: str) -> None:
    nfe("receive", "-", stdin=notification("FBA2"))
    nfe("show", "701-1234567-1234567").failed("ambiguous-shipment", "A1TESTSELLER/FBA1, A1TESTSELLER/FBA2")


@pytest.mark.parametrize(
    "usage",
    [
        (), ("no-such-command",), ("show",), ("list", "--state", "no-state"), ("list", "--limit", "0"),
        ("list", "--limit", "many"), ("retry",), ("retry", "--state", "no-state"), ("cancel", "FBA1"),
        ("cancel", "FBA1", "--reason", "short"), ("cancel", "FBA1", "--reason", "x" * 256), ("products", "import", "f.csv"),
        ("xml", "FBA1", "--kind", "no-kind"), ("seller",), ("demo", "--shipments", "0"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_usage_is_told_and_status_2(nfe: Nfe, shipment: str, usage: tuple[str, ...]) -> None:
    ran = nfe(*usage)
    assert ran.code == 2
    assert "Traceback" not in ran.err
    assert ran.err.strip() or ran.out.startswith("\n Usage") or "Usage" in ran.out


def test_a_retry_rings_for_what_it_made_due(nfe: Nfe, shipment: str, store: Store) -> None:
    for looked in ((), ("--dry-run",)):
        nothing = nfe("retry", shipment, *looked)
        assert (nothing.code, nothing.lines, nothing.rung) == (1, [f"{shipment} has nothing to retry"], [])
    put(store, state="REJECTED", due_at=None, ring_at=None)
    dry = nfe("retry", "--state", "rejected", "--dry-run")
    assert (dry.code, dry.lines, dry.rung) == (0, [f"{shipment} would be tried again"], [])
    done = nfe("retry", "--state", "rejected")
    assert (done.code, done.lines) == (0, [f"{shipment} FETCHED"])
    assert [(row.id, row.state) for row in done.rung] == [(shipment, "FETCHED")]
    line = nfe("history", shipment, "--json").json()[-1]
    assert (line["stage"], line["from_state"], line["actor"] != "engine") == ("retry", "REJECTED", True)


def test_a_retry_of_all_that_stopped_takes_each(nfe: Nfe, shipment: str, store: Store) -> None:
    nfe("receive", "-", stdin=notification("FBA2"))
    put(store, stop_code="unknown-sku", due_at=None, ring_at=None)
    done = nfe("retry", "--stopped")
    assert (done.code, len(done.lines), len(done.rung)) == (0, 2, 2)
    assert nfe("retry", "--stopped").lines == []


def test_a_cancellation_is_asked_for_once(nfe: Nfe, shipment: str) -> None:
    first = nfe("cancel", "FBA1", "--reason", "the buyer changed his mind")
    assert (first.code, first.lines) == (0, [f"{shipment} is being cancelled"])
    assert [row.cancelling for row in first.rung] == [True]
    nfe("cancel", "FBA1", "--reason", "the buyer changed his mind").failed("already-cancelled", "nfe history")
    line = nfe("history", "FBA1", "--json").json()[-1]
    assert (line["outcome"], line["reason"]) == ("asked", "the buyer changed his mind")


def test_a_cancellation_is_taken_back_with_who_and_why(nfe: Nfe, shipment: str, store: Store) -> None:
    nfe("cancel", "FBA1", "--withdraw", "--reason", "no").failed("nothing-to-withdraw", shipment)
    nfe("cancel", "FBA1", "--reason", "the buyer changed his mind")
    put(store, stop_code="501", due_at=None, ring_at=None)
    done = nfe("cancel", "FBA1", "--withdraw", "--reason", "SEFAZ takes it no more")
    assert (done.code, done.lines) == (0, [f"{shipment} is not cancelled: it goes on from RECEIVED"])
    assert [row.cancelling for row in done.rung] == [False]
    line = nfe("history", "FBA1", "--json").json()[-1]
    assert (line["outcome"], line["reason"], line["actor"] != "engine") == ("withdrawn", "SEFAZ takes it no more", True)


def test_a_shipment_without_an_authorised_note_has_nothing_to_correct(nfe: Nfe, shipment: str) -> None:
    nfe("correct", "FBA1", "--text", "O complemento correto é apto 32").failed("no-authorised-note", shipment)


def test_a_document_comes_byte_for_byte(nfe: Nfe, shipment: str, store: Store, tmp_path: Path) -> None:
    content = "<nfeProc>ação\r\n</nfeProc>".encode()
    with store.writing() as connection:
        store._leave(connection, shipment, (Left(DocumentKind.NFEPROC, content),), datetime.now(UTC))
    target = tmp_path / "out.xml"
    assert nfe("xml", "FBA1", "-o", target).out == ""
    assert target.read_bytes() == content
    assert start("xml", "FBA1").out.encode() == content
    nfe("xml", "FBA1", "-o", tmp_path / "none" / "out.xml").failed("unwritable-file")


def test_a_document_that_is_not_there_is_one_line(nfe: Nfe, shipment: str) -> None:
    nfe("xml", "FBA1").failed("no-document", "no nfeproc", "RECEIVED")


def leave(store: Store, shipment: str, kind: DocumentKind, content: bytes) -> None:
    with store.writing() as connection:
        store._leave(connection, shipment, (Left(kind, content),), datetime.now(UTC))


@pytest.fixture
def authorized(shipment: str, store: Store) -> str:
    """A shipment whose NF-e is authorised; its access key."""
    content = nfeproc()
    leave(store, shipment, DocumentKind.NFEPROC, content)
    return protocol_of(content).chNFe


def drawn(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as opened:
        return "".join(page.get_textpage().get_text_bounded() for page in opened)


def test_a_danfe_and_its_label_are_files_or_come_through_a_pipe(nfe: Nfe, authorized: str, tmp_path: Path) -> None:
    page, label = tmp_path / "page.pdf", tmp_path / "label.pdf"
    assert nfe("danfe", "FBA1", "-o", page).out == ""
    assert nfe("danfe", "FBA1", "--label", "-o", label).out == ""
    assert "NATUREZA DA OPERAÇÃO" in drawn(page.read_bytes())
    assert "ETIQUETA" in drawn(label.read_bytes())
    piped = subprocess.run([*PROGRAM, "danfe", "FBA1"], capture_output=True, timeout=60, check=True)
    assert piped.stdout == page.read_bytes()
    nfe("danfe", "FBA1", "-o", tmp_path / "none" / "page.pdf").failed("unwritable-file")


def test_on_a_terminal_a_danfe_is_named_after_its_key(authorized: str, tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen([*PROGRAM, "danfe", "FBA1"], stdout=theirs, stderr=theirs, cwd=tmp_path) as process:
        assert process.wait(60) == 0
    said = os.read(ours, 10_000).decode()
    os.close(ours)
    os.close(theirs)
    assert f"DANFE-{authorized}.pdf is written" in said
    assert (tmp_path / f"DANFE-{authorized}.pdf").read_bytes().startswith(b"%PDF")


def test_only_the_cancellation_of_the_same_nfe_marks_a_danfe(
    nfe: Nfe, authorized: str, shipment: str, store: Store, tmp_path: Path
) -> None:
    page = tmp_path / "page.pdf"
    for key, marked in (("3" * 44, False), (authorized, True)):
        event = f'<procEventoNFe xmlns="{NFE}"><chNFe>{key}</chNFe></procEventoNFe>'
        leave(store, shipment, DocumentKind.CANCELLATION, event.encode())
        assert nfe("danfe", "FBA1", "-o", page).code == 0
        assert ("CANCELADA" in drawn(page.read_bytes())) is marked


def test_a_shipment_without_an_authorised_nfe_has_no_danfe(nfe: Nfe, shipment: str) -> None:
    nfe("danfe", "FBA1").failed("no-document", "no authorised NF-e", "RECEIVED")
    nfe("danfe", "NOBODY").failed("unknown-shipment")


def test_every_command_has_a_help(nfe: Nfe) -> None:
    ran = nfe("--help")
    assert ran.code == 0
    for command in cli.app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        assert name in ran.out
        assert nfe(name, "--help").code == 0
