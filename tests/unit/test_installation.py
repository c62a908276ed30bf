"""What a part begins with: what may come is waited for and told once, what a person must mend is not."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from structlog.testing import capture_logs

from workflow import doctor, installation, settings
from workflow.errors import Away, Misconfigured
from workflow.installation import patiently, ready
from workflow.migrations import HEAD, upgrade
from workflow.store import connect

ROOT = Path(__file__).parents[2]
NFE = [sys.executable, "-P", "-c", "from tasks.doorbell import main; main()"]


def configure(patch: pytest.MonkeyPatch, folder: Path, url: str) -> None:
    for name in [name for name in os.environ if name.startswith("NFE_")]:
        patch.delenv(name)
    values = {"DATA_DIR": folder, "DATABASE_URL": url, "ENCRYPTION_KEY": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="}
    for name, value in values.items():
        patch.setenv(f"NFE_{name}", str(value))
    settings.current.cache_clear()


@pytest.fixture(autouse=True)
def _read_anew() -> None:
    settings.current.cache_clear()


def test_each_reason_is_told_once_and_once_that_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "FIRST_LOOK", 0)
    answers = iter(["refused", "refused", "starting up", "refused", ""])

    def begin() -> str:
        if reason := next(answers):
            raise Away("database-unavailable", reason)
        return "begun"

    with capture_logs() as lines:
        assert patiently(begin) == "begun"
    assert [line.get("reason") for line in lines] == ["refused", "starting up", None]


def test_what_a_person_must_mend_is_not_waited_for() -> None:
    def begin() -> None:
        raise Misconfigured("broker-login", "no")

    with pytest.raises(Misconfigured, match="broker-login"):
        patiently(begin)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_that_is_older_is_waited_for_and_a_login_that_it_refuses_is_not(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, tmp_path, database_url)
    with pytest.raises(Away, match="database-revision: the database is at None"):
        ready()
    engine = connect(database_url)
    upgrade(engine)
    engine.dispose()
    ready().store.engine.dispose()
    nobody = make_url(database_url).set(username="nobody_knows").render_as_string(hide_password=False)
    configure(monkeypatch, tmp_path, nobody)
    with pytest.raises(Misconfigured, match=r"database-unavailable: .*nobody_knows") as raised:
        ready()
    assert not isinstance(raised.value, Away)


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no.such.host.invalid"])
def test_a_database_that_nobody_answers_for_may_come(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, tmp_path, f"postgresql://nfe:secret@{host}/nfe")
    with pytest.raises(Away, match="database-unavailable"):
        ready()


def test_a_part_that_waits_says_so_in_one_line_and_ends_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, tmp_path, "postgresql://nfe:secret@127.0.0.1:9/nfe")
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen([*NFE, "up", "worker"], cwd=ROOT, stdout=out, stderr=out)
    deadline = time.monotonic() + 60
    while "waiting" not in said.read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert len(said.read_text().splitlines()) == 1
    assert re.search(r"code=database-unavailable.*refused", said.read_text())
    assert "secret" not in said.read_text()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_part_of_a_newer_program_goes_on_when_the_database_has_been_migrated(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, tmp_path, database_url)
    monkeypatch.setattr(installation, "FIRST_LOOK", 0.01)
    engine = connect(database_url)
    upgrade(engine, "0008")
    migration = threading.Timer(0.3, upgrade, (engine,))
    migration.start()
    with capture_logs() as lines:
        patiently(ready).store.engine.dispose()
    migration.join()
    engine.dispose()
    assert lines[0]["code"] == "database-revision"


def test_a_program_goes_on_with_what_a_later_one_has_added_and_refuses_what_it_took_away(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(monkeypatch, tmp_path, database_url)
    engine = connect(database_url)
    upgrade(engine)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE shipment ADD COLUMN later VARCHAR"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    tools = ready()
    assert [finding.status for finding in doctor.CHECKS["database"](tools)] == ["warning"]
    upgrade(engine)  # is not this one's to do
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '1001'"))
    with pytest.raises(Misconfigured, match=f"database-newer: the database is at 1001, .*{HEAD}") as raised:
        ready()
    assert not isinstance(raised.value, Away)
    assert [finding.status for finding in doctor.CHECKS["database"](tools)] == ["failed"]
    for one in (engine, tools.store.engine):
        one.dispose()
