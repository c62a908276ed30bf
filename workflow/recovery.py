"""`nfe recover`: a database that is older than the world learns what SEFAZ has, before it issues anything.

Each number from the next one on is asked about, until Redis' highest is passed and many in a row are free. What is
found is written down number by number, so whoever is killed goes on there. Whose the found notes are is decided by each
shipment (`workflow.adoption`), as is whether Amazon has its invoice. Meanwhile the seller stands still.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, TypeVar

from workflow.authorization import place_of, wait_if_told
from workflow.catalog import stop_of
from workflow.clients.sefaz_endpoints import NORMAL
from workflow.errors import Invalid, RetryLater
from workflow.models import REISSUE, NumberStatus
from workflow.nfe import tables
from workflow.nfe.access_key import split
from workflow.nfe.reactions import Reaction, reaction
from workflow.number_book import NumberBook, Series
from workflow.numbers import Range
from workflow.purge import REMOVED
from workflow.soundings import Sounding, sound
from workflow.stops import UNKNOWN_NUMBERS
from workflow.tools import SellerTools, Tools

#: Free numbers in a row after which no used one is believed to follow, where nobody knows better.
SILENCE = 20
#: How often a question is asked again that was not answered, and how long is waited before that, in seconds.
TRIES, WAIT = 4, 2.0
#: A note is authorised some time after its number was reserved.
MARGIN = timedelta(hours=1)
#: How often is looked whether the workers have let go of the seller's shipments, in seconds.
LOOK = 0.2


class Asked(NamedTuple):
    """One number, or one key, and what SEFAZ said of it."""

    number: int
    cStat: str
    key: str | None


Tell = Callable[[Asked], None]
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Recovered:
    """What came of one series: the next number before and after, notes found, free numbers between, cancellations."""

    where: Range
    before: int
    after: int = 0
    found: int = 0
    unnamed: int = 0
    free: int = 0
    cancelled: int = 0


@dataclass(slots=True)
class _Search:
    """The numbers of one series."""

    tools: Tools
    seller: SellerTools
    where: Range
    #: The highest number that is known to have been given.
    highest: int
    silence: int
    tell: Tell
    result: Recovered
    free: list[int] = field(default_factory=list)

    def run(self) -> None:
        """Ask about each number from the next one on."""
        if self._tells_nothing():
            self._take_for_used()
            return
        self._name_given_up()
        nNF = self.result.before
        while nNF <= self.highest or len(self.free) < self.silence:
            self._ask(nNF)
            nNF += 1
        given = [one for one in self.free if one <= self.highest]
        if given:
            *before, last = given
            self.tools.recoveries.keep(self.where, last, NumberStatus.UNUSED, None, before)
            self.result.free += len(given)

    def _ask(self, nNF: int) -> None:
        found = self._sounded(nNF)
        if not found.is_held:
            self.free.append(nNF)
            return
        self.tools.recoveries.keep(self.where, nNF, NumberStatus.USED, found.key, self.free)
        self.result.found += 1
        self.result.unnamed += found.key is None
        self.result.free += len(self.free)
        self.free.clear()

    def _sounded(self, nNF: int) -> Sounding:
        """What the UF says, and where it has nothing, the SVC, which alone knows its own notes."""
        places = [NORMAL, self.seller.svc] if self.tools.settings.contingency else [NORMAL]
        for place in places:
            found = _patiently(partial(sound, self.tools, self.seller, self.where, nNF, tpEmis=place))
            if found.is_held:
                break
        self.tell(Asked(nNF, found.cStat, found.key))
        return found

    def _name_given_up(self) -> None:
        """A number that was lost to another note (539): whose key has it?"""
        for row in self.tools.recoveries.given_up(self.where):
            found = self._sounded(row.number)
            if found.key is not None:
                self.tools.recoveries.name(self.where, row.number, found.key)
                self.result.found += 1

    def _tells_nothing(self) -> bool:
        """Whether this SEFAZ answers 217 about a number that it is known to have."""
        known = self.tools.recoveries.known(self.where)
        return known is not None and not self._sounded(known).is_held

    def _take_for_used(self) -> None:
        """Where SEFAZ tells of exact keys only, each number up to the highest may be anybody's; none is given again."""
        if self.highest < self.result.before:
            raise Invalid(
                "sefaz-does-not-tell",
                f"SEFAZ does not say which numbers of series {self.where.series} it has, and Redis has forgotten the "
                "highest; give it (Amazon's, the accountant's or SEFAZ's lists have it): nfe recover --through NUMBER",
            )
        for nNF in range(self.result.before, self.highest + 1):
            self.tools.recoveries.keep(self.where, nNF, NumberStatus.RESERVED, None, ())
            self.result.unnamed += 1


