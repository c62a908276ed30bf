"""In and out of the page."""

import doctest

import pytest

from tests.unit.web.conftest import Installed
from workflow.audit import TRIES
from workflow.web import login


def test_the_examples_hold() -> None:
    assert doctest.testmod(login).failed == 0


def test_a_wrong_password_says_no_more_than_that(page: Installed) -> None:
    known, unknown = page.visitor().log_in("maria", "wrong horse"), page.visitor().log_in("nobody", "wrong horse")
    assert known.status_code == unknown.status_code == 401
    assert "Usuário ou senha não conferem." in known.text
    assert known.text.count("maria") == 1, "only in the field that was typed"


def test_a_password_cannot_be_tried_without_end(page: Installed) -> None:
    stranger = page.visitor()
    for _ in range(TRIES):
        assert stranger.log_in("maria", "wrong horse").status_code == 401
    answer = stranger.log_in("maria")
    assert answer.status_code == 429, "the right one has to wait, too"
    assert "nfe_session" not in answer.cookies


def test_what_is_typed_as_a_name_is_shown_as_text(page: Installed) -> None:
    assert "<script>" not in page.visitor().log_in("<script>alert(1)</script>", "wrong horse").text


@pytest.mark.parametrize(
    ("wanted", "path"), [("/s/A/B", "/s/A/B"), ("//evil.example", "/"), ("https://evil.example", "/"), ("/a\nb", "/")]
)
def test_after_the_login_one_is_where_one_wanted_to_go_on_this_page(page: Installed, wanted: str, path: str) -> None:
    answer = page.visitor().post("/login", {"name": "maria", "password": "correct horse", "next": wanted})
    assert answer.headers["location"] == path


def test_whoever_is_in_is_not_asked_again(page: Installed) -> None:
    assert page.visitor("maria").get("/login").headers["location"] == "/"
