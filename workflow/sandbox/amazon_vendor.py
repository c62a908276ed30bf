"""Vendor Direct Fulfillment Shipping v1 of the local Amazon: getCustomerInvoices and getCustomerInvoice.

Both are restricted. Their errors are the official examples': a moment that is none is answered with 403
`InvalidRequest`, an unknown warehouse with 400 `Invalid transmission ID.`
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from workflow.sandbox.amazon_handler import CUSTOMER_INVOICES, QUOTA, AmazonHandler, Wrong, denied
from workflow.sandbox.amazon_tokens import Grant
from workflow.sandbox.faults import Answer
from workflow.sandbox.vendor_shelf import REFUSED_NUMBER, REFUSED_PARTY, ListQuery, start_of

#: "The date range to search must be no more than 7 days."
LONGEST = timedelta(days=7)
#: Where no limit is given; the model does not say.
DEFAULT_LIMIT = 10

_BAD_MOMENT = Wrong(403, "InvalidRequest", "The request is invalid.")
_BAD_ID = Wrong(400, "InvalidInput", "Invalid transmission ID.")

Act = Callable[[], dict[str, Any] | Wrong]


class VendorOperation(AmazonHandler):
    """One of the two operations: grant, then plan, then the invoices."""

    operation: str

    async def serve(self, names: tuple[str, ...], wanted: tuple[str, ...], act: Act) -> None:
        """Answer `act` if a restricted grant of one of the `wanted` paths and the plan allow it."""

        def process() -> Answer:
            return self.answer(self._guarded(wanted, act), self.book.settings.vendor_rate)

        await self.respond(self.operation, names, process)

    def _guarded(self, wanted: tuple[str, ...], act: Act) -> dict[str, Any] | Wrong:
        grant = self.grant()
        if isinstance(grant, Wrong):
            return grant
        if grant.kind != "restricted" or not any(f"GET {path}" in grant.resources for path in wanted):
            return denied("")
        return act() if self._permitted(grant) else QUOTA

    def _permitted(self, grant: Grant) -> bool:
        settings = self.book.settings
        return self.book.permit(
            grant.client, grant.seller, self.operation, rate=settings.vendor_rate, burst=settings.vendor_burst
        )


class CustomerInvoices(VendorOperation):
    """GET …/customerInvoices: the invoices of a window, page by page."""

    operation = "getCustomerInvoices"

    async def get(self) -> None:
        """The page in `payload`."""
        await self.serve((self._given("nextToken") or "",), (CUSTOMER_INVOICES,), self._list)

    def _list(self) -> dict[str, Any] | Wrong:
        query = self._query()
        return query if isinstance(query, Wrong) else self.book.customer_invoices.page(query)

    def _query(self) -> ListQuery | Wrong:
        after, before = _moment(self._given("createdAfter")), _moment(self._given("createdBefore"))
        if after is None or before is None:
            return _BAD_MOMENT
        if not timedelta() <= before - after <= LONGEST:
            return _invalid("The date range to search must be no more than 7 days.")
        limit, order = self._given("limit") or str(DEFAULT_LIMIT), self._given("sortOrder") or "ASC"
        if not (limit.isascii() and limit.isdigit() and 1 <= int(limit) <= 100):
            return _invalid("limit is out of its range.")
        if order not in ("ASC", "DESC"):
            return _invalid("sortOrder is neither ASC nor DESC.")
        given = self._given("nextToken")
        start = 0 if given is None else start_of(given)
        if start is None:
            return _invalid("nextToken is unknown.")
        party = self._given("shipFromPartyId")
        if party == REFUSED_PARTY:
            return _BAD_ID
        return ListQuery(after, before, int(limit), "DESC" if order == "DESC" else "ASC", party, start)

    def _given(self, name: str) -> str | None:
        value: str | None = self.get_query_argument(name, None)
        return value


class CustomerInvoice(VendorOperation):
    """GET …/customerInvoices/{purchaseOrderNumber}: the invoice of one order."""

    operation = "getCustomerInvoice"

    async def get(self, number: str) -> None:
        """The invoice in `payload`."""
        wanted = (f"{CUSTOMER_INVOICES}/{{purchaseOrderNumber}}", f"{CUSTOMER_INVOICES}/{number}")
        await self.serve((number,), wanted, lambda: self._one(number))

    def _one(self, number: str) -> dict[str, Any] | Wrong:
        if number == REFUSED_NUMBER or not (number.isascii() and number.isalnum()):
            return _BAD_ID
        held = self.book.customer_invoices.one(number)
        return {"payload": held} if held else Wrong(404, "NotFound", "The specified resource does not exist.")


def _invalid(details: str) -> Wrong:
    return Wrong(400, "InvalidRequest", "The request is invalid.", details)


def _moment(text: str | None) -> datetime | None:
    """An ISO 8601 moment with its time zone, else None."""
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return moment if moment.utcoffset() is not None else None
