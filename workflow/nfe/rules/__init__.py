"""SEFAZ's rules before SEFAZ: of any NF-e, what is wrong with it and the cStat it would get.

Every rule that the document alone decides is a function in one of the modules beside this one, in the order of the
layout: identification, places, parties, items, icms, federal, ibs_cbs, totals, payments. substitution and consistency
hold what SEFAZ does not ask. `rulebook` says how a rule is written. Refusing a note that SEFAZ would accept is worse
than a rejection: only mandatory rules make an error, and a case whose exceptions the document does not show is let
pass. The clock arrives as an argument; without it the rules about time are not asked.
"""

from datetime import datetime
from typing import NamedTuple

from lxml import etree

from workflow.nfe.rules import (
    consistency,
    federal,
    ibs_cbs,
    icms,
    identification,
    items,
    parties,
    payments,
    places,
    substitution,
    totals,
)
from workflow.nfe.rules.message import message_breaches, protocol_breaches, signature_breaches
from workflow.nfe.rules.note import Note, note_of, read, root_of
from workflow.nfe.rules.rulebook import Applies, Breach, Rule, registered, text

__all__ = ["RULES", "Applies", "Breach", "Note", "Rule", "Verdict", "breaches", "check", "first_error"]

#: The modules that hold rules: imported, they have registered them.
MODULES = (
    identification,
    places,
    parties,
    items,
    icms,
    substitution,
    federal,
    ibs_cbs,
    totals,
    payments,
    consistency,
)

#: Every rule, in the order in which SEFAZ asks them.
RULES: tuple[Rule, ...] = registered()

_AUTHORIZED, _AUTHORIZED_LATE = "100", "150"


class Verdict(NamedTuple):
    """What SEFAZ would say to a document, and all that is wrong with it; `chNFe` as its Id says it."""

    chNFe: str
    cStat: str
    xMotivo: str
    breaches: tuple[Breach, ...]

    @property
    def is_good(self) -> bool:
        """Whether nothing mandatory is broken."""
        return not any(one.is_error for one in self.breaches)


def breaches(document: bytes | etree._Element, *, now: datetime | None = None) -> tuple[Breach, ...]:
    """What the document breaks of the rules, in SEFAZ's order; signed or not, its schema unasked.

    Raise Invalid: `not-xml`, `not-an-nfe`, `several-notes`.
    """
    return _rule_breaches(read(document, now))


def check(xml: bytes, *, now: datetime | None = None) -> Verdict:
    """Schema, signature, key, sums and rules of an NFe, a nfeProc or an enviNFe; raise as `breaches` does."""
    root = root_of(xml)
    note = note_of(root, now)
    found = (
        *message_breaches(xml, root),
        *signature_breaches(root, note),
        *_rule_breaches(note),
        *protocol_breaches(root, note),
    )
    cStat = _cStat(found)
    return Verdict(note.Id, cStat, next((one.xMotivo for one in found if one.cStat == cStat), text(cStat)), found)


def first_error(found: tuple[Breach, ...]) -> Breach | None:
    """The breach that SEFAZ would answer with."""
    return next((one for one in found if one.is_error), None)


def _rule_breaches(note: Note) -> tuple[Breach, ...]:
    return tuple(breach for one in RULES for breach in one.breaches(note))


def _cStat(found: tuple[Breach, ...]) -> str:
    error = first_error(found)
    if error is not None:
        return error.cStat
    is_late = any(one.cStat == _AUTHORIZED_LATE for one in found)
    return _AUTHORIZED_LATE if is_late else _AUTHORIZED
