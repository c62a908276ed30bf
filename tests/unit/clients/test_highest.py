"""The highest number of a series never falls, and one that nobody kept is not known."""

import pytest
from redis import Redis

from workflow.clients.highest import HighestNumbers
from workflow.errors import RetryLater

SERIES = ("12ABC34501DE35", 2, 1)


def test_the_highest_number_never_falls(valkey: Redis) -> None:
    marks = HighestNumbers(valkey)
    assert marks.get(*SERIES) is None
    for number in (9, 10, 8):
        marks.keep(*SERIES, number)
    assert marks.get(*SERIES) == 10


def test_each_series_has_its_own(valkey: Redis) -> None:
    marks = HighestNumbers(valkey)
    marks.keep(*SERIES, 10)
    marks.keep("12ABC34501DE35", 1, 1, 3)
    assert marks.all() == {SERIES: 10, ("12ABC34501DE35", 1, 1): 3}


def test_a_redis_that_is_away_is_tried_again_later() -> None:
    marks = HighestNumbers(Redis.from_url("redis://127.0.0.1:1/0"))
    for ask in (lambda: marks.get(*SERIES), marks.all, lambda: marks.keep(*SERIES, 1)):
        with pytest.raises(RetryLater, match="redis-unavailable"):
            ask()
