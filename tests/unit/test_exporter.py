"""The metrics over real HTTP, and when an installation counts as alive and as ready."""

import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from urllib.error import HTTPError

import pytest

from workflow.errors import Misconfigured
from workflow.exporter import Exporter, begin_watching, readiness
from workflow.settings import Settings


def an_examination(*, current: bool = True, since_sweep: timedelta | None = timedelta(seconds=1)) -> Any:
    database, broker = SimpleNamespace(is_current=current), SimpleNamespace(since_sweep=since_sweep)
    return SimpleNamespace(database=SimpleNamespace(ask=lambda: database), broker=SimpleNamespace(ask=lambda: broker))


def away() -> Any:
    return SimpleNamespace(database=SimpleNamespace(ask=lambda: None), broker=SimpleNamespace(ask=lambda: None))


@contextmanager
def serving(examination: Any) -> Iterator[Callable[[str], tuple[int, str]]]:
    """A real server on a free port; ask it for a path."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    exporter = Exporter(Settings(metrics_port=port), examination)
    thread = exporter.begin()

    def ask(path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except HTTPError as error:
            return error.code, error.read().decode()

    try:
        yield ask
    finally:
        exporter.shutdown()
        exporter.server_close()
        thread.join()


def test_it_lives_and_tells_its_metrics_also_while_nothing_else_answers() -> None:
    with serving(away()) as ask:
        assert ask("/healthz") == (200, "ok\n")
        status, text = ask("/metrics?name=up")
        assert status == 200
        assert "nfe_database_up 0.0" in text
        status, text = ask("/readyz")
        assert status == 503
        assert set(json.loads(text)) == {"database", "revision", "broker", "sweep"}
        assert ask("/")[0] == 404


def test_it_is_ready_when_database_revision_broker_and_sweep_are() -> None:
    with serving(an_examination()) as ask:
        status, text = ask("/readyz")
    assert status == 200
    assert set(json.loads(text).values()) == {"ok"}


@pytest.mark.parametrize(
    ("examination", "not_ok"),
    [
        (an_examination(current=False), {"revision"}),
        (an_examination(since_sweep=timedelta(minutes=2)), {"sweep"}),
        (an_examination(since_sweep=None), {"sweep"}),
        (away(), {"database", "revision", "broker", "sweep"}),
    ],
)
def test_what_is_not_ready_is_named(examination: Any, not_ok: set[str]) -> None:
    assert {name for name, said in readiness(examination).items() if said != "ok"} == not_ok


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Misconfigured, match="port-in-use"):
        Exporter(Settings(metrics_port=taken.getsockname()[1]), away())


def test_without_a_port_there_is_nothing_to_serve() -> None:
    with pytest.raises(Misconfigured, match="no-metrics-port"):
        Exporter(Settings(metrics_port=None), away())


def test_the_server_looks_for_what_is_to_be_told_also_after_a_look_that_failed() -> None:
    looked = threading.Event()

    class Watch:
        looks = 0

        def look(self) -> int:
            self.looks += 1
            if self.looks == 1:
                raise OSError("the database went away")
            looked.set()
            return 0

    begin_watching(Watch(), timedelta(milliseconds=5))  # type: ignore[arg-type]
    assert looked.wait(5)
