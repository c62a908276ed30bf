"""A broker that forgets everything, dies, or takes nothing more."""

import pytest
from redis.exceptions import ResponseError

from tests.acceptance.faults.plant import PATIENCE, Plant
from tests.acceptance.faults.trial import Trial


@pytest.mark.databases("postgresql", "sqlite")
def test_a_broker_that_forgets_everything_costs_nothing(trial: Trial) -> None:
    trial.begin()
    broker = trial.plant.valkey.client()
    for count in range(1, len(trial.batch), 2):
        trial.wait_for_authorised(count)
        broker.flushall()
    trial.count()


@pytest.mark.databases("sqlite", "postgresql")
def test_a_broker_that_dies_and_comes_back_empty_costs_nothing(trial: Trial) -> None:
    trial.begin()
    trial.in_the_middle()
    trial.plant.valkey.crash()
    trial.plant.wait_for_log("worker", "Connection to broker lost")
    trial.plant.valkey.start()
    trial.count()


@pytest.mark.databases("postgresql", "sqlite")
def test_a_broker_that_is_full_only_delays(trial: Trial) -> None:
    trial.begin()
    trial.in_the_middle()
    broker = trial.plant.valkey.client()
    broker.config_set("maxmemory", 1)
    with pytest.raises(ResponseError, match="maxmemory"):
        broker.set("more", "than it takes")
    trial.plant.wait_for_log("beat", "maxmemory")
    broker.config_set("maxmemory", 0)
    trial.count()


@pytest.mark.databases("sqlite")
def test_a_broker_that_would_throw_messages_away_is_refused(plant: Plant) -> None:
    broker = plant.valkey.client()
    broker.config_set("maxmemory-policy", "allkeys-lru")
    try:
        assert "allkeys-lru: it throws messages away" in plant.run("doctor", status=1)
        for part in ("worker", "beat"):
            refused = plant.start(part)
            assert refused.process.wait(PATIENCE) == 1
            plant.wait(lambda: "broker-evicts" in refused.log.read_text())  # noqa: B023
    finally:
        broker.config_set("maxmemory-policy", "noeviction")
