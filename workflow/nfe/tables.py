"""The dated tables of `workflow/data`, read once: federative units, municipalities, payment codes.

Each file says its source and date in the comment lines above its header. The tables of taxes are in `tax_tables`.
"""

import csv
from collections.abc import Iterator, Mapping
from datetime import timedelta, timezone
from functools import cache, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import NamedTuple

from workflow.nfe.text import folded


class Uf(NamedTuple):
    """One federative unit; `cep_ranges` are pairs of first and last five digits, both included."""

    uf: str
    cUF: str
    name: str
    zone: timezone
    needs_resp_tec: bool
    takes_exempt_ie: bool
    cep_ranges: tuple[tuple[str, str], ...]

    def holds_cep(self, cep: str) -> bool:
        """Whether the eight digits lie in one of the unit's ranges."""
        return any(first <= cep[:5] <= last for first, last in self.cep_ranges)


class Municipality(NamedTuple):
    """One municipality: the 7-digit IBGE code, the name as IBGE writes it, the UF."""

    code: str
    name: str
    uf: str


class PaymentMethod(NamedTuple):
    """An Amazon payment method's tPag (or the word `gift`), and whether the card group is written."""

    tPag: str
    has_card: bool


def rows(name: str) -> Iterator[dict[str, str]]:
    """The rows of one table, without its comment lines."""
    text = resources.files("workflow.data").joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


@cache
def ufs() -> Mapping[str, Uf]:
    """The 27 federative units by their two letters."""
    return MappingProxyType({row["uf"]: _uf(row) for row in rows("ufs.csv")})


def _uf(row: dict[str, str]) -> Uf:
    ranges = tuple((first, last) for first, last in (pair.split("-") for pair in row["cep_ranges"].split()))
    zone = timezone(timedelta(hours=int(row["utc_offset"])))
    return Uf(row["uf"], row["cUF"], row["name"], zone, row["resp_tec"] == "1", row["ie_exempt"] == "1", ranges)


@cache
def cancel_deadlines() -> Mapping[str, tuple[timedelta, timedelta]]:
    """By UF: until when a cancellation is taken after the authorisation, and until when late, with a fine."""
    found = {}
    for row in rows("cancel_deadlines.csv"):
        hours = int(row["hours"])
        found[row["uf"]] = (timedelta(hours=hours), timedelta(hours=int(row["late"] or hours)))
    return MappingProxyType(found)


@cache
def uf_names() -> Mapping[str, str]:
    """The two letters of a unit by its folded letters or name: `SP` and `SAOPAULO` are `SP`."""
    letters = {uf: uf for uf in ufs()}
    return MappingProxyType(letters | {folded(unit.name): uf for uf, unit in ufs().items()})


def uf_of_cep(cep: str) -> str | None:
    """The UF whose range holds the CEP of eight digits, or None.

    >>> uf_of_cep('01310100'), uf_of_cep('00000000')
    ('SP', None)
    """
    return _uf_of_region(cep[:5])


@lru_cache(maxsize=4096)
def _uf_of_region(digits: str) -> str | None:
    return next((uf for uf, unit in ufs().items() if unit.holds_cep(digits)), None)


@cache
def municipalities() -> Mapping[tuple[str, str], Municipality]:
    """Every municipality by (UF, folded name)."""
    found = (Municipality(row["code"], row["name"], row["uf"]) for row in rows("municipalities.csv"))
    table = {(place.uf, folded(place.name)): place for place in found}
    by_code = {place.code: place for place in table.values()}
    other_names = {
        (by_code[row["code"]].uf, folded(row["name"])): by_code[row["code"]] for row in rows("municipality_aliases.csv")
    }
    return MappingProxyType(other_names | table)


@cache
def municipalities_by_code() -> Mapping[str, Municipality]:
    """Every municipality by its IBGE code."""
    return MappingProxyType({place.code: place for place in municipalities().values()})


@cache
def payment_methods() -> Mapping[str, PaymentMethod]:
    """Amazon's payment methods by their letters in lower case."""
    return MappingProxyType(
        {row["method"]: PaymentMethod(row["tPag"], row["card"] == "1") for row in rows("payment_methods.csv")}
    )


@cache
def cstat_texts() -> Mapping[str, str]:
    """SEFAZ's own words by cStat; braces are to be filled in."""
    return MappingProxyType({row["cStat"]: row["xMotivo"] for row in rows("cstat_texts.csv")})


@cache
def card_brands() -> Mapping[str, str]:
    """tBand by the brand's letters in lower case."""
    return MappingProxyType({row["brand"]: row["tBand"] for row in rows("card_brands.csv")})
