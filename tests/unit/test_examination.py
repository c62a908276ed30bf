"""What is asked of database and Redis, and what is told where one of them does not answer."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from workflow import examination as module
from workflow.clients.counters import SWEPT
from workflow.clients.rate_limit import Plan
from workflow.examination import Examination, Probe
from workflow.migrations import upgrade
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_ID, demo_seller
from workflow.settings import Settings
from workflow.tools import SellerSecrets, Tools


@pytest.fixture
def tools(tmp_path: Path, valkey: str, redis_client: redis.Redis) -> Tools:
    """An installation of its own with one seller."""
    made = Tools(Settings(data_dir=tmp_path, redis_url=valkey, amazon_burst=4))
    upgrade(made.store.engine)
    put_seller(made)
    return made


def put_seller(tools: Tools, **values: Any) -> None:
    secrets = SellerSecrets(issuer=demo_seller(), pfx=b"", pfx_password="", refresh_token="x", client_id="app")
    seller = {"id": SELLER_ID, "name": "LOJA", "cnpj": SELLER_CNPJ, "issuer": demo_seller(), "certificate_until": None}
    tools.catalog.put_seller(seller | values, secrets=secrets.dump())


def test_both_are_asked_and_told_together(tools: Tools) -> None:
    examination = Examination(tools)
    tools.counters.add({"a": 1}, process="one")
    tools.counters.sign(SWEPT)
    database, broker = examination.database.ask(), examination.broker.ask()
    assert database is not None
    assert broker is not None
    assert database.is_current
    assert broker.counted.processes == 1
    assert broker.since_sweep is not None


def test_permits_and_blocks_of_the_sellers_are_looked_up_without_taking_any(tools: Tools) -> None:
    examination = Examination(tools)
    plan, bucket = Plan(tools.settings.amazon_rate, 4), tools.seller(SELLER_ID).bucket("submitInvoice")
    for who in range(6):
        tools.limiter.wait(bucket, plan, str(who))
    tools.barrier.blocked(SELLER_CNPJ, "consulta")
    examination.database.ask()
    found = examination.broker.ask()
    assert found is not None
    assert found.permits["submitInvoice"] == (0, 2)
    assert found.permits["getInvoiceStatus"] == (4, 0)
    assert len(found.blocks["consulta"]) == 1
    assert found.blocks["autorizacao"] == []


def test_a_stopped_seller_has_no_permits_to_look_up(tools: Tools) -> None:
    bucket = tools.seller(SELLER_ID).bucket("submitInvoice")
    tools.limiter.drain(bucket, Plan(1, 4))
    tools.catalog.stop_seller(SELLER_ID, "lwa-invalid-grant", "revoked")
    examination = Examination(Tools(tools.settings))
    examination.database.ask()
    found = examination.broker.ask()
    assert found is not None
    assert found.permits["submitInvoice"] == (4, 0)


def test_a_seller_that_is_known_is_not_asked_for_at_each_look(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    examination = Examination(tools)
    examination.database.ask()
    monkeypatch.setattr(tools, "seller", lambda *_: pytest.fail("it was asked for"))
    assert examination.database.ask() is not None
    found = examination.broker.ask()
    assert found is not None
    assert set(found.permits) == set(module.OPERATIONS)


def test_a_database_that_is_away_keeps_nobody_from_asking_redis(tmp_path: Path, valkey: str) -> None:
    away = Examination(Tools(Settings(data_dir=tmp_path / "missing", redis_url=valkey)))
    assert away.database.ask() is None
    assert away.broker.ask() is not None


def test_a_redis_that_is_away_keeps_nobody_from_asking_the_database(tools: Tools) -> None:
    away = Examination(Tools(tools.settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})))
    assert away.database.ask() is not None
    assert away.broker.ask() is None


def test_an_old_database_is_told_as_one(tools: Tools) -> None:
    with tools.store.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    found = Examination(tools).database.ask()
    assert found is not None
    assert not found.is_current


def test_what_has_ended_is_counted_so_seldom_that_it_takes_little_of_the_time(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def slow(store: object) -> dict[str, int]:
        asked.append(time.monotonic())
        time.sleep(0.01)
        return {}

    monkeypatch.setattr(module.standing, "finished", slow)
    monkeypatch.setattr(module, "COUNT_SHARE", 30)
    examination = Examination(tools)
    while len(asked) < 3:
        examination.database.ask()
    assert asked[1] - asked[0] >= 0.3
    assert asked[2] - asked[1] >= 0.3


def test_who_is_away_is_logged_once_and_when_it_is_back() -> None:
    answers: list[Any] = [OSError("secret-host"), OSError("secret-host"), "here", "here"]

    def ask() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    probe = Probe("broker", ask)
    with capture_logs() as lines:
        assert [probe.ask() for _ in range(4)] == [None, None, "here", "here"]
    said = str(lines)
    assert (said.count("no answer"), said.count("answers again")) == (1, 1)
    assert "secret-host" not in said


def test_a_question_that_hangs_is_not_waited_for_and_not_asked_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    free, asked = threading.Event(), []

    def hangs() -> str:
        asked.append(1)
        free.wait(10)
        return "answered"

    probe = Probe("database", hangs)
    assert [probe.ask(), probe.ask()] == [None, None]
    assert len(asked) == 1
    free.set()
    monkeypatch.setattr(module, "PATIENCE", 5)
    assert probe.ask() == "answered"
