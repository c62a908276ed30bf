"""Alerts at a real reader: signed, at least once, with their end, also of what keeps the book of alerts from being kept."""

# ruff: noqa: F811 - the fixtures are those of the clients

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from sqlalchemy import update

from tests.unit.clients.conftest import Server, serve, server  # noqa: F401
from tests.unit.clients.test_webhook import SECRET
from tests.unit.conftest import Clock
from workflow import ending
from workflow.alerts import MOST_MESSAGES, Watch
from workflow.clients.outage import Outages
from workflow.clients.webhook import signature
from workflow.errors import RetryLater
from workflow.examination import Examination
from workflow.migrations import upgrade
from workflow.models import Seller as SellerModel
from workflow.models import table
from workflow.settings import Settings
from workflow.tools import Tools

SELLER = "A1TESTSELLER"


@pytest.fixture
def tools(tmp_path: Path, valkey: str, redis_client: redis.Redis, server: Server) -> Iterator[Tools]:
    """An installation that tells the scripted server."""
    made = Tools(Settings(data_dir=tmp_path, redis_url=valkey, alert_url=f"{server.url}/hook", alert_secret=SECRET))
    upgrade(made.store.engine)
    made.catalog.put_seller(
        {"id": SELLER, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None}, secrets=b"{}"
    )
    made.counters.sign("swept")
    yield made
    made.store.engine.dispose()


@pytest.fixture
def clock(tools: Tools) -> Clock:
    """The installation's."""
    stopped = Clock()
    tools.store.set_clock(stopped)
    return stopped


@pytest.fixture
def watch(tools: Tools, clock: Clock) -> Watch:
    return Watch(tools, Examination(tools))


def stop(tools: Tools, code: str | None) -> None:
    with tools.store.writing() as connection:
        connection.execute(update(table(SellerModel)).values(stop_code=code, stop_reason="x"))


def bodies(server: Server) -> list[dict[str, Any]]:
    return [json.loads(seen.body) for seen in server.seen]


def test_an_alert_is_told_and_so_is_its_end_each_with_its_signature(
    watch: Watch, tools: Tools, clock: Clock, server: Server
) -> None:
    server.answers(204)
    assert watch.look() == 0
    stop(tools, "certificate-expired")
    assert (watch.look(), watch.look()) == (1, 0)
    stop(tools, None)
    watch.look()
    clock.pass_(minutes=6)
    assert watch.look() == 1
    firing, resolved = bodies(server)
    assert (firing["type"], resolved["type"]) == ("nfe.alert.firing", "nfe.alert.resolved")
    assert firing["data"]["seller"] == SELLER
    assert firing["data"]["code"] == "certificate-expired"
    assert firing["text"].startswith("🔴 Seller A1TESTSELLER is stopped")
    assert resolved["text"].startswith("🟢 Over: ")
    assert firing["data"]["since"] == resolved["data"]["since"]
    for seen in server.seen:
        id, at = seen.headers["webhook-id"], seen.headers["webhook-timestamp"]
        assert seen.headers["webhook-signature"] == signature(SECRET, id, at, seen.body)
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 2


def test_what_is_sent_again_has_the_id_by_which_its_reader_knows_it(
    watch: Watch, tools: Tools, clock: Clock, server: Server
) -> None:
    server.answers(503).drops().answers(200)
    stop(tools, "certificate-expired")
    assert watch.look() == 0
    assert watch.look() == 0, "it is not tried at once"
    clock.pass_(minutes=1)
    assert watch.look() == 0
    clock.pass_(minutes=2)
    assert watch.look() == 1
    assert len(server.seen) == 3
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 1


def test_a_reader_that_is_away_is_asked_once_a_look_however_much_there_is_to_tell(
    watch: Watch, tools: Tools, clock: Clock, server: Server
) -> None:
    for number in range(MOST_MESSAGES + 5):
        tools.catalog.put_seller(
            {"id": f"S{number:02}", "name": "L", "cnpj": "1", "issuer": {}, "certificate_until": None}, secrets=b"{}"
        )
    stop(tools, "certificate-expired")
    server.answers(500).answers(200)
    assert watch.look() == 0
    assert len(server.seen) == 1
    assert watch.look() == MOST_MESSAGES
    clock.pass_(minutes=1)
    assert watch.look() == 6
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == MOST_MESSAGES + 6


