"""Money: `Decimal`, in reais, quantised here and nowhere else."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal

ZERO = Decimal("0.00")
_CENT = Decimal("0.01")
#: MOC 7.0 Anexo I, field I10a: up to ten decimals (TDec_1110v).
_TEN_PLACES = Decimal("0.0000000001")


def cents(value: Decimal) -> Decimal:
    """The value rounded half up to two places (MOC 7.0 Anexo I, note *4 fixes the places, not the mode).

    >>> cents(Decimal('1.005'))
    Decimal('1.01')
    """
    return value.quantize(_CENT, ROUND_HALF_UP)


def unit_price(line_total: Decimal, quantity: Decimal) -> Decimal:
    """The unit price that gives the line's total back: ten places where two to four do not.

    >>> unit_price(Decimal('10.00'), Decimal(3)), unit_price(Decimal('10.00'), Decimal(4))
    (Decimal('3.3333333333'), Decimal('2.50'))
    """
    price = (line_total / quantity).quantize(_TEN_PLACES, ROUND_HALF_UP)
    return trimmed(price, at_least=2)


def trimmed(value: Decimal, *, at_least: int) -> Decimal:
    """The value without trailing zeros beyond `at_least` decimals.

    >>> trimmed(Decimal('2.5000000000'), at_least=2), trimmed(Decimal('3'), at_least=4)
    (Decimal('2.50'), Decimal('3.0000'))
    """
    shortest = value.normalize()
    places = max(-int(shortest.as_tuple().exponent), at_least)
    return shortest.quantize(Decimal(1).scaleb(-places))


def prorate(total: Decimal, weights: Sequence[Decimal]) -> tuple[Decimal, ...]:
    """The total in shares by weight, to the cent and exact in sum: the largest remainders get the odd cents.

    >>> prorate(Decimal('1.00'), [Decimal(1), Decimal(1), Decimal(1)])
    (Decimal('0.34'), Decimal('0.33'), Decimal('0.33'))
    """
    whole = sum(weights, ZERO)
    exact = [total * weight / whole for weight in weights]
    shares = [share.quantize(_CENT, ROUND_DOWN) for share in exact]
    odd_cents = int((total - sum(shares, ZERO)) / _CENT)
    by_remainder = sorted(range(len(exact)), key=lambda i: (shares[i] - exact[i], i))
    for i in by_remainder[:odd_cents]:
        shares[i] += _CENT
    return tuple(shares)
