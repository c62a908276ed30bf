"""IBS, CBS and the selective tax (IS) of one item: NT 2025.002, rounded half to even as the RFB calculator does.

In 2026 the amounts inform only: they are in no total of the price. From 2027 the price contains them (NT 2026.008): the
base is what is left of it. Which of the two, which rates and which regimes is said by `data/ibs_cbs_rates.csv` for the
date of issue.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import NamedTuple

from workflow.errors import Invalid
from workflow.nfe import tax_tables
from workflow.nfe.amounts import ZERO
from workflow.nfe.icms import Line
from workflow.nfe.operation import situation
from workflow.nfe.product import first
from workflow.nfe.tax_tables import ClassTrib, IbsCbsRate, Situation

_HUNDRED = Decimal(100)
_CENT = Decimal("0.01")
#: UB28-10: the effective rate has four places.
_FOUR_PLACES = Decimal("0.0001")


class Selective(NamedTuple):
    """IS: its base, its rate in percent, its amount."""

    vBCIS: Decimal
    pIS: Decimal
    vIS: Decimal


class Effective(NamedTuple):
    """The three rates after the reductions of the class, in percent."""

    uf: Decimal
    municipality: Decimal
    cbs: Decimal


class IbsCbs(NamedTuple):
    """What one item has: the selective tax where levied, and the situation, fields and totals of IBSCBS."""

    selective: Selective | None
    situation: Situation
    fields: Mapping[str, str | Decimal]
    totals: Mapping[str, Decimal]


def half_even(value: Decimal) -> Decimal:
    """The value to the cent, a half to the even side.

    >>> half_even(Decimal('0.125')), half_even(Decimal('0.135'))
    (Decimal('0.12'), Decimal('0.14'))
    """
    return value.quantize(_CENT, ROUND_HALF_EVEN)


def effective(rate: Decimal, reduction: Decimal) -> Decimal:
    """pAliqEfet = rate x (1 - pRedAliq / 100), four places (UB28-10, rejection 1035).

    >>> effective(Decimal('0.90'), Decimal('60')), effective(Decimal('0.10'), Decimal('60'))
    (Decimal('0.3600'), Decimal('0.0400'))
    """
    return (rate * (_HUNDRED - reduction) / _HUNDRED).quantize(_FOUR_PLACES, ROUND_HALF_EVEN)


def parts(vBC: Decimal, rates: Effective) -> tuple[Decimal, Decimal, Decimal]:
    """vIBSUF, vIBSMun and vCBS: each rate on the base (UB35-10, UB54-10, UB67-10).

    >>> parts(Decimal('75.75'), Effective(Decimal('0.10'), Decimal('0.00'), Decimal('0.90')))
    (Decimal('0.08'), Decimal('0.00'), Decimal('0.68'))
    """
    uf, municipality, cbs = (half_even(vBC * percent / _HUNDRED) for percent in rates)
    return uf, municipality, cbs


def base_inside(price: Decimal, percent: Decimal) -> Decimal:
    """The base in a price that holds so many percent of it (NT 2026.008: from 2027 vProd does).

    820.00 with 8.80 %: 820.00 / 1.088 is 753.68, and 8.80 % of that the other 66.32.

    >>> base_inside(Decimal('820.00'), Decimal('8.80'))
    Decimal('753.68')
    """
    return half_even(price / (1 + percent / _HUNDRED))


def in_force(line: Line) -> IbsCbsRate | None:
    """The rates of the day for the seller's regime, or None when it writes no group.

    Raise Invalid('no-ibs-cbs-rate') when the law has a rate that nobody told.
    """
    operation = line.operation
    if operation.on is None and operation.issuer.is_simples:
        return None
    found = tax_tables.ibs_cbs_rate(operation.issued_on)
    if found is None or operation.issuer.crt not in found.crt:
        return None
    own = operation.issuer.ibs_cbs
    rates = (first(found.pIBSUF, own.pIBSUF), first(found.pIBSMun, own.pIBSMun), first(found.pCBS, own.pCBS))
    if None in rates:
        raise Invalid(
            "no-ibs-cbs-rate",
            f"the IBS and CBS rates of {operation.issued_on} are not in the table; set the seller's ibs_cbs",
        )
    return found._replace(pIBSUF=rates[0], pIBSMun=rates[1], pCBS=rates[2])


def ibs_cbs(line: Line, rate: IbsCbsRate, taxes: Mapping[str, Decimal], net: Decimal) -> IbsCbs:
    """The groups of an item; `taxes` are its other taxes by total, `net` the line without what comes on top.

    101.80 less 12.22 of ICMS, 1.38 of PIS, 6.34 of COFINS and 6.11 of DIFAL is a base of 75.75: 0.08 of IBS, 0.68 of
    CBS.
    """
    operation, product = line.operation, line.product
    code = product.cclasstrib or operation.issuer.cclasstrib
    known = tax_tables.class_trib(code, operation.issued_on)
    if known is None:
        raise Invalid("unknown-cclasstrib", f"SKU {product.sku}: cClassTrib {code} is not in the table; mend it")
    left = net - sum((taxes.get(name, ZERO) for name in operation.issuer.ibs_cbs_base_without), ZERO)
    reduced = _effective(rate, known)
    selective, vBC = _split(max(left, ZERO), rate, reduced, line)
    found = situation("IBSCBS", known.cst, operation, product)
    return IbsCbs(selective, found, *_amounts(known, rate, reduced, vBC))


def _effective(rate: IbsCbsRate, known: ClassTrib) -> Effective:
    assert rate.pIBSUF is not None
    assert rate.pIBSMun is not None
    assert rate.pCBS is not None
    if known.cst == "410":
        return Effective(Decimal(0), Decimal(0), Decimal(0))
    return Effective(
        effective(rate.pIBSUF, known.pRedIBS),
        effective(rate.pIBSMun, known.pRedIBS),
        effective(rate.pCBS, known.pRedCBS),
    )


def _split(left: Decimal, rate: IbsCbsRate, reduced: Effective, line: Line) -> tuple[Selective | None, Decimal]:
    """The selective tax and the base of IBS and CBS, which contains it, out of what is left of the price."""
    pIS = line.product.is_rate if rate.is_levied else None
    vBC = base_inside(left, sum(reduced, Decimal(0))) if rate.is_included else left
    if pIS is None:
        return None, vBC
    vBCIS = base_inside(vBC, pIS) if rate.is_included else vBC
    vIS = vBC - vBCIS if rate.is_included else half_even(vBCIS * pIS / _HUNDRED)
    return Selective(vBCIS, pIS, vIS), vBCIS + vIS


def _amounts(
    known: ClassTrib, rate: IbsCbsRate, reduced: Effective, vBC: Decimal
) -> tuple[dict[str, str | Decimal], dict[str, Decimal]]:
    """vIBSUF, vIBSMun, vCBS = vBC x the effective rate (1041, 1052, 1069); vIBS the sum of the first two (1150)."""
    fields: dict[str, str | Decimal] = {"cClassTrib": known.code}
    if known.cst == "410":
        return fields, {}
    vIBSUF, vIBSMun, vCBS = parts(vBC, reduced)
    amounts = {"vIBSUF": vIBSUF, "vIBSMun": vIBSMun, "vIBS": vIBSUF + vIBSMun, "vCBS": vCBS}
    assert rate.pIBSUF is not None
    assert rate.pIBSMun is not None
    assert rate.pCBS is not None
    rates = {
        "pIBSUF": rate.pIBSUF,
        "pIBSMun": rate.pIBSMun,
        "pCBS": rate.pCBS,
        "pRedIBS": known.pRedIBS,
        "pRedCBS": known.pRedCBS,
        "pAliqEfetUF": reduced.uf,
        "pAliqEfetMun": reduced.municipality,
        "pAliqEfetCBS": reduced.cbs,
    }
    return {**fields, **rates, **amounts, "vBC": vBC}, {**amounts, "vBCIBSCBS": vBC}
