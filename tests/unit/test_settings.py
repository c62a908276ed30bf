"""The environment becomes settings, or one line that says which variable is wrong."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from workflow.errors import Misconfigured
from workflow.settings import SOCKET_PATH_LIMIT, Settings, check_private, load
from workflow.tools import Tools


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine that runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("NFE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NFE_SECRETS_DIR", str(tmp_path / "nowhere"))


def test_without_any_variable_everything_is_embedded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load()
    assert settings.is_embedded
    assert settings.data_dir == tmp_path / ".nfe-workflow"
    assert settings.resolved_database_url == f"sqlite:///{settings.data_dir}/nfe.sqlite3"
    assert settings.resolved_redis_url == f"redis+socket://{settings.socket_path}"


def test_a_variable_is_read_whatever_its_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFE_MAX_TRIES", "7")
    monkeypatch.setenv("nfe_amazon_burst", "3")
    assert (load().max_tries, load().amazon_burst) == (7, 3)


@pytest.mark.parametrize("written", ["90", "PT1M30S", "00:01:30", "90.0"])
def test_a_duration_is_seconds_or_iso(monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("NFE_LEASE", written)
    assert load().lease == timedelta(seconds=90)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compose file that passes variables on passes the missing ones as empty."""
    for name in Settings.model_fields:
        monkeypatch.setenv(f"NFE_{name.upper()}", "")
    settings = load()
    assert settings == Settings()
    assert (settings.sefaz_ca_file, settings.max_tries) == (None, 100)


def test_a_variable_that_is_not_ours_is_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFE_NO_SUCH_THING", "x")
    load()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("NFE_MAX_TRIES", "many", "valid integer"),
        ("NFE_MAX_TRIES", "0", "greater than or equal to 1"),
        ("NFE_LEASE", "soon", "timedelta|duration"),
        ("NFE_LEASE", "-PT5M", "greater than or equal to"),
        ("NFE_AMAZON_RATE", "-1", "greater than 0"),
        ("NFE_AMAZON_MD5_HEX", "perhaps", "valid boolean"),
        ("NFE_FLOWER_PORT", "70000", "less than or equal to 65535"),
        ("NFE_LOG_FORMAT", "xml", "json"),
        ("NFE_BROKER_URL", "sentinel://h:26379", "amqps?"),
        ("NFE_LOG_LEVEL", "LOUD", "debug"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured, match=f"(?s)^bad-setting: {name}: .*({says})") as raised:
        load()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning"])
def test_a_log_level_is_read_whatever_its_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("NFE_LOG_LEVEL", level)
    assert load().log_level == level


def test_a_secret_is_read_from_its_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nfe_encryption_key").write_text("from the file\n")
    (tmp_path / "nfe_max_tries").write_text("9")
    monkeypatch.setenv("NFE_SECRETS_DIR", str(tmp_path))
    assert load().encryption_key.get_secret_value() == "from the file"
    assert load().max_tries == 9


def test_the_environment_goes_before_the_file_and_an_override_before_both(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "nfe_max_tries").write_text("9")
    monkeypatch.setenv("NFE_SECRETS_DIR", str(tmp_path))
    monkeypatch.setenv("NFE_MAX_TRIES", "8")
    assert load().max_tries == 8
    assert load(max_tries=7).max_tries == 7


def test_a_bad_secret_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nfe_max_tries").write_text("hidden")
    monkeypatch.setenv("NFE_SECRETS_DIR", str(tmp_path))
    with pytest.raises(Misconfigured, match="NFE_MAX_TRIES") as raised:
        load()
    assert "hidden" not in str(raised.value)


def test_secrets_are_shown_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NFE_ENCRYPTION_KEY", "NFE_LWA_CLIENT_SECRET", "NFE_FLOWER_BASIC_AUTH"):
        monkeypatch.setenv(name, "hidden")
    settings = load()
    assert "hidden" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        ("postgres://u:p@h/x", "postgresql+psycopg://u:p@h/x"),
        ("postgresql://u:p@h:5433/x?sslmode=require", "postgresql+psycopg://u:p@h:5433/x?sslmode=require"),
        ("postgresql+psycopg://h/x", "postgresql+psycopg://h/x"),
        ("sqlite:////srv/x.sqlite3", "sqlite:////srv/x.sqlite3"),
    ],
)
def test_postgresqls_driver_is_ours(url: str, resolved: str) -> None:
    assert Settings(database_url=url).resolved_database_url == resolved


def test_the_broker_is_redis_unless_another_is_named() -> None:
    settings = Settings(redis_url="rediss://h:6380/1")
    assert settings.resolved_broker_url == "rediss://h:6380/1"
    other = settings.model_copy(update={"broker_url": "amqp://rabbit/"})
    assert (other.resolved_broker_url, other.resolved_redis_url) == ("amqp://rabbit/", "rediss://h:6380/1")


def test_a_redis_on_a_socket_is_celerys_broker_too() -> None:
    settings = Settings(redis_url="unix:///run/valkey.sock")
    assert settings.resolved_broker_url == "redis+socket:///run/valkey.sock"
    assert Tools(settings).redis.connection_pool.connection_kwargs["path"] == "/run/valkey.sock"


def test_a_redis_url_ends_the_embedded_broker() -> None:
    settings = Settings(redis_url="rediss://h:6380/1")
    assert not settings.is_embedded
    assert settings.resolved_redis_url == "rediss://h:6380/1"


def test_a_home_and_a_relative_folder_become_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert Settings(data_dir=Path("~/x")).data_dir == tmp_path / "x"
    assert Settings(data_dir=Path("x")).data_dir == tmp_path / "x"


@pytest.mark.parametrize("folder", ["/srv/" + "x" * 120, "/srv/a b", "/srv/ação", "/srv/a?b", "/srv/a%20b"])
def test_a_socket_that_cannot_stand_in_the_data_folder_stands_in_a_short_one(folder: str) -> None:
    path = Settings(data_dir=Path(folder)).socket_path
    assert not str(path).startswith(folder)
    assert len(str(path)) <= SOCKET_PATH_LIMIT
    assert path == Settings(data_dir=Path(folder)).socket_path
    assert path != Settings(data_dir=Path(folder + "2")).socket_path


def test_a_folder_that_others_may_enter_is_not_private(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    check_private(folder)  # there is none yet
    folder.mkdir(mode=0o700)
    check_private(folder)
    folder.chmod(0o750)
    with pytest.raises(Misconfigured, match="mode 0700"):
        check_private(folder)
    link = tmp_path / "link"
    link.symlink_to(folder)
    with pytest.raises(Misconfigured, match="not-private"):
        check_private(link)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().max_tries = 1  # type: ignore[misc]


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("url", ["http://hooks.example/x", "ftp://a.example", "hooks.example", "https://"])
def test_alerts_go_where_nobody_on_the_way_reads_them(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("NFE_ALERT_URL", url)
    with pytest.raises(Misconfigured, match=r"NFE_ALERT_URL.*https"):
        load()
    for private in ("https://hooks.example/x", "http://127.0.0.1:9/x"):
        monkeypatch.setenv("NFE_ALERT_URL", private)
        assert load().alert_url == private
