"""The customer invoices that the local Amazon holds for vendors, and how it lists them page by page.

While it holds none it answers as Amazon's static sandbox does: with examples whose content is no base64.
"""

import base64
import binascii
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

#: The catch-all examples of the official model; the token is the list's, and it ends there.
EXAMPLE_TOKEN = "MDAwMDAwMDAwMQ=="  # noqa: S105
EXAMPLE_NUMBER = "mockpurchaseOrderNumber"
EXAMPLE_PAGE = {"purchaseOrderNumber": EXAMPLE_NUMBER, "content": "base 64 content goes here"}
EXAMPLE = {"purchaseOrderNumber": EXAMPLE_NUMBER, "content": "base 64 encoded string"}
#: What the model's examples refuse.
REFUSED_NUMBER, REFUSED_PARTY = "mockpurchaseOrderNumberDummy", "dummy"


class HeldInvoice(BaseModel):
    """One order's invoice; `content` is answered as it stands, base64 or not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    purchaseOrderNumber: str = Field(pattern=r"^[a-zA-Z0-9]+$")
    content: str
    created: AwareDatetime
    shipFromPartyId: str | None = None

    def answered(self) -> dict[str, str]:
        """As the API shows it."""
        return {"purchaseOrderNumber": self.purchaseOrderNumber, "content": self.content}


class ListQuery(NamedTuple):
    """A question for a list, its parameters checked."""

    created_after: datetime
    created_before: datetime
    limit: int
    sort_order: Literal["ASC", "DESC"]
    party: str | None
    start: int


class Shelf:
    """The invoices by order number; a later one replaces an earlier."""

    def __init__(self) -> None:
        self._held: dict[str, HeldInvoice] = {}

    def __len__(self) -> int:
        return len(self._held)

    def put(self, invoice: HeldInvoice) -> None:
        """Hold an invoice."""
        self._held[invoice.purchaseOrderNumber] = invoice

    def one(self, number: str) -> dict[str, str] | None:
        """An order's invoice; the catch-all example while there is none at all."""
        if not self._held:
            return EXAMPLE
        held = self._held.get(number)
        return held.answered() if held else None

    def page(self, query: ListQuery) -> dict[str, Any]:
        """The list's part that the query asks for; both ends of the window are outside."""
        if not self._held:
            return _listed([EXAMPLE_PAGE] if query.start == 0 else [], EXAMPLE_TOKEN if query.start == 0 else None)
        found = sorted(
            (
                held
                for held in self._held.values()
                if query.created_after < held.created < query.created_before
                and query.party in (None, held.shipFromPartyId)
            ),
            key=lambda held: (held.created, held.purchaseOrderNumber),
            reverse=query.sort_order == "DESC",
        )
        end = query.start + query.limit
        return _listed([held.answered() for held in found[query.start : end]], token(end) if end < len(found) else None)


def token(start: int) -> str:
    """The next token of the page that begins there; of the first invoice it is the example's.

    >>> token(1)
    'MDAwMDAwMDAwMQ=='
    """
    return base64.b64encode(f"{start:010}".encode()).decode()


def start_of(given: str) -> int | None:
    """Where the page of a next token begins; None when the token was not issued here."""
    try:
        digits = base64.b64decode(given, validate=True)
    except binascii.Error:
        return None
    return int(digits) if len(digits) == 10 and digits.isdigit() else None


def _listed(invoices: Iterable[dict[str, str]], next_token: str | None) -> dict[str, Any]:
    pagination = {"pagination": {"nextToken": next_token}} if next_token else {}
    return {"payload": pagination | {"customerInvoices": list(invoices)}}
