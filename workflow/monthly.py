"""A month's totals by CFOP and buyer's state, from the archived documents: they close with these to the cent."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from workflow.archive import Archive, Filed, Month, Which
from workflow.nfe.amounts import ZERO
from workflow.nfe.summary import AMOUNTS, Share, Summary, summary_of

#: What became of a note, in the accountant's words. Only what is authorised is turnover.
AUTHORIZED, CANCELLED, MISSING = STATUSES = ("autorizada", "cancelada", "sem XML")
COLUMNS = ("CNPJ", "situacao", "CFOP", "UF", "notas", "itens", "vNF", *AMOUNTS)

Tell = Callable[[int], None]


class Place(NamedTuple):
    """What a total is of."""

    cnpj: str
    status: str
    cfop: str
    uf: str


class Sum(NamedTuple):
    """A total: the notes that have such items, the items, their part of vNF, and `AMOUNTS`."""

    notes: int
    items: int
    vNF: Decimal
    amounts: Mapping[str, Decimal]

    def plus(self, share: Share) -> "Sum":
        """With another note's."""
        amounts = {name: self.amounts[name] + share.amounts[name] for name in AMOUNTS}
        return Sum(self.notes + 1, self.items + share.items, self.vNF + share.vNF, amounts)


NOTHING = Sum(0, 0, ZERO, dict.fromkeys(AMOUNTS, ZERO))


class Totals:
    """The sums of a month, note by note; they take as much memory as there are CFOPs and states."""

    def __init__(self) -> None:
        self._sums: dict[Place, Sum] = {}
        #: How many notes there are of each status.
        self.notes = dict.fromkeys(STATUSES, 0)

    def add(self, filed: Filed) -> tuple[str, Summary | None]:
        """Add a note; returns what became of it, and its facts."""
        if filed.document is None:
            self.notes[MISSING] += 1
            return MISSING, None
        summary = summary_of(filed.document)
        status = CANCELLED if filed.is_cancelled else AUTHORIZED
        self.notes[status] += 1
        for cfop, share in summary.shares.items():
            place = Place(filed.cnpj, status, cfop, summary.uf)
            self._sums[place] = self._sums.get(place, NOTHING).plus(share)
        return status, summary

    def rows(self) -> list[dict[str, Any]]:
        """One row for each place, in their order, with `COLUMNS`; amounts are Decimal."""
        return [
            dict(zip(COLUMNS, (*place, found.notes, found.items, found.vNF, *found.amounts.values()), strict=True))
            for place, found in sorted(self._sums.items())
        ]


def total(archive: Archive, month: Month, which: Which, *, tell: Tell = lambda count: None) -> Totals:
    """Sum a month up; `tell` hears of each note."""
    totals = Totals()
    for filed in archive.notes(month, which):
        totals.add(filed)
        tell(1)
    return totals
