"""The end of a process reaches calls that wait, and nothing beside them."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from workflow import ending
from workflow.clients.exchange import Request, exchange
from workflow.errors import LostAnswer, RetryLater


@pytest.fixture(autouse=True)
def _as_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SIGUSR2 gives up; afterwards no end is near."""
    monkeypatch.setattr(ending, "_is_near", threading.Event())
    before = signal.signal(signal.SIGUSR2, ending.give_up)
    yield
    signal.signal(signal.SIGUSR2, before)


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and answers nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def soon() -> None:
    """The signal, once this thread is in its call."""
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR2)).start()


@pytest.mark.parametrize(("asks", "kind"), [(True, RetryLater), (False, LostAnswer)])
def test_a_call_that_hangs_is_given_up_as_a_lost_answer_and_counts_as_no_try(
    silent: str, asks: bool, kind: type[RetryLater]
) -> None:
    soon()
    begun = time.monotonic()
    with pytest.raises(RetryLater) as raised:
        exchange(requests.Session(), Request("POST", silent, {}, b"x", asks=asks), timeout=30, party="sefaz")
    assert time.monotonic() - begun < 10
    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.counts, raised.value.told) == (ending.CODE, False, True)


def test_no_call_begins_once_the_end_is_near(silent: str) -> None:
    ending.give_up()
    with pytest.raises(RetryLater, match="nothing was sent") as raised:
        exchange(requests.Session(), Request("POST", silent, {}, b"x"), timeout=30, party="sefaz")
    assert not isinstance(raised.value, LostAnswer)
    assert (raised.value.after, raised.value.counts) == (timedelta(), False)


def test_beside_a_call_the_signal_raises_nothing() -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    assert ending.is_near(wait=5)


def test_a_call_of_another_thread_is_not_the_one_that_is_given_up() -> None:
    inside, over = threading.Event(), threading.Event()

    def work() -> None:
        with ending.call():
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(10)
    os.kill(os.getpid(), signal.SIGUSR2)
    assert ending.is_near(wait=5)
    over.set()
    thread.join(10)


def test_what_cleans_up_behind_a_call_is_not_disturbed_by_the_next_signal() -> None:
    cleaned = []

    def hang() -> None:
        with ending.call():
            try:
                os.kill(os.getpid(), signal.SIGUSR2)
                time.sleep(5)
            finally:
                os.kill(os.getpid(), signal.SIGUSR2)
                cleaned.append(True)

    with pytest.raises(ending.GivenUp):
        hang()
    assert cleaned


def test_a_process_ends_within_its_limit_whatever_it_does() -> None:
    stubborn = "from datetime import timedelta; from workflow import ending; import time;"
    stubborn += "ending.within(timedelta(seconds=0.1)); time.sleep(60)"
    assert subprocess.run([sys.executable, "-c", stubborn], timeout=30, check=False).returncode == 1
