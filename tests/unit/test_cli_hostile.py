"""Hostile arguments and files at every command that takes some: one plain line and status 1 or 2, and nothing lost."""

# ruff: noqa: F811 - the fixtures are those of the other commands

import csv
import io
import json
import os
import resource
from pathlib import Path
from typing import Any

from tests.unit.test_cli import Nfe, Ran, environment, nfe, notification, seller, seller_file, shipment, store  # noqa: F401
from workflow.store import Store

NAMES = ("../../etc/passwd", "'; DROP TABLE shipment; --", "a\nb", "[red]{{7*7}}%s[/]", "x" * 100_000, "", "🎁")
#: What is no argument at all, whichever the command.
NO_TEXT = ("\x1b]0;owned\x07\x1b[2J", "\u202eevil", "\udcff")
BY_NAME = (
    ("show",), ("history",), ("retry",), ("xml",), ("danfe",), ("seller", "show"), ("seller", "resume"),
    ("products", "list", "--seller"), ("cancel", "--yes", "--reason", "Pedido cancelado", "--"), ("numbers", "list", "--seller"),
    ("purge", "--dry-run", "--seller"), ("check",), ("receive",), ("seller", "add"), ("list", "--state"),
    ("reconcile", "--seller", "A1TESTSELLER", "--"), ("products", "import", "--seller", "A1TESTSELLER", "--"),
)  # fmt: skip


def is_plain(ran: Ran) -> bool:
    """What was said is lines that a terminal shows and does not obey; no trace of the program's inside."""
    said = ran.out + ran.err
    return all(line.replace("\t", "").isprintable() for line in said.splitlines()) and "Traceback" not in said


def test_a_hostile_name_is_an_unknown_one(nfe: Nfe, shipment: str, store: Store) -> None:
    for command in BY_NAME:
        for name in NAMES:
            ran = nfe(*command, name)
            assert ran.code in (1, 2), (command, name, ran.out)
            assert is_plain(ran), (command, name, ran.err)
    assert [row.id for row in store.shipments()] == [shipment]


def test_a_hostile_filter_finds_nothing(nfe: Nfe, shipment: str) -> None:
    for name in ("' OR '1'='1", *NAMES):
        ran = nfe("list", "--json", f"--seller={name}")
        assert (ran.code, ran.json()) == (0, [])


def test_what_is_no_text_is_no_argument(nfe: Nfe, shipment: str) -> None:
    for name in NO_TEXT:
        for command in (("show", name), ("list", "--state", name), (name,), ("list", f"--{name}")):
            nfe(*command).failed("bad-argument")


FILES = {
    "nothing": b"",
    "NUL": b"\0" * 1000,
    "no UTF-8": b"\xff\xfe\x00<",
    "nested": b"[" * 200_000,
    "nested tables": b"a = " + b"[" * 100_000,
    "deep XML": b"<a>" * 100_000,
    "a bomb": b"<!DOCTYPE x [<!ENTITY a '"
    + b"x" * 10_000
    + b"'><!ENTITY b '"
    + b"&a;" * 10_000
    + b"'>]><NFe>&b;</NFe>",
    "a file": b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><NFe>&f;</NFe>',
    "a number without end": b'{"a": ' + b"1" * 5000 + b"}",
    "one long line": b"x" * 3_000_000,
    "an open quote": b'sku,ncm\n"' + b"x" * 200_000,
    "a wide table": b",".join(b"a%d" % number for number in range(20_000)) + b"\n",
    "orders to a terminal": b"\x1b[2J\x1b]0;x\x07,\x9b31m\n\x1b[2J,x\n",
    "JSON that is none of Amazon's": b'{"NotificationType": "\\u001b[2J\\ud800", "Payload": {"a": "\\u202e"}}',
}
TAKERS = (
    ("receive",), ("check",), ("seller", "add"), ("reconcile", "--seller", "A1TESTSELLER"),
    ("products", "import", "--seller", "A1TESTSELLER"), ("customer-invoices", "connect"),
)  # fmt: skip


def test_a_hostile_file_is_refused_by_name(nfe: Nfe, shipment: str, store: Store, tmp_path: Path) -> None:
    for command in TAKERS:
        for suffix in (".csv", ".toml") if command[0] == "products" else (".csv",):
            for what, content in FILES.items():
                path = tmp_path / f"hostile{suffix}"
                path.write_bytes(content)
                ran = nfe(*command, path)
                if what == "nothing" and suffix == ".toml":
                    continue  # no product, and no mistake
                assert ran.code == 1, (command, what, ran.out)
                assert "nfe: " in ran.err, (command, what, ran.err)
                assert is_plain(ran), (command, what, ran.err)
                assert len(ran.err) < 20_000, (command, what)
    assert [row.id for row in store.shipments()] == [shipment]


def test_what_is_no_file_is_refused(nfe: Nfe, seller: str) -> None:
    for command in TAKERS:
        for path in ("/", "/dev/null", "/proc/self/mem", "x" * 5000):
            ran = nfe(*command, path)
            assert ran.code in (1, 2), (command, path)
            assert is_plain(ran), (command, path, ran.err)


def test_a_stream_that_never_ends_is_refused_before_it_fills_the_memory(nfe: Nfe, seller: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    nfe("receive", "/dev/zero").failed("file-too-large", "/dev/zero is larger than 1 MB")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_hostile_id_in_a_notification_is_refused(nfe: Nfe, seller: str, store: Store) -> None:
    for field in ("SellerId", "AmazonShipmentId"):
        for name in (*NAMES, *NO_TEXT, "%2e%2e%2f", "..", "A1TESTSELLER/", "a\x00b"):
            said = json.loads(notification())
            said["Payload"]["FBAOutboundShipmentStatusNotification"][field] = name
            ran = nfe("receive", "-", stdin=json.dumps(said).encode())
            ran.failed("bad-notification")
            assert is_plain(ran)
    assert store.shipments() == []


def test_a_hostile_status_moves_nothing_and_is_shown_plain(nfe: Nfe, shipment: str) -> None:
    for status in ("\x1b[2J\nforged", "\u202edetaerC", "x" * 10_000):
        ran = nfe("receive", "-", stdin=notification(status=status))
        assert is_plain(ran)
    for command in ("history", "list"):
        ran = nfe(command, *((shipment,) if command == "history" else ()))
        assert (ran.code, is_plain(ran)) == (0, True)


# -- spreadsheets ---------------------------------------------------------------------------------------------

FORMULAS = ("=cmd|' /C calc'!A0", "+1+1", "-1+cmd", "@SUM(A1)", "\t=1", '=HYPERLINK("http://x","y")', "'=kept")


def test_a_formula_is_no_formula_in_an_export_and_comes_back_as_it_was(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    rows = [{"sku": f"{formula}{place}", "ncm": "85183000", "title": formula} for place, formula in enumerate(FORMULAS)]
    text = io.StringIO()
    writer = csv.DictWriter(text, ["sku", "ncm", "title"])
    writer.writeheader()
    writer.writerows(rows)
    (tmp_path / "in.csv").write_text(text.getvalue())
    assert nfe("products", "import", tmp_path / "in.csv", "--seller", seller).code == 0
    before: Any = nfe("products", "list", "--seller", seller, "--json").json()
    exported = nfe("products", "list", "--seller", seller).out
    for row in csv.reader(io.StringIO(exported), delimiter="\t"):
        assert not [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    (tmp_path / "out.csv").write_text(exported)
    assert nfe("products", "import", tmp_path / "out.csv", "--seller", seller).code == 0
    assert nfe("products", "list", "--seller", seller, "--json").json() == before
    assert os.linesep not in before[0]["title"]
