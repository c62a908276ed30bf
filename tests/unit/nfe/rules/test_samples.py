"""The verdict on public documents, where they lie beside the repository: key, signature and schema as their index says."""

import csv
from pathlib import Path

import pytest

from workflow.nfe import rules

SAMPLES = Path(__file__).parents[5] / "shared" / "nfe" / "samples"
INDEX = SAMPLES / "INDEX.csv"

pytestmark = pytest.mark.skipif(not INDEX.exists(), reason="the public samples are not beside the repository")


def rows() -> list[dict[str, str]]:
    if not INDEX.exists():
        return []
    with INDEX.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row["file"][:24])
def test_a_sample_gets_the_verdict_of_its_index(row: dict[str, str]) -> None:
    verdict = rules.check((SAMPLES / row["file"]).read_bytes())
    found = {breach.cStat for breach in verdict.breaches}
    assert ("253" not in found) == (row["key_dv_ok"] in ("True", ""))
    assert ("298" in found) == (row["signature"] == "none")
    assert ("297" in found) == (row["signature"] in ("digest-mismatch", "other"))
    if row["xsd_nfelib_3_2_0"]:
        assert ("225" not in found) == (row["xsd_nfelib_3_2_0"] == "True")


def test_the_signed_synthetic_sale_would_be_authorised() -> None:
    (path,) = SAMPLES.glob("90_*.xml")
    verdict = rules.check(path.read_bytes())
    assert verdict.cStat == "100"
    # Its issuer's registration is invented, which is a warning.
    assert [(breach.cStat, breach.is_error) for breach in verdict.breaches] == [("209", False)]


@pytest.mark.parametrize("row", [row for row in rows() if row["cStat"] == "100"], ids=lambda row: row["file"][:24])
def test_the_sums_of_authorised_documents_are_right(row: dict[str, str]) -> None:
    if row["file"].startswith(("14_", "23_")):
        pytest.skip("invented by its publisher, never sent")
    found = rules.breaches((SAMPLES / row["file"]).read_bytes())
    about_the_issuer = {"502", "253", "237"}  # publishers change keys and CPF to hide people
    assert {breach.cStat for breach in found if breach.is_error} <= about_the_issuer
