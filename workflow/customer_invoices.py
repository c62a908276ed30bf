"""Pulling a vendor's customer invoices from Amazon: window by window, page by page, each kept before the next is asked.

Amazon lists at most seven days at once and leaves both ends out, so windows overlap a little: what is seen twice is
kept once. Who is killed goes on at the page it was at; two that pull the same read it together.
Source: Amazon's guide "Get customer invoices" and vendorDirectFulfillmentShippingV1.json.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from workflow.clients.vendor import CustomerInvoice, Query
from workflow.connector import Source
from workflow.errors import Invalid, NfeError, Refused
from workflow.vendors import File, Progress, Vendors, Window

#: Amazon's longest window, and how far back its lists go.
LONGEST, REACH = timedelta(days=7), timedelta(days=183)
#: Neighbouring windows share this much: an invoice of the very moment between them is in neither otherwise.
OVERLAP = timedelta(minutes=1)
#: A pull "since the last" begins so much earlier: an invoice may show up later than its moment says.
LATE = timedelta(hours=1)
#: What the first pull covers that is told no dates.
FIRST = LONGEST
#: Invoices per page: with larger ones a page of 100 files would be more than an answer may have.
PAGE_SIZE = 50
SORT_ORDERS = ("ASC", "DESC")

#: What is kept as a number: more than the model's letters and digits, but nothing that a database or a line refuses.
ORDER_NUMBER = re.compile(r"[!-~]{1,100}")

#: How a file begins, and its media type.
SIGNATURES = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"<?xml", "application/xml"),
    (b"\xef\xbb\xbf<?xml", "application/xml"),
)
UNKNOWN = "application/octet-stream"
#: File names' ends, for who saves one.
SUFFIXES = {
    "application/pdf": ".pdf", "application/zip": ".zip", "image/png": ".png", "image/jpeg": ".jpg",
    "application/xml": ".xml", UNKNOWN: ".bin",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wish:
    """What to pull: a period of aware moments, or what is new since the last pull where there is none."""

    after: datetime | None = None
    before: datetime | None = None
    party: str | None = None
    page_size: int = PAGE_SIZE
    sort_order: str = "ASC"

    def __post_init__(self) -> None:
        for name in ("after", "before"):
            moment = getattr(self, name)
            if moment is not None and moment.utcoffset() is None:
                raise Invalid("no-time-zone", f"{name} has no time zone; write {moment.isoformat()}Z or …+05:30")
        if (self.after is None) != (self.before is None):
            raise Invalid("half-a-period", "give both after and before, or neither for what is new")
        if self.after is not None and self.before is not None and self.after >= self.before:
            raise Invalid("empty-period", "after must be earlier than before")
        if not 1 <= self.page_size <= 100:
            raise Invalid("bad-limit", "Amazon gives 1 to 100 invoices per page")
        if self.sort_order not in SORT_ORDERS:
            raise Invalid("bad-sort", f"the order is one of {', '.join(SORT_ORDERS)}")


@dataclass(slots=True)
class Tally:
    """What a pull has come to so far."""

    windows: int = 0
    windows_done: int = 0
    pages: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    #: Order number and problem of what was no file.
    problems: list[tuple[str, str]] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [
            f"{self.windows_done} of {self.windows} windows, {self.pages} pages: {self.new} new, "
            f"{self.changed} changed, {self.same} seen before"
        ]
        return ", ".join([*parts, f"{len(self.problems)} unusable"] if self.problems else parts)


def pull(
    vendors: Vendors,
    connector: Any,
    source: Source,
    wish: Wish,
    *,
    tally: Tally,
    on_page: Callable[[], None] = lambda: None,
) -> None:
    """Read every window of the wish and keep its invoices, counting in `tally`; `on_page` is called after each page.

    A window that Amazon refuses does not keep the others from being read: its error is raised at the end.
    Raises RetryLater, SellerStopped at once; run it again, and it goes on where it was.
    """
    name, party = connector.name, wish.party or connector.ship_from_party_id or ""
    spans = _windows(vendors, name, party, wish)
    begun = vendors.begin(spans, page_size=wish.page_size, sort_order=wish.sort_order)
    tally.windows = len(begun)
    refusal: NfeError | None = None
    for window, progress in begun.items():
        try:
            for page in _pages(vendors, source, wish, window, progress):
                _count(tally, page)
                on_page()
            tally.windows_done += 1
        except (Refused, Invalid) as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal


def fetch(vendors: Vendors, connector: Any, source: Source, purchase_order_number: str) -> File:
    """Ask Amazon for one order's invoice and keep it; raise Invalid when what came is no file."""
    got = source.invoice(purchase_order_number)
    if got.purchase_order_number not in ("", purchase_order_number):
        raise Refused("another-order", f"Amazon gave another order's invoice for {purchase_order_number}; nothing kept")
    file = file_of(got._replace(purchase_order_number=purchase_order_number))
    vendors.keep(connector.name, [file])
    if file.problem is not None:
        raise Invalid(file.problem, f"Amazon's invoice of {purchase_order_number} is no file; it is kept as it came")
    return file


