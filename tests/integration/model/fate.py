"""How calls fail, and what befalls a worker: as a plan says, so that a search can repeat it.

Each external call takes the next `Fault`; each place where a worker may die or be suspended is a numbered point. A
worker is killed by `Killed`, which nothing in the product catches.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy.exc import OperationalError

from workflow.errors import LostAnswer, RetryLater, SellerStopped

#: From a lost request to its processing, and from a suspended worker's sleep to its waking: at the most.
LATEST = timedelta(minutes=10)


class Killed(BaseException):
    """The worker's process ends here, as by SIGKILL."""


class Fault(StrEnum):
    """How an external call goes."""

    NONE = "none"
    AWAY = "away"  # certainly not sent
    LOST = "lost"  # no answer, never arrived
    UNHEARD = "unheard"  # processed, no answer
    LATE = "late"  # no answer, processed some minutes later
    REFUSED = "refused"
    BUSY = "busy"  # SEFAZ paused, Amazon throttles
    BLOCKED = "blocked"  # SEFAZ: 656
    QUEUED = "queued"  # SEFAZ: 103, decided some minutes later
    QUEUED_LONG = "queued-long"  # or much later
    QUEUED_UNHEARD = "queued-unheard"
    LAGS = "lags"  # SEFAZ: it does not know yet the key of a note that it has just authorised
    BARE = "bare"  # SEFAZ: authorised, without a protocol
    UNREGISTERED = "unregistered"  # SEFAZ: 203, the seller's own matter
    SELLER = "seller"  # nothing of this seller can be done
    ODD = "odd"  # an answer nobody expects
    BUG = "bug"  # an exception nobody foresaw, before the call
    BUG_AFTER = "bug-after"


class Trouble(StrEnum):
    """What befalls a worker at a point."""

    DIES = "dies"
    SLEEPS = "sleeps"  # suspended, perhaps past its lease; then goes on
    DATABASE = "database"  # the database goes away


@dataclass
class Clock:
    """The world's clock."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment

    def pass_(self, duration: timedelta) -> None:
        """Let time pass."""
        self.moment += duration


class Aimed(NamedTuple):
    """How the next call of an operation goes."""

    operation: str
    fault: Fault


@dataclass
class Ordeal:
    """What one run of a worker meets: faults of the calls in turn, and others that wait for their operation."""

    faults: deque[Fault] = field(default_factory=deque)
    aimed: list[Aimed] = field(default_factory=list)
    #: At which point, counted from now.
    at: int = -1
    trouble: Trouble | None = None
    meanwhile: Callable[[], None] | None = None
    #: Leave to call SEFAZ: how much our side had been told when the barrier gave it.
    leave: int | None = None
    #: Whether it was suspended.
    slept: bool = False


class Fate:
    """How every call goes, and what befalls who makes it."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ordeal = Ordeal()
        #: What comes late, comes before the next call.
        self.arrive: Callable[[], None] = lambda: None

    @contextmanager
    def meets(self, ordeal: Ordeal) -> Iterator[None]:
        """A worker's run; a suspended worker's is interrupted by others'."""
        before, self.ordeal = self.ordeal, ordeal
        try:
            yield
        finally:
            self.ordeal = before

    def fault(self, operation: str) -> Fault:
        """How the call that begins now goes."""
        self.arrive()
        for place, aimed in enumerate(self.ordeal.aimed):
            if aimed.operation == operation:
                return self.ordeal.aimed.pop(place).fault
        return self.ordeal.faults.popleft() if self.ordeal.faults else Fault.NONE

    def point(self, *, in_database: bool = False) -> None:
        """A place where a worker may die or be suspended."""
        ordeal = self.ordeal
        ordeal.at -= 1
        if ordeal.at != -1 or ordeal.trouble is None:
            return
        if ordeal.trouble is Trouble.DIES:
            raise Killed
        if ordeal.trouble is Trouble.DATABASE and in_database:
            raise OperationalError("", {}, Exception("the server closed the connection"))
        if ordeal.trouble is Trouble.SLEEPS and ordeal.meanwhile is not None:
            ordeal.meanwhile()
            ordeal.slept = True

    def ask(self, answer: Callable[[Fault], Any], operation: str) -> Any:
        """A question: repeating it changes nothing."""
        self.point()
        fault, party = self.fault(operation), party_of(operation)
        self._raise_common(fault, party)
        if fault in (Fault.LOST, Fault.UNHEARD, Fault.LATE):
            raise RetryLater(f"{party}-timeout", "no answer")
        found = answer(fault)
        self.point()
        if fault is Fault.BUG_AFTER:
            raise KeyError("a bug")
        return found

    def order(self, process: Callable[[Fault], Any], late: Callable[[], None], operation: str) -> Any:
        """A request that changes something."""
        self.point()
        fault, party = self.fault(operation), party_of(operation)
        self._raise_common(fault, party)
        if fault is Fault.LATE:
            late()
        if fault in (Fault.LOST, Fault.LATE):
            raise LostAnswer(f"{party}-timeout", "no answer")
        found = process(fault)
        self.point()
        if fault in (Fault.UNHEARD, Fault.QUEUED_UNHEARD):
            raise LostAnswer(f"{party}-connection-lost", "no answer")
        if fault is Fault.BUG_AFTER:
            raise KeyError("a bug")
        return found

    def _raise_common(self, fault: Fault, party: str) -> None:
        if fault is Fault.AWAY:
            raise RetryLater(f"{party}-unreachable", "cannot be reached")
        if fault is Fault.SELLER:
            raise SellerStopped(f"{party}-certificate-refused", "refused the client certificate")
        if fault is Fault.BUG:
            raise KeyError("a bug")


def party_of(operation: str) -> str:
    """Who is called: Amazon's operations have Amazon's names."""
    return "amazon" if operation in ("getShipmentDetails", "submitInvoice", "getInvoiceStatus") else "sefaz"
