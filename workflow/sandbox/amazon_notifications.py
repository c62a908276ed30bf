"""Notifications API v1 of the local Amazon: destinations, subscriptions, and whose token opens what.

What the model leaves open is answered with 409 `Conflict`: a second destination of one queue, and the end of a
destination that somebody is subscribed to.
"""

import re
from collections.abc import Callable
from typing import Any

from workflow.sandbox.amazon_handler import MEDIA, QUOTA, AmazonHandler, Wrong, denied
from workflow.sandbox.amazon_tokens import Grant

NOTIFICATIONS = "/notifications/v1"
#: The scope of a grantless token that opens destinations.
SCOPE = "sellingpartnerapi::notifications"

#: Every operation: 1 request per second, burst 5.
_RATE, _BURST = 1.0, 5
#: SqsResource of the model.
_ARN = re.compile(r"arn:aws:sqs:\S+:\S+:\S+")

_INVALID = Wrong(400, "InvalidInput", "One or more of the request parameters is invalid.")
_MISSING = Wrong(404, "NotFound", "The requested resource could not be found.")
_CONFLICT = Wrong(409, "Conflict", "The resource specified conflicts with the current state.")

Result = dict[str, Any] | Wrong


class NotificationOperation(AmazonHandler):
    """What these operations share: the kind of grant, then the plan, then the work."""

    async def serve(
        self, operation: str, about: str, allows: Callable[[Grant], bool], act: Callable[[Grant], Result]
    ) -> None:
        """Answer `act` if the grant and the plan allow it."""

        def guarded() -> Result:
            grant = self.grant()
            if isinstance(grant, Wrong):
                return grant
            if not allows(grant):
                return denied("")
            if not self.book.permit(grant.client, grant.seller, operation, rate=_RATE, burst=_BURST):
                return QUOTA
            return act(grant)

        await self.respond(operation, (about,), lambda: self.answer(guarded(), _RATE))

    def is_notifications(self, grant: Grant) -> bool:
        """Whether it is the application's own token, of the right scope."""
        return grant.kind == "grantless" and SCOPE in grant.resources

    def may_end_subscriptions(self, grant: Grant) -> bool:
        """Grantless in the model; the switch makes it the seller's."""
        return self.is_notifications(grant) if self.book.settings.grantless_unsubscribe else grant.is_plain


def is_sellers(grant: Grant) -> bool:
    """Whether it is a seller's ordinary token."""
    return grant.is_plain


class Destinations(NotificationOperation):
    """…/destinations."""

    async def get(self) -> None:
        """All of the application's."""
        await self.serve("getDestinations", "", self.is_notifications, self._list)

    async def post(self) -> None:
        """Make one."""
        await self.serve("createDestination", "", self.is_notifications, self._create)

    def _list(self, grant: Grant) -> Result:
        return {"payload": self.book.subscriptions.destinations(grant.client)}

    def _create(self, grant: Grant) -> Result:
        if not self.is_json():
            return MEDIA
        body = self.read_json() or {}
        try:
            name, arn = body["name"], body["resourceSpecification"]["sqs"]["arn"]
        except (KeyError, TypeError):
            return _INVALID
        if not isinstance(name, str) or not isinstance(arn, str) or not name or not _ARN.fullmatch(arn):
            return _INVALID
        known = self.book.subscriptions.destinations(grant.client)
        if any(shown["resource"]["sqs"]["arn"] == arn for shown in known):
            return _CONFLICT
        return {"payload": self.book.subscriptions.add_destination(grant.client, name, arn)}


class OneDestination(NotificationOperation):
    """…/destinations/{destinationId}."""

    async def get(self, id: str) -> None:
        """Show it."""
        await self.serve("getDestination", id, self.is_notifications, lambda grant: self._show(grant, id))

    async def delete(self, id: str) -> None:
        """Forget it."""
        await self.serve("deleteDestination", id, self.is_notifications, lambda grant: self._end(grant, id))

    def _show(self, grant: Grant, id: str) -> Result:
        found = self.book.subscriptions.destination(grant.client, id)
        return _MISSING if found is None else {"payload": found}

    def _end(self, grant: Grant, id: str) -> Result:
        if self.book.subscriptions.destination(grant.client, id) is None:
            return _MISSING
        if self.book.subscriptions.leads_to(id):
            return _CONFLICT
        self.book.subscriptions.end_destination(id)
        return {}


class SellersSubscription(NotificationOperation):
    """…/subscriptions/{notificationType}."""

    async def get(self, kind: str) -> None:
        """The seller's own."""
        await self.serve("getSubscription", kind, is_sellers, lambda grant: self._show(grant, kind))

    async def post(self, kind: str) -> None:
        """Subscribe the seller, once."""
        await self.serve("createSubscription", kind, is_sellers, lambda grant: self._create(grant, kind))

    def _show(self, grant: Grant, kind: str) -> Result:
        found = self.book.subscriptions.subscription(grant.client, grant.seller, kind)
        return _MISSING if found is None else {"payload": found.shown()}

    def _create(self, grant: Grant, kind: str) -> Result:
        if not self.is_json():
            return MEDIA
        body = self.read_json() or {}
        version, destination = body.get("payloadVersion"), body.get("destinationId")
        if version != "1.0" or not isinstance(destination, str):
            return _INVALID
        book = self.book.subscriptions
        if book.destination(grant.client, destination) is None:
            return _INVALID
        if book.subscription(grant.client, grant.seller, kind) is not None:
            return _CONFLICT
        return {"payload": book.subscribe(grant.client, grant.seller, kind, version, destination).shown()}


class OneSubscription(NotificationOperation):
    """…/subscriptions/{notificationType}/{subscriptionId}."""

    async def get(self, kind: str, id: str) -> None:
        """Show it."""
        await self.serve("getSubscriptionById", id, self.is_notifications, lambda grant: self._show(grant, kind, id))

    async def delete(self, kind: str, id: str) -> None:
        """End it."""
        await self.serve(
            "deleteSubscriptionById", id, self.may_end_subscriptions, lambda grant: self._end(grant, kind, id)
        )

    def _show(self, grant: Grant, kind: str, id: str) -> Result:
        found = self.book.subscriptions.find(grant.client, id)
        return _MISSING if found is None or found.kind != kind else {"payload": found.shown()}

    def _end(self, grant: Grant, kind: str, id: str) -> Result:
        found = self.book.subscriptions.find(grant.client, id)
        if found is None or found.kind != kind:
            return _MISSING
        self.book.subscriptions.end_subscription(id)
        return {}
