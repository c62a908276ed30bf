"""A secret's age counts from the first look at it, for everybody who shares the Redis."""

from datetime import UTC, datetime, timedelta

import pytest
from redis import Redis

from workflow.clients.secret_age import used_since
from workflow.errors import RetryLater

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_the_age_counts_from_the_first_look(valkey: Redis) -> None:
    assert used_since(valkey, "oa2-cs.v1.word", now=NOON) == NOON
    assert used_since(valkey, "oa2-cs.v1.word", now=NOON + timedelta(days=100)) == NOON
    assert used_since(valkey, "another", now=NOON + timedelta(days=100)) == NOON + timedelta(days=100)


def test_redis_has_no_word_of_the_secret_and_forgets_it_in_time(valkey: Redis) -> None:
    used_since(valkey, "oa2-cs.v1.word", now=NOON)
    (name,) = valkey.scan_iter("nfe:lwa-secret:*")
    assert b"oa2-cs.v1.word" not in name + (valkey.get(name) or b"")
    assert 0 < valkey.ttl(name) <= 730 * 86400


def test_a_redis_that_is_away_is_tried_again_later() -> None:
    with pytest.raises(RetryLater, match="redis-unavailable"):
        used_since(Redis.from_url("redis://127.0.0.1:1/0"), "oa2-cs.v1.word", now=NOON)
