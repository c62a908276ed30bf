"""From Amazon's side to our queue: what must be agreed with Amazon so that a seller's notifications arrive.

The queue's policy must let Amazon in before its destination is made. Every step looks first whether it is done, so
that the whole may be repeated, also after an answer was lost.
"""

from typing import NamedTuple

from workflow.clients.notifications_api import Destination, NotificationsApi, Subscription
from workflow.errors import Invalid

#: Under which Amazon lists our queue; the longest it takes is 256 characters.
NAME = "nfe-workflow"


class Agreed(NamedTuple):
    """What is agreed now: ids are None in a dry run where they are still to be made."""

    destination_id: str | None
    subscription_id: str | None
    #: What was, or would be, done.
    steps: tuple[str, ...]


def setup(api: NotificationsApi, arn: str, *, dry_run: bool = False) -> Agreed:
    """Let the seller's notifications come to the queue; Invalid when they go to another one already."""
    destination = _destination(api, arn)
    subscription = api.subscription()
    if subscription is not None and (destination is None or subscription.destination_id != destination.id):
        raise Invalid(
            "subscribed-elsewhere",
            f"the seller's notifications go to destination {subscription.destination_id}; "
            "end that first: nfe notifications remove",
        )
    steps = []
    if destination is None:
        steps.append("make the destination")
        destination = None if dry_run else api.create_destination(NAME, arn)
    if subscription is None:
        steps.append("subscribe the seller")
        subscription = None if dry_run or destination is None else _subscribe(api, destination)
    return Agreed(destination and destination.id, subscription and subscription.id, tuple(steps))


def remove(api: NotificationsApi, *, with_destination: bool = False) -> Agreed:
    """End the seller's subscription, and with it the destination, which other sellers may use too.

    Without a subscription the application's only destination is ended, where there is just one.
    """
    subscription = api.subscription()
    if subscription is None:
        return _remove_destination(api, with_destination=with_destination)
    api.unsubscribe(subscription.id)
    if not with_destination:
        return Agreed(None, subscription.id, ("ended the subscription",))
    api.delete_destination(subscription.destination_id)
    return Agreed(subscription.destination_id, subscription.id, ("ended the subscription", "ended the destination"))


def _remove_destination(api: NotificationsApi, *, with_destination: bool) -> Agreed:
    known = api.destinations() if with_destination else ()
    if len(known) != 1:
        raise Invalid("not-subscribed", "the seller is not subscribed; see: nfe notifications list")
    api.delete_destination(known[0].id)
    return Agreed(known[0].id, None, ("ended the destination",))


def _destination(api: NotificationsApi, arn: str) -> Destination | None:
    return next((known for known in api.destinations() if known.arn == arn), None)


def _subscribe(api: NotificationsApi, destination: Destination) -> Subscription | None:
    # None: somebody else has just done it.
    return api.subscribe(destination.id) or api.subscription()
