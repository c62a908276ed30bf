"""What a code means to the person on duty, and what mends it, in Portuguese and in English: `workflow/data/mends.toml`.

Whatever the code, there is an answer: its own entry, an entry for codes of its form, or what holds for all of SEFAZ's
codes that lead to the same, for all of Amazon's, for the unknown. The authority's own words are shown beside it.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, NamedTuple

from workflow.catalog import SELLER_STOPPED
from workflow.engine import Kind
from workflow.nfe.reactions import reaction
from workflow.states import State

#: The languages of the table; the first is what is spoken where nobody chose.
LANGUAGES = ("pt", "en")

_CSTAT = re.compile(r"\d{3,4}")
#: Amazon's own codes begin with a capital: `InvalidInput`.
_AMAZON = re.compile(r"[A-Z][A-Za-z]+")
#: Outcomes of the history after which a person must act.
_ENDED_BADLY = (Kind.STOPPED, Kind.REFUSED)
_NEEDS_PERSON = (State.REJECTED, State.ERRORED)


class Next(StrEnum):
    """The step that usually mends it."""

    PRODUCT = "product"
    SELLER = "seller"
    RETRY = "retry"
    REFETCH = "refetch"
    REISSUE = "reissue"
    CANCEL = "cancel"
    NUMBERS = "numbers"
    WAIT = "wait"
    ASK = "ask"  # somebody outside this program


class Told(NamedTuple):
    """What happened, and what to do, in one language."""

    what: str
    mend: str


class Mend(NamedTuple):
    """One entry of the table; `key` is what it is found by there."""

    key: str
    next: Next
    by_language: Mapping[str, Told]

    def told(self, language: str) -> Told:
        """In that language, or in the first where there is none of it."""
        return self.by_language.get(language) or self.by_language[LANGUAGES[0]]


class Trouble(NamedTuple):
    """Why a shipment waits for a person: the code and the reason as its history has them, and the mend."""

    code: str
    reason: str
    mend: Mend


def mend_of(code: str, *, state: State | None = None) -> Mend:
    """What is known of a code; at FETCHED a cStat was found here, before SEFAZ was asked.

    >>> mend_of("unknown-sku").told("en").mend
    'Register the product, then retry.'
    >>> mend_of("amazon-http-503").key, mend_of("539").key, mend_of("539", state=State.FETCHED).key
    ('*-http-*', 'cStat number-taken', 'cStat before')
    """
    known = entries()
    own = known.get(code) or next((known[form] for form in _forms() if fnmatchcase(code, form)), None)
    return own or known[_kind(code, state)]


def trouble_of(shipment: Any, history: Sequence[Any]) -> Trouble | None:
    """What a person must mend of a shipment's row, by its history, oldest first; None where nobody must."""
    if shipment.stop_code is None and State(shipment.state) not in _NEEDS_PERSON:
        return None
    told = next((line for line in reversed(history) if line.outcome in _ENDED_BADLY), None)
    code = (told.code if told is not None else None) or shipment.stop_code or shipment.state
    reason = (told.reason if told is not None else None) or ""
    if code == SELLER_STOPPED and ": " in reason:
        code, reason = reason.split(": ", 1)  # what stopped the seller, of which this shipment is only told
    return Trouble(code, reason, mend_of(code, state=State(shipment.state)))


@cache
def entries() -> Mapping[str, Mend]:
    """The table."""
    text = resources.files("workflow.data").joinpath("mends.toml").read_text(encoding="utf-8")
    found = {
        key: Mend(key, Next(entry["next"]), {language: Told(*entry[language]) for language in LANGUAGES})
        for key, entry in tomllib.loads(text).items()
    }
    return MappingProxyType(found)


@cache
def _forms() -> tuple[str, ...]:
    """The entries for codes of a form, the most exact first."""
    return tuple(sorted((key for key in entries() if "*" in key), key=len, reverse=True))


def _kind(code: str, state: State | None) -> str:
    if _CSTAT.fullmatch(code):
        return "cStat before" if state is State.FETCHED else f"cStat {reaction(code)}"
    return "Amazon *" if _AMAZON.fullmatch(code) else "unknown *"
