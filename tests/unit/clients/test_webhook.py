"""One signed message to a reader: taken or not, and never to anybody else."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import requests

from tests.unit.clients.conftest import Server
from workflow.clients.webhook import Message, post
from workflow.errors import RetryLater

KEY = b"0123456789abcdef01234567"
SECRET = "whsec_" + base64.b64encode(KEY).decode()
MESSAGE = Message("alert_1", datetime(2026, 11, 22, 12, tzinfo=UTC), '{"text": "à"}'.encode())


def send(server: Server, secret: str = SECRET) -> None:
    post(requests.Session(), f"{server.url}/hook?x=1", secret, MESSAGE, operation="alert")


@pytest.mark.parametrize(("secret", "key"), [(SECRET, KEY), ("plain words", b"plain words"), ("whsec_*", b"whsec_*")])
def test_the_reader_can_check_who_sent_it_and_that_it_is_whole(server: Server, secret: str, key: bytes) -> None:
    server.answers(204)
    send(server, secret)
    (seen,) = server.seen
    assert (seen.method, seen.path, seen.body) == ("POST", "/hook?x=1", MESSAGE.body)
    assert (seen.headers["webhook-id"], seen.headers["webhook-timestamp"]) == ("alert_1", "1795348800")
    signed = b"alert_1.1795348800." + seen.body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert seen.headers["webhook-signature"] == f"v1,{expected}"
    assert seen.headers["content-type"] == "application/json"


def test_without_a_secret_it_is_not_signed(server: Server) -> None:
    server.answers(200)
    send(server, "")
    assert "webhook-signature" not in server.seen[0].headers


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 410, 429, 500, 503])
def test_whatever_is_no_success_is_sent_again_later(server: Server, status: int) -> None:
    server.answers(status, location="http://127.0.0.1:1/elsewhere")
    with pytest.raises(RetryLater, match=f"webhook-http-{status}"):
        send(server)
    assert len(server.seen) == 1, "nobody is redirected"


@pytest.mark.parametrize("trouble", [Server.drops, Server.resets, Server.truncates])
def test_a_lost_answer_is_no_answer(server: Server, trouble: Callable[[Server], Server]) -> None:
    trouble(server)
    with pytest.raises(RetryLater):
        send(server)


def test_a_reader_that_is_away_is_told_by_its_host_only() -> None:
    with pytest.raises(RetryLater) as raised:
        post(requests.Session(), "http://127.0.0.1:1/secret-path", SECRET, MESSAGE, operation="alert")
    assert raised.value.code == "webhook-unreachable"
    assert "secret-path" not in raised.value.message
