"""Amazon's Delivery Shipment Invoicing API 2022-07-01: the second way to hand an invoice in, for three programs.

It stands beside Shipment Invoicing v0, with methods of the same shape: lowerCamel names, the program and the type of
the invoice in every request, a status without `payload`. It knows no details of shipments, and needs the seller's
plain token only.
Source: deliveryShipmentInvoiceV2022-07-01.json of amzn/selling-partner-api-models, 2026-08-05.
"""

import base64
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlencode

import requests

from workflow.clients.amazon import InvoiceStatus, content_md5, content_md5_hex, known_verdict, member
from workflow.clients.amazon_tokens import Tokens
from workflow.clients.selling_partner import Call, SellingPartner, Token, content_of
from workflow.errors import Invalid

#: EasyShip is Brazil's Delivery by Amazon (DBA); SelfShip sellers deliver themselves.
PROGRAMS = ("EasyShip", "FbaOnSite", "SelfShip")
INVOICE_TYPES = ("Outbound",)

#: The model's names, which Shipment Invoicing v0 has too: a bucket of the rate plan must say whose it means.
OPERATIONS = ("submitInvoice", "getInvoiceStatus")
PATH = "/delivery/2022-07-01/invoice"


class DeliveryClient:
    """The two operations for the seller whose tokens these are, in one of Amazon's programs."""

    def __init__(
        self,
        *,
        http: requests.Session,
        tokens: Tokens,
        base_url: str,
        marketplace_id: str,
        program: str,
        invoice_type: str,
        timeout: float,
        md5_hex: bool = False,
        on_rate: Callable[[str, Decimal], None] | None = None,
    ) -> None:
        self._api = SellingPartner(http=http, base_url=base_url, timeout=timeout, on_rate=on_rate)
        self._token = Token(tokens.access_token, tokens.forget)
        self._about = {"marketplaceId": marketplace_id, "invoiceType": invoice_type, "programType": program}
        self._md5_hex = md5_hex

    def submit_invoice(self, shipment_id: str, xml: bytes) -> None:
        """Hand in the authorised file; LostAnswer when Amazon may have it: ask invoice_status before sending again."""
        body = {
            "invoiceContent": base64.b64encode(xml).decode(),
            # The model's x-example is hex with `==` behind it; its prose names the guide, which means RFC 1864.
            "contentMD5Value": content_md5_hex(xml) if self._md5_hex else content_md5(xml),
            **self._about,
        }
        call = Call("submitInvoice", "POST", f"{PATH}?{_query(shipment_id)}", body, asks=False)
        content_of(call, self._api.call(call, self._token))

    def invoice_status(self, shipment_id: str) -> InvoiceStatus:
        """Ask for the verdict; `NotFound` is one (in a 200). RetryLater `amazon-no-status` when the answer has none."""
        call = Call("getInvoiceStatus", "GET", f"{PATH}/status?{_query(shipment_id, **self._about)}")
        answer = self._api.call(call, self._token)
        content = content_of(call, answer)
        ours = member(content, "amazonShipmentId") in (None, shipment_id)
        status = known_verdict(member(content, "invoiceStatus") if ours else None, shipment_id)
        return InvoiceStatus(status, answer.body)


def _query(shipment_id: str, **others: str) -> str:
    if not shipment_id.strip():
        raise Invalid("bad-shipment-id", "the shipment id is empty; Amazon knows no such shipment")
    return urlencode({"shipmentId": shipment_id, **others})
