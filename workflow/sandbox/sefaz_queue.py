"""What the local SEFAZ has received and not processed yet: batches under a receipt, and late ones without.

Nothing waits on a thread: what is due is processed when the next question comes. A restart forgets the queue, as if
the messages had been lost on their way.
"""

from collections.abc import Callable
from dataclasses import dataclass

from lxml import etree


@dataclass(slots=True)
class Waiting:
    """One NF-e that waits till `due` (Unix time), what a refusal may match, where it came in; then its protNFe."""

    document: etree._Element
    names: frozenset[str]
    at_svc: bool
    key: str
    number: tuple[str, int, int]
    due: float
    protNFe: str | None = None


class Queue:
    """The NF-e that wait, oldest first, and the receipts given for them; `process` decides on one."""

    def __init__(self) -> None:
        self._waiting: list[Waiting] = []
        self._receipts: dict[str, Waiting] = {}
        self.process: Callable[[Waiting], str] | None = None

    def put(self, entry: Waiting, *, nRec: str | None) -> None:
        """Let one wait, under a receipt where one is given."""
        self._waiting.append(entry)
        if nRec is not None:
            self._receipts[nRec] = entry

    def settle(self, now: float) -> None:
        """Process what is due."""
        due = [entry for entry in self._waiting if entry.due <= now]
        self._waiting = [entry for entry in self._waiting if entry.due > now]
        for entry in due:
            if self.process is not None:
                entry.protNFe = self.process(entry)

    def holds(self, number: tuple[str, int, int]) -> bool:
        """Whether an NF-e of that number waits."""
        return any(entry.number == number for entry in self._waiting)

    def under(self, nRec: str) -> Waiting | None:
        """What a receipt was given for, None for an unknown one."""
        return self._receipts.get(nRec)

    def next_receipt(self, cUF: str) -> str:
        """A new receipt number: cUF, 1, twelve digits."""
        return f"{cUF}1{len(self._receipts) + 1:012d}"

    def dump(self) -> list[str]:
        """The keys that wait."""
        return [entry.key for entry in self._waiting]
