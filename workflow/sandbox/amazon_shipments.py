"""Shipment Invoicing v0 of the local Amazon: details, submission, verdict.

The examples of Amazon's own static sandbox (`BadShipId`, `BadIDForShipment`) give the texts of the errors.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Collection
from typing import Any

from workflow.sandbox.amazon_book import Conflict
from workflow.sandbox.amazon_handler import MEDIA, QUOTA, SHIPMENTS, AmazonHandler, Wrong, denied
from workflow.sandbox.amazon_tokens import Grant
from workflow.sandbox.faults import Answer


class ShipmentOperation(AmazonHandler):
    """One of the operations on a shipment: grant, then plan, then the shipment itself."""

    operation: str

    async def serve(self, shipment_id: str, act: Callable[[Grant, str], dict[str, Any] | Wrong]) -> None:
        """Answer `act` if the grant and the plan allow it."""

        def process() -> Answer:
            return self.answer(self._guarded(shipment_id, act), self.book.settings.rate)

        await self.respond(self.operation, (shipment_id,), process)

    def _guarded(self, shipment_id: str, act: Callable[[Grant, str], dict[str, Any] | Wrong]) -> dict[str, Any] | Wrong:
        grant = self.grant()
        if isinstance(grant, Wrong):
            return grant
        if not self.allows(grant, shipment_id):
            return denied("")
        settings = self.book.settings
        if not self.book.permit(grant.client, grant.seller, self.operation, rate=settings.rate, burst=settings.burst):
            return QUOTA
        return act(grant, shipment_id)

    def allows(self, grant: Grant, shipment_id: str) -> bool:
        """Whether the grant opens this operation."""
        return grant.is_plain

    def unknown(self, shipment_id: str) -> Wrong:
        """The official example's text for an unknown shipment."""
        return Wrong(400, "InvalidInput", "Invalid Shipment ID", f"'{shipment_id}' is an invalid ShipmentID")


class ShipmentDetails(ShipmentOperation):
    """GET …/shipments/{shipmentId}: restricted, since it names the buyer."""

    operation = "getShipmentDetails"

    async def get(self, shipment_id: str) -> None:
        """The details in `payload`."""
        await self.serve(shipment_id, self._details)

    def allows(self, grant: Grant, shipment_id: str) -> bool:
        """Only a restricted data token of the generic path or of this very shipment."""
        wanted = (f"GET {SHIPMENTS}/{{shipmentId}}", f"GET {SHIPMENTS}/{shipment_id}")
        return grant.kind == "restricted" and any(resource in wanted for resource in grant.resources)

    def _details(self, grant: Grant, shipment_id: str) -> dict[str, Any] | Wrong:
        shipment = self.book.find(shipment_id, grant.seller_id)
        return {"payload": shipment.details} if shipment else self.unknown(shipment_id)


class Submission(ShipmentOperation):
    """What handing in has in common: a file whose MD5 fits, and no other invoice in its way."""

    def unpack(self, content: str, md5: str) -> bytes | str:
        """The bytes of the file, or what is wrong with it."""
        try:
            xml = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError):
            return "InvoiceContent fails encoding."
        return xml if md5 in self._accepted_md5(xml) else "ContentMD5Value does not match InvoiceContent."

    def take(self, shipment_id: str, xml: bytes) -> dict[str, Any] | Wrong:
        """`{}`, or that another invoice stands in the way."""
        try:
            self.book.submit(shipment_id, xml)
        except Conflict:
            details = f"Another invoice of shipment '{shipment_id}' is processed or accepted"
            return Wrong(400, "InvalidInput", "Invoice already submitted", details)
        return {}

    def _accepted_md5(self, xml: bytes) -> Collection[str]:
        hashed = hashlib.md5(xml, usedforsecurity=False)
        forms = {"base64": base64.b64encode(hashed.digest()).decode(), "hex": hashed.hexdigest()}
        mode = self.book.settings.md5
        return forms.values() if mode == "any" else (forms[mode],)


class SubmitInvoice(Submission):
    """POST …/shipments/{shipmentId}/invoice: base64 of the file and the MD5 of its raw bytes."""

    operation = "submitInvoice"

    async def post(self, shipment_id: str) -> None:
        """`{}` when the file is taken for processing."""
        await self.serve(shipment_id, self._submit)

    def _submit(self, grant: Grant, shipment_id: str) -> dict[str, Any] | Wrong:
        if not self.is_json():
            return MEDIA
        body = self.read_json() or {}
        content, md5 = body.get("InvoiceContent"), body.get("ContentMD5Value")
        if not isinstance(content, str) or not isinstance(md5, str):
            return Wrong(400, "InvalidInput", "InvoiceContent and ContentMD5Value are required")
        xml = self.unpack(content, md5)
        wrong = [xml] if isinstance(xml, str) else []
        known = self.book.find(shipment_id, grant.seller_id) is not None
        if not known:
            wrong.append(f"Shipment '{shipment_id}' does not exist")
        if wrong or isinstance(xml, str):
            message = "InvoiceContent is invalid" if known else "Shipment ID is invalid"
            return Wrong(400, "InvalidInput", message, " ".join(wrong))
        return self.take(shipment_id, xml)


class InvoiceStatus(ShipmentOperation):
    """GET …/shipments/{shipmentId}/invoice/status: Processing, Accepted, Errored or NotFound, no reason."""

    operation = "getInvoiceStatus"

    async def get(self, shipment_id: str) -> None:
        """The status; `Shipments` is one object in spite of its name."""
        await self.serve(shipment_id, self._status)

    def _status(self, grant: Grant, shipment_id: str) -> dict[str, Any] | Wrong:
        if self.book.find(shipment_id, grant.seller_id) is None:
            return self.unknown(shipment_id)
        entry = {"AmazonShipmentId": shipment_id, "InvoiceStatus": self.book.verdict(shipment_id)}
        return {"payload": {"Shipments": [entry] if self.book.settings.status_as_list else entry}}
