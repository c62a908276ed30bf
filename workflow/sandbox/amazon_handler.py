"""What all of Amazon's operations share: the grant of the caller, JSON, the shape of an error."""

import json
import secrets
from collections.abc import Callable, Collection
from http.client import responses
from typing import Any, NamedTuple

from workflow.sandbox.amazon_book import AmazonBook
from workflow.sandbox.amazon_tokens import Grant, read
from workflow.sandbox.faults import Answer, SpoiltHandler

SHIPMENTS = "/fba/outbound/brazil/v0/shipments"
CUSTOMER_INVOICES = "/vendor/directFulfillment/shipping/v1/customerInvoices"

JSON = "application/json"

#: Amazon returns the rate only with these; on 401, 403, 429 and 5xx the header is absent.
_WITH_RATE = {200, 400, 404}


class Wrong(NamedTuple):
    """An answer that is not 2xx: Amazon's code, message and details."""

    status: int
    code: str
    message: str
    details: str = ""

    def body(self) -> dict[str, Any]:
        """The official ErrorList."""
        return {"errors": [{"code": self.code, "message": self.message, "details": self.details}]}


def denied(details: str) -> Wrong:
    """403 as Amazon words it."""
    return Wrong(403, "Unauthorized", "Access to requested resource is denied.", details)


#: The bucket is empty.
QUOTA = Wrong(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")
#: The body is not JSON.
MEDIA = Wrong(415, "UnsupportedMediaType", "The request payload is in an unsupported format.")


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
            return denied("Access token is missing in the request header.")
        grant = read(token)
        if grant is None:
            return denied("The access token you provided is revoked, malformed or invalid.")
        if grant.expires <= self.book.clock() or grant.issued < self.book.settings.tokens_valid_from:
            return denied("The access token you provided has expired.")
        return grant

    def answer(self, result: dict[str, Any] | Wrong, rate: float | None = None) -> Answer:
        """The result in Amazon's clothes."""
        status, body = (result.status, result.body()) if isinstance(result, Wrong) else (200, result)
        headers = {"x-amzn-RequestId": secrets.token_hex(16)}
        if rate is not None and status in _WITH_RATE:
            headers["x-amzn-RateLimit-Limit"] = f"{rate:g}"
        # Half a character has no UTF-8: it is written as JSON's own escape.
        return Answer(status, json.dumps(body, ensure_ascii=False).encode(errors="backslashreplace"), JSON, headers)

    def failure(self, status: int) -> Answer:
        """A failure in Amazon's shape; what a proxy in front would say is the faults' own page."""
        return self.answer(_failed(status))

    def read_json(self) -> dict[str, Any] | None:
        """The body, None when it is no JSON object."""
        try:
            body = json.loads(self.request.body)
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None

    def is_json(self) -> bool:
        """Whether the request says that its body is JSON."""
        return self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower() == JSON

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Answer a refused method or a crash in Amazon's shape."""
        self.set_header("Content-Type", JSON)
        self.finish(json.dumps(_failed(status_code).body()))


def _failed(status: int) -> Wrong:
    """A status without more to say, its code and message made of HTTP's own words."""
    phrase = responses.get(status, "Failure")
    return Wrong(status, phrase.replace(" ", ""), phrase)


class NoSuchPath(AmazonHandler):
    """Every address that the models do not know."""

    async def prepare(self) -> None:
        """Answer 404 whatever the method."""
        wrong = Wrong(404, "NotFound", "The specified resource does not exist.")
        await self.respond("unknown", (self.request.path,), lambda: self.answer(wrong))
