"""Which side of the work a seller's stop concerns: Amazon's or SEFAZ's; the work of the other side goes on.

A revoked authorisation at Amazon must not hold the cancellation of an NF-e at SEFAZ, which has a deadline; an expired
certificate need not hold the question for Amazon's verdict. What is neither's alone stops both.
"""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple


class Side(StrEnum):
    """Who is worked with."""

    AMAZON = "amazon"
    SEFAZ = "sefaz"


BOTH = frozenset(Side)

#: There are numbers of the seller's series that this database does not know (`workflow.notice`).
UNKNOWN_NUMBERS = "unknown-numbers"

#: The sides of a stop by the form of its code; a code of no form here stops both.
_SIDES: Mapping[str, frozenset[Side]] = {
    "lwa-*": frozenset({Side.AMAZON}),
    "amazon-*": frozenset({Side.AMAZON}),
    "sefaz-*": frozenset({Side.SEFAZ}),
    "certificate-*": frozenset({Side.SEFAZ}),
    # SEFAZ's own, a cStat: the certificate, the registration, or what this program wrote.
    "[0-9][0-9][0-9]": frozenset({Side.SEFAZ}),
    "[0-9][0-9][0-9][0-9]": frozenset({Side.SEFAZ}),
}


class Stop(NamedTuple):
    """Why a seller is stopped; where each side has its own cause, `code` has both, with a space between."""

    code: str
    reason: str

    @property
    def sides(self) -> frozenset[Side]:
        """What is stopped."""
        return frozenset().union(*(sides_of(code) for code in self.code.split()))

    def code_on(self, side: Side | None) -> str | None:
        """The code that stops that side, None: it goes on. Without a side: what stops anything."""
        if side is None:
            return self.code
        return next((code for code in self.code.split() if side in sides_of(code)), None)

    def after(self, earlier: "Stop | None") -> "Stop":
        """The stop that is in force once this one has come, too."""
        if earlier is None or earlier.sides <= self.sides:
            return self
        if self.sides <= earlier.sides:
            return earlier
        return Stop(f"{earlier.code} {self.code}", f"{earlier.reason}; {self.code}: {self.reason}")


def sides_of(code: str) -> frozenset[Side]:
    """What one code stops.

    >>> sorted(sides_of("lwa-invalid-grant")), sorted(sides_of("203")), sorted(sides_of("removed"))
    ([<Side.AMAZON: 'amazon'>], [<Side.SEFAZ: 'sefaz'>], [<Side.AMAZON: 'amazon'>, <Side.SEFAZ: 'sefaz'>])
    """
    return next((sides for form, sides in _SIDES.items() if fnmatchcase(code, form)), BOTH)
