"""What SEFAZ would block is not sent: counted in a real Valkey, exactly, by all workers together."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from workflow.clients.barrier import BLOCKED_FOR, LIMITS, MisuseBarrier
from workflow.errors import Invalid, RetryLater

KEY = "35260811222333000181550010000000011123456789"
SHORT = timedelta(milliseconds=300)


@pytest.fixture
def barrier(valkey: redis.Redis) -> MisuseBarrier:
    return MisuseBarrier(valkey)


@pytest.fixture
def quick(valkey: redis.Redis) -> MisuseBarrier:
    """One whose hour is short."""
    return MisuseBarrier(valkey, window=SHORT, blocked_for=SHORT)


def refusal(barrier: MisuseBarrier, seller: str = "s", service: str = "consulta", key: str | None = KEY) -> RetryLater:
    with pytest.raises(RetryLater) as refused:
        barrier.check(seller, service, key)
    assert refused.value.counts is False
    assert refused.value.after is not None
    assert refused.value.after > timedelta()
    return refused.value


def test_a_block_holds_for_one_seller_and_one_service_more_than_an_hour(barrier: MisuseBarrier) -> None:
    barrier.check("s", "autorizacao")
    assert barrier.blocked("s", "autorizacao") == BLOCKED_FOR > timedelta(hours=1)
    refused = refusal(barrier, service="autorizacao", key=None)
    assert refused.code == "misuse-blocked"
    assert refused.after is not None
    assert timedelta(minutes=64) < refused.after <= BLOCKED_FOR
    barrier.check("s", "consulta", KEY)
    barrier.check("other", "autorizacao")


def test_a_block_outlives_the_worker_that_met_it(barrier: MisuseBarrier, valkey: redis.Redis) -> None:
    barrier.blocked("s", "consulta")
    assert refusal(MisuseBarrier(valkey)).code == "misuse-blocked"


def test_a_block_ends_by_itself_and_another_656_begins_it_anew(quick: MisuseBarrier) -> None:
    quick.blocked("s", "consulta")
    time.sleep(0.2)
    quick.blocked("s", "consulta")
    time.sleep(0.2)
    assert refusal(quick).code == "misuse-blocked"
    time.sleep(0.3)
    quick.check("s", "consulta", KEY)


def test_a_call_refused_by_a_block_is_not_counted(quick: MisuseBarrier, valkey: redis.Redis) -> None:
    quick.blocked("s", "consulta")
    for _ in range(20):
        refusal(quick)
    valkey.delete("nfe:misuse:{s}:blocked:consulta")
    for _ in range(LIMITS["consulta"]):
        quick.check("s", "consulta", KEY)


@pytest.mark.parametrize(("service", "limit"), [("consulta", 10), ("retautorizacao", 40), ("status", 40)])
def test_a_key_is_asked_for_no_more_often_than_sefaz_allows(barrier: MisuseBarrier, service: str, limit: int) -> None:
    for _ in range(limit):
        barrier.check("s", service, KEY)
    refused = refusal(barrier, service=service)
    assert refused.code == "misuse-limit"
    assert refused.after is not None
    assert refused.after <= timedelta(hours=1, seconds=1)
    barrier.check("s", service, "another")
    barrier.check("s", "evento", KEY)


def test_workers_that_ask_at_once_get_the_limit_between_them(valkey: redis.Redis) -> None:
    def ask(_: int) -> bool:
        try:
            MisuseBarrier(valkey).check("s", "consulta", KEY)
        except RetryLater:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(60))) == LIMITS["consulta"]


def test_in_no_window_are_there_more_calls_than_the_limit(quick: MisuseBarrier) -> None:
    """A refilling bucket would grant up to twice as many."""
    granted: list[float] = []
    end = time.monotonic() + 4 * SHORT.total_seconds()
    while time.monotonic() < end:
        try:
            quick.check("s", "consulta", KEY)
            granted.append(time.monotonic())
        except RetryLater:
            time.sleep(0.01)
    limit = LIMITS["consulta"]
    assert len(granted) >= 2 * limit
    # A millisecond of slack on each side: Valkey counted between the call and its answer.
    spans = [later - earlier for earlier, later in zip(granted, granted[limit:], strict=False)]
    assert min(spans) > SHORT.total_seconds() - 0.02


def test_whoever_comes_when_told_is_let_in(quick: MisuseBarrier) -> None:
    for _ in range(LIMITS["consulta"]):
        quick.check("s", "consulta", KEY)
    refused = refusal(quick)
    assert refused.after is not None
    time.sleep(refused.after.total_seconds())
    quick.check("s", "consulta", KEY)


def test_the_fourth_equal_try_of_a_document_is_refused_here(quick: MisuseBarrier) -> None:
    for count in (1, 2, 3):
        quick.check("s", "autorizacao", document="digest")
        assert quick.rejected("s", "digest") == count
    with pytest.raises(Invalid) as refused:
        quick.check("s", "autorizacao", document="digest")
    assert refused.value.code == "equal-rejections"
    quick.check("s", "autorizacao", document="mended")
    quick.check("other", "autorizacao", document="digest")
    time.sleep(0.4)
    quick.check("s", "autorizacao", document="digest")


def test_nothing_stays_in_redis_for_ever(barrier: MisuseBarrier, valkey: redis.Redis) -> None:
    barrier.check("s", "consulta", KEY)
    barrier.blocked("s", "autorizacao")
    barrier.rejected("s", "digest")
    names = valkey.keys("*")
    assert len(names) == 3  # type: ignore[arg-type]
    for name in names:  # type: ignore[union-attr]
        assert 0 < valkey.pttl(name) <= BLOCKED_FOR / timedelta(milliseconds=1)  # type: ignore[operator]


def test_without_redis_nothing_is_sent() -> None:
    away = redis.Redis(unix_socket_path="/nonexistent/valkey.sock", retry=Retry(NoBackoff(), 0))
    barrier = MisuseBarrier(away)
    for call in (
        lambda: barrier.check("s", "consulta", KEY),
        lambda: barrier.blocked("s", "consulta"),
        lambda: barrier.rejected("s", "digest"),
    ):
        with pytest.raises(RetryLater, match="redis-unavailable"):
            call()


def test_what_is_shut_to_whom_is_told_by_service(valkey: redis.Redis) -> None:
    barrier = MisuseBarrier(valkey)
    barrier.blocked("99999999000191", "consulta")
    barrier.blocked("88888888000188", "consulta")
    found = barrier.blocks(["99999999000191", "88888888000188", "77777777000177"], ["consulta", "autorizacao"])
    assert {service: len(left) for service, left in found.items()} == {"consulta": 2, "autorizacao": 0}
    assert all(timedelta() < left <= BLOCKED_FOR for left in found["consulta"])
    assert barrier.blocks([], ["consulta"]) == {"consulta": []}
