"""Amazon's Notifications API v1: where notifications go (destinations), and whose (subscriptions).

A destination belongs to the application and is made with a grantless token; a subscription belongs to a seller and is
made with the seller's. This type of notification goes to SQS standard queues only.
Source: notifications.json of amzn/selling-partner-api-models, 2026-08-05; Amazon's guide on notifications with SQS.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

from workflow.clients.amazon_tokens import Tokens
from workflow.clients.notifications import TYPE
from workflow.clients.selling_partner import Call, SellingPartner, Token, content_of, lost
from workflow.errors import Invalid, SellerStopped

#: The scope of a grantless token for this API.
SCOPE = "sellingpartnerapi::notifications"
#: The AWS account from which Amazon sends notifications.
AMAZON_ACCOUNT = "437568002678"
#: The only version of this notification's payload.
PAYLOAD_VERSION = "1.0"
#: Narrower than the model's `^arn:aws:sqs:\S+:\S+:\S+`: region, account, name of a queue.
ARN = re.compile(r"arn:aws:sqs:[a-z0-9-]+:\d{12}:[A-Za-z0-9_-]{1,80}(\.fifo)?")

_ROOT = "/notifications/v1"
_SUBSCRIPTIONS = f"{_ROOT}/subscriptions/{TYPE}"


class Destination(NamedTuple):
    """A queue that Amazon knows; `arn` is None where it is no queue but an event bus."""

    id: str
    name: str
    arn: str | None


class Subscription(NamedTuple):
    """A seller's subscription to the notification of shipments."""

    id: str
    destination_id: str


class NotificationsApi:
    """The operations on destinations and on the subscription of the seller whose tokens these are."""

    def __init__(self, *, http: requests.Session, tokens: Tokens, base_url: str, timeout: float) -> None:
        self._api = SellingPartner(http=http, base_url=base_url, timeout=timeout)
        self._application = Token(lambda: tokens.grantless_token(SCOPE), tokens.forget)
        self._seller = Token(tokens.access_token, tokens.forget)

    def destinations(self) -> list[Destination]:
        """All of the application's."""
        call = Call("getDestinations", "GET", f"{_ROOT}/destinations")
        found = self._payload(call, self._application)
        return [_destination(call, entry) for entry in (found if isinstance(found, list) else [])]

    def create_destination(self, name: str, arn: str) -> Destination:
        """Make the queue known; Amazon refuses when the queue's policy does not let it in yet."""
        body = {"name": name, "resourceSpecification": {"sqs": {"arn": arn}}}
        call = Call("createDestination", "POST", f"{_ROOT}/destinations", body, asks=False)
        return _destination(call, self._payload(call, self._application))

    def delete_destination(self, id: str) -> None:
        """Forget the queue, for all sellers; one that is not there is no error."""
        path = f"{_ROOT}/destinations/{quote(id, safe='')}"
        self._api.call(Call("deleteDestination", "DELETE", path, also=(404,)), self._application)

    def subscription(self) -> Subscription | None:
        """The seller's subscription, if there is one."""
        call = Call("getSubscription", "GET", f"{_SUBSCRIPTIONS}?payloadVersion={PAYLOAD_VERSION}", also=(404,))
        answer = self._api.call(call, self._seller)
        return None if answer.status == 404 else _subscription(call, content_of(call, answer).get("payload"))

    def subscribe(self, destination_id: str) -> Subscription | None:
        """Subscribe the seller; None when it is subscribed already, wherever that leads."""
        body = {"payloadVersion": PAYLOAD_VERSION, "destinationId": destination_id}
        # Repeating it changes nothing: a second one is answered with 409.
        call = Call("createSubscription", "POST", _SUBSCRIPTIONS, body, also=(409,))
        answer = self._api.call(call, self._seller)
        return None if answer.status == 409 else _subscription(call, content_of(call, answer).get("payload"))

    def unsubscribe(self, subscription_id: str) -> None:
        """End a subscription; one that is not there is no error."""
        path = f"{_SUBSCRIPTIONS}/{quote(subscription_id, safe='')}"
        call = Call("deleteSubscriptionById", "DELETE", path, also=(404,))
        try:
            self._api.call(call, self._application)
        except SellerStopped as error:
            if error.code != "amazon-unauthorized":
                raise
            # The model says grantless; a developer reported that it took the seller's token only.
            self._api.call(call, self._seller)

    def _payload(self, call: Call, token: Token) -> Any:
        return content_of(call, self._api.call(call, token)).get("payload")


def check_arn(arn: str) -> str:
    """The ARN of a standard queue, or Invalid.

    >>> check_arn("arn:aws:sqs:us-east-1:123456789012:nfe")
    'arn:aws:sqs:us-east-1:123456789012:nfe'
    """
    if not ARN.fullmatch(arn):
        raise Invalid("bad-arn", "this is no queue's ARN; it looks like arn:aws:sqs:us-east-1:123456789012:name")
    if arn.endswith(".fifo"):
        raise Invalid("bad-arn", "Amazon sends notifications to standard queues only, not to FIFO ones; make another")
    return arn


def queue_policy(arn: str) -> dict[str, Any]:
    """The queue's access policy that lets Amazon, and nobody else, put notifications into it."""
    statement = {
        "Sid": "AmazonSellingPartnerNotifications",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{AMAZON_ACCOUNT}:root"},
        "Action": ["sqs:SendMessage", "sqs:GetQueueAttributes"],
        "Resource": arn,
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


def _destination(call: Call, found: Any) -> Destination:
    if not isinstance(found, Mapping) or not isinstance(found.get("destinationId"), str):
        raise lost(call, "amazon-garbled", f"Amazon's answer to {call.operation} has no destinationId")
    resource = found.get("resource")
    sqs = resource.get("sqs") if isinstance(resource, Mapping) else None
    arn = sqs.get("arn") if isinstance(sqs, Mapping) else None
    return Destination(found["destinationId"], str(found.get("name", "")), arn if isinstance(arn, str) else None)


def _subscription(call: Call, found: Any) -> Subscription:
    ids = [found.get(name) for name in ("subscriptionId", "destinationId")] if isinstance(found, Mapping) else []
    if len(ids) != 2 or not all(isinstance(id, str) for id in ids):
        raise lost(call, "amazon-garbled", f"Amazon's answer to {call.operation} has no subscriptionId")
    return Subscription(*map(str, ids))