def recover(
    tools: Tools,
    seller_id: str,
    *,
    actor: str,
    through: int = 0,
    silence: int = SILENCE,
    tell: Tell = lambda asked: None,
) -> list[Recovered]:
    """Ask SEFAZ what the seller's series have, settle it in the book of numbers, and let the seller go on.

    Raise RetryLater where SEFAZ cannot be asked now: run it again, it goes on where it was. Raise Invalid.
    """
    row = tools.catalog.seller(seller_id)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller_id}; see: nfe seller list")
    stop = stop_of(row)
    if stop is not None and REMOVED in stop.code.split():
        raise Invalid("removed-seller", f"{seller_id} was removed on demand; there is nothing to recover")
    together = [one.id for one in tools.catalog.sellers() if one.cnpj == row.cnpj and one.stop_code != REMOVED]
    for id in together:
        tools.catalog.stop_seller(id, UNKNOWN_NUMBERS, "nfe recover is asking SEFAZ; it was not finished yet")
    _wait_for_workers(tools, together)
    seller = tools.look_at(tools.catalog.seller(seller_id))
    results = [_one(tools, seller, where, through, silence, tell) for where in _series(tools, seller)]
    for id in together:
        tools.recoveries.doubt(id)
        tools.catalog.resume_seller(id, actor=actor)
    return results


def _one(tools: Tools, seller: SellerTools, where: Range, through: int, silence: int, tell: Tell) -> Recovered:
    result = Recovered(where, tools.recoveries.begin(where))
    highest = max(tools.highest.get(*where.key) or 0, through if where.key == seller.series.key else 0)
    _Search(tools, seller, where, highest, silence, tell, result).run()
    result.cancelled = _ask_about_cancellations(tools, seller, where, tell)
    result.after = NumberBook(tools.store).ends()[Series(*where.key)]
    tools.highest.keep(*where.key, result.after - 1)
    tools.recoveries.finish(where)
    return result


def _series(tools: Tools, seller: SellerTools) -> Iterator[Range]:
    """The one in use, and those of before."""
    yield seller.series
    for known in NumberBook(tools.store).ends():
        if known[:2] == seller.series.key[:2] and known != seller.series.key:
            yield Range(*known)


def _wait_for_workers(tools: Tools, sellers: list[str]) -> None:
    """Return once no worker has a shipment of theirs in hand; none takes another one, since they are stopped."""
    end = time.monotonic() + tools.settings.lease.total_seconds() + 1
    while any(tools.recoveries.at_work(id) for id in sellers):
        if time.monotonic() > end:
            raise RetryLater("in-a-workers-hands", "workers are still at the seller's shipments; try again in a minute")
        time.sleep(LOOK)


def _ask_about_cancellations(tools: Tools, seller: SellerTools, where: Range, tell: Tell) -> int:
    """Notes that SEFAZ could still cancel when the database was made: each is asked for, and ends as SEFAZ says."""
    recovery = tools.recoveries.last(where)
    if recovery.known_until is None:
        return 0
    in_time, late = tables.cancel_deadlines()[seller.uf]
    since = recovery.known_until - (late if tools.settings.cancel_late else in_time)
    found = {one.access_key for one in tools.recoveries.ownerless(where) if one.access_key}
    return sum(
        _ask_about(tools, seller, row, found, tell) for row in tools.recoveries.cancellable(where, since - MARGIN)
    )


def _ask_about(tools: Tools, seller: SellerTools, row: Any, found: set[str], tell: Tell) -> bool:
    id, key, turn = row
    place = place_of(key)
    answer = _patiently(lambda: seller.sefaz.consult(key, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place))
    wait_if_told(answer.cStat, answer.xMotivo)
    tell(Asked(int(split(key).nNF), answer.cStat, key))
    if reaction(answer.cStat, "consulta") is not Reaction.CANCELLED:
        return False
    is_reissued = any(tools.provenance.is_of(split(one), id, turn + 1, seller.issuer.tpAmb) for one in found)
    tools.store.cancel(
        id, reason="SEFAZ has cancelled the note meanwhile", actor="recover", code=REISSUE if is_reissued else None
    )
    tools.recoveries.doubt_one(id)
    return True


def _patiently(ask: Callable[[], Answer]) -> Answer:
    """Ask, and some times again after an answer that did not come; a wait that is SEFAZ's rule is the caller's."""
    for tries in range(1, TRIES):
        try:
            return ask()
        except RetryLater as error:
            if not error.counts or error.after is not None:
                raise
        time.sleep(WAIT * tries)
    return ask()
