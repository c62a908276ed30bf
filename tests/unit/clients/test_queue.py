"""The queue's client against moto's server: what is asked, and how a failure is told."""

import socket
import sys
from typing import Any

import pytest

from tests.servers import Queues
from workflow.clients.queue import Queue, connect
from workflow.errors import Misconfigured, RetryLater


def opened(queues: Queues, **options: Any) -> Queue:
    chosen = {"dead_letters": queues.dead, "endpoint_url": queues.endpoint, "wait": 0, "visibility": 30}
    return connect(queues.url, **chosen | options)


def test_a_message_is_received_counted_and_deleted(queues: Queues) -> None:
    queues.send(b"one", b"two")
    queue = opened(queues)
    messages = queue.receive()
    assert sorted(message.body for message in messages) == ["one", "two"]
    assert {message.receives for message in messages} == {1}
    assert queues.left() == (0, 2)
    assert queue.delete(messages) == 0
    assert queues.left() == (0, 0)


def test_ten_messages_come_at_once(queues: Queues) -> None:
    queues.send(*(b"x" for _ in range(12)))
    assert len(opened(queues).receive()) == 10


def test_an_empty_queue_gives_nothing_and_nothing_is_asked_for_nothing(queues: Queues) -> None:
    queue = opened(queues)
    assert (queue.receive(), queue.delete([]), queue.hide([])) == ([], 0, 0)


def test_a_message_shown_again_has_been_received_once_more(queues: Queues) -> None:
    queues.send(b"one")
    queue = opened(queues)
    queue.hide(queue.receive(), 0)
    assert [message.receives for message in queue.receive()] == [2]


def test_a_receipt_that_is_none_is_counted(queues: Queues) -> None:
    queues.send(b"one")
    queue = opened(queues)
    [message] = queue.receive()
    assert queue.delete([message._replace(receipt="nonsense")]) == 1
    assert queues.left() == (0, 1)


def test_a_message_is_set_aside_whole_with_the_reason(queues: Queues) -> None:
    queues.send(b'{"a": 1}')
    queue = opened(queues)
    [message] = queue.receive()
    queue.set_aside(message, "bad-notification", "no\x00thing " * 100)
    [buried] = queues.buried()
    assert buried["body"] == '{"a": 1}'
    assert (buried["code"], buried["original-id"], buried["receives"]) == ("bad-notification", message.id, "1")
    assert buried["message"].startswith("no thing")
    assert len(buried["message"]) == 500


def test_the_queue_says_how_it_stands(queues: Queues) -> None:
    queues.send(b"one")
    standing = opened(queues).standing()
    assert (standing.waiting, standing.max_receives) == (1, None)
    arn = queues.client.get_queue_attributes(QueueUrl=queues.dead, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = f'{{"deadLetterTargetArn": "{arn}", "maxReceiveCount": "7"}}'
    queues.client.set_queue_attributes(QueueUrl=queues.url, Attributes={"RedrivePolicy": policy})
    assert opened(queues).standing().max_receives == 7


@pytest.mark.parametrize("which", ["queue", "dead-letter queue"])
def test_a_queue_that_is_not_there_is_a_persons_to_mend(queues: Queues, which: str) -> None:
    gone = queues.url + "-gone"
    queue = opened(queues._replace(url=gone)) if which == "queue" else opened(queues, dead_letters=gone)
    with pytest.raises(Misconfigured, match="no such queue"):
        queue.standing()


def test_a_server_that_is_away_is_asked_again_later(queues: Queues) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(RetryLater, match="sqs-unreachable"):
        opened(queues, endpoint_url=f"http://127.0.0.1:{free}").receive()


def test_without_credentials_a_person_is_told(queues: Queues, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Misconfigured, match="sqs-credentials"):
        opened(queues).receive()


def test_without_boto3_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(Misconfigured, match=r"pip install 'nfe-workflow\[sqs\]'"):
        connect("https://sqs.us-east-1.amazonaws.com/123456789012/nfe")


@pytest.mark.parametrize("setting", [{"endpoint_url": "nowhere"}, {"region": "not a region"}])
def test_a_setting_that_is_nonsense_is_told(queues: Queues, setting: dict[str, str]) -> None:
    with pytest.raises(Misconfigured, match="NFE_SQS_"):
        opened(queues, **setting)


def test_without_a_region_the_setting_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(Misconfigured, match="NFE_SQS_REGION"):
        connect("http://localhost:9324/000000000000/nfe", endpoint_url="http://localhost:9324")
