"""One message to an address that its reader chose, signed as Standard Webhooks says (standardwebhooks.com, v1).

The reader checks `webhook-signature` over id, time and body with the shared secret, and takes an id that it has seen
for the same message once more: a message whose answer was lost is sent again.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from typing import NamedTuple
from urllib.parse import urlsplit

import requests

from workflow.clients.exchange import Request, exchange
from workflow.clients.selling_partner import user_agent
from workflow.errors import RetryLater

#: Seconds to the end of the answer: whoever sends has other work to do.
TIMEOUT = 10.0
#: Before a secret that is base64, as the standard's libraries give it.
PREFIX = "whsec_"


class Message(NamedTuple):
    """What is sent: the same id again is the same message again."""

    id: str
    at: datetime
    body: bytes


def post(http: requests.Session, url: str, secret: str, message: Message, *, operation: str) -> None:
    """Send it once; raise RetryLater unless the reader answered with success. Without a secret it is not signed."""
    stamp = str(int(message.at.timestamp()))
    headers = {
        "content-type": "application/json",
        "user-agent": user_agent(),
        "webhook-id": message.id,
        "webhook-timestamp": stamp,
    }
    if secret:
        headers["webhook-signature"] = signature(secret, message.id, stamp, message.body)
    request = Request("POST", url, headers, message.body, asks=True, operation=operation)
    answer = exchange(http, request, timeout=TIMEOUT, party="webhook")
    if not 200 <= answer.status < 300:
        raise RetryLater(f"webhook-http-{answer.status}", f"{urlsplit(url).netloc} answered HTTP {answer.status}")


def signature(secret: str, id: str, timestamp: str, body: bytes) -> str:
    """The header's value.

    >>> signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
    ...           b'{"test": 2432232314}')
    'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='
    """
    signed = b".".join((id.encode(), timestamp.encode(), body))
    digest = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            pass  # a secret of somebody's own that only begins so
    return secret.encode()
