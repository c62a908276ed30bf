"""Amazon's notifications: what FBA_OUTBOUND_SHIPMENT_STATUS says, whatever it is wrapped in.

The type's envelope is PascalCase, other types' are camelCase, and a forwarded message may be a string inside an SNS or
EventBridge envelope: names are compared without case and envelopes are opened one by one.
Source: Amazon's schema FBAOutboundShipmentStatusNotification, version 1.0.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

from workflow.errors import Invalid

TYPE = "FBA_OUTBOUND_SHIPMENT_STATUS"
CREATED, CANCELLED = "Created", "Cancelled"
#: Keys under which an envelope carries another one: SNS, EventBridge, SQS.
WRAPPERS = ("message", "detail", "body")
#: Envelopes inside envelopes that we open at the most.
DEPTH = 5
#: Letters, digits, `-`, `_`, `.`; neither `.` nor `..`, which a URL would swallow.
IDENTIFIER = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9._-]{1,64}")
#: No real notification comes near it.
MAX_BYTES = 262_144


class Notification(NamedTuple):
    """One shipment's status: the seller's and the shipment's ids, `Created`, `Cancelled` or something new."""

    seller_id: str
    order_id: str | None
    shipment_id: str
    status: str
    notification_id: str | None


def parse(raw: bytes) -> Notification:
    """Read a notification; raise Invalid with what is missing or wrong."""
    if len(raw) > MAX_BYTES:
        raise Invalid("bad-notification", f"the notification has {len(raw)} bytes; at most {MAX_BYTES} are taken")
    envelope = _unwrap(_load(raw))
    kind = _get(envelope, "NotificationType")
    if kind != TYPE:
        raise Invalid("bad-notification", f"NotificationType is {_shown(kind)}, not {TYPE}; check the subscription")
    payload = _get(_object(envelope, "Payload"), "FBAOutboundShipmentStatusNotification")
    if not isinstance(payload, dict):
        raise Invalid("bad-notification", "Payload.FBAOutboundShipmentStatusNotification is missing")
    metadata = _get(envelope, "NotificationMetadata")
    return Notification(
        seller_id=_id(payload, "SellerId"),
        order_id=_optional_id(payload, "AmazonOrderId"),
        shipment_id=_id(payload, "AmazonShipmentId"),
        status=_status(_text(payload, "ShipmentStatus")),
        notification_id=_optional_id(metadata, "NotificationId") if isinstance(metadata, dict) else None,
    )


def announced_at(raw: bytes) -> datetime | None:
    """When Amazon says that it happened (EventTime); None where that is not told, as of a person's list."""
    try:
        told = _get(_unwrap(_load(raw)), "EventTime")
        return datetime.fromisoformat(told).astimezone(UTC) if isinstance(told, str) else None
    except (Invalid, ValueError, OverflowError):  # the last: its UTC would be in the year 0 or 10000
        return None


def _load(raw: bytes | str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise Invalid("bad-notification", "the notification is no JSON; hand it in as Amazon sent it") from error


def _unwrap(found: Any) -> dict[str, Any]:
    for _ in range(DEPTH):
        while isinstance(found, str):  # each is shorter than the one around it
            found = _load(found)
        if not isinstance(found, dict):
            break
        if _get(found, "NotificationType") is not None:
            return found
        found = next((inner for name in WRAPPERS if (inner := _get(found, name)) is not None), None)
    raise Invalid("bad-notification", "NotificationType is missing; hand in the message as Amazon sent it")


def _get(found: dict[str, Any], name: str) -> Any:
    """The member of that name, whatever its case."""
    return next((value for key, value in found.items() if key.lower() == name.lower()), None)


def _object(found: dict[str, Any], name: str) -> dict[str, Any]:
    value = _get(found, name)
    if not isinstance(value, dict):
        raise Invalid("bad-notification", f"{name} is missing or no object")
    return value


def _text(found: dict[str, Any], name: str) -> str:
    value = _get(found, name)
    if not isinstance(value, str) or not value.strip():
        raise Invalid("bad-notification", f"{name} is missing or no text")
    return value.strip()


def _id(found: dict[str, Any], name: str) -> str:
    """An identifier of Amazon's; it becomes part of ids and URLs."""
    value = _text(found, name)
    if not IDENTIFIER.fullmatch(value):
        raise Invalid("bad-notification", f"{name} is no identifier of Amazon's")
    return value


def _optional_id(found: dict[str, Any], name: str) -> str | None:
    """An identifier that nothing depends on: what is none counts as missing."""
    value = _get(found, name)
    return value.strip() if isinstance(value, str) and IDENTIFIER.fullmatch(value.strip()) else None


def _status(value: str) -> str:
    """The documented spelling of a status we know; others as they are."""
    known = {"created": CREATED, "cancelled": CANCELLED, "canceled": CANCELLED}
    return known.get(value.lower(), value)


def _shown(value: Any) -> str:
    return repr(value[:60]) if isinstance(value, str) else type(value).__name__
