"""The parts' command lines and environments: who may look, and what is told to whom."""

import doctest
import os
from pathlib import Path

import pytest

from workflow import parts
from workflow.errors import Misconfigured
from workflow.parts import Part
from workflow.settings import Settings, load


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The embedded defaults, whatever the environment says."""
    for name in [name for name in os.environ if name.startswith(("NFE_", "FLOWER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NFE_SECRETS_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("NFE_DATA_DIR", str(tmp_path / "data"))
    return load()


def test_the_examples_hold() -> None:
    assert doctest.testmod(parts).failed == 0


def test_flower_for_other_machines_needs_a_login(settings: Settings) -> None:
    for change in ({"flower_address": "0.0.0.0"}, {"redis_url": "redis://broker.example"}):
        with pytest.raises(Misconfigured, match="flower-without-login"):
            parts.flower_argv(settings.model_copy(update=change))


def test_flowers_password_is_in_no_command_line(settings: Settings) -> None:
    locked = load(flower_basic_auth="operator:secret-word")
    assert "secret-word" not in " ".join(parts.flower_argv(locked))
    environ = parts.environment(Part.FLOWER, locked)
    assert environ["FLOWER_BASIC_AUTH"] == "operator:secret-word"
    assert "FLOWER_UNAUTHENTICATED_API" not in environ


OAUTH = {
    "flower_oauth": "github", "flower_oauth_emails": "a@shop.example|b@shop.example", "flower_oauth_key": "client",
    "flower_oauth_secret": "hidden-word", "flower_url": "https://shop.example/flower",
}  # fmt: skip


def test_a_provider_may_log_people_in_to_flower(settings: Settings) -> None:
    chosen = load(redis_url="redis://broker.example", **OAUTH)
    assert "hidden-word" not in " ".join(parts.flower_argv(chosen))
    environ = parts.environment(Part.FLOWER, chosen)
    assert environ["FLOWER_AUTH_PROVIDER"] == "flower.views.auth.GithubLoginHandler"
    assert environ["FLOWER_AUTH"] == "a@shop.example|b@shop.example"
    assert environ["FLOWER_OAUTH2_SECRET"] == "hidden-word"
    assert environ["FLOWER_OAUTH2_REDIRECT_URI"] == "https://shop.example/flower/login"


def test_every_provider_has_its_handler_in_flower_which_reads_its_address() -> None:
    from flower.views import auth

    assert all(hasattr(auth, handler) for handler in parts.OAUTH.values())
    assert all(variable in Path(auth.__file__).read_text() for variable in parts.OAUTH_AT.values())


@pytest.mark.parametrize(
    ("provider", "variable", "told"),
    [
        ("okta", "FLOWER_OAUTH2_OKTA_BASE_URL", "https://shop.example:8443/oauth2/default"),
        ("github", "FLOWER_GITHUB_OAUTH_DOMAIN", "shop.example:8443"),
        ("gitlab", "FLOWER_GITLAB_OAUTH_DOMAIN", "shop.example:8443"),
        ("google", "", ""),
    ],
)
def test_a_provider_of_ones_own_is_found_at_its_address(provider: str, variable: str, told: str) -> None:
    address = "https://shop.example:8443/oauth2/default/"
    environ = parts.environment(Part.FLOWER, load(**(OAUTH | {"flower_oauth": provider, "flower_oauth_url": address})))
    assert {name: environ[name] for name in parts.OAUTH_AT.values() if name in environ} == (
        {variable: told} if variable else {}
    )


@pytest.mark.parametrize("whom", ["a@x.example", "a@x.example|b@y.example", ".*@x.example", "shop-.*@x.example"])
def test_whom_flower_lets_in_is_named_as_flower_reads_it(settings: Settings, whom: str) -> None:
    from flower.utils.authentication import validate_auth_option

    assert validate_auth_option(load(flower_oauth_emails=whom).flower_oauth_emails)


@pytest.mark.parametrize(
    "whom",
    [
        "*@x.example",
        ".*",
        "a@.*",
        "a@x.example, b@y.example",
        "a@x.example,b@y.example",
        "a@x.example|.*@y.example",
        ".*.*@x.example",
        "a",
    ],
)
def test_whom_flower_would_not_let_in_as_meant_is_a_bad_setting(settings: Settings, whom: str) -> None:
    with pytest.raises(Misconfigured, match="bad-setting: NFE_FLOWER_OAUTH_EMAILS"):
        load(flower_oauth_emails=whom)


def test_okta_is_nowhere_without_its_address(settings: Settings) -> None:
    with pytest.raises(Misconfigured, match=r"flower-oauth: .*NFE_FLOWER_OAUTH_URL"):
        parts.flower_argv(load(**(OAUTH | {"flower_oauth": "okta"})))


@pytest.mark.parametrize("name", ["flower_oauth_emails", "flower_oauth_key", "flower_oauth_secret", "flower_url"])
def test_a_provider_without_all_that_it_needs_does_not_start(settings: Settings, name: str) -> None:
    with pytest.raises(Misconfigured, match=f"flower-oauth: .*NFE_{name.upper()}"):
        parts.flower_argv(load(**(OAUTH | {name: ""})))
    with pytest.raises(Misconfigured, match="choose one"):
        parts.flower_argv(load(flower_basic_auth="a:b", **OAUTH))


def test_the_page_is_linked_to_where_browsers_find_it(settings: Settings) -> None:
    assert parts.web_url(settings) == "http://127.0.0.1:5556/"
    assert parts.web_url(load(web_address="0.0.0.0", web_port=80)) == "http://127.0.0.1:80/"
    assert parts.web_url(load(web_url="https://shop.example/nfe")) == "https://shop.example/nfe/"


def test_settings_given_in_the_program_reach_the_parts(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    told = load(backoff_base="PT0.25S", sefaz_ca_file="roots.pem", database_url="sqlite:///own.sqlite3", max_tries=7)
    for name, value in parts.environment(Part.WORKER, told).items():
        monkeypatch.setenv(name, value)
    heard = load()
    assert heard.backoff_base == told.backoff_base
    assert heard.max_tries == 7
    assert heard.sefaz_ca_file == Path.cwd() / "roots.pem", "parts run in the data folder"
    assert heard.resolved_database_url == f"sqlite:///{Path.cwd() / 'own.sqlite3'}"


def test_a_part_that_gives_no_sign_of_life_is_not_healthy(settings: Settings) -> None:
    sign = parts.sign_of_life(Part.WORKER, settings)
    assert not parts.is_healthy(Part.WORKER, settings)
    sign.parent.mkdir(parents=True)
    sign.touch()
    assert parts.is_healthy(Part.WORKER, settings)
    os.utime(sign, (0, 0))
    assert not parts.is_healthy(Part.WORKER, settings)
