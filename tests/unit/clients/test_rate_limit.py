"""Permits from a real Valkey: never more than the plan, and whoever was refused comes back once."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workflow.clients.rate_limit import LATE, Plan, RateLimiter
from workflow.errors import RetryLater

NOW = timedelta()


@pytest.fixture
def limiter(valkey: redis.Redis) -> RateLimiter:
    return RateLimiter(valkey)


def taken(limiter: RateLimiter, plan: Plan, whos: range, bucket: str = "b") -> list[str]:
    """Who gets a permit at once."""
    return [str(who) for who in whos if limiter.wait(bucket, plan, str(who)) == NOW]


class Permit(NamedTuple):
    """When a permit was asked for and when it was there: Valkey gave it in between."""

    asked: float
    there: float


def ask(limiter: RateLimiter, plan: Plan, who: str) -> tuple[timedelta, Permit]:
    asked = time.monotonic()
    wait = limiter.wait("b", plan, who)
    return wait, Permit(asked, time.monotonic())


def assert_never_more_than(plan: Plan, permits: list[Permit]) -> None:
    """In no window of any length there are more permits than a full bucket and its refill give."""
    permits = sorted(permits, key=lambda permit: permit.there)
    for first in range(len(permits)):
        start = permits[first].asked
        for last in range(first, len(permits)):
            start = min(start, permits[last].asked)
            assert last - first + 1 <= plan.burst + plan.rate * (permits[last].there - start)


def test_many_impatient_askers_never_get_more_than_the_plan(limiter: RateLimiter) -> None:
    """Each asks under a new name as soon as it has its permit, and again and again while it has none."""
    plan, end = Plan(50, 10), time.monotonic() + 2

    def work(worker: int) -> list[Permit]:
        permits: list[Permit] = []
        while time.monotonic() < end:
            wait, permit = ask(limiter, plan, f"{worker}.{len(permits)}")
            if wait == NOW:
                permits.append(permit)
            else:
                time.sleep(min(wait.total_seconds(), 0.02))
        return permits

    with ThreadPoolExecutor(4) as pool:
        permits = [permit for own in pool.map(work, range(4)) for permit in own]
    assert_never_more_than(plan, permits)
    # … and nearly all that the plan gives: nobody's slot was lost on the way.
    assert len(permits) >= 0.8 * (plan.burst + plan.rate * 2.0)


@pytest.mark.parametrize("burst", [2, 3, 10])
def test_latecomers_never_make_more_than_the_plan(limiter: RateLimiter, burst: int) -> None:
    """Slots are fetched all at once and late, while newcomers ask: the worst that a sweep can do."""
    plan, answers = Plan(50, burst), []
    for rounds in range(6):
        answers += [ask(limiter, plan, f"{rounds}.{who}") for who in range(3 * burst)]
        time.sleep(burst / plan.rate / 2)
        late = [f"{past}.{who}" for past in range(rounds + 1) for who in range(3 * burst)]
        answers += [ask(limiter, plan, who) for who in late]
    assert_never_more_than(plan, [permit for wait, permit in answers if wait == NOW])


def test_whoever_is_refused_gets_a_slot_and_comes_back_for_it_once(limiter: RateLimiter) -> None:
    plan = Plan(50, 1)
    assert limiter.wait("b", plan, "first") == NOW
    waits = [limiter.wait("b", plan, f"later-{number}") for number in range(5)]
    assert waits == sorted(waits)
    for number, wait in enumerate(waits, start=1):
        assert wait == pytest.approx(timedelta(seconds=(number + LATE) / 50), abs=timedelta(seconds=0.02))
    granted = 0
    start = time.monotonic()
    for number, wait in enumerate(waits):
        time.sleep(max(0.0, wait.total_seconds() - (time.monotonic() - start)))
        granted += limiter.wait("b", plan, f"later-{number}") == NOW
    assert granted == 5


def test_asking_early_keeps_the_slot_and_takes_no_second_one(limiter: RateLimiter) -> None:
    plan = Plan(5, 1)
    limiter.wait("b", plan, "first")
    waits = [limiter.wait("b", plan, "second") for _ in range(20)]
    assert waits == sorted(waits, reverse=True)
    assert limiter.wait("b", plan, "third") <= timedelta(seconds=(2 + LATE) / 5)


def test_the_first_to_ask_is_the_first_to_be_served(limiter: RateLimiter) -> None:
    plan = Plan(1, 1)
    limiter.wait("b", plan, "first")
    waiting = [f"later-{number}" for number in range(20)]
    for who in waiting:
        limiter.wait("b", plan, who)
    # … and asking in the wrong order changes nothing.
    served_at = {who: time.monotonic() + limiter.wait("b", plan, who).total_seconds() for who in reversed(waiting)}
    assert sorted(waiting, key=lambda who: served_at[who]) == waiting


def test_a_missed_slot_expires_and_its_owner_asks_anew(limiter: RateLimiter) -> None:
    plan = Plan(20, 2)
    taken(limiter, plan, range(2))
    assert limiter.wait("b", plan, "late") > NOW
    time.sleep(0.25)  # its slot was in 0.05 s and held for another 0.05 s
    assert len(taken(limiter, plan, range(10, 12))) == 2  # the full bucket is for those who are there
    assert limiter.wait("b", plan, "late") > NOW


def test_slots_that_nobody_fetches_are_thrown_away(limiter: RateLimiter, valkey: redis.Redis) -> None:
    plan = Plan(1000, 2)
    taken(limiter, plan, range(200))
    time.sleep(0.4)
    limiter.wait("b", plan, "sweeper")
    assert valkey.zcard("nfe:rate:{b}:slots") == 0
    assert all(valkey.pttl(key) > 0 for key in valkey.keys("nfe:rate:*"))


def test_buckets_do_not_know_of_each_other(limiter: RateLimiter) -> None:
    plan = Plan(1, 1)
    assert [len(taken(limiter, plan, range(3), bucket)) for bucket in ("a", "b", "c")] == [1, 1, 1]


def test_the_slots_of_a_stopped_sellers_shipments_are_given_back_when_it_goes_on(limiter: RateLimiter) -> None:
    plan = Plan(20, 2)
    held = [f"held-{number}" for number in range(2_000)]
    granted = [who for who in held if limiter.wait("b", plan, who, version=1) == NOW]
    assert limiter.wait("b", plan, "new", version=1) > timedelta(minutes=1)
    # The seller was stopped, and is mended: what comes now waits for what is there, not for those who never came.
    assert limiter.wait("b", plan, "held-1999", version=2) <= timedelta(seconds=(2 + LATE) / 20)
    assert limiter.wait("b", plan, "new", version=2) <= timedelta(seconds=(3 + LATE) / 20)
    # … and so does a worker that has not heard of it.
    assert limiter.wait("b", plan, "late", version=1) <= timedelta(seconds=(4 + LATE) / 20)
    assert len(granted) < 100


def test_a_mended_seller_gets_no_more_than_its_plan(limiter: RateLimiter) -> None:
    plan = Plan(10, 5)
    granted = 0
    began = time.monotonic()
    for version in range(20):
        for number in range(20):
            granted += limiter.wait("b", plan, f"{version}-{number}", version=version) == NOW
    assert granted <= 5 + 10 * (time.monotonic() - began) + 1


def test_a_drained_bucket_gives_nothing_and_takes_the_slots_back(limiter: RateLimiter) -> None:
    plan = Plan(20, 4)
    taken(limiter, plan, range(6))
    time.sleep(0.11)  # slots 4 and 5 are ready to be fetched
    limiter.drain("b", plan)
    assert taken(limiter, plan, range(4, 6)) == []
    assert limiter.wait("b", plan, "new") <= timedelta(seconds=(3 + LATE) / 20)
    time.sleep((1 + LATE) / 20)
    assert limiter.wait("b", plan, "4") == NOW


def test_a_full_bucket_that_is_drained_refills_at_its_rate(limiter: RateLimiter) -> None:
    plan = Plan(20, 10)
    limiter.drain("b", plan)
    waits = [limiter.wait("b", plan, str(who)).total_seconds() for who in range(5)]
    for number, wait in enumerate(waits, start=1):
        assert wait == pytest.approx((number + LATE) / 20, abs=0.04)


def test_a_learnt_rate_is_used_instead_of_the_plans(limiter: RateLimiter) -> None:
    plan = Plan(1000, 1)
    limiter.learn("b", Decimal(2))
    limiter.wait("b", plan, "first")
    late = timedelta(seconds=(1 + LATE) / 2)
    assert limiter.wait("b", plan, "second") == pytest.approx(late, abs=timedelta(seconds=0.02))


def test_a_learnt_rate_holds_for_an_hour(limiter: RateLimiter, valkey: redis.Redis) -> None:
    limiter.learn("b", Decimal("0.5"))
    assert 3590 < valkey.ttl("nfe:rate:{b}:rate") <= 3600


@pytest.mark.parametrize("rate", ["0", "-1"])
def test_no_rate_is_no_lesson(limiter: RateLimiter, valkey: redis.Redis, rate: str) -> None:
    limiter.learn("b", Decimal(rate))
    assert valkey.keys("*") == []


def test_draining_goes_by_the_learnt_rate_too(limiter: RateLimiter) -> None:
    plan = Plan(1000, 5)
    limiter.learn("b", Decimal(2))
    limiter.drain("b", plan)
    late = timedelta(seconds=(1 + LATE) / 2)
    assert limiter.wait("b", plan, "first") == pytest.approx(late, abs=timedelta(seconds=0.02))


def test_a_slot_is_held_by_the_learnt_rate_too(limiter: RateLimiter) -> None:
    plan = Plan(1, 2)
    limiter.learn("b", Decimal(20))
    taken(limiter, plan, range(2))
    assert limiter.wait("b", plan, "late") > NOW
    time.sleep(0.25)
    assert len(taken(limiter, plan, range(10, 12))) == 2
    assert limiter.wait("b", plan, "late") > NOW


def test_without_redis_a_permit_comes_later_and_a_lesson_never(tmp_path: object) -> None:
    away = RateLimiter(redis.Redis(unix_socket_path=f"{tmp_path}/nobody.sock", retry=Retry(NoBackoff(), 0)))
    plan = Plan(1, 1)
    for ask in (lambda: away.wait("b", plan, "who"), lambda: away.drain("b", plan)):
        with pytest.raises(RetryLater) as raised:
            ask()
        assert (raised.value.code, raised.value.counts) == ("redis-unavailable", True)
    away.learn("b", Decimal(1))


def test_a_redis_that_forgot_everything_goes_on(limiter: RateLimiter, valkey: redis.Redis) -> None:
    plan = Plan(1, 1)
    assert limiter.wait("b", plan, "first") == NOW
    valkey.flushall()
    valkey.script_flush()
    assert limiter.wait("b", plan, "second") == NOW


def test_a_slower_rate_hands_out_no_permit_that_was_not_there(limiter: RateLimiter) -> None:
    plan = Plan(rate=1.0, burst=25)
    for place in range(25):
        assert limiter.wait("slower", plan, f"first-{place}") == timedelta()
    limiter.learn("slower", Decimal("0.01"))
    waits = [limiter.wait("slower", plan, f"then-{place}") for place in range(3)]
    assert [round(wait.total_seconds() / 100) for wait in waits] == [1, 2, 3]


def test_a_faster_rate_shortens_the_waits_of_those_who_have_slots(limiter: RateLimiter) -> None:
    plan = Plan(rate=0.01, burst=1)
    assert limiter.wait("faster", plan, "first") == timedelta()
    assert limiter.wait("faster", plan, "second") > timedelta(seconds=90)
    limiter.learn("faster", Decimal(10))
    assert limiter.wait("faster", plan, "second") <= timedelta(seconds=(1 + LATE) / 10)


def test_looking_at_a_bucket_takes_nothing_of_it(limiter: RateLimiter) -> None:
    plan = Plan(0.001, 3)
    assert limiter.look(["b"], plan) == [(3, 0)]
    assert taken(limiter, plan, range(5)) == ["0", "1", "2"]
    assert limiter.look(["b", "another"], plan) == [(0, 2), (3, 0)]
    assert limiter.look(["b"], plan) == [(0, 2)]
    assert limiter.look([], plan) == []
