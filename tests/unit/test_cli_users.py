"""`nfe user` as it is called: who may log in to the operator's page."""

from pathlib import Path

import pytest

from tests.unit.test_cli import Nfe, environment, nfe  # noqa: F401  # the fixtures of every command

PASSWORD = "correct horse"


@pytest.fixture
def password(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return path


def test_a_user_is_added_listed_and_disabled(nfe: Nfe, password: Path) -> None:  # noqa: F811
    assert nfe("user", "add", "maria", "--role", "operator", "--password-file", password).code == 0
    (row,) = nfe("user", "list", "--json").json()
    assert (row["name"], row["role"], row["disabled_at"]) == ("maria", "operator", None)
    assert PASSWORD not in nfe("user", "list").out
    assert nfe("user", "disable", "maria").code == 0
    assert nfe("user", "list", "--json").json()[0]["disabled_at"] is not None


def test_the_password_may_stand_in_a_variable(nfe: Nfe, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("SECRET_WORD", PASSWORD)
    assert nfe("user", "add", "joao", "--role", "viewer", "--password-env", "SECRET_WORD").code == 0
    nfe("user", "add", "joao", "--role", "viewer", "--password-env", "NOT_SET").failed("no-password", "NOT_SET")


def test_what_is_wrong_is_one_line(nfe: Nfe, tmp_path: Path) -> None:  # noqa: F811
    short = tmp_path / "short"
    short.write_text("short", encoding="utf-8")
    nfe("user", "add", "maria", "--role", "viewer", "--password-file", short).failed("bad-password")
    nfe("user", "add", "maria", "--role", "viewer", "--password-file", tmp_path / "none").failed("unreadable-file")
    nfe("user", "add", "maria", "--role", "viewer").failed("no-password", "--password-file")
    nfe("user", "disable", "nobody").failed("unknown-user", "nfe user list")
    assert nfe("user", "add", "maria", "--role", "king").code == 2
