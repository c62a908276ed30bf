"""Nobody comes past the gate who may not, and no failure tells what it should not."""

import logging
from datetime import timedelta
from typing import Any

import pytest
import requests
from sqlalchemy import text

from tests.unit.web.conftest import Installed, Serve, Visitor
from workflow.models import Role
from workflow.sandbox.shipments import SELLER_ID
from workflow.users import users_of
from workflow.web import shipments
from workflow.web.gate import ALONE, LONGEST_FORM, Page
from workflow.web.pages import PAGES


def address(page: Page) -> str:
    """The page's path with names filled in."""
    names = {"{seller}": SELLER_ID, "{shipment}": "FBA1", "{kind}": "nfeproc", "{rest:path}": "nothing/here"}
    path = page.path
    for name, value in names.items():
        path = path.replace(name, value)
    return path


def ask(visitor: Visitor, page: Page) -> requests.Response:
    """The page as the visitor gets it; a form's only with its token."""
    return visitor.get(address(page)) if page.method == "GET" else visitor.post(address(page))


def test_a_stranger_sees_the_login_and_nothing_else(page: Installed) -> None:
    stranger = page.visitor()
    for one in PAGES:
        answer = (
            stranger.get(address(one))
            if one.method == "GET"
            else stranger.session.post(page.url + address(one), data={}, allow_redirects=False, timeout=10)
        )
        if one.role is None:
            assert answer.status_code in (200, 403)
            assert "FBA1" not in answer.text
        else:
            assert (answer.status_code, answer.headers["location"][:6]) == (303, "/login"), one.path


def test_a_viewer_is_told_that_an_operators_page_is_none_of_theirs(page: Installed, joao: Visitor) -> None:
    page.authorised()
    operators = [one for one in PAGES if one.role is Role.OPERATOR]
    assert len(operators) > 10
    for one in operators:
        assert ask(joao, one).status_code == 403, one.path
    assert page.said() == []
    assert page.rung == []


def test_a_viewer_sees_every_page_that_is_for_looking(page: Installed, joao: Visitor) -> None:
    page.authorised()
    for one in PAGES:
        if one.method == "GET" and one.role is Role.VIEWER:
            expected = {"/": 303, "/{rest:path}": 404}.get(one.path, 200)
            assert joao.get(address(one)).status_code == expected, one.path


def test_a_form_without_its_token_does_nothing(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    other = page.visitor("maria").token()
    for token in ("", "invented", other):
        answer = maria.post(f"/s/{id}/retry", {"form_token": token})
        assert answer.status_code == 403
    assert page.said() == []


def test_a_form_of_another_site_does_nothing(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
    ):
        assert maria.post(f"/s/{id}/retry", **headers).status_code == 403
    assert page.rung == []
    assert maria.post(f"/s/{id}/retry", Origin=page.url).status_code == 303


def test_what_is_no_form_of_a_page_is_refused(page: Installed, maria: Visitor) -> None:
    id, token = page.stopped(), maria.token()
    for sent in ({"json": {"form_token": token}}, {"data": {"form_token": token, "x": "y" * LONGEST_FORM}}):
        answer = maria.session.post(f"{page.url}/s/{id}/retry", allow_redirects=False, timeout=10, **sent)
        assert answer.status_code == 403
    assert page.rung == []


def test_a_session_ends_with_the_logout_and_with_the_user(page: Installed) -> None:
    here, there = page.visitor("maria"), page.visitor("maria")
    cookies = here.session.cookies.copy()
    assert here.post("/logout").headers["location"] == "/login"
    here.session.cookies = cookies
    assert here.get("/shipments").status_code == 303, "the token is worth nothing any more"
    assert there.get("/shipments").status_code == 200
    users_of(page.tools.store, page.tools.settings).disable("maria")
    assert there.get("/shipments").status_code == 303


def test_a_session_that_nobody_uses_ends(serve: Serve) -> None:
    page = serve(web_idle="PT1S")
    maria = page.visitor("maria")
    now = page.tools.store.now()
    page.tools.store.set_clock(lambda: now.replace(year=now.year + 1))
    assert maria.get("/shipments").status_code == 303


def test_a_page_that_looks_on_by_itself_is_no_use_of_the_session(page: Installed, maria: Visitor) -> None:
    now = page.tools.store.now()
    for minutes in range(5, 40, 5):
        page.tools.store.set_clock(lambda minutes=minutes: now + timedelta(minutes=minutes))  # type: ignore[misc]
        answer = maria.get("/numbers", **{ALONE: "1"})
    assert answer.status_code == 303


def test_cookies_are_for_us_alone_and_under_https_for_https_alone(page: Installed) -> None:
    plain, behind = page.visitor(), page.visitor()
    told = plain.log_in("maria").headers["set-cookie"]
    assert {"HttpOnly", "SameSite=lax", "Path=/"} <= {part.strip() for part in told.split(";")}
    assert "Secure" not in told
    behind.session.headers["X-Forwarded-Proto"] = "https"
    token = behind.token("/login")
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in behind.session.cookies)
    form = {"form_token": token, "name": "maria", "password": "correct horse"}
    answer = requests.post(
        f"{page.url}/login", form, headers={"X-Forwarded-Proto": "https", "Cookie": cookies}, allow_redirects=False,
        timeout=10,
    )  # fmt: skip
    assert "Secure" in answer.headers["set-cookie"]
    assert "strict-transport-security" in answer.headers


