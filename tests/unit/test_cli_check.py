"""`nfe check`: anyone's documents, one or many, as text or JSON, and what the exit status says."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.unit.nfe.rules.documents import changed, simples
from workflow.cli import app
from workflow.nfe import signature
from workflow.nfe.certificate import SigningKey


@pytest.fixture
def good(tmp_path: Path, signing_key: SigningKey) -> Path:
    path = tmp_path / "good.xml"
    path.write_bytes(signature.sign(simples(), signing_key))
    return path


@pytest.fixture
def wrong(tmp_path: Path, signing_key: SigningKey) -> Path:
    path = tmp_path / "wrong.xml"
    path.write_bytes(signature.sign(changed(simples(), {"det/prod/qCom": "2.0000"}), signing_key))
    return path


def check(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["check", *map(str, arguments)])


def test_a_good_document_would_be_authorised(good: Path) -> None:
    ran = check(good)
    assert ran.exit_code == 0
    assert ran.stdout.splitlines() == [f"{good}: 100 Autorizado o uso da NF-e"]


def test_a_wrong_one_says_what_it_would_get_where_and_why(wrong: Path) -> None:
    ran = check(wrong)
    assert ran.exit_code == 1
    head, columns, line = ran.stdout.splitlines()
    assert head.startswith(f"{wrong}: 629 Rejeição: Valor do Produto difere")
    assert columns.split("\t") == ["severity", "cStat", "field", "place", "message"]
    assert line.split("\t") == ["error", "629", "I11-10", "det[1]/prod", "vProd is 100.00, qCom x vUnCom makes 200.00"]


def test_warnings_alone_are_no_failure(tmp_path: Path, signing_key: SigningKey) -> None:
    path = tmp_path / "x.xml"
    path.write_bytes(signature.sign(changed(simples(), {"pag/detPag/vPag": "99.00"}), signing_key))
    ran = check(path)
    assert ran.exit_code == 0
    assert "warning\t865" in ran.stdout


def test_many_documents_are_told_one_after_the_other(good: Path, wrong: Path) -> None:
    ran = check("--json", good, wrong)
    assert ran.exit_code == 1
    told = json.loads(ran.stdout)
    assert [(one["file"], one["good"], one["cStat"]) for one in told] == [
        (str(good), True, "100"),
        (str(wrong), False, "629"),
    ]
    assert told[1]["breaches"][0]["xMotivo"].endswith("[nItem: 1]")
    assert told[0]["chNFe"] == "35261199999999000191550010000000011482109373"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "unreadable-file"),
        (b"no xml", "not-xml"),
        (b"<x/>", "not-an-nfe"),
        (b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "not-xml"),
    ],
)
def test_what_is_no_document_is_one_line_and_the_others_are_checked(
    tmp_path: Path, good: Path, content: bytes | None, says: str
) -> None:
    path = tmp_path / "other.xml"
    if content is not None:
        path.write_bytes(content)
    ran = check(path, good)
    assert ran.exit_code == 1
    (line,) = ran.stderr.splitlines()
    assert line.startswith(f"nfe: {says}: {path}: ")
    assert ran.stdout.startswith(f"{good}: 100 ")


def test_time_is_asked_only_when_told(good: Path, tmp_path: Path, signing_key: SigningKey) -> None:
    path = tmp_path / "future.xml"
    in_2099 = {"ide/dhEmi": "2099-11-22T10:00:00-03:00"}
    path.write_bytes(signature.sign(changed(simples(), in_2099), signing_key))
    assert "703" not in check(path).stdout
    assert "703" in check("--now", path).stdout


def test_no_file_is_wrong_usage() -> None:
    assert check().exit_code == 2
