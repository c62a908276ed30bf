"""A product of the seller's catalogue: what the law asks of goods, and how they are taxed.

A row of strings (CSV) is enough, a table with nested `by_uf` (TOML, JSON) says more. What is empty is the seller's own
setting, and where that is silent too, the dated tables'.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from workflow.nfe.fields import (
    AccessKey,
    Amount,
    CBenef,
    Cest,
    CfopInState,
    CfopInterstate,
    ClassTrib,
    Csosn,
    EmptyIsNone,
    Frozen,
    Gtin,
    Margin,
    MaybePercent,
    Ncm,
    Text1To60,
    Title,
    TwoDigits,
    UfLetters,
    Unit,
    parsed,
)


class InUf(Frozen):
    """What is different for one product in sales to one federative unit."""

    #: The unit's internal rate and FCP for these goods, in percent.
    icms_rate: MaybePercent = None
    fcp_rate: MaybePercent = None
    difal_base: Annotated[Literal["single", "double"] | None, EmptyIsNone] = None
    #: A benefit of the destination: how much of the base of DIFAL is not counted.
    difal_reduction: MaybePercent = None
    #: The situation, its reduction and its benefit code in sales to that unit.
    cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    csosn: Annotated[Csosn | None, EmptyIsNone] = None
    icms_reduction: MaybePercent = None
    cBenef: Annotated[CBenef | None, EmptyIsNone] = None
    cfop: Annotated[Annotated[str, StringConstraints(pattern="^[56][0-9]{3}$")] | None, EmptyIsNone] = None
    #: Margin of substitution and the rate it is computed with, where the seller collects for the unit.
    st_margin: Annotated[Margin | None, EmptyIsNone] = None


def _nested(value: object) -> object:
    """`RJ fcp_rate=2 icms_rate=20 | MG icms_rate=12` of a CSV cell as a nested dictionary."""
    if not isinstance(value, str):
        return value
    tables: dict[str, dict[str, str]] = {}
    for part in filter(str.strip, value.split("|")):
        uf, *pairs = part.split()
        if uf in tables or not all("=" in pair for pair in pairs):
            raise ValueError("must read like: RJ fcp_rate=2 icms_rate=20 | MG icms_rate=12, each unit once")
        tables[uf] = dict(pair.split("=", 1) for pair in pairs)
    return tables


class Product(Frozen):
    """What the catalogue knows of one SKU; a plain dictionary of strings is enough for `Product.parse`."""

    sku: Text1To60
    title: Title = None
    ncm: Ncm
    cest: Annotated[Cest | None, EmptyIsNone] = None
    origin: Annotated[str, StringConstraints(pattern="^[0-8]$")] = "0"
    unit: Unit = "UN"
    gtin: Annotated[Gtin | None, EmptyIsNone] = None
    #: None here and below: the issuer's own setting.
    csosn: Annotated[Csosn | None, EmptyIsNone] = None
    pis_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    cofins_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    cfop_in_state: CfopInState = None
    cfop_interstate: CfopInterstate = None

    #: The CST of CRT 2 and 3, and in sales to another state: goods retained at home are often taxed anew there.
    cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    cst_interstate: Annotated[TwoDigits | None, EmptyIsNone] = None
    csosn_interstate: Annotated[Csosn | None, EmptyIsNone] = None
    #: The internal rate and FCP in the seller's own state, in percent; other states are in `by_uf`.
    icms_rate: MaybePercent = None
    fcp_rate: MaybePercent = None
    #: How much of the base is not counted (pRedBC), and how much of the tax is deferred (pDif), in percent.
    icms_reduction: MaybePercent = None
    icms_deferral: MaybePercent = None
    #: motDesICMS: with it, the tax that is not charged is written (vICMSDeson), not deducted from the total.
    icms_relief: Annotated[Annotated[str, StringConstraints(pattern="^[0-9]{1,2}$")] | None, EmptyIsNone] = None
    cBenef: Annotated[CBenef | None, EmptyIsNone] = None
    by_uf: Annotated[dict[UfLetters, InUf], BeforeValidator(_nested)] = Field(default_factory=dict)

    #: What was retained before: reais for each unit sold (vBCSTRet, vICMSSubstituto, vICMSSTRet), percent (pST).
    st_retained_base: Annotated[Amount | None, EmptyIsNone] = None
    st_retained_rate: MaybePercent = None
    st_substitute_icms: Annotated[Amount | None, EmptyIsNone] = None
    st_retained_icms: Annotated[Amount | None, EmptyIsNone] = None
    #: For a seller who collects by substitution: margin (pMVAST), reduction of its base, internal rate, FCP.
    st_margin: Annotated[Margin | None, EmptyIsNone] = None
    st_reduction: MaybePercent = None
    st_rate: MaybePercent = None
    st_fcp_rate: MaybePercent = None

    pis_rate: MaybePercent = None
    cofins_rate: MaybePercent = None

    #: Made by the seller itself: the CFOP of own production.
    own_production: Annotated[bool | None, EmptyIsNone] = None
    ipi_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    ipi_rate: MaybePercent = None
    ipi_class: Annotated[Annotated[str, StringConstraints(pattern="^[0-9]{3}$")] | None, EmptyIsNone] = None

    cclasstrib: Annotated[ClassTrib | None, EmptyIsNone] = None
    #: The selective tax, from the date on which the tables levy it.
    is_cst: Annotated[Annotated[str, StringConstraints(pattern="^[0-9]{3}$")] | None, EmptyIsNone] = None
    is_class: Annotated[ClassTrib | None, EmptyIsNone] = None
    is_rate: MaybePercent = None

    #: Approximate taxes of Lei 12.741/2012, in percent of what the buyer pays.
    approximate_tax: MaybePercent = None
    #: The key of the NF-e by which the goods went to the warehouse.
    remittance: Annotated[AccessKey | None, EmptyIsNone] = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        retained = (self.st_retained_base, self.st_retained_rate, self.st_retained_icms)
        if any(value is None for value in retained) and any(value is not None for value in retained):
            raise ValueError("st_retained_base, st_retained_rate and st_retained_icms go together")
        if self.st_substitute_icms is not None and self.st_retained_base is None:
            raise ValueError("st_substitute_icms needs st_retained_base")
        if len({self.is_cst is None, self.is_class is None, self.is_rate is None}) > 1:
            raise ValueError("is_cst, is_class and is_rate go together")
        if self.ipi_rate and self.ipi_cst not in (None, "50", "99"):
            raise ValueError("ipi_rate needs ipi_cst 50 or 99, or none")
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A product from a plain dictionary; raise Invalid('bad-product') with every field that is wrong."""
        return parsed(cls, data, code="bad-product", what="product")

    def in_uf(self, uf: str) -> InUf:
        """What is different in sales to that unit.

        >>> Product.parse({'sku': 'A', 'ncm': '33030010', 'by_uf': 'RJ fcp_rate=2'}).in_uf('RJ').fcp_rate
        Decimal('2')
        """
        return self.by_uf.get(uf, _NOTHING)


_NOTHING = InUf()


def first(*values: Decimal | None) -> Decimal | None:
    """The first that is given: a zero is given, None is not."""
    return next((value for value in values if value is not None), None)
