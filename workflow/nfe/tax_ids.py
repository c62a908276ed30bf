"""CPF and CNPJ: the ids of people and companies, with their check digits.

An id is a string: since July 2026 a CNPJ may hold letters (IN RFB 2.229/2024), and both may begin with zero.
"""

import re
from functools import lru_cache

from stdnum.br import cnpj as _cnpj
from stdnum.br import cpf as _cpf

_PUNCTUATION = re.compile(r"[\s./-]+")


def compact(value: str) -> str:
    """The id without its punctuation, in upper case.

    >>> compact('12.abc.345/01de-35')
    '12ABC34501DE35'
    """
    return _PUNCTUATION.sub("", value).upper()


def is_cpf(value: str) -> bool:
    """Whether eleven digits are a CPF: check digits right, not one digit repeated (rejection 237).

    >>> is_cpf('11144477735'), is_cpf('11111111111')
    (True, False)
    """
    return re.fullmatch("[0-9]{11}", value) is not None and len(set(value)) > 1 and _cpf.is_valid(value)


@lru_cache(maxsize=1024)
def is_cnpj(value: str) -> bool:
    """Whether fourteen characters are a CNPJ, numeric or alphanumeric, with the check digits right.

    >>> is_cnpj('15436940000103'), is_cnpj('12ABC34501DE35'), is_cnpj('00000000000000')
    (True, True, False)
    """
    return (
        re.fullmatch("[0-9A-Z]{12}[0-9]{2}", value) is not None and len(set(value)) > 1 and bool(_cnpj.is_valid(value))
    )
