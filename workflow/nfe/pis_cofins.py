"""PIS and COFINS of one item: a rate on the revenue without the ICMS of the operation, or nothing.

The single document of the Simples holds them for CRT 1, 2 and 4: their groups are written, zeroed (745 and 748 ask for
them).
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from workflow.errors import Invalid
from workflow.nfe import tax_tables
from workflow.nfe.amounts import ZERO
from workflow.nfe.icms import Computed, Line, of
from workflow.nfe.operation import situation
from workflow.nfe.tax_tables import Situation

_LEVIED = ("01", "02")
_NORMAL = 3


class Contribution(NamedTuple):
    """PIS or COFINS: its situation, its fields, its total."""

    situation: Situation
    computed: Computed


def revenue(net: Decimal, totals: Mapping[str, Decimal], without: tuple[str, ...]) -> Decimal:
    """The base: the line without IPI and ST, less the taxes that the seller takes out of it.

    STF, Tema 69 (RE 574.706): the ICMS of the operation is no revenue. 1000.00 with 180.00 of ICMS: 820.00.

    >>> revenue(Decimal('1000.00'), {'vICMS': Decimal('180.00')}, ('vICMS',))
    Decimal('820.00')
    """
    return max(net - sum((totals.get(name, ZERO) for name in without), ZERO), ZERO)


def contributions(line: Line, net: Decimal, totals: Mapping[str, Decimal]) -> tuple[Contribution, Contribution]:
    """PIS and COFINS; `totals` are the amounts of the item's ICMS and DIFAL."""
    issuer, product = line.operation.issuer, line.product
    usual = "01" if issuer.crt == _NORMAL else "49"
    base = revenue(net, totals, issuer.pis_cofins_base_without)
    return (
        _contribution("PIS", product.pis_cst or issuer.pis_cst or usual, product.pis_rate, line, base),
        _contribution("COFINS", product.cofins_cst or issuer.cofins_cst or usual, product.cofins_rate, line, base),
    )


def _contribution(tax: str, code: str, own_rate: Decimal | None, line: Line, base: Decimal) -> Contribution:
    if code in _LEVIED:
        rate = tax_tables.pis_cofins_rate(_regime(line), line.operation.issued_on)
        code = rate.cst or code
        table_rate = rate.pPIS if tax == "PIS" else rate.pCOFINS
        percent = table_rate if own_rate is None or rate.cst else own_rate
    else:
        percent = own_rate or Decimal("0.00")
        base = base if percent else ZERO
    amount = of(base, percent)
    found = situation(tax, code, line.operation, line.product)
    written = {"vBC": base, f"p{tax}": percent, f"v{tax}": amount}
    is_written = found.fragment.endswith(("aliq.xml.j2", "outr.xml.j2"))
    return Contribution(found, Computed(written, {f"v{tax}": amount} if is_written else {}))


def _regime(line: Line) -> str:
    regime = line.operation.issuer.pis_cofins
    if regime is None:
        raise Invalid(
            "no-pis-cofins-rate",
            f"SKU {line.product.sku}: PIS and COFINS 01 and 02 need the seller's pis_cofins",
        )
    return regime
