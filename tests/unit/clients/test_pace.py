"""The pace of the questions for a verdict, with a real Valkey."""

import random
from datetime import timedelta

import pytest
import redis

from workflow.clients.pace import Pace, after

SHORTEST, LONGEST = timedelta(seconds=30), timedelta(minutes=15)


@pytest.fixture
def pace(valkey: redis.Redis) -> Pace:
    return Pace(valkey, shortest=SHORTEST, longest=LONGEST)


def asked(pace: Pace, verdict_after: timedelta) -> int:
    """How many questions one shipment costs."""
    first = pace.first("A1")
    waited, questions = first, 1
    while waited < verdict_after:
        waited += after(first, questions, longest=LONGEST)
        questions += 1
    pace.learn("A1", questions=questions)
    return questions


@pytest.mark.parametrize(("shortest", "longest"), [(1, 6), (4, 5), (2, 14), (9, 11)])
def test_verdicts_that_take_minutes_cost_at_most_one_and_a_half_questions(
    pace: Pace, shortest: int, longest: int
) -> None:
    draw = random.Random(7)
    questions = [asked(pace, timedelta(minutes=draw.uniform(shortest, longest))) for _ in range(400)]
    assert sum(questions[100:]) / 300 <= 1.5


def test_verdicts_that_take_seconds_are_asked_for_at_the_shortest_wait(pace: Pace) -> None:
    for _ in range(200):
        asked(pace, timedelta(minutes=10))
    assert pace.first("A1") > timedelta(minutes=5)
    for _ in range(200):
        asked(pace, timedelta(seconds=2))
    assert pace.first("A1") == SHORTEST


def test_one_sellers_pace_is_not_anothers(pace: Pace) -> None:
    pace.learn("A1", questions=3)
    assert pace.first("B2") == SHORTEST


def test_without_redis_the_wait_is_the_shortest(tmp_path_factory: pytest.TempPathFactory) -> None:
    away = Pace(redis.Redis(host="127.0.0.1", port=1), shortest=SHORTEST, longest=LONGEST)
    away.learn("A1", questions=2)
    assert away.first("A1") == SHORTEST
