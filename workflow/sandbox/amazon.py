"""A local Amazon over plain HTTP on loopback: LWA, tokens 2021-03-01 and Shipment Invoicing v0.

Paths, shapes, codes and rate plans are those of the official models; the examples of Amazon's own static sandbox
(`BadShipId`, `BadIDForShipment`) give their texts. What the models leave open is a switch of `AmazonSettings`.
"""

import base64
import binascii
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Collection
from http import HTTPStatus
from typing import Any, NamedTuple

from tornado.routing import URLSpec
from tornado.web import Application

from workflow.sandbox import control
from workflow.sandbox.amazon_book import AmazonBook, Conflict
from workflow.sandbox.amazon_tokens import Grant, digest, issue, read
from workflow.sandbox.faults import Answer, SpoiltHandler

SHIPMENTS = "/fba/outbound/brazil/v0/shipments"

#: Restricted operations a restricted data token may be asked for, as `METHOD path`.
_RESTRICTED = (re.compile(rf"GET {SHIPMENTS}/[^/]+"),)

_JSON = "application/json"

#: Amazon returns the rate only with these; on 401, 403, 429 and 5xx the header is absent.
_WITH_RATE = {200, 400, 404}


def application(book: AmazonBook) -> Application:
    """The local Amazon as a tornado application, its control API under `/_control/`."""
    about = {"book": book}
    return Application(
        [
            *control.routes(book),
            URLSpec(r"/auth/o2/token", LwaToken, about),
            URLSpec(r"/tokens/2021-03-01/restrictedDataToken", RestrictedDataToken, about),
            URLSpec(rf"{SHIPMENTS}/([^/]+)", ShipmentDetails, about),
            URLSpec(rf"{SHIPMENTS}/([^/]+)/invoice", SubmitInvoice, about),
            URLSpec(rf"{SHIPMENTS}/([^/]+)/invoice/status", InvoiceStatus, about),
        ],
        default_handler_class=NoSuchPath,
        default_handler_args=about,
        log_function=lambda handler: None,
    )


class Wrong(NamedTuple):
    """An answer that is not 2xx: Amazon's code, message and details."""

    status: int
    code: str
    message: str
    details: str = ""

    def body(self) -> dict[str, Any]:
        """The official ErrorList."""
        return {"errors": [{"code": self.code, "message": self.message, "details": self.details}]}


def _denied(details: str) -> Wrong:
    return Wrong(403, "Unauthorized", "Access to requested resource is denied.", details)


