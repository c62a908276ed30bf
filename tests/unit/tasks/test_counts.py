"""What a worker's process counted reaches Redis, or stays for the next time."""

import pytest
import redis

from tasks import counts
from workflow import metrics
from workflow.clients.counters import Counters
from workflow.metrics import REQUESTS, Tally

KEY = "nfe_requests_total|sefaz|consulta|200"


class Kit:
    """Tools that hold counters only."""

    def __init__(self, url: str) -> None:
        self.counters = Counters(redis.Redis.from_url(url))


def test_counts_wait_for_a_redis_that_is_away_and_lose_nothing(
    valkey: str, redis_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = Tally()
    for module in (counts, metrics):
        monkeypatch.setattr(module, "tally", tally)
    tally.count(REQUESTS, "sefaz", "consulta", "200")
    monkeypatch.setattr(counts, "tools", lambda: Kit("unix:///nowhere/valkey.sock"))
    counts.add_up()
    tally.count(REQUESTS, "sefaz", "consulta", "200")
    kit = Kit(valkey)
    monkeypatch.setattr(counts, "tools", lambda: kit)
    counts.add_up()
    counts.add_up()
    assert kit.counters.read() == ({KEY: 2}, 1)
