"""The NF-e numbers: how each series stands, and what became of each number."""

from starlette.responses import Response

from workflow.models import NumberStatus
from workflow.number_book import NumberBook, void_by
from workflow.web.visit import Visit

ROWS = 200


def listed(visit: Visit) -> Response:
    """Each series with the proof that none is missing, then the newest numbers."""
    book, status = NumberBook(visit.store), visit.query.get("status", "")
    wanted = NumberStatus(status) if status in list(NumberStatus) else None
    return visit.show(
        "numbers.html",
        standings=book.standings(),
        numbers=book.numbers(status=wanted, limit=ROWS),
        statuses=list(NumberStatus),
        wanted=wanted,
        void_by=void_by,
    )
