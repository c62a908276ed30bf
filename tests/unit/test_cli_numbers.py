"""`nfe numbers` and `nfe purge`: what they print, what they return, what they refuse."""

# ruff: noqa: F811 - the fixtures are those of the other commands

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from tests.unit.test_cli import (  # noqa: F401
    Nfe,
    environment,
    nfe,
    notification,
    put,
    seller,
    seller_file,
    shipment,
    store,
)
from workflow import doctor
from workflow.models import NumberStatus, VoidingState
from workflow.numbers import NUMBER, Range, decide, reserve
from workflow.settings import load
from workflow.store import SHIPMENT, Store
from workflow.tools import Tools
from workflow.voidings import Range as VoidedRange
from workflow.voidings import Verdict, Voidings

SELLER = "A1TESTSELLER"
CNPJ = "99999999000191"
YEAR = datetime.now(UTC).year


@pytest.fixture
def unused(nfe: Nfe, seller: str, store: Store) -> Store:
    """Numbers 1 to 3: used, unused, reserved."""
    for number, status in enumerate((NumberStatus.USED, NumberStatus.UNUSED, NumberStatus.RESERVED), 1):
        id = f"{SELLER}/FBA{number}"
        assert nfe("receive", "-", stdin=notification(f"FBA{number}")).code == 0
        with store.writing() as connection:
            reserve(connection, id, 1, Range(CNPJ, 2, 1), lambda nNF: "12345670", store.now())
            if status is not NumberStatus.RESERVED:
                decide(connection, id, 1, status, now=store.now())
    put(store, state="CANCELLED", due_at=None, ring_at=None)
    return store


def test_the_list_shows_each_number_and_proves_the_series(nfe: Nfe, unused: Store) -> None:
    ran = nfe("numbers", "list")
    assert ran.code == 0
    assert ran.lines[0].split("\t")[:4] == ["series", "environment", "number", "status"]
    assert [line.split("\t")[2:4] for line in ran.lines[1:]] == [["3", "reserved"], ["2", "unused"], ["1", "used"]]
    assert f"series 1, tpAmb 2, CNPJ {CNPJ}: from 1, next 4; 1 reserved, 1 unused, 1 used; gaps: 0" in ran.err
    found = nfe("numbers", "list", "--seller", SELLER, "--status", "unused", "--json").json()
    assert [row["number"] for row in found["numbers"]] == [2]
    assert (found["series"][0]["next"], found["series"][0]["missing"], found["series"][0]["gaps"]) == (4, 0, [])


def test_a_missing_number_is_told_and_fails(nfe: Nfe, unused: Store) -> None:
    with unused.writing() as connection:
        connection.execute(delete(NUMBER).where(NUMBER.c.number == 2))
    ran = nfe("numbers", "list")
    assert ran.code == 1
    assert "gaps: 1 (2-2)" in ran.err
    (finding,) = [one for one in doctor.examine(Tools(load())) if one.check == "numbers"]
    assert finding.status == "failed"


def test_a_dry_run_says_what_would_be_voided(nfe: Nfe, unused: Store) -> None:
    assert nfe("numbers", "void", "--dry-run").lines == ["series 1, tpAmb 2: 2 would be voided"]
    voidings = Voidings(unused)
    assert voidings.make(SELLER, VoidedRange(CNPJ, 2, 1, YEAR, 2, 2), b"<inutNFe/>")
    assert nfe("numbers", "void", "--dry-run", "--seller", SELLER).lines == ["series 1, tpAmb 2: 2 would be sent again"]


