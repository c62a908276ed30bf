"""What a message holds, and what Flower is told."""

import doctest
import gc
import json
import pickle
import select
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from billiard.einfo import ExceptionInfo
from celery.app import trace
from celery.exceptions import Retry
from celery.signals import worker_before_create_process

from tasks import app as tasks_app
from tasks import sweep as sweep_task
from tasks.app import LINKS, Stopped, app, configuration, ring, told
from workflow.engine import Kind, Outcome
from workflow.nfe import schema
from workflow.settings import Settings
from workflow.states import Stage, State
from workflow.store import Due


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(tasks_app).failed == 0


def test_every_stage_has_a_task_of_its_name() -> None:
    app.loader.import_default_modules()
    assert {stage: link.name for stage, link in LINKS.items()} == {stage: str(stage) for stage in Stage}


def test_before_a_process_begins_its_parent_has_compiled_every_schema_and_frozen_what_there_is() -> None:
    schema._compiled.cache_clear()
    try:
        worker_before_create_process.send(sender=None)
        assert schema._compiled.cache_info().currsize == len(schema.FILES)
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()


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
    assert chosen["broker_channel_error_retry"] is True
    transport = chosen["broker_transport_options"]
    assert min(transport["socket_timeout"], transport["health_check_interval"]) > 0
    assert transport["socket_keepalive"] is True


def test_rabbitmq_may_carry_the_messages_and_its_name_is_verified() -> None:
    url = "amqps://nfe:secret@rabbit.example/nfe"
    chosen = configuration(Settings(redis_url="rediss://redis.example", broker_url=url))
    assert chosen["broker_url"] == url
    assert chosen["broker_use_ssl"] == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "rabbit.example"}
    assert chosen["broker_transport_options"]["confirm_publish"] is True
    assert chosen["broker_heartbeat"] == 10


@pytest.mark.parametrize("waits", [0, 7])
def test_a_sweep_leaves_as_much_unrung_as_waits_in_the_broker(
    waits: int, valkey: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever stands in the queue is served in the order it came: fairness among sellers ends there."""
    asked = []

    class Held:
        def sweep(self, *, limit: int, ring_again: timedelta) -> list[Any]:
            asked.append(limit)
            return []

    class Signs:
        def sign(self, name: str) -> None:
            """Of life, for the health check."""

    queue = f"sweep-{uuid4().hex}"
    monkeypatch.setattr(tasks_app, "SWEPT", queue)
    with broker(valkey, queue), app.connection_for_write() as connection:
        assert tasks_app.waiting() == 0, "before anybody has made the queue"
        for number in range(waits):
            connection.SimpleQueue(queue).put(number)
        monkeypatch.setattr(sweep_task, "tools", lambda: SimpleNamespace(store=Held(), counters=Signs()))
        monkeypatch.setattr(sweep_task, "watch", lambda: SimpleNamespace(over_all=lambda: None))
        monkeypatch.setattr(sweep_task, "current", lambda: Settings(sweep_limit=10))
        sweep_task.sweep()
        monkeypatch.setattr(sweep_task, "current", lambda: Settings(sweep_limit=5))
        sweep_task.sweep()
    assert asked == [10 - waits, 5][: 1 if waits > 5 else 2]


@contextmanager
def broker(url: str, queue: str) -> Iterator[None]:
    """Our application on this Valkey, with a queue of its own; connections are kept by URL, so the URL is one too."""
    before = app.conf.broker_url, app.conf.task_default_queue
    app.conf.broker_url = f"{url.replace('unix://', 'redis+socket://')}?client_name={queue}"
    app.conf.task_default_queue, app._pool = queue, None
    try:
        yield
    finally:
        app._pool = None
        app.conf.broker_url, app.conf.task_default_queue = before


def test_a_question_that_failed_leaves_no_connection_that_fails_for_ever(valkey: str) -> None:
    with broker(valkey, f"sweep-{uuid4().hex}"):
        assert tasks_app.waiting() == 0
        with pytest.raises(OSError, match="full"), app.connection_or_acquire():
            raise OSError("full")
        assert tasks_app.waiting() == 0


def test_a_swept_doorbell_stands_apart_and_what_it_leads_to_does_not(valkey: str) -> None:
    """Else another seller's next stage would stand behind the thousands that a sweep rings for."""
    app.loader.import_default_modules()
    common, apart = f"common-{uuid4().hex}", f"apart-{uuid4().hex}"
    with broker(valkey, common), app.connection_for_write() as connection:
        assert ring([Due("A1/FBA1", State.RECEIVED, False)], apart) == 1
        message = connection.SimpleQueue(apart).get(timeout=5)
        message.ack()
    assert message.headers["task"] == "fetch"
    _, _, embed = message.payload
    assert "queue" not in embed["chain"][-1]["options"]


def fail_deeply(depth: int) -> None:
    if depth:
        fail_deeply(depth - 1)
    try:
        raise OSError("a library's text, with the name of a buyer" * 50)
    except OSError as error:
        raise ValueError("another one" * 50) from error


def after_failing(kind: Kind, state: State, code: str, wait: timedelta | None = None) -> None:
    try:
        fail_deeply(20)
    except ValueError:
        told(Outcome(kind, state, code, "long" * 250, wait))


@pytest.mark.parametrize(
    ("does", "kind"),
    [
        (partial(fail_deeply, 60), 'Failed("ValueError; the worker'),
        (partial(after_failing, Kind.REFUSED, State.REJECTED, "232"), "Stopped('REJECTED 232 longlong"),
        (partial(after_failing, Kind.WAITING, State.FETCHED, "503", timedelta(1)), "Waits('FETCHED 503 longlong"),
    ],
)
def test_however_a_task_ends_its_end_fits_into_one_write_to_the_pools_pipe(does: Callable[[], None], kind: str) -> None:
    """Else a broker that is lost between two parts leaves a worker process without work, for ever."""

    def run() -> None:
        does()

    task = app.task(run, name=f"test-{uuid4().hex}")
    try:
        ended = trace.trace_task(task, "id", (), {}, request={"id": "id"}, app=app)
    finally:
        del app.tasks[task.name]
    assert isinstance(ended.retval, ExceptionInfo), ended
    exception = ended.retval.exception
    assert kind in repr(getattr(exception, "exc", exception))
    assert len(pickle.dumps((0, (1, None, (True, (1, ended.retval, 0.1)), 11)))) < select.PIPE_BUF
    assert "buyer" not in repr(vars(ended.retval))


def test_a_worker_whose_clock_is_an_hour_ahead_throws_no_sweep_away() -> None:
    assert all(entry["options"]["expires"] > 3600 for entry in tasks_app.schedule(Settings()).values())


def test_a_chain_carries_the_shipments_id_and_nothing_else() -> None:
    app.loader.import_default_modules()
    links = [LINKS[stage].si("A1/FBA1") for stage in (Stage.FETCH, Stage.GENERATE)]
    assert [json.loads(json.dumps(link.args)) for link in links] == [["A1/FBA1"], ["A1/FBA1"]]
    assert all(link.kwargs == {} and link.immutable for link in links)
