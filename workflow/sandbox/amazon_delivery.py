"""Delivery Shipment Invoicing 2022-07-01 of the local Amazon: the same shipments and submissions by another way in.

Strict as the model: what it requires must be there, with a value of its enumerations. Unknown shipments get the texts
of the official examples, which come before any other complaint there.
"""

from collections.abc import Callable, Mapping
from typing import Any

from workflow.sandbox.amazon_handler import MEDIA, Wrong
from workflow.sandbox.amazon_shipments import ShipmentOperation, Submission
from workflow.sandbox.amazon_tokens import Grant

DELIVERY = "/delivery/2022-07-01/invoice"

#: What the model requires of both operations, with the values it knows; empty: any text.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "marketplaceId": (),
    "invoiceType": ("Outbound",),
    "programType": ("EasyShip", "FbaOnSite", "SelfShip"),
}
_CONTENT: Mapping[str, tuple[str, ...]] = {"invoiceContent": (), "contentMD5Value": ()}

_NO_ID = Wrong(400, "InvalidInput", "Either orderId or shipmentId is required.")

Act = Callable[[Grant, str], dict[str, Any] | Wrong]


class DeliveryOperation(ShipmentOperation):
    """One of the two operations, about the order or shipment that the query names; the order takes precedence."""

    async def serve_named(self, act: Act) -> None:
        """As `serve`, for the shipment that is meant."""
        order_id, shipment_id = self._given("orderId"), self._given("shipmentId")
        if order_id:
            shipment_id = self.book.shipment_of(order_id)
        if shipment_id:
            await self.serve(shipment_id, act)
        else:
            wrong = self.unknown(order_id) if order_id else _NO_ID
            await self.serve(order_id or "", lambda grant, name: wrong)

    def _given(self, name: str) -> str | None:
        value: str | None = self.get_query_argument(name, None)
        return value


class DeliverySubmission(DeliveryOperation, Submission):
    """POST …/invoice: base64 of the file, the MD5 of its raw bytes, the program."""

    operation = "delivery.submitInvoice"

    async def post(self) -> None:
        """`{}` when the file is taken for processing."""
        await self.serve_named(self._submit)

    def unknown(self, shipment_id: str) -> Wrong:
        """The official example's text."""
        return Wrong(400, "EntityNotFound", f"Entity (ShipmentId, {shipment_id}) was not found")

    def _submit(self, grant: Grant, shipment_id: str) -> dict[str, Any] | Wrong:
        if not self.is_json():
            return MEDIA
        if self.book.find(shipment_id, grant.seller_id) is None:
            return self.unknown(shipment_id)
        body = self.read_json() or {}
        if wrong := _mistake(body, {**_CONTENT, **_ABOUT}):
            return wrong
        xml = self.unpack(body["invoiceContent"], body["contentMD5Value"])
        if isinstance(xml, str):
            return Wrong(400, "InvalidInput", "invoiceContent is invalid", xml)
        return self.take(shipment_id, xml)


class DeliveryStatus(DeliveryOperation):
    """GET …/invoice/status: Processing, Accepted, Errored or NotFound in a flat answer."""

    operation = "delivery.getInvoiceStatus"

    async def get(self) -> None:
        """The status, with the ids of order and shipment."""
        await self.serve_named(self._status)

    def unknown(self, shipment_id: str) -> Wrong:
        """The official example's text."""
        return Wrong(400, "InvalidInput", "Invalid Shipment Id", f"'{shipment_id}' is an invalid shipment Id")

    def _status(self, grant: Grant, shipment_id: str) -> dict[str, Any] | Wrong:
        shipment = self.book.find(shipment_id, grant.seller_id)
        if shipment is None:
            return self.unknown(shipment_id)
        if wrong := _mistake({name: self._given(name) for name in _ABOUT}, _ABOUT):
            return wrong
        order_id = shipment.details.get("AmazonOrderId")
        status = {"amazonShipmentId": shipment_id, "invoiceStatus": self.book.verdict(shipment_id)}
        return status if order_id is None else {"amazonOrderId": order_id, **status}


def _mistake(given: Mapping[str, Any], required: Mapping[str, tuple[str, ...]]) -> Wrong | None:
    """The first required field that is missing, or has a value the model does not know."""
    for name, known in required.items():
        value = given.get(name)
        if not isinstance(value, str) or not value:
            return Wrong(400, "InvalidInput", f"{name} is required.")
        if known and value not in known:
            return Wrong(400, "InvalidInput", f"{name} is invalid.", f"{name} is one of {', '.join(known)}")
    return None
