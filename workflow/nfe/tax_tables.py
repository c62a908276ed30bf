"""The dated tables of taxes in `workflow/data`: what the authorities change is a row, and the date of issue selects it.

A row is in force from `valid_from` to `valid_to`, both included; an empty `valid_to` is open.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import NamedTuple, Protocol, TypeVar

from workflow.errors import Invalid
from workflow.nfe.tables import rows


class Situation(NamedTuple):
    """One tax situation: who may use it, what writes it, how it is computed, what it is for a consumer."""

    tax: str
    code: str
    crt: frozenset[int]
    fragment: str
    calculation: str = "none"
    substitution: str = ""
    has_difal: bool = False
    consumer: str = ""


class UfRate(NamedTuple):
    """ICMS inside one unit, in percent; `difal_base` is `single` or `double`."""

    valid_from: date
    icms_rate: Decimal
    fcp_rate: Decimal
    difal_base: str


class InterstateRate(NamedTuple):
    """One row of the interstate rates; an empty set is any."""

    origins: frozenset[str]
    sources: frozenset[str]
    destinations: frozenset[str]
    rate: Decimal


class IbsCbsRate(NamedTuple):
    """IBS and CBS in force; `pCBS` None: not known yet."""

    valid_from: date
    valid_to: date
    crt: frozenset[int]
    pIBSUF: Decimal | None
    pIBSMun: Decimal | None
    pCBS: Decimal | None
    is_included: bool
    is_levied: bool
    has_vItem: bool


class PisCofinsRate(NamedTuple):
    """PIS and COFINS in force for one regime; `cst` replaces 01 and 02 where they are no longer levied."""

    valid_from: date
    valid_to: date
    regime: str
    pPIS: Decimal
    pCOFINS: Decimal
    cst: str


class ClassTrib(NamedTuple):
    """One cClassTrib: its CST and the reductions of the rates in percent."""

    valid_from: date
    valid_to: date
    code: str
    cst: str
    pRedIBS: Decimal
    pRedCBS: Decimal


class CfopRow(NamedTuple):
    """Which CFOP a sale takes, by regime, maker, substitution and buyer."""

    crt: frozenset[int]
    own_production: frozenset[bool]
    substitution: frozenset[str]
    is_contributor: frozenset[bool]
    in_state: str
    interstate: str


class _Dated(Protocol):
    @property
    def valid_from(self) -> date: ...

    @property
    def valid_to(self) -> date: ...


Row = TypeVar("Row", bound=_Dated)


def _day(text: str, empty: date) -> date:
    return date.fromisoformat(text) if text else empty


def _period(row: Mapping[str, str]) -> tuple[date, date]:
    return _day(row["valid_from"], date.min), _day(row["valid_to"], date.max)


def _percent(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _regimes(text: str) -> frozenset[int]:
    return frozenset(map(int, text.split()))


def _choice(text: str) -> frozenset[str]:
    return frozenset() if text == "*" else frozenset(text.split())


def _flags(text: str) -> frozenset[bool]:
    return frozenset(flag == "1" for flag in text.split())


@cache
def situations() -> Mapping[tuple[str, str], Situation]:
    """Every tax situation we can write, by (tax, code)."""
    found = (
        Situation(
            row["tax"],
            row["code"],
            _regimes(row["crt"]),
            row["fragment"],
            row["calculation"],
            row["substitution"],
            row["difal"] == "1",
            row["consumer"],
        )
        for row in rows("tax_situations.csv")
    )
    return MappingProxyType({(row.tax, row.code): row for row in found})


@cache
def _uf_rates() -> Mapping[str, tuple[UfRate, ...]]:
    found: dict[str, list[UfRate]] = {}
    for row in rows("icms_ufs.csv"):
        rate = UfRate(
            date.fromisoformat(row["valid_from"]),
            Decimal(row["icms_rate"]),
            Decimal(row["fcp_rate"]),
            row["difal_base"],
        )
        found.setdefault(row["uf"], []).append(rate)
    return MappingProxyType({uf: tuple(sorted(rates, reverse=True)) for uf, rates in found.items()})


def newest() -> date:
    """The day since when the newest row of ICMS is in force: for trying taxes without a date.

    >>> newest() >= date(2026, 4, 1)
    True
    """
    return max(rates[0].valid_from for rates in _uf_rates().values())


def uf_rate(uf: str, issued_on: date) -> UfRate | None:
    """ICMS inside one unit on a day, or None where the table does not reach back.

    >>> uf_rate('RJ', date(2026, 11, 22)).fcp_rate, uf_rate('RJ', date(2020, 1, 1))
    (Decimal('2'), None)
    """
    return next((rate for rate in _uf_rates()[uf] if rate.valid_from <= issued_on), None)


@cache
def _interstate_rates() -> tuple[InterstateRate, ...]:
    return tuple(
        InterstateRate(_choice(row["origins"]), _choice(row["from"]), _choice(row["to"]), Decimal(row["rate"]))
        for row in rows("icms_interstate.csv")
    )


@cache
def interstate_rate(goods_origin: str, source: str, destination: str) -> Decimal:
    """The rate between two units: 4 for imported goods, 7 or 12 by the route.

    Source: Resoluções do Senado 13/2012 and 22/1989; rejections 697 and 698.

    >>> interstate_rate('0', 'SP', 'BA'), interstate_rate('0', 'SP', 'MG'), interstate_rate('0', 'ES', 'SP')
    (Decimal('7.00'), Decimal('12.00'), Decimal('12.00'))
    >>> interstate_rate('1', 'SP', 'BA')
    Decimal('4.00')
    """
    return next(
        row.rate
        for row in _interstate_rates()
        if _fits(goods_origin, row.origins) and _fits(source, row.sources) and _fits(destination, row.destinations)
    )


def _fits(value: str, among: frozenset[str]) -> bool:
    return not among or value in among


@cache
def _ibs_cbs_rates() -> tuple[IbsCbsRate, ...]:
    return tuple(
        IbsCbsRate(
            *_period(row),
            _regimes(row["crt"]),
            _percent(row["pIBSUF"]),
            _percent(row["pIBSMun"]),
            _percent(row["pCBS"]),
            row["included"] == "1",
            row["is_levied"] == "1",
            row["v_item"] == "1",
        )
        for row in rows("ibs_cbs_rates.csv")
    )


def ibs_cbs_rate(issued_on: date) -> IbsCbsRate | None:
    """IBS and CBS on a day, or None when the table has no row for it."""
    return _in_force(_ibs_cbs_rates(), issued_on)


@cache
def _pis_cofins_rates() -> tuple[PisCofinsRate, ...]:
    return tuple(
        PisCofinsRate(*_period(row), row["regime"], Decimal(row["pPIS"]), Decimal(row["pCOFINS"]), row["cst"])
        for row in rows("pis_cofins_rates.csv")
    )


def pis_cofins_rate(regime: str, issued_on: date) -> PisCofinsRate:
    """PIS and COFINS of a regime on a day.

    >>> pis_cofins_rate('non-cumulative', date(2026, 11, 22)).pCOFINS
    Decimal('7.60')
    """
    rate = _in_force(tuple(row for row in _pis_cofins_rates() if row.regime == regime), issued_on)
    if rate is None:
        raise Invalid("no-pis-cofins-rate", f"no {regime} rates of PIS and COFINS are known for {issued_on}")
    return rate


@cache
def _class_tribs() -> tuple[ClassTrib, ...]:
    return tuple(
        ClassTrib(*_period(row), row["cClassTrib"], row["CST"], Decimal(row["pRedIBS"]), Decimal(row["pRedCBS"]))
        for row in rows("cclasstrib.csv")
    )


def class_trib(code: str, issued_on: date) -> ClassTrib | None:
    """The cClassTrib on a day, or None when the table has it not.

    >>> class_trib('200034', date(2026, 11, 22)).pRedIBS
    Decimal('60')
    """
    return _in_force(tuple(row for row in _class_tribs() if row.code == code), issued_on)


@cache
def cfop_rows() -> tuple[CfopRow, ...]:
    """The default CFOPs."""
    return tuple(
        CfopRow(
            _regimes(row["crt"]),
            _flags(row["own_production"]),
            _choice(row["substitution"]),
            _flags(row["contributor"]),
            row["in_state"],
            row["interstate"],
        )
        for row in rows("cfops.csv")
    )


def _in_force(among: tuple[Row, ...], issued_on: date) -> Row | None:
    return next((row for row in among if row.valid_from <= issued_on <= row.valid_to), None)