_QUOTA = Wrong(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
_MEDIA = Wrong(415, "UnsupportedMediaType", "The request payload is in an unsupported format.")


class AmazonHandler(SpoiltHandler):
    """What all operations share: the book, the caller's grant, the plan, JSON."""

    def initialize(self, book: AmazonBook) -> None:
        """Take the book the application was made with."""
        self.book = book
        self.faults = book.faults
        self.record: Callable[[str, Collection[str], str], None] = book.record

    def grant(self) -> Grant | Wrong:
        """The caller's grant, or why there is none."""
        token = self.request.headers.get("x-amz-access-token")
        if not token:
            return _denied("Access token is missing in the request header.")
        grant = read(token)
        if grant is None:
            return _denied("The access token you provided is revoked, malformed or invalid.")
        if grant.expires <= self.book.clock() or grant.issued < self.book.settings.tokens_valid_from:
            return _denied("The access token you provided has expired.")
        return grant

    def answer(self, result: dict[str, Any] | Wrong, rate: float | None = None) -> Answer:
        """The result in Amazon's clothes."""
        status, body = (result.status, result.body()) if isinstance(result, Wrong) else (200, result)
        headers = {"x-amzn-RequestId": secrets.token_hex(16)}
        if rate is not None and status in _WITH_RATE:
            headers["x-amzn-RateLimit-Limit"] = f"{rate:g}"
        return Answer(status, json.dumps(body, ensure_ascii=False).encode(), _JSON, headers)

    def read_json(self) -> dict[str, Any] | None:
        """The body, None when it is no JSON object."""
        try:
            body = json.loads(self.request.body)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def is_json(self) -> bool:
        """Whether the request says that its body is JSON."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == _JSON

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a refused method or a crash in Amazon's shape."""
        phrase = HTTPStatus(status_code).phrase
        self.set_header("Content-Type", _JSON)
        self.finish(json.dumps(Wrong(status_code, phrase.replace(" ", ""), phrase).body()))


class NoSuchPath(AmazonHandler):
    """Every address that the models do not know."""

    async def prepare(self) -> None:
        """Answer 404 whatever the method."""
        wrong = Wrong(404, "NotFound", "The specified resource does not exist.")
        await self.respond("unknown", (self.request.path,), lambda: self.answer(wrong))


class LwaToken(AmazonHandler):
    """POST /auth/o2/token: Login with Amazon, which has an error shape of its own."""

    async def post(self) -> None:
        """Exchange a refresh token, or the application's own credentials, for an access token."""
        await self.respond("lwa", (), self._exchange)

    def _exchange(self) -> Answer:
        client = self.get_body_argument("client_id", "")
        settings = self.book.settings
        if settings.clients is not None and settings.clients.get(client) != self.get_body_argument("client_secret", ""):
            return self._refuse("invalid_client", "Client authentication failed", 401)
        kind = self.get_body_argument("grant_type", "")
        if kind == "refresh_token":
            return self._refresh(client, self.get_body_argument("refresh_token", ""))
        if kind == "client_credentials" and self.get_body_argument("scope", ""):
            return self._issue(Grant("grantless", client, "", None, *self._lifetime()), None)
        if kind == "client_credentials":
            return self._refuse("invalid_scope", "The request has an invalid scope", 400)
        return self._refuse("unsupported_grant_type", "The grant type is not supported", 400)

    def _refresh(self, client: str, refresh_token: str) -> Answer:
        sellers = self.book.settings.sellers
        if not refresh_token:
            return self._refuse("invalid_request", "The request is missing a required parameter", 400)
        if sellers is not None and refresh_token not in sellers:
            return self._refuse("invalid_grant", "The request has an invalid grant parameter", 400)
        seller_id = sellers[refresh_token] if sellers is not None else None
        grant = Grant("plain", client, digest(refresh_token), seller_id, *self._lifetime())
        return self._issue(grant, refresh_token)

    def _lifetime(self) -> tuple[float, float]:
        now = self.book.clock()
        return now, now + self.book.settings.token_seconds

    def _issue(self, grant: Grant, refresh_token: str | None) -> Answer:
        seconds = self.book.settings.token_seconds
        body = {"access_token": issue(grant), "token_type": "bearer", "expires_in": seconds}
        if refresh_token:
            body["refresh_token"] = refresh_token
        return Answer(200, json.dumps(body).encode(), _JSON)

    def _refuse(self, error: str, description: str, status: int) -> Answer:
        body = {"error": error, "error_description": description}
        return Answer(status, json.dumps(body).encode(), _JSON)


class RestrictedDataToken(AmazonHandler):
    """POST /tokens/2021-03-01/restrictedDataToken."""

    async def post(self) -> None:
        """Exchange an access token for one that opens the named restricted resources."""
        await self.respond("createRestrictedDataToken", (), self._create)

    def _create(self) -> Answer:
        settings = self.book.settings
        return self.answer(self._result(), settings.token_rate)

    def _result(self) -> dict[str, Any] | Wrong:
        settings = self.book.settings
        grant = self.grant()
        if isinstance(grant, Wrong):
            return grant
        if not grant.is_plain:
            return _denied("The access token you provided is not the seller's.")
        if not self.is_json():
            return _MEDIA
        if not self.book.permit(
            grant.client,
            grant.seller,
            "createRestrictedDataToken",
            rate=settings.token_rate,
            burst=settings.token_burst,
        ):
            return _QUOTA
        resources = self._resources()
        if isinstance(resources, Wrong):
            return resources
        expires = self.book.clock() + settings.token_seconds
        restricted = grant._replace(kind="restricted", issued=self.book.clock(), expires=expires, resources=resources)
        return {"restrictedDataToken": issue(restricted), "expiresIn": settings.token_seconds}

    def _resources(self) -> tuple[str, ...] | Wrong:
        given = (self.read_json() or {}).get("restrictedResources")
        if not isinstance(given, list) or not 1 <= len(given) <= 50:
            return Wrong(
                400, "InvalidRequest", "Request is missing or has invalid parameters", "Resource not provided."
            )
        names = tuple(f"{entry.get('method', '')} {entry.get('path', '')}" for entry in given)
        if not all(any(pattern.fullmatch(name) for pattern in _RESTRICTED) for name in names):
            return Wrong(400, "InvalidInput", "Application do not have access to some or all requested resource")
        return names


class ShipmentOperation(AmazonHandler):
    """One of the three operations on a shipment: grant, then plan, then the shipment itself."""

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
            return _denied("")
        settings = self.book.settings
        if not self.book.permit(grant.client, grant.seller, self.operation, rate=settings.rate, burst=settings.burst):
            return _QUOTA
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


class SubmitInvoice(ShipmentOperation):
    """POST …/shipments/{shipmentId}/invoice: base64 of the file and the MD5 of its raw bytes."""

    operation = "submitInvoice"

    async def post(self, shipment_id: str) -> None:
        """`{}` when the file is taken for processing."""
        await self.serve(shipment_id, self._submit)

    def _submit(self, grant: Grant, shipment_id: str) -> dict[str, Any] | Wrong:
        if not self.is_json():
            return _MEDIA
        body = self.read_json() or {}
        content, md5 = body.get("InvoiceContent"), body.get("ContentMD5Value")
        if not isinstance(content, str) or not isinstance(md5, str):
            return Wrong(400, "InvalidInput", "InvoiceContent and ContentMD5Value are required")
        xml = _decode(content)
        wrong = []
        if xml is None:
            wrong.append("InvoiceContent fails encoding.")
        elif md5 not in self._accepted_md5(xml):
            wrong.append("ContentMD5Value does not match InvoiceContent.")
        known = self.book.find(shipment_id, grant.seller_id) is not None
        if not known:
            wrong.append(f"Shipment '{shipment_id}' does not exist")
        if wrong or xml is None:
            message = "InvoiceContent is invalid" if known else "Shipment ID is invalid"
            return Wrong(400, "InvalidInput", message, " ".join(wrong))
        return self._take(shipment_id, xml)

    def _take(self, shipment_id: str, xml: bytes) -> dict[str, Any] | Wrong:
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


def _decode(content: str) -> bytes | None:
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None
