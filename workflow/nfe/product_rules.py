"""What an issuer's NF-e may say of a product, beyond the form of its fields: SEFAZ's later refusals, told now."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from workflow.errors import Invalid
from workflow.nfe import tables, tax_tables
from workflow.nfe.icms import Line
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.operation import Operation
from workflow.nfe.taxes import taxed

#: Rule I05-20: eight zeros are not looked up.
_NO_NCM = "00000000"
#: Convênio ICMS 142/2018, Anexo I: the segments are numbered from 01 to 28.
_LAST_SEGMENT = 28


def problems(product: Product, issuer: Issuer) -> list[str]:
    """Everything wrong with a product in the NF-e of an issuer, a line each; empty when nothing is known to be."""
    return [*_ncm(product), *_cest(product), *_taxes(product, issuer)]


def problems_of(data: Mapping[str, Any], issuer: Issuer) -> list[str]:
    """The same of a product as it is stored: its form may have been right by older rules only."""
    try:
        return problems(Product.parse(data), issuer)
    except Invalid as error:
        return [error.message]


def _ncm(product: Product) -> Iterator[str]:
    if product.ncm != _NO_NCM and product.ncm[:2] not in _chapters():
        yield f"ncm: {product.ncm[:2]} is no chapter of the NCM (SEFAZ refuses: 778)"


@cache
def _chapters() -> frozenset[str]:
    return frozenset(row["chapter"] for row in tables.rows("ncm_chapters.csv"))


def _cest(product: Product) -> Iterator[str]:
    if product.cest is not None and not 1 <= int(product.cest[:2]) <= _LAST_SEGMENT:
        yield f"cest: {product.cest[:2]} is no segment of Convênio ICMS 142/2018, which has 01 to {_LAST_SEGMENT}"


def _taxes(product: Product, issuer: Issuer) -> Iterator[str]:
    """Whether the taxes of a sale can be computed, wherever the goods go: tried with one hundred reais each."""
    found: dict[str, list[str]] = {}
    for uf in tables.ufs():
        operation = Operation(issuer, uf, is_contributor=False, on=tax_tables.newest())
        try:
            taxed(Line(operation, product, Decimal(100), Decimal(1)))
        except Invalid as error:
            found.setdefault(error.message, []).append(uf)
    for message, ufs in found.items():
        everywhere = len(ufs) == len(tables.ufs())
        yield message if everywhere else f"{message} (goods to {', '.join(ufs)})"
