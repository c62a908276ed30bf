"""How a rule is written, registered and asked.

A rule is a small named function over one group of the document. `@rule` takes one that answers what is wrong, or
None; `@formula` one that answers a stated and a computed amount. A formula has two thresholds: beyond SEFAZ's
tolerance the breach has SEFAZ's code; within it, but not the nearest cent, it is a warning of ours without a code.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from workflow.nfe import tables
from workflow.nfe.rules.note import Group, Note

MOC = "MOC 7.0 Anexo I"
CENT = Decimal("0.01")
#: Half up and half even are both the nearest: MOC 7.0 fixes the places, not the mode.
_NEAREST = Decimal("0.005")


class Applies(StrEnum):
    """How binding a rule is; only the first makes a breach an error."""

    MANDATORY = "mandatory"
    #: "Facultativa": each UF decides whether it looks.
    OPTIONAL = "optional"
    #: Mandatory, and known to us by secondary sources only: what SEFAZ would accept is not refused for them.
    SECONDARY = "secondary"
    #: "Implementação futura": written, in no production yet.
    FUTURE = "future"
    #: No rule of SEFAZ: the document contradicts itself, or an amount is a cent off.
    OURS = "ours"


class Breach(NamedTuple):
    """One thing wrong: SEFAZ's code and text (empty where SEFAZ has none), where, and what, with its figures."""

    cStat: str
    xMotivo: str
    field: str
    place: str
    severity: str
    message: str

    @property
    def is_error(self) -> bool:
        """Whether SEFAZ would refuse the document for it."""
        return self.severity == "error"

    @property
    def told(self) -> str:
        """Where and what, in one line."""
        return f"{self.place}: {self.message}" if self.place else self.message


class Figures(NamedTuple):
    """An amount as the document states it and as it is computed; `how` says from what."""

    name: str
    stated: Decimal
    how: str
    computed: Decimal


#: What is wrong, and whether it is SEFAZ's to say.
Found = tuple[str, bool]


class Rule(NamedTuple):
    """One rule; `each` is the path of the groups it looks at, empty for the whole note."""

    name: str
    cStat: str
    field: str
    source: str
    applies: Applies
    each: str
    since: date | None
    judge: Callable[[Group], Found | None]

    def breaches(self, note: Note) -> Sequence[Breach]:
        """What the note breaks of it; nothing where it was not yet in force when the note was issued."""
        if self.since is not None and (note.issued_on is None or note.issued_on < self.since):
            return ()
        breaches = []
        for group in note.all(self.each) if self.each else (note,):
            found = self.judge(group)
            if found is not None:
                breaches.append(self._breach(group, *found))
        return breaches

    def _breach(self, group: Group, message: str, is_sefaz: bool) -> Breach:
        is_error = is_sefaz and self.applies is Applies.MANDATORY
        cStat = self.cStat if is_sefaz else ""
        severity = "error" if is_error else "warning"
        return Breach(cStat, text(cStat, nItem=group.nItem), self.field, group.place, severity, message)


_REGISTERED: list[Rule] = []


def rule(
    cStat: str,
    *,
    field: str,
    each: str = "",
    source: str = MOC,
    applies: Applies = Applies.MANDATORY,
    since: date | None = None,
    name: str = "",
) -> Callable[[Callable[[Group], str | None]], Callable[[Group], str | None]]:
    """Register a function that says what is wrong with a group, or None; `name` is for one that is registered often."""

    def register(function: Callable[[Group], str | None]) -> Callable[[Group], str | None]:
        def judge(group: Group) -> Found | None:
            message = function(group)
            return None if message is None else (message, bool(cStat))

        _REGISTERED.append(Rule(name or function.__name__, cStat, field, source, applies, each, since, judge))
        return function

    return register


def formula(
    cStat: str,
    *,
    field: str,
    each: str = "",
    source: str = MOC,
    applies: Applies = Applies.MANDATORY,
    since: date | None = None,
    name: str = "",
    tolerance: Decimal = CENT,
) -> Callable[[Callable[[Group], Figures | None]], Callable[[Group], Figures | None]]:
    """Register a function that gives a stated and a computed amount, or None where there is nothing to compute."""

    def register(function: Callable[[Group], Figures | None]) -> Callable[[Group], Figures | None]:
        def judge(group: Group) -> Found | None:
            figures = function(group)
            return None if figures is None else _judged(figures, tolerance if cStat else None)

        _REGISTERED.append(Rule(name or function.__name__, cStat, field, source, applies, each, since, judge))
        return function

    return register


def _judged(figures: Figures, tolerance: Decimal | None) -> Found | None:
    off = abs(figures.stated - figures.computed)
    if off <= _NEAREST:
        return None
    message = f"{figures.name} is {figures.stated}, {figures.how} makes {figures.computed:.2f}"
    # The computed amount may be half a cent from its own rounding.
    return message, tolerance is not None and off > tolerance + _NEAREST


def registered() -> tuple[Rule, ...]:
    """The rules of the modules imported so far, in the order of the layout's fields, in which SEFAZ asks them."""
    return tuple(sorted(_REGISTERED, key=_order))


_FIELD = re.compile(r"([A-Z]+)([0-9]*)([a-z]*)(?:[.-]([0-9]+))?")


def _order(one: Rule) -> tuple[bool, str, int, str, int]:
    found = _FIELD.match(one.field)
    assert found is not None, one.field
    group, number, letter, last = found.groups()
    return one.applies is Applies.OURS, group, int(number or 0), letter, int(last or 0)


def text(cStat: str, **values: str) -> str:
    """SEFAZ's own words for a code, its blanks filled in; empty for no code.

    >>> text('629', nItem='2')
    'Rejeição: Valor do Produto difere do produto Valor Unitário de Comercialização e Quantidade Comercial [nItem: 2]'
    """
    return tables.cstat_texts()[cStat].format_map(defaultdict(str, values)) if cStat else ""
