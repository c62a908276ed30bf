"""The access key: 44 characters that name one NF-e for ever.

cUF 2, AAMM 4, CNPJ 14, mod 2, serie 3, nNF 9, tpEmis 1, cNF 8, cDV 1. The CNPJ, and so the key, may hold letters
since July 2026: the check digit counts each character as its ASCII code less 48.
"""

import hmac
import re
from collections.abc import Callable
from datetime import date
from itertools import count, cycle, pairwise
from operator import mul
from typing import NamedTuple

_KEY = re.compile("[0-9]{6}[0-9A-Z]{12}[0-9]{26}")
#: What a character counts: its ASCII code less 48.
_WORTH = bytes((code - 48) % 256 for code in range(256))
#: MOC 7.0 Anexo I, B03-10 (rejection 897): codes too easy to guess, besides the number itself.
_WEAK = frozenset(
    [str(digit) * 8 for digit in range(10)]
    + ["12345678", "23456789", "34567890", "45678901", "56789012", "67890123", "78901234", "89012345"]
    + ["90123456", "01234567"]
)


class KeyParts(NamedTuple):
    """The fields of a key, as strings of their fixed widths."""

    cUF: str
    AAMM: str
    CNPJ: str
    mod: str
    serie: str
    nNF: str
    tpEmis: str
    cNF: str
    cDV: str


def access_key(*, cUF: str, issued_on: date, cnpj: str, serie: int, nNF: int, tpEmis: int, cNF: str) -> str:
    """The key of model 55; `issued_on` is the issuer's local date, `cNF` the eight random digits.

    >>> access_key(cUF='35', issued_on=date(2026, 11, 22), cnpj='99999999000191', serie=1, nNF=1, tpEmis=1,
    ...            cNF='48210937')
    '35261199999999000191550010000000011482109373'
    """
    base = f"{cUF}{issued_on.year % 100:02d}{issued_on.month:02d}{cnpj}55{serie:03d}{nNF:09d}{tpEmis}{cNF}"
    key = base + check_digit(base)
    if not _KEY.fullmatch(key):
        raise ValueError("the parts of an access key do not have their widths")
    return key


def check_digit(base: str) -> str:
    """The 44th character: modulo 11, weights 2 to 9 from right to left, remainders 0 and 1 give 0.

    >>> check_digit('3526119999999900019155001000000001148210937')
    '3'
    """
    remainder = sum(map(mul, base[::-1].encode().translate(_WORTH), cycle(range(2, 10)))) % 11
    return str(11 - remainder) if remainder > 1 else "0"


def is_valid(key: str) -> bool:
    """Whether the text is a key: its pattern and its check digit.

    >>> is_valid('35261199999999000191550010000000011482109373')
    True
    >>> is_valid('35261199999999000191550010000000011482109374')
    False
    """
    return _KEY.fullmatch(key) is not None and check_digit(key[:43]) == key[43]


def split(key: str) -> KeyParts:
    """The fields of a key that `is_valid`.

    >>> split('35261199999999000191550010000000011482109373').nNF
    '000000001'
    """
    ends = (0, 2, 6, 20, 22, 25, 34, 35, 43, 44)
    return KeyParts(*(key[start:end] for start, end in pairwise(ends)))


def draw_cNF(nNF: int, randbelow: Callable[[int], int]) -> str:
    """Eight digits drawn with `randbelow` (`secrets.randbelow`), drawn again while the rules call them weak."""
    while True:
        cNF = f"{randbelow(100_000_000):08d}"
        if not is_weak_cNF(cNF, nNF):
            return cNF


def derived_cNF(secret: bytes, nNF: int, *about: object) -> str:
    """Eight digits that look drawn, and are the same again for the same facts: HMAC-SHA-256 under the secret.

    Whoever has the secret can tell whether a key belongs to these facts, nobody else can guess it.

    >>> derived_cNF(b"secret", 7, "A1SELLER/FBA15DJ8K1", 1), derived_cNF(b"secret", 8, "A1SELLER/FBA15DJ8K1", 1)
    ('85499486', '03412751')
    """
    attempts = count()

    def draw(limit: int) -> int:
        facts = "\0".join(str(fact) for fact in (*about, nNF, next(attempts)))
        return int.from_bytes(hmac.digest(secret, facts.encode(), "sha256"), "big") % limit

    return draw_cNF(nNF, draw)


def is_weak_cNF(cNF: str, nNF: int) -> bool:
    """Whether the code is one of the weak ones or the number itself (rejection 897).

    >>> is_weak_cNF('00000007', 7), is_weak_cNF('12345678', 7), is_weak_cNF('48210937', 7)
    (True, True, False)
    """
    return cNF in _WEAK or cNF == f"{nNF:08d}"
