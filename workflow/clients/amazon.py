"""Amazon's Shipment Invoicing API v0 (FBA Onsite, Brazil only): details, submission, verdict.

A method is one request (twice on 401 or 403, with a fresh token). The details need a restricted data token, the
other two the seller's plain token. The bytes given are the bytes hashed and sent: nobody serialises them again.
Source: shipmentInvoicingV0.json of amzn/selling-partner-api-models, 2026-08-05.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import quote

import requests

from workflow.clients.amazon_tokens import Tokens
from workflow.clients.selling_partner import Call, SellingPartner, Throttled, Token, content_of, one_line, refusal
from workflow.errors import Invalid, Refused, RetryLater

__all__ = ["AmazonClient", "InvoiceStatus", "NoSuchShipment", "Throttled", "content_md5", "known_verdict", "member"]

#: The path with its literal placeholder: one restricted data token serves every shipment of the seller for an hour.
DETAILS_PATH = "/fba/outbound/brazil/v0/shipments/{shipmentId}"

#: The documented verdicts; any other is handed on as it came.
VERDICTS = ("Processing", "Accepted", "Errored", "NotFound")


class InvoiceStatus(NamedTuple):
    """Amazon's verdict (`Processing`, `Accepted`, `Errored`, `NotFound` or a new word) and the answer as received."""

    status: str
    raw: bytes


class NoSuchShipment(Refused):
    """Amazon knows no such shipment, or does not know it yet."""


class AmazonClient:
    """The three operations for the seller whose tokens these are."""

    def __init__(
        self,
        *,
        http: requests.Session,
        tokens: Tokens,
        base_url: str,
        marketplace_id: str,
        timeout: float,
        md5_hex: bool = False,
        on_rate: Callable[[str, Decimal], None] | None = None,
    ) -> None:
        self._api = SellingPartner(http=http, base_url=base_url, timeout=timeout, on_rate=on_rate)
        self._plain = Token(tokens.access_token, tokens.forget)
        self._restricted = Token(lambda: tokens.restricted_token(DETAILS_PATH), tokens.forget)
        self._marketplace_id = marketplace_id
        self._md5_hex = md5_hex

    def shipment_details(self, shipment_id: str) -> bytes:
        """The JSON bytes of getShipmentDetails as received: an object, not looked into. NoSuchShipment on 404."""
        call = Call("getShipmentDetails", "GET", _path(shipment_id), also=(404,), asks_about_buyer=True)
        answer = self._api.call(call, self._restricted)
        if answer.status == 404:
            refused = refusal(call, answer)
            raise NoSuchShipment(refused.code, refused.message, answer=refused.answer)
        content_of(call, answer)
        return answer.body

    def submit_invoice(self, shipment_id: str, xml: bytes) -> None:
        """Hand in the authorised file; LostAnswer when Amazon may have it: ask invoice_status before sending again."""
        body = {
            "InvoiceContent": base64.b64encode(xml).decode(),
            "ContentMD5Value": content_md5_hex(xml) if self._md5_hex else content_md5(xml),
            "MarketplaceId": self._marketplace_id,
        }
        call = Call("submitInvoice", "POST", _path(shipment_id) + "/invoice", body, asks=False)
        content_of(call, self._api.call(call, self._plain))

    def invoice_status(self, shipment_id: str) -> InvoiceStatus:
        """Ask for the verdict; `NotFound` is one (in a 200). RetryLater `amazon-no-status` when the answer has none."""
        call = Call("getInvoiceStatus", "GET", _path(shipment_id) + "/invoice/status")
        answer = self._api.call(call, self._plain)
        return InvoiceStatus(_verdict(content_of(call, answer), shipment_id), answer.body)


def content_md5(xml: bytes) -> str:
    """Content-MD5 of RFC 1864: base64 of the 16 bytes of the digest, 24 characters.

    >>> content_md5(b"<nfeProc/>")
    'zzT0PsHWrHH9Wlz4pUceqg=='
    >>> content_md5(b"Have to deal with Base64 format?")
    '4ceOTuLf5m30CAJqEZ1XrA=='
    """
    return base64.b64encode(hashlib.md5(xml, usedforsecurity=False).digest()).decode()


def content_md5_hex(xml: bytes) -> str:
    """The same digest in hex, as Amazon's sandbox examples show it against Amazon's own guide.

    >>> content_md5_hex(b"Have to deal with Base64 format?")
    'e1c78e4ee2dfe66df408026a119d57ac'
    """
    return hashlib.md5(xml, usedforsecurity=False).hexdigest()


def _path(shipment_id: str) -> str:
    # A segment of dots would be resolved away and address another resource.
    if not shipment_id.strip("."):
        raise Invalid("bad-shipment-id", "the shipment id is empty or only dots; Amazon knows no such shipment")
    return DETAILS_PATH.replace("{shipmentId}", quote(shipment_id, safe=""))


def _verdict(content: Mapping[str, Any], shipment_id: str) -> str:
    """The status of this shipment, in the documented spelling where it is a documented one."""
    found = None
    for shipment in _shipments(content):
        # Of several submissions the last one counts.
        if member(shipment, "AmazonShipmentId") in (None, shipment_id):
            found = member(shipment, "InvoiceStatus")
    return known_verdict(found, shipment_id)


def known_verdict(found: Any, shipment_id: str) -> str:
    """Amazon's word for a status, in the documented spelling where it is one; RetryLater when it is no word."""
    if not isinstance(found, str) or not found.strip():
        raise RetryLater("amazon-no-status", f"Amazon's answer has no InvoiceStatus for shipment {shipment_id}")
    known = {verdict.casefold(): verdict for verdict in VERDICTS}
    return known.get(found.strip().casefold(), one_line(found))


def _shipments(content: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """`Shipments` is modelled as one object in spite of its name; its ancestor was a list: accept both."""
    payload = member(content, "payload")
    shipments = member(payload if isinstance(payload, dict) else content, "Shipments")
    for shipment in shipments if isinstance(shipments, list) else [shipments]:
        if isinstance(shipment, dict):
            yield shipment


def member(content: Mapping[str, Any], name: str) -> Any:
    """A member by its name in any casing: the sister API writes `invoiceStatus`."""
    return next((value for key, value in content.items() if key.casefold() == name.casefold()), None)