def test_every_answer_shuts_the_browsers_doors(page: Installed, maria: Visitor) -> None:
    for path in ("/login", "/shipments", "/static/page.css", "/s/NO/BODY", "/nothing"):
        headers = maria.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-frame-options"] == "DENY"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == ("no-cache" if "static" in path else "no-store")
        assert "server" not in headers or "uvicorn" not in headers["server"]


def test_no_page_has_a_script_or_a_style_of_its_own(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    for path in ("/login", "/shipments", f"/s/{id}", f"/s/{id}/cancel", "/products", "/sellers", "/numbers", "/audit"):
        html = maria.get(path).text
        assert "<script>" not in html
        assert " style=" not in html
        assert " onclick" not in html
        assert "//cdn" not in html


def test_a_language_is_the_browsers_until_it_is_chosen_and_then_the_users(page: Installed) -> None:
    assert 'lang="pt-BR"' in page.visitor().get("/login").text
    assert 'lang="en"' in page.visitor().get("/login", **{"Accept-Language": "en-US,en;q=0.9"}).text
    maria = page.visitor("maria")
    assert "Remessas" in maria.get("/shipments").text
    assert "Shipments" in maria.get("/shipments?lang=en").text
    assert "Shipments" in maria.get("/shipments").text
    assert "Shipments" in page.visitor("maria").get("/shipments").text, "wherever she logs in"


def test_a_mistake_is_a_page_that_says_what_to_do(page: Installed, maria: Visitor) -> None:
    answer = maria.get("/s/NO/BODY?lang=en")
    assert answer.status_code == 404
    assert "There is no shipment or order of this id." in answer.text
    assert "unknown-shipment" in answer.text


def test_an_unforeseen_error_tells_nobody_what_it_held(
    page: Installed, maria: Visitor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def break_(*_: Any, **__: Any) -> None:
        raise ValueError("Maria da Silva, CPF 123")

    monkeypatch.setattr(shipments, "trouble_of", break_)
    id = page.stopped()
    with caplog.at_level(logging.DEBUG):
        answer = maria.get(f"/s/{id}")
    assert answer.status_code == 500
    assert "Silva" not in answer.text + caplog.text


def test_a_database_that_is_away_is_told(page: Installed, maria: Visitor) -> None:
    with page.tools.store.writing() as connection:
        connection.execute(text("ALTER TABLE shipment RENAME TO gone"))
    answer = maria.get("/shipments")
    assert answer.status_code == 503
    assert "O banco de dados não responde." in answer.text


@pytest.mark.parametrize("kept", [True, False])
def test_a_proxy_may_publish_it_under_a_path_and_take_that_off_or_not(serve: Serve, kept: bool) -> None:
    page = serve(web_url="https://shop.example/nfe/")
    under = "/nfe" if kept else ""
    answer = page.visitor().get(f"{under}/shipments")
    assert answer.headers["location"] == "/nfe/login?next=/shipments"
    form = page.visitor().get(f"{under}/login").text
    assert 'action="/nfe/login"' in form
    assert 'href="/nfe/static/page.css"' in form
    assert page.visitor().get(f"{under}/static/page.css").status_code == 200


def test_it_says_that_it_lives_without_asking_the_database(page: Installed) -> None:
    with page.tools.store.writing() as connection:
        connection.execute(text("DROP TABLE web_session"))
    assert page.visitor().get("/alive").text == "ok"
