"""What a process counts: buckets, bounded labels, nothing lost between taking and keeping."""

import threading

import pytest

from workflow import metrics
from workflow.metrics import MOST_CODES, OTHER, REQUESTS, STAGE_SECONDS, Tally


@pytest.fixture
def tally(monkeypatch: pytest.MonkeyPatch) -> Tally:
    """A process's counts, at nought."""
    made = Tally()
    monkeypatch.setattr(metrics, "tally", made)
    return made


def test_a_value_is_counted_in_the_bucket_whose_end_it_does_not_pass(tally: Tally) -> None:
    for seconds in (0.005, 0.0051, 180, 181):
        tally.observe(STAGE_SECONDS, seconds, "fetch")
    assert tally.take() == {
        "nfe_stage_seconds|fetch|0.005": 1,
        "nfe_stage_seconds|fetch|0.01": 1,
        "nfe_stage_seconds|fetch|180": 1,
        "nfe_stage_seconds|fetch|+Inf": 1,
        "nfe_stage_seconds|fetch|sum": 361_010_100,
    }


def test_what_is_taken_is_gone_and_comes_back_beside_what_came_meanwhile(tally: Tally) -> None:
    tally.count(REQUESTS, "sefaz", "consulta", "200")
    taken = tally.take()
    tally.count(REQUESTS, "sefaz", "consulta", "200")
    tally.give_back(taken)
    assert tally.take() == {"nfe_requests_total|sefaz|consulta|200": 2}
    assert tally.take() == {}


def test_threads_lose_nothing(tally: Tally) -> None:
    def work() -> None:
        for _ in range(2000):
            tally.count(REQUESTS, "amazon", "token", "200")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.take() == {"nfe_requests_total|amazon|token|200": 8000}


@pytest.mark.parametrize("code", ["656", "unknown-sku", "amazon-http-503", "InvalidInput"])
def test_a_known_code_is_a_label(tally: Tally, code: str) -> None:
    assert tally.code(code) == code


@pytest.mark.parametrize("code", ["Maria da Silva", "a|b", "SomethingNewOfAmazons", "x" * 50, ""])
def test_a_text_of_somebody_else_is_no_label(tally: Tally, code: str) -> None:
    assert tally.code(code) == OTHER


def test_a_process_tells_a_hundred_codes_apart_and_no_more(tally: Tally) -> None:
    codes = [f"code-{i}" for i in range(3 * MOST_CODES)]
    assert len({tally.code(code) for code in codes}) == MOST_CODES + 1
    assert tally.code(codes[0]) == codes[0]


def test_a_stage_leaves_its_time_its_outcome_and_the_code_of_what_was_not_done(tally: Tally) -> None:
    metrics.stage_ended("fetch", seconds=0.02, outcome="done", code="100")
    metrics.stage_ended("poll", seconds=0.02, outcome="waiting", code="Processing")
    counted = tally.take()
    assert counted["nfe_stage_outcomes_total|fetch|done"] == 1
    assert counted["nfe_stage_codes_total|poll|waiting|Processing"] == 1
    assert not [key for key in counted if key.startswith("nfe_stage_codes_total|fetch")]


def test_a_request_that_fails_is_timed_and_counted_too(tally: Tally) -> None:
    with pytest.raises(OSError, match="away"), metrics.exchange("sefaz", "consulta"):
        raise OSError("away")
    counted = tally.take()
    assert counted["nfe_requests_total|sefaz|consulta|failed"] == 1
    assert (
        sum(count for key, count in counted.items() if key.startswith("nfe_request_seconds") and "sum" not in key) == 1
    )
