"""An SQS queue, as thin as can be: receive, delete, hide longer, set aside with the reason.

A method is one request. SQS delivers at least once and in any order: a message that is not deleted comes again when
its time of invisibility is over. Credentials are boto3's own business (environment, profile, role). boto3 is the extra
`sqs`, imported here only and only when a queue is opened. Source: the Amazon SQS API reference, 2012-11-05.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from workflow.errors import Misconfigured, RetryLater

#: SQS takes and gives ten messages at once.
BATCH = 10
#: A queue's address names its region: https://sqs.us-east-1.amazonaws.com/123456789012/name
_REGION = re.compile(r"https://(?:sqs\.([a-z0-9-]+)|([a-z0-9-]+)\.queue)\.amazonaws\.com(?:\.cn)?/")
#: The longest reason that is told: one line for a person.
LONGEST_REASON = 500
#: Seconds beyond the long poll until an answer counts as lost.
PATIENCE = 10

#: What a person must mend, by SQS's error codes, new and old.
_MEND = {
    "QueueDoesNotExist": "there is no such queue; check its URL and region",
    "AWS.SimpleQueueService.NonExistentQueue": "there is no such queue; check its URL and region",
    "InvalidAddress": "this is no queue's URL",
    "AccessDenied": "the credentials may not do this; see the README for the policy",
    "AccessDeniedException": "the credentials may not do this; see the README for the policy",
    "InvalidClientTokenId": "the access key is unknown; check AWS_ACCESS_KEY_ID",
    "UnrecognizedClientException": "the access key is unknown; check AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "the secret key is wrong; check AWS_SECRET_ACCESS_KEY",
}


class Message(NamedTuple):
    """A message that is ours for a while: `receives` counts how often it has been given out, this time included."""

    id: str
    receipt: str
    body: str
    receives: int


class Standing(NamedTuple):
    """How a queue stands: messages that wait, and after how many receives its own policy sets one aside, if it does."""

    waiting: int
    max_receives: int | None


class Queue:
    """One queue, with its dead-letter queue where `dead_letters` names one."""

    def __init__(self, sqs: Any, url: str, *, dead_letters: str = "", wait: int = 20, visibility: int = 60) -> None:
        self._sqs = sqs
        self._url = url
        self._dead_letters = dead_letters
        self._wait = wait
        self._visibility = visibility

    @property
    def has_dead_letters(self) -> bool:
        """Whether there is a place for what cannot be understood."""
        return bool(self._dead_letters)

    def standing(self) -> Standing:
        """Ask how the queue stands; Misconfigured when it or its dead-letter queue is not there or not ours to ask."""
        names = ["ApproximateNumberOfMessages", "RedrivePolicy"]
        with _meaning(self._url):
            found = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names).get("Attributes", {})
        if self._dead_letters:
            with _meaning(self._dead_letters):
                self._sqs.get_queue_attributes(QueueUrl=self._dead_letters, AttributeNames=["QueueArn"])
        limit = re.search(r'"maxReceiveCount"\s*:\s*"?(\d+)', found.get("RedrivePolicy", ""))
        return Standing(int(found.get("ApproximateNumberOfMessages", 0)), int(limit[1]) if limit else None)

    def receive(self) -> list[Message]:
        """Up to ten messages; waits for the first one as long as SQS lets us."""
        with _meaning(self._url):
            answer = self._sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH,
                WaitTimeSeconds=self._wait,
                VisibilityTimeout=self._visibility,
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )
        return [_message(found) for found in answer.get("Messages", [])]

    def delete(self, messages: Sequence[Message]) -> int:
        """Take them off the queue for good; returns how many SQS could not: those come again."""
        if not messages:
            return 0
        entries = [{"Id": str(place), "ReceiptHandle": message.receipt} for place, message in enumerate(messages)]
        with _meaning(self._url):
            return len(self._sqs.delete_message_batch(QueueUrl=self._url, Entries=entries).get("Failed", []))

    def hide(self, messages: Iterable[Message], seconds: int | None = None) -> int:
        """Keep them from others for so long from now, or for the usual time; returns how many SQS could not."""
        timeout = self._visibility if seconds is None else seconds
        entries = [
            {"Id": str(place), "ReceiptHandle": message.receipt, "VisibilityTimeout": timeout}
            for place, message in enumerate(messages)
        ]
        if not entries:
            return 0
        with _meaning(self._url):
            answer = self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)
        return len(answer.get("Failed", []))

    def set_aside(self, message: Message, code: str, reason: str) -> None:
        """Copy the message to the dead-letter queue, with the reason in its attributes `code` and `message`."""
        said = {"code": code, "message": _text(reason), "original-id": message.id, "receives": str(message.receives)}
        attributes = {name: {"DataType": "String", "StringValue": value} for name, value in said.items()}
        with _meaning(self._dead_letters):
            self._sqs.send_message(QueueUrl=self._dead_letters, MessageBody=message.body, MessageAttributes=attributes)


def connect(
    url: str, *, dead_letters: str = "", region: str = "", endpoint_url: str = "", wait: int = 20, visibility: int = 60
) -> Queue:
    """Open a queue by its URL; `wait` and `visibility` in seconds. Raises Misconfigured where boto3 is missing."""
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ModuleNotFoundError as error:
        raise Misconfigured("no-boto3", "boto3 is missing; pip install 'nfe-workflow[sqs]'") from error
    config = Config(
        connect_timeout=PATIENCE,
        read_timeout=wait + PATIENCE,
        # One more try at once; the consumer has waits of its own.
        retries={"total_max_attempts": 2, "mode": "standard"},
    )
    try:
        # A session of its own: the default one is shared by the whole process.
        sqs = boto3.session.Session().client(
            "sqs", region_name=region or region_of(url), endpoint_url=endpoint_url or None, config=config
        )
    except (BotoCoreError, ValueError) as error:
        raise Misconfigured("sqs-setting", f"{_line(error)}; see NFE_SQS_REGION and NFE_SQS_ENDPOINT_URL") from error
    return Queue(sqs, url, dead_letters=dead_letters, wait=wait, visibility=visibility)


def region_of(url: str) -> str | None:
    """The region that a queue's URL names.

    >>> region_of("https://sqs.us-east-1.amazonaws.com/123456789012/nfe"), region_of("http://localhost:9324/0/nfe")
    ('us-east-1', None)
    """
    found = _REGION.match(url)
    return (found[1] or found[2]) if found else None


def _message(found: dict[str, Any]) -> Message:
    receives = int(found.get("Attributes", {}).get("ApproximateReceiveCount", 1))
    return Message(found["MessageId"], found["ReceiptHandle"], found["Body"], receives)


@contextmanager
def _meaning(url: str) -> Iterator[None]:
    """Say boto3's errors as ours: a person must mend it, or again later."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", ""))
        if mend := _MEND.get(code.rpartition("#")[2]):
            raise Misconfigured("sqs-refused", f"{url}: {mend}") from error
        raise RetryLater("sqs-error", f"SQS answered {code or 'an error'}") from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise Misconfigured("sqs-credentials", "no AWS credentials; set them as boto3 expects them") from error
    except BotoCoreError as error:
        raise RetryLater("sqs-unreachable", f"SQS cannot be reached: {type(error).__name__}") from error


def _text(reason: str) -> str:
    """What SQS takes in an attribute: not empty, no control characters."""
    return re.sub(r"[^\x20-\uD7FF\uE000-\uFFFD]", " ", reason)[:LONGEST_REASON] or "-"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
