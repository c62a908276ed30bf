"""What the accountant gets: each XML as it is stored, an index that names it, totals that close with it."""

import csv
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from tests.unit.archives import CASES, CNPJ, Shelf
from workflow import export as module
from workflow.archive import Archive, Month, Which
from workflow.engine import Engine
from workflow.errors import Invalid
from workflow.export import CANCELLED_LATER, CORRECTED_LATER, INDEX, TOTALS, export
from workflow.monthly import AUTHORIZED, CANCELLED, MISSING, total
from workflow.nfe.summary import AMOUNTS, summary_of
from workflow.states import State
from workflow.store import Store

NOVEMBER, PRODUCTION = Month(2026, 11), Which()

#: What is asked of the database is proved on both of them elsewhere (test_archive).
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def shelf(store: Store, engine: Engine) -> Shelf:
    """Four authorised notes, one cancelled, one without its XML, one of an earlier month that is cancelled in this."""
    made = Shelf(store, engine)
    for case in (*CASES, CASES[1]):
        made.put(case=case)
    made.put(state=State.CANCELLED, cancelled_on="2026-11-23")
    made.put(document=False)
    made.put("2026-10", state=State.CANCELLED, cancelled_on="2026-11-01")
    return made


def exported(store: Store, path: Path) -> zipfile.ZipFile:
    export(Archive(store), NOVEMBER, PRODUCTION, path)
    return zipfile.ZipFile(path)


def table(file: zipfile.ZipFile, name: str) -> list[dict[str, str]]:
    """A table as a Brazilian spreadsheet reads it."""
    return list(csv.DictReader(io.StringIO(file.read(name).decode("utf-8-sig")), delimiter=";"))


def amount(cell: str) -> Decimal:
    return Decimal(cell.replace(",", "."))


def test_every_note_is_in_the_zip_byte_for_byte_under_its_key(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    stored = [filed for filed in Archive(store).notes(NOVEMBER, PRODUCTION) if filed.document]
    with exported(store, tmp_path / "nfe.zip") as file:
        assert file.testzip() is None
        for filed in stored:
            assert file.read(f"{CNPJ}/notas/{filed.chNFe}-procNFe.xml") == filed.document
        assert len([name for name in file.namelist() if "/notas/" in name]) == len(stored) == 5
        assert len([name for name in file.namelist() if name.endswith("-110111-1-procEventoNFe.xml")]) == 2


def test_the_index_tells_a_correction_of_an_earlier_months_note_from_a_cancellation(
    store: Store, shelf: Shelf, tmp_path: Path
) -> None:
    key = shelf.put("2026-10", corrected_on=("2026-11-02",))
    with exported(store, tmp_path / "nfe.zip") as file:
        [row] = [row for row in table(file, INDEX) if row["situacao"] == CORRECTED_LATER]
        assert row["eventos"] == f"{CNPJ}/eventos/{key}-110110-1-procEventoNFe.xml"
        assert row["eventos"] in file.namelist()


def test_the_index_names_each_note_its_files_and_what_became_of_it(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    with exported(store, tmp_path / "nfe.zip") as file:
        rows, names = table(file, INDEX), set(file.namelist())
        assert [row["situacao"] for row in rows] == [AUTHORIZED] * 4 + [CANCELLED, MISSING, CANCELLED_LATER]
        for row in rows:
            assert {name for name in (row["arquivo"], *row["eventos"].split()) if name} <= names
            assert row["AmazonShipmentId"].startswith("FBA")
            assert row["AmazonOrderId"] == "701-1234567-1234567"
            if row["arquivo"]:
                facts = summary_of(file.read(row["arquivo"]))
                assert (row["chNFe"], row["nNF"], row["UF"]) == (facts.chNFe, facts.nNF, facts.uf)
                assert (row["dhEmi"], row["nProt"]) == (facts.dhEmi, facts.nProt)
                assert amount(row["vNF"]) == facts.vNF
                assert row["CFOP"].split() == list(facts.shares)


def test_the_totals_close_with_the_index_and_with_the_documents(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    with exported(store, tmp_path / "nfe.zip") as file:
        rows, index = table(file, TOTALS), table(file, INDEX)
        documents = [summary_of(file.read(row["arquivo"])) for row in index if row["situacao"] == AUTHORIZED]
    for status in (AUTHORIZED, CANCELLED):
        summed = sum(amount(row["vNF"]) for row in rows if row["situacao"] == status)
        assert summed == sum(amount(row["vNF"]) for row in index if row["situacao"] == status) > 0
    for name in AMOUNTS:
        summed = sum(amount(row[name]) for row in rows if row["situacao"] == AUTHORIZED)
        assert summed == sum(share.amounts[name] for facts in documents for share in facts.shares.values())
    places = [(row["situacao"], row["CFOP"], row["UF"]) for row in rows]
    assert len(places) == len(set(places)) > 2


def test_the_report_says_the_same_as_the_zip(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    reported = total(Archive(store), NOVEMBER, PRODUCTION).rows()
    with exported(store, tmp_path / "nfe.zip") as file:
        assert [amount(row["vNF"]) for row in table(file, TOTALS)] == [row["vNF"] for row in reported]
    assert all(isinstance(row["vNF"], Decimal) for row in reported)


def test_the_same_archive_gives_the_same_bytes(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    exported(store, tmp_path / "one.zip").close()
    exported(store, tmp_path / "two.zip").close()
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_an_export_that_fails_leaves_the_former_file_and_nothing_else(
    store: Store, shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "nfe.zip").write_bytes(b"the former")

    def fails(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module._Files, "put_note", fails)
    with pytest.raises(Invalid, match="unwritable-file"):
        exported(store, folder / "nfe.zip")
    assert [(path.name, path.read_bytes()) for path in folder.iterdir()] == [("nfe.zip", b"the former")]


def test_the_file_is_ours_alone_to_read(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    exported(store, tmp_path / "nfe.zip").close()
    assert (tmp_path / "nfe.zip").stat().st_mode & 0o077 == 0


def test_a_place_that_cannot_be_written_is_told(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="unwritable-file"):
        exported(store, tmp_path / "nowhere" / "nfe.zip")


def test_a_month_without_notes_is_an_archive_without_notes(store: Store, shelf: Shelf, tmp_path: Path) -> None:
    done = export(Archive(store), Month(2025, 1), PRODUCTION, tmp_path / "nfe.zip")
    assert done == ({AUTHORIZED: 0, CANCELLED: 0, MISSING: 0}, 0, 0)
    with zipfile.ZipFile(tmp_path / "nfe.zip") as file:
        assert file.namelist() == [INDEX, TOTALS]
        assert table(file, INDEX) == []