def test_a_seller_that_cannot_void_is_one_line_and_the_exit_status(
    nfe: Nfe,
    unused: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NFE_REDIS_URL", "redis://127.0.0.1:1/0")
    ran = nfe("numbers", "void")
    assert ran.code == 1
    assert "redis-unavailable" in ran.err
    with unused.reading() as connection:
        assert connection.execute(NUMBER.select().where(NUMBER.c.status == "voided")).all() == []


@pytest.mark.parametrize("reason", ["curto", "x" * 256])
def test_a_reason_of_the_wrong_length_is_wrong_usage(nfe: Nfe, seller: str, reason: str) -> None:
    assert nfe("numbers", "void", "--reason", reason).code == 2


def test_a_series_goes_on_where_the_operator_says(nfe: Nfe, unused: Store) -> None:
    ran = nfe("numbers", "start", "--seller", SELLER, "--next", 100)
    assert ran.lines == [f"series 1, tpAmb 2, CNPJ {CNPJ}: next 100; 4 to 99 are another system's"]
    nfe("numbers", "start", "--seller", SELLER, "--next", 50).failed("known-number", "100")
    other = nfe("numbers", "start", "--seller", SELLER, "--series", 7, "--next", 50)
    assert other.code == 0
    assert "serie = 7" in other.err
    assert "gaps: 0" in nfe("numbers", "list").err


def test_the_proof_of_a_voiding_is_handed_out_as_it_is(nfe: Nfe, unused: Store, tmp_path: Path) -> None:
    voidings = Voidings(unused)
    made = voidings.make(SELLER, VoidedRange(CNPJ, 2, 1, YEAR, 2, 2), b"<inutNFe/>")
    assert made is not None
    verdict = Verdict(VoidingState.DONE, "102", "ok", b"<retInutNFe/>", NumberStatus.VOIDED, b"<ProcInutNFe/>")
    voidings.settle(made, verdict)
    assert nfe("numbers", "proof", 2, "--seller", SELLER, "-o", tmp_path / "p.xml").code == 0
    assert (tmp_path / "p.xml").read_bytes() == b"<ProcInutNFe/>"
    nfe("numbers", "proof", 1, "--seller", SELLER).failed("no-proof")


@pytest.mark.parametrize("command", ["list", "void"])
def test_an_unknown_seller_is_one_line(nfe: Nfe, seller: str, command: str) -> None:
    nfe("numbers", command, "--seller", "NOBODY").failed("unknown-seller")


@pytest.mark.parametrize(
    ("reserved", "today", "status"),
    [
        ("2026-11-22", "2026-12-05", "ok"),
        ("2026-11-22", "2026-12-06", "warning"),
        ("2026-11-22", "2027-03-01", "warning"),
    ],
)
def test_doctor_warns_from_the_fifth_on(unused: Store, reserved: str, today: str, status: str) -> None:
    with unused.writing() as connection:
        connection.execute(update(NUMBER).values(reserved_at=datetime.fromisoformat(f"{reserved}T12:00:00+00:00")))
    tools = Tools(load())
    tools.store.set_clock(lambda: datetime.fromisoformat(f"{today}T12:00:00+00:00"))
    found = [one for one in doctor.examine(tools) if one.check == "numbers"]
    assert found[0].status == status
    assert ("2026-12-10" in found[0].message) is (status == "warning")


def test_doctor_tells_of_numbers_that_sefaz_does_not_void(unused: Store) -> None:
    with unused.writing() as connection:
        connection.execute(update(NUMBER).where(NUMBER.c.number == 2).values(status=NumberStatus.PERSON))
    (found,) = [one for one in doctor.examine(Tools(load())) if one.check == "numbers"]
    assert (found.status, "1 of them" in found.message) == ("warning", True)


# -- purge --------------------------------------------------------------------------------------------------


def old(store: Store, **values: Any) -> None:
    long_ago = store.now() - timedelta(days=31)
    put(store, **{"state": "CANCELLED", "due_at": None, "ring_at": None, "updated_at": long_ago} | values)


def test_a_purge_counts_then_removes_and_says_so(nfe: Nfe, shipment: str, store: Store) -> None:
    old(store)
    assert nfe("purge", "--dry-run").lines == ["would purge 1 shipments, 0 customer invoices"]
    assert nfe("purge").lines == ["purged 1 shipments (1 documents), 0 customer invoices"]
    assert nfe("purge").lines == ["purged 0 shipments (0 documents), 0 customer invoices"]
    nfe("xml", "FBA1", "--kind", "notification").failed("no-document", "purged on", "nfe retry --refetch")
    assert nfe("history", shipment, "--json").json()[-1]["outcome"] == "purged"


def test_days_may_be_given_and_stopped_ones_are_told(nfe: Nfe, shipment: str, store: Store) -> None:
    old(store, state="FETCHED", stop_code="unknown-sku")
    ran = nfe("purge", "--older-than-days", 32)
    assert (ran.lines[0].startswith("purged 0"), ran.err) == (True, "")
    assert "1 shipments as old keep their data" in nfe("purge", "--older-than-days", 30).err


def test_everything_of_a_seller_needs_a_confirmation(
    nfe: Nfe,
    shipment: str,
    store: Store,
) -> None:
    assert nfe("purge", "--everything").code == 2
    nfe("purge", "--everything", "--seller", "NOBODY").failed("unknown-seller")
    nfe("purge", "--everything", "--seller", SELLER).failed("not-confirmed", "--yes")
    nfe("purge", "--everything", "--seller", SELLER, "--yes").failed("still-on-their-way", "1 shipments")
    old(store)
    ran = nfe("purge", "--everything", "--seller", SELLER, "--yes")
    assert ran.lines[0].startswith(f"{SELLER}: removed 1 shipments, 1 documents")
    assert nfe("seller", "list", "--json").json() == []


@pytest.mark.parametrize(("typed", "code"), [("A1TESTSELLER", 0), ("yes", 1)])
def test_the_confirmation_is_the_sellers_id(
    nfe: Nfe,
    shipment: str,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
) -> None:
    old(store)
    monkeypatch.setattr(
        "workflow.cli_purge.sys", type("Terminal", (), {"stdin": type("In", (), {"isatty": lambda: True})})
    )
    assert nfe("purge", "--everything", "--seller", SELLER, stdin=f"{typed}\n".encode()).code == code


def test_a_seller_that_was_removed_does_not_alarm(nfe: Nfe, unused: Store) -> None:
    ran = nfe("purge", "--everything", "--seller", SELLER, "--yes")
    assert ran.code == 0
    assert "1 numbers of A1TESTSELLER are not voided" in ran.err
    (finding,) = [one for one in doctor.examine(Tools(load())) if one.check.startswith("seller ")]
    assert finding.status == "ok"
    with unused.reading() as connection:
        assert len(connection.execute(SHIPMENT.select()).all()) == 3