def file_of(invoice: CustomerInvoice) -> File:
    r"""The file in an invoice, or the text that came with the reason why it is none.

    >>> file_of(CustomerInvoice("PO1", "JVBERi0xLjc="))
    File(purchase_order_number='PO1', content=b'%PDF-1.7', media_type='application/pdf', problem=None)
    >>> file_of(CustomerInvoice("PO1", "base 64 content goes here")).problem
    'bad-base64'
    """
    number = invoice.purchase_order_number if ORDER_NUMBER.fullmatch(invoice.purchase_order_number) else ""
    text = invoice.content
    raw = text.encode(errors="surrogatepass")
    if not text:
        return File(number, raw, UNKNOWN, "no-content")
    try:
        content = base64.b64decode(raw, validate=True)
    except binascii.Error:
        return File(number, raw, UNKNOWN, "bad-base64")
    return File(number, content, media_type(content), None if number else "no-order-number")


def media_type(content: bytes) -> str:
    """What the first bytes say; `application/octet-stream` where they say nothing we know."""
    return next((name for start, name in SIGNATURES if content.startswith(start)), UNKNOWN)


def cut(after: datetime, before: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The period in pieces of at most seven days, each beginning a minute before the last one's end.

    >>> [end.day for _, end in cut(datetime(2026, 11, 1), datetime(2026, 11, 16))]
    [8, 14, 16]
    """
    while before - after > LONGEST:
        yield after, after + LONGEST
        after += LONGEST - OVERLAP
    yield after, before


def is_out_of_reach(after: datetime, now: datetime) -> bool:
    """Whether the period begins before the six months that Amazon keeps."""
    return now - after > REACH


def _windows(vendors: Vendors, name: str, party: str, wish: Wish) -> list[Window]:
    """The wish's windows; without a period what earlier pulls left open, and what came since."""
    now = vendors.now()
    if wish.after is not None and wish.before is not None:
        after, before, left = wish.after, min(wish.before, now), []
        if after >= before:
            raise Invalid("empty-period", "the period lies in the future")
    else:
        left = vendors.unfinished(name, party, since=now - REACH)
        ends = [window.created_before for window in left]
        last = max([*ends, *filter(None, [vendors.read_until(name, party)])], default=None)
        after, before = (now - FIRST if last is None else max(last - LATE, now - REACH)), now
    pieces = cut(_whole(after), _whole(before)) if after < before else iter(())
    return list(dict.fromkeys([*left, *(Window(name, party, *piece) for piece in pieces)]))


def _whole(moment: datetime) -> datetime:
    """The moment in UTC without its fraction of a second, which Amazon is not asked about."""
    return moment.astimezone(UTC).replace(microsecond=0)


class _Read(NamedTuple):
    """A page that is kept."""

    files: tuple[File, ...]
    new: int
    changed: int
    same: int


def _pages(vendors: Vendors, source: Source, wish: Wish, window: Window, progress: Progress) -> Iterator[_Read]:
    """Read the window from where it was left, to its end."""
    query = Query(
        window.created_after, window.created_before, wish.page_size, wish.sort_order, window.party or None
    )  # fmt: skip
    asked: set[str] = set()
    # A token of an earlier pull may be too old for Amazon: then, once, the window begins anew.
    inherited = progress.next_token is not None
    while not progress.done:
        token = progress.next_token
        if token in asked:
            raise Invalid("endless-pages", "Amazon gives a page's token again and again; what came is kept; pull later")
        try:
            page = source.page(query, token)
        except Refused:
            if not inherited:
                raise
            vendors.rewind(window)
            inherited, progress = False, Progress(None, False)
            continue
        inherited = False
        asked.update([token] if token else [])
        files = tuple(file_of(invoice) for invoice in page.invoices)
        kept, progress = vendors.keep_page(window, files, asked=token, next_token=page.next_token)
        yield _Read(files, *kept)


def _count(tally: Tally, page: _Read) -> None:
    tally.pages += 1
    tally.new += page.new
    tally.changed += page.changed
    tally.same += page.same
    tally.problems += [(file.purchase_order_number, file.problem) for file in page.files if file.problem]
