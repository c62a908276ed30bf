"""What all processes have counted, in a real Valkey."""

import time
from datetime import timedelta

import pytest
import redis
from redis.exceptions import RedisError

from workflow.clients import broker
from workflow.clients.counters import _ALIVE, DEAD_AFTER, SWEPT, Counters

AWAY = "unix:///nowhere/valkey.sock"


@pytest.fixture
def counters(valkey: redis.Redis) -> Counters:
    return Counters(valkey)


def test_the_counts_of_all_processes_add_up(counters: Counters) -> None:
    assert counters.add({"a": 2, "b": 1}, process="one")
    assert counters.add({"a": 3}, process="two")
    assert counters.add({}, process="two")
    assert counters.read() == ({"a": 5, "b": 1}, 2)


def test_a_process_that_gives_no_sign_is_dead_and_its_counts_stay(counters: Counters, valkey: redis.Redis) -> None:
    counters.add({"a": 1}, process="one")
    valkey.zadd(_ALIVE, {"one": time.time() - DEAD_AFTER.total_seconds() - 2})
    assert counters.read() == ({"a": 1}, 0)
    counters.add({}, process="two")
    assert valkey.zcard(_ALIVE) == 1, "the dead are forgotten"


def test_how_long_ago_something_happened_is_told_by_redis_own_clock(counters: Counters, valkey: redis.Redis) -> None:
    assert counters.silence(SWEPT) is None
    counters.sign(SWEPT)
    silence = counters.silence(SWEPT)
    assert silence is not None
    assert timedelta() <= silence < timedelta(seconds=5)
    valkey.expire(f"nfe:sign:{SWEPT}", 86400 - 120)
    assert counters.silence(SWEPT) == pytest.approx(timedelta(seconds=120), abs=timedelta(seconds=2))


def test_a_redis_that_is_away_takes_no_counts_and_stops_nobody() -> None:
    away = Counters(redis.Redis.from_url(AWAY))
    assert not away.add({"a": 1}, process="one")
    away.sign(SWEPT)
    with pytest.raises(RedisError):
        away.read()


def test_the_broker_tells_what_waits_in_it_and_whether_it_keeps_it(valkey: redis.Redis) -> None:
    valkey.lpush(broker.QUEUE, "one", "two")
    found = broker.look(valkey, "")
    assert (found.messages, found.policy) == (2, broker.KEEPS)
    assert found.memory > 0
    assert 0 < found.seconds < 5
