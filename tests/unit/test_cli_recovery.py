"""`nfe recover` and `nfe adopt` say what is wrong in one line."""

# ruff: noqa: F811 - the fixtures are those of the other commands

from pathlib import Path

from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file, store  # noqa: F401


def test_a_recovery_of_nobody_is_told(nfe: Nfe, seller: str) -> None:
    ran = nfe("recover", "--seller", "A0NOBODY")
    assert ran.code == 1
    assert "unknown-seller: no seller A0NOBODY" in ran.err


def test_a_shipment_that_nobody_knows_adopts_nothing(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    (tmp_path / "note.xml").write_text("<NFe/>")
    ran = nfe("adopt", "FBA404", str(tmp_path / "note.xml"))
    assert ran.code == 1
    assert "unknown-shipment" in ran.err


def test_a_backup_says_how_large_it_is_and_what_else_to_keep(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    ran = nfe("backup", str(tmp_path / "copy"))
    assert ran.code == 0
    assert "whole; keep the encryption key apart" in " ".join(ran.lines)
    assert nfe("backup", str(tmp_path / "copy")).code == 1
