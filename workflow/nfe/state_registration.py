"""State registrations (IE): whether their check digits are right, by the formulas of each state.

Only length and check digits are held, not the ranges that a state gives out: those change, and nobody announces it.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import NamedTuple

from workflow.nfe.tables import rows


class _Check(NamedTuple):
    """A check digit: its place from 0, the weights of the number's digits, and its rule, of (sum, digits)."""

    place: int
    weights: tuple[int, ...]
    rule: str

    def holds(self, digits: list[int]) -> bool:
        """Whether the digit at the place is the one that the others make."""
        weighted = [digit * weight for digit, weight in zip(digits, self.weights, strict=False)]
        return digits[self.place] == _RULES[self.rule](weighted, digits)


def is_ie(uf: str, ie: str) -> bool:
    """Whether these digits are a registration of this state; a state that is none has no registrations.

    >>> is_ie("SP", "110042490114"), is_ie("SP", "110042490115"), is_ie("MG", "0623079040081")
    (True, False, True)
    """
    if not (ie.isascii() and ie.isdigit()):
        return False
    lengths = sorted(length for state, length in _checks() if state == uf and length >= len(ie))
    if not lengths:
        return False
    digits = [int(digit) for digit in ie.zfill(lengths[0])]
    return any(digits) and all(check.holds(digits) for check in _checks()[uf, lengths[0]])


def _eleven(weighted: list[int], _: list[int]) -> int:
    rest = sum(weighted) % 11
    return 0 if rest < 2 else 11 - rest


def _eleven_units(weighted: list[int], _: list[int]) -> int:
    return (11 - sum(weighted) % 11) % 10


def _remainder(weighted: list[int], _: list[int]) -> int:
    return sum(weighted) % 11 % 10


def _nine(weighted: list[int], _: list[int]) -> int:
    return sum(weighted) % 9


def _digit_sum(weighted: list[int], _: list[int]) -> int:
    return -sum(one // 10 + one % 10 for one in weighted) % 10


def _amapa(weighted: list[int], digits: list[int]) -> int:
    """Two ranges add something to the sum, and take another digit where 11 is left."""
    number = _number(digits[:8])
    added, at_eleven = (5, 0) if number <= 3017000 else (9, 1) if number <= 3019022 else (0, 0)
    found = 11 - (sum(weighted) + added) % 11
    return {10: 0, 11: at_eleven}.get(found, found)


def _bahia(weighted: list[int], digits: list[int]) -> int:
    """The second digit says by which modulus."""
    if digits[1] in (6, 7, 9):
        return _eleven(weighted, digits)
    return -sum(weighted) % 10


def _goias(weighted: list[int], digits: list[int]) -> int:
    """Where 1 is left, one range has a digit of its own."""
    if sum(weighted) % 11 == 1 and 10103105 <= _number(digits[:8]) <= 10119997:
        return 1
    return _eleven(weighted, digits)


def _number(digits: list[int]) -> int:
    return int("".join(map(str, digits)))


_RULES: Mapping[str, Callable[[list[int], list[int]], int]] = MappingProxyType(
    {
        "eleven": _eleven,
        "eleven-units": _eleven_units,
        "remainder": _remainder,
        "nine": _nine,
        "digit-sum": _digit_sum,
        "amapa": _amapa,
        "bahia": _bahia,
        "goias": _goias,
    }
)


@cache
def _checks() -> Mapping[tuple[str, int], tuple[_Check, ...]]:
    """The check digits of each state's registrations, by the state and how many digits they have."""
    found: dict[tuple[str, int], tuple[_Check, ...]] = {}
    for row in rows("ie_check_digits.csv"):
        check = _Check(int(row["place"]) - 1, tuple(map(int, row["weights"].split())), row["rule"])
        where = row["uf"], int(row["digits"])
        found[where] = (*found.get(where, ()), check)
    return MappingProxyType(found)
