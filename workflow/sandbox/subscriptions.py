"""The destinations and subscriptions that the local Amazon knows. Nothing is sent: a queue is only a name here."""

import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from workflow.sandbox.journal import Journal


class Subscription(NamedTuple):
    """Whose (application, authorisation), to what, and where it goes."""

    id: str
    client: str
    seller: str
    kind: str
    version: str
    destination: str

    def shown(self) -> dict[str, Any]:
        """As the model says."""
        return {"subscriptionId": self.id, "payloadVersion": self.version, "destinationId": self.destination}


class Subscriptions:
    """The destinations of applications and the subscriptions of sellers; `journal` outlives a restart."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._destinations: dict[str, dict[str, Any]] = {}
        self._owners: dict[str, str] = {}
        self._subscriptions: dict[str, Subscription] = {}

    def replays(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """What the journal's lines of this book mean."""
        return {
            "destination": lambda entry: self._keep_destination(**entry),
            "destination_ended": lambda entry: self._end_destination(**entry),
            "subscription": lambda entry: self._keep_subscription(**entry),
            "subscription_ended": lambda entry: self._end_subscription(**entry),
        }

    def destinations(self, client: str) -> list[dict[str, Any]]:
        """The application's destinations."""
        return [shown for id, shown in self._destinations.items() if self._owners[id] == client]

    def destination(self, client: str, id: str) -> dict[str, Any] | None:
        """One of them."""
        return self._destinations.get(id) if self._owners.get(id) == client else None

    def add_destination(self, client: str, name: str, arn: str) -> dict[str, Any]:
        """A new destination of the application."""
        shown = {"destinationId": secrets.token_hex(8), "name": name, "resource": {"sqs": {"arn": arn}}}
        self._keep_destination(client, shown)
        self._journal.write("destination", {"client": client, "shown": shown})
        return shown

    def end_destination(self, id: str) -> None:
        """Forget it."""
        self._end_destination(id)
        self._journal.write("destination_ended", {"id": id})

    def subscription(self, client: str, seller: str, kind: str) -> Subscription | None:
        """The seller's subscription to that type."""
        wanted = (client, seller, kind)
        return next((kept for kept in self._subscriptions.values() if kept[1:4] == wanted), None)

    def find(self, client: str, id: str) -> Subscription | None:
        """The application's subscription of that id."""
        found = self._subscriptions.get(id)
        return found if found is not None and found.client == client else None

    def leads_to(self, destination: str) -> bool:
        """Whether anybody is subscribed to go there."""
        return any(kept.destination == destination for kept in self._subscriptions.values())

    def subscribe(self, client: str, seller: str, kind: str, version: str, destination: str) -> Subscription:
        """A new subscription."""
        made = Subscription(secrets.token_hex(8), client, seller, kind, version, destination)
        self._keep_subscription(made._asdict())
        self._journal.write("subscription", {"shown": made._asdict()})
        return made

    def end_subscription(self, id: str) -> None:
        """Forget it."""
        self._end_subscription(id)
        self._journal.write("subscription_ended", {"id": id})

    def dump(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "destinations": list(self._destinations.values()),
            "subscriptions": [kept._asdict() for kept in self._subscriptions.values()],
        }

    def _keep_destination(self, client: str, shown: dict[str, Any]) -> None:
        self._destinations[shown["destinationId"]] = shown
        self._owners[shown["destinationId"]] = client

    def _end_destination(self, id: str) -> None:
        del self._destinations[id], self._owners[id]

    def _keep_subscription(self, shown: dict[str, Any]) -> None:
        self._subscriptions[shown["id"]] = Subscription(**shown)

    def _end_subscription(self, id: str) -> None:
        del self._subscriptions[id]