def an_examination(tools: Tools) -> Any:
    """A real one, whose parts can be taken away."""
    real = Examination(tools)
    return SimpleNamespace(database=real.database, broker=real.broker)


AWAY = SimpleNamespace(ask=lambda: None)


def test_a_broker_that_is_away_is_told_after_a_minute_and_ends_nothing_that_it_would_show(
    tools: Tools, clock: Clock, server: Server
) -> None:
    server.answers(200)
    examination = an_examination(tools)
    watch, broker = Watch(tools, examination), examination.broker
    tools.barrier.blocked("99999999000191", "consulta")
    assert watch.look() == 1
    examination.broker = AWAY
    assert watch.look() == 0
    clock.pass_(minutes=10)
    assert watch.look() == 1
    examination.broker = broker
    watch.look()
    clock.pass_(minutes=10)
    watch.look()
    said = [(body["data"]["kind"], body["data"]["status"]) for body in bodies(server)]
    assert said == [("sefaz-blocked", "firing"), ("broker-down", "firing"), ("broker-down", "resolved")]


@pytest.mark.parametrize("redis_is_away", [False, True])
def test_a_database_that_is_away_is_told_at_the_second_look_and_when_it_is_back(
    tools: Tools, server: Server, redis_is_away: bool
) -> None:
    server.answers(200)
    examination = an_examination(tools)
    watch, database = Watch(tools, examination), examination.database
    if redis_is_away:
        watch._outages = Outages(redis.Redis.from_url("unix:///nowhere/valkey.sock"))
    examination.database = AWAY
    assert [watch.look() for _ in range(4)] == [0, 1, 0, 0]
    examination.database = database
    assert [watch.look() for _ in range(3)] == [1, 0, 0]
    said = [(body["data"]["kind"], body["data"]["status"]) for body in bodies(server)]
    assert said == [("database-down", "firing"), ("database-down", "resolved")]


def test_a_moment_without_the_database_is_nothing(tools: Tools, server: Server) -> None:
    examination = an_examination(tools)
    watch, database = Watch(tools, examination), examination.database
    examination.database = AWAY
    watch.look()
    examination.database = database
    assert [watch.look() for _ in range(3)] == [0, 0, 0]
    assert server.seen == []


def test_an_outage_that_nobody_took_is_told_at_the_next_look(tools: Tools, server: Server) -> None:
    server.answers(500).answers(200)
    examination = an_examination(tools)
    watch = Watch(tools, examination)
    examination.database = AWAY
    assert [watch.look() for _ in range(4)] == [0, 0, 1, 0]
    assert len({seen.headers["webhook-id"] for seen in server.seen}) == 1


def test_without_an_address_nobody_is_told_and_nothing_is_written(tools: Tools, server: Server) -> None:
    quiet = Tools(tools.settings.model_copy(update={"alert_url": ""}))
    stop(quiet, "certificate-expired")
    watch = Watch(quiet, Examination(quiet))
    assert watch.look() == 0
    assert watch._book.rows() == []


def test_a_test_message_says_whether_it_is_taken(watch: Watch, server: Server, serve: Callable[..., Server]) -> None:
    server.answers(200).answers(403)
    watch.test()
    assert bodies(server)[0]["data"]["kind"] == "test"
    with pytest.raises(RetryLater, match="webhook-http-403"):
        watch.test()


def test_a_process_that_ends_leaves_its_alert_to_the_next_look(
    watch: Watch, tools: Tools, clock: Clock, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers(204)
    stop(tools, "certificate-expired")
    with monkeypatch.context() as patch:
        patch.setattr(ending, "_is_near", threading.Event())
        ending.give_up()
        assert watch.look() == 0
    assert watch.look() == 1
