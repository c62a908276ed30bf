"""Noticing that the database is older than the world: a backup was restored, or another program uses the series.

Redis keeps the highest number that was given in each series. Where the database would give that number once more, it
does not know what happened since: the seller stops, both sides, until `nfe recover` has settled the gap. Where Redis
has forgotten, SEFAZ is asked about the next numbers, once; and a number that turns out to be another note's stops the
seller too.
"""

import time
from collections.abc import Iterator

from workflow import numbers
from workflow.errors import NfeError, SellerStopped
from workflow.logs import logger
from workflow.number_book import NumberBook, Series
from workflow.numbers import Range
from workflow.soundings import sound
from workflow.stops import UNKNOWN_NUMBERS
from workflow.tools import SellerTools, Tools

log = logger(__name__)

#: Numbers that SEFAZ is asked about where Redis has forgotten: a refused note or two leave no trace there.
DEPTH = 5
#: How long a look counts, in seconds.
FRESH = 60.0


def check_new(highest: int | None, where: Range, nNF: int) -> None:
    """Raise SellerStopped where a number that is just being taken was given before; `highest` was read before that."""
    if highest is not None and nNF <= highest:
        raise SellerStopped(UNKNOWN_NUMBERS, _told(where.series, nNF, f"{highest} was given already"))


class Watch:
    """Looks at a seller before a stage that may do something twice, once a minute and process."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._seen: dict[str, float] = {}
        self._swept = -FRESH

    def over(self, seller_id: str) -> None:
        """Raise SellerStopped where SEFAZ has, or Redis remembers, numbers that this database does not know."""
        if time.monotonic() - self._seen.get(seller_id, -FRESH) < FRESH:
            return
        row = self._tools.catalog.seller(seller_id)
        if row is None or row.stop_code is not None:
            return  # whoever needs it is told by the tools
        _look(self._tools, self._tools.look_at(row))
        self._seen[seller_id] = time.monotonic()

    def over_all(self) -> None:
        """Stop every seller whose series Redis knows higher than the database: also where nothing is on its way."""
        if time.monotonic() - self._swept < FRESH:
            return
        try:
            for seller_id, reason in behind(self._tools):
                self._tools.catalog.stop_seller(seller_id, UNKNOWN_NUMBERS, reason)
                log.error("seller stopped", seller=seller_id, code=UNKNOWN_NUMBERS)
        except NfeError as error:
            log.warning("highest numbers not compared", code=error.code)  # each number that is taken is compared, too
        self._swept = time.monotonic()


def behind(tools: Tools) -> Iterator[tuple[str, str]]:
    """The sellers whose series the database knows lower than Redis does, and why; but those that are stopped for it."""
    known = tools.highest.all()
    given = NumberBook(tools.store).ends()
    for row in tools.catalog.sellers():
        if UNKNOWN_NUMBERS in (row.stop_code or "").split() or not row.sealed_secrets:
            continue
        where = tools.look_at(row).series
        series = Series(*where.key)
        highest, next_number = known.get(series, 0), given.get(series, where.first)
        if highest >= next_number:
            yield row.id, _told(where.series, next_number, f"{highest} was given already")


def _look(tools: Tools, seller: SellerTools) -> None:
    where = seller.series
    # Before the database: a number that is given meanwhile makes the next one higher, not the mark.
    highest = tools.highest.get(*where.key)
    with tools.store.reading() as connection:
        next_number = numbers.next_of(connection, where)
    if highest is None and next_number is not None:
        _sound(tools, seller, next_number)
    elif highest is not None and highest >= (next_number or where.first):
        check_new(highest, where, next_number or where.first)


def _sound(tools: Tools, seller: SellerTools, next_number: int) -> None:
    """Redis knows nothing of a series that has begun: SEFAZ is to have none of the next numbers."""
    where = seller.series
    for nNF in range(next_number, next_number + DEPTH):
        if sound(tools, seller, where, nNF).is_held:
            raise SellerStopped(UNKNOWN_NUMBERS, _told(where.series, nNF, "SEFAZ has it already"))
    log.info("highest number forgotten, and found by SEFAZ's answers", seller=seller.issuer.seller_id)
    tools.highest.keep(*where.key, next_number - 1)


def _told(series: int, nNF: int, why: str) -> str:
    return (
        f"number {nNF} of series {series} is next here, and {why}: the database is older than what was issued, or "
        "another program uses the series; nothing is issued before: nfe recover"
    )
