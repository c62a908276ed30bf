"""A failure of the transport says whether the request may have arrived."""

import gzip
import socket

import pytest
import requests

from workflow.clients.exchange import Answer, Request, exchange
from workflow.errors import LostAnswer, Misconfigured, NfeError, RetryLater

SECRET = "Atza|secret"


def _send(url: str, *, asks: bool = False, timeout: float = 5, **headers: str) -> Answer:
    request = Request("POST", url, {"x-token": SECRET, **headers}, b"{}", asks)
    return exchange(requests.Session(), request, timeout=timeout, party="sefaz")


def _failure(url: str, **options: object) -> NfeError:
    with pytest.raises(NfeError) as caught:
        _send(url, **options)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    return caught.value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_an_answer_of_any_status_is_handed_on(server):
    server.answers(503, b"<html>", X_Some="thing")
    answer = _send(server.url)
    assert (answer.status, answer.body, answer.headers["x-some"]) == (503, b"<html>", "thing")


def test_a_refused_connection_was_not_sent():
    error = _failure(f"http://127.0.0.1:{_free_port()}")
    assert type(error) is RetryLater
    assert error.code == "sefaz-unreachable"


def test_an_unknown_host_was_not_sent():
    error = _failure("http://no-such-host.invalid")
    assert type(error) is RetryLater
    assert error.code == "sefaz-unreachable"


def test_a_connection_that_is_never_taken_was_not_sent():
    # A full backlog leaves the third hand of the handshake out.
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(deaf.getsockname())
        error = _failure(f"http://127.0.0.1:{deaf.getsockname()[1]}", timeout=0.3)
        for filler in fillers:
            filler.close()
    assert type(error) is RetryLater
    assert error.code == "sefaz-unreachable"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("hangs", "sefaz-timeout"),
        ("drips", "sefaz-timeout"),
        ("drops", "sefaz-connection-lost"),
        ("resets", "sefaz-connection-lost"),
        ("truncates", "sefaz-connection-lost"),
    ],
)
def test_what_may_have_arrived_is_a_lost_answer(server, fault, code):
    getattr(server, fault)()
    error = _failure(server.url, timeout=0.4)
    assert isinstance(error, LostAnswer)
    assert error.code == code
    assert len(server.seen) == 1, "a request goes out once"


def test_a_question_whose_answer_is_lost_may_be_repeated(server):
    server.drops()
    assert type(_failure(server.url, asks=True)) is RetryLater


def test_a_redirect_is_not_followed(server, serve):
    other = serve().answers(200)
    server.answers(302, Location=other.url)
    assert _send(server.url).status == 302
    assert not other.seen


def test_a_token_with_a_line_break_is_not_quoted(server):
    server.answers(200)
    error = _failure(server.url, **{"x-other": f"{SECRET}\n"})
    assert isinstance(error, Misconfigured)
    assert error.__cause__ is None


@pytest.mark.parametrize("url", ["ftp://host/x", "https://", "nonsense"])
def test_an_impossible_address_is_a_configuration_mistake(url):
    assert isinstance(_failure(url), Misconfigured)


def test_an_endless_answer_is_given_up(server):
    server.answers(200, b"x" * 200)
    request = Request("POST", server.url, {}, largest=100)
    with pytest.raises(LostAnswer, match=r"sefaz-too-large: .* answered with more than 100 bytes"):
        exchange(requests.Session(), request, timeout=5, party="sefaz")


def test_a_packed_answer_is_measured_unpacked(server):
    server.answers(200, gzip.compress(b"x" * 10_000_000), **{"Content-Encoding": "gzip"})
    request = Request("POST", server.url, {}, asks=True)
    with pytest.raises(RetryLater, match="sefaz-too-large"):
        exchange(requests.Session(), request, timeout=5, party="sefaz")
