"""Amazon's Vendor Direct Fulfillment Shipping API v1: the customer invoices of a vendor (India, on the EU host).

A method is one request (twice on 401 or 403, with a fresh token), and both need a restricted data token. What
Amazon's model promises is not relied on: the `payload` wrapper may be missing, and so may anything in it. The content
is handed on as the text that came: whether it is base64 is not this file's to say.
Source: vendorDirectFulfillmentShippingV1.json of amzn/selling-partner-api-models, 2026-08-05.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

import requests

from workflow.clients.amazon_tokens import Tokens
from workflow.clients.selling_partner import Call, SellingPartner, Throttled, Token, content_of
from workflow.errors import Invalid, SellerStopped

__all__ = ["GET", "LIST", "CustomerInvoice", "Page", "Query", "Throttled", "VendorClient"]

#: The operations' names, which rate plans and faults go by.
LIST, GET = "getCustomerInvoices", "getCustomerInvoice"
LIST_PATH = "/vendor/directFulfillment/shipping/v1/customerInvoices"
#: With its literal placeholder: one restricted data token serves every order for an hour.
GET_PATH = LIST_PATH + "/{purchaseOrderNumber}"

#: The model's pattern of a purchase order number.
_ORDER_NUMBER = re.compile(r"[a-zA-Z0-9]+")


class Query(NamedTuple):
    """What to list: orders that became available between two aware moments, at most seven days apart."""

    created_after: datetime
    created_before: datetime
    limit: int | None = None
    sort_order: str | None = None
    ship_from_party_id: str | None = None


class CustomerInvoice(NamedTuple):
    """An invoice as it came: both texts may be empty, and the content may be anything."""

    purchase_order_number: str
    content: str


class Page(NamedTuple):
    """Some of the invoices, and the token of the next page; None on the last."""

    invoices: tuple[CustomerInvoice, ...]
    next_token: str | None


#: A page of the list holds the files themselves, up to a hundred.
LARGEST_LIST = 64 * 1024 * 1024


class VendorClient:
    """The two operations for the vendor whose tokens these are."""

    def __init__(
        self,
        *,
        http: requests.Session,
        tokens: Tokens,
        base_url: str,
        timeout: float,
        on_rate: Callable[[str, Decimal], None] | None = None,
    ) -> None:
        self._api = SellingPartner(http=http, base_url=base_url, timeout=timeout, on_rate=on_rate)
        self._list = Token(lambda: _restricted(tokens, LIST_PATH), tokens.forget)
        self._get = Token(lambda: _restricted(tokens, GET_PATH), tokens.forget)

    def customer_invoices(self, query: Query, next_token: str | None = None) -> Page:
        """One page of the list. Raises Throttled, RetryLater, Refused, SellerStopped."""
        path = f"{LIST_PATH}?{urlencode(_parameters(query, next_token))}"
        call = Call(LIST, "GET", path, asks_about_buyer=True, largest=LARGEST_LIST)
        payload = _payload(content_of(call, self._api.call(call, self._list)))
        entries = payload.get("customerInvoices")
        pagination = payload.get("pagination")
        token = pagination.get("nextToken") if isinstance(pagination, dict) else None
        return Page(
            tuple(_invoice(entry) for entry in entries if isinstance(entry, dict)) if isinstance(entries, list) else (),
            token if isinstance(token, str) and token else None,
        )

    def customer_invoice(self, purchase_order_number: str) -> CustomerInvoice:
        """The invoice of one order; Invalid `bad-order-number` before anything is sent, else as above."""
        if not _ORDER_NUMBER.fullmatch(purchase_order_number):
            raise Invalid("bad-order-number", "a purchase order number has letters A-Z and digits only; check it")
        call = Call(GET, "GET", GET_PATH.replace("{purchaseOrderNumber}", purchase_order_number), asks_about_buyer=True)
        return _invoice(_payload(content_of(call, self._api.call(call, self._get))))


def _restricted(tokens: Tokens, path: str) -> str:
    try:
        return tokens.restricted_token(path)
    except SellerStopped as error:
        if error.code != "amazon-role-missing":
            raise
        raise SellerStopped(
            error.code,
            f"the application may not read {path}: it needs the role Direct-to-Consumer Shipping (restricted), "
            "then a new authorisation by the vendor",
        ) from error


def _parameters(query: Query, next_token: str | None) -> dict[str, str]:
    """The query string's parts; the dates are required on every page."""
    given = {
        "createdAfter": _moment(query.created_after),
        "createdBefore": _moment(query.created_before),
        "limit": None if query.limit is None else str(query.limit),
        "sortOrder": query.sort_order,
        "shipFromPartyId": query.ship_from_party_id,
        "nextToken": next_token,
    }
    return {name: value for name, value in given.items() if value is not None}


def _moment(moment: datetime) -> str:
    """ISO 8601 in UTC, whole seconds.

    >>> _moment(datetime.fromisoformat("2026-11-22T05:30:00+05:30"))
    '2026-11-22T00:00:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _payload(content: dict[str, Any]) -> dict[str, Any]:
    """What is in `payload`, or the answer itself: Amazon's older guide shows the list without the wrapper."""
    payload = content.get("payload")
    return payload if isinstance(payload, dict) else content


def _invoice(entry: dict[str, Any]) -> CustomerInvoice:
    number, content = entry.get("purchaseOrderNumber"), entry.get("content")
    return CustomerInvoice(number if isinstance(number, str) else "", content if isinstance(content, str) else "")
