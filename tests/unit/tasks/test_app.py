"""What a message holds, and what Flower is told."""

import doctest
import json
from datetime import timedelta

import pytest
from celery.exceptions import Retry

from tasks import app as tasks_app
from tasks.app import LINKS, Stopped, app, configuration, told
from workflow.engine import Kind, Outcome
from workflow.settings import Settings
from workflow.states import Stage, State


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(tasks_app).failed == 0


def test_every_stage_has_a_task_of_its_name() -> None:
    app.loader.import_default_modules()
    assert {stage: link.name for stage, link in LINKS.items()} == {stage: str(stage) for stage in Stage}


def test_what_waits_is_a_retry_that_publishes_nothing() -> None:
    with pytest.raises(Retry) as raised:
        told(Outcome(Kind.WAITING, State.FETCHED, "http-503", "away", timedelta(seconds=4)))
    assert raised.value.when == 4
    assert "FETCHED http-503 away" in str(raised.value)


@pytest.mark.parametrize("kind", [Kind.STOPPED, Kind.REFUSED])
def test_what_stopped_is_a_failure_with_code_and_reason(kind: Kind) -> None:
    with pytest.raises(Stopped, match="REJECTED 237 invalid"):
        told(Outcome(kind, State.REJECTED, "237", "invalid"))


def test_the_settings_that_were_paid_for_are_in_force() -> None:
    chosen = configuration(Settings())
    assert chosen["result_backend"] is None
    assert chosen["task_acks_late"] is False
    assert chosen["worker_prefetch_multiplier"] == 1
    transport = chosen["broker_transport_options"]
    assert min(transport["socket_timeout"], transport["health_check_interval"]) > 0
    assert transport["socket_keepalive"] is True


def test_a_chain_carries_the_shipments_id_and_nothing_else() -> None:
    app.loader.import_default_modules()
    links = [LINKS[stage].si("A1/FBA1") for stage in (Stage.FETCH, Stage.GENERATE)]
    assert [json.loads(json.dumps(link.args)) for link in links] == [["A1/FBA1"], ["A1/FBA1"]]
    assert all(link.kwargs == {} and link.immutable for link in links)
