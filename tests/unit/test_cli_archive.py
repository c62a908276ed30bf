"""`nfe export` and `nfe report`: what they print, what they return, what they warn of."""

# ruff: noqa: F811 - the fixtures are those of the other commands

import csv
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.archives import CASES, Shelf
from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file, store  # noqa: F401
from workflow.engine import Engine
from workflow.settings import load
from workflow.states import State
from workflow.store import Store


@pytest.fixture
def shelf(seller: str, store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shelf:
    monkeypatch.chdir(tmp_path)
    return Shelf(store, Engine(store, load()))


def test_a_month_becomes_a_file_of_its_name(nfe: Nfe, shelf: Shelf, tmp_path: Path) -> None:
    shelf.put()
    shelf.put(state=State.CANCELLED, cancelled_on="2026-11-23")
    ran = nfe("export", "--month", "2026-11")
    assert (ran.code, ran.lines) == (
        0, ["nfe-2026-11.zip: 1 authorised, 1 cancelled, 0 events about earlier months, 0 voidings"],
    )  # fmt: skip
    with zipfile.ZipFile(tmp_path / "nfe-2026-11.zip") as file:
        assert len(file.namelist()) == 5
    assert nfe("export", "--month", "2026-11", "--seller", "A1TESTSELLER", "-o", "own.zip").code == 0
    assert (tmp_path / "own.zip").exists()


def test_the_report_closes_with_its_last_line(nfe: Nfe, shelf: Shelf) -> None:
    for case in CASES:
        shelf.put(case=case)
    shelf.put(state=State.CANCELLED, cancelled_on="2026-11-23")
    header, *lines = [line.split("\t") for line in nfe("report", "--month", "2026-11").lines]
    amounts = [Decimal(line[header.index("vNF")]) for line in lines]
    of_authorised = [amount for line, amount in zip(lines, amounts, strict=True) if line[1] == "autorizada"]
    assert lines[-1][0] == "total"
    assert sum(of_authorised[:-1]) == of_authorised[-1] > 0


def test_csv_and_json_have_every_amount_and_no_sum(nfe: Nfe, shelf: Shelf) -> None:
    shelf.put(case=CASES[2])
    rows = list(csv.DictReader(io.StringIO(nfe("report", "--month", "2026-11", "--csv").out)))
    found = nfe("report", "--month", "2026-11", "--json").json()
    assert found["month"] == "2026-11"
    assert found["notes"]["autorizada"] == 1
    assert [{name: str(value) for name, value in row.items()} for row in found["totals"]] == rows
    assert sum(Decimal(row["vST"]) for row in rows) > 0


def test_a_note_whose_xml_is_missing_makes_the_exit_status_1(nfe: Nfe, shelf: Shelf, tmp_path: Path) -> None:
    shelf.put(document=False)
    ran = nfe("export", "--month", "2026-11")
    assert ran.code == 1
    assert "1 notes of 2026-11 have no XML here" in ran.err
    assert (tmp_path / "nfe-2026-11.zip").exists()


def test_a_month_of_homologation_only_says_so(nfe: Nfe, shelf: Shelf) -> None:
    shelf.put(environment=2)
    ran = nfe("report", "--month", "2026-11")
    assert ran.code == 0
    assert "1 in homologation: --homologation" in ran.err
    assert len(nfe("report", "--month", "2026-11", "--homologation").lines) == 3


@pytest.mark.parametrize("command", ["export", "report"])
def test_a_wrong_month_and_an_unknown_seller_are_one_line(nfe: Nfe, shelf: Shelf, command: str) -> None:
    ran = nfe(command, "--month", "11/2026")
    assert ran.code == 2
    assert "11/2026 is no month" in ran.err
    nfe(command, "--month", "2026-11", "--seller", "NOBODY").failed("unknown-seller", "NOBODY")
