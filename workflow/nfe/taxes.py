"""Taxes of one item: which situation it is in, what its groups say, what they add to the totals.

The situation is data: the product's (or the issuer's) code is looked up in `data/tax_situations.csv`, whose row names
the fragment of `templates/` that writes it and the calculation that gives its amounts. Each tax is a file of its own;
this one calls them in the order in which they need each other, and gives the groups in the order of the XSD.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from workflow.nfe import difal, ibs_cbs, ipi, pis_cofins, tax_tables
from workflow.nfe.amounts import ZERO
from workflow.nfe.ibs_cbs import IbsCbs
from workflow.nfe.icms import CALCULATIONS, Computed, Line
from workflow.nfe.invoice import Issuer, Product, TaxGroup
from workflow.nfe.operation import Operation, icms_situation, situation
from workflow.nfe.tax_tables import Situation

#: What the buyer pays on top of the goods: vNF adds it, so that the goods' own amount is the price without it.
ON_TOP = ("vST", "vFCPST", "vIPI")


class Taxed(NamedTuple):
    """An item's taxes: its groups, the part of the price that is on top of the goods, whether vItem is written."""

    groups: tuple[TaxGroup, ...]
    on_top: Decimal
    has_vItem: bool


def taxes(issuer: Issuer, product: Product, price: Decimal, on: date | None = None) -> tuple[TaxGroup, ...]:
    """The groups of a sale of one product to a consumer of the seller's own state; raise Invalid.

    Without a date the newest rows of the tables count: what the taxes of a catalogue are tried with.
    """
    operation = Operation(issuer, issuer.address.uf, is_contributor=False, on=on or tax_tables.newest())
    return taxed(Line(operation, product, price, Decimal(1))).groups


def taxed(line: Line) -> Taxed:
    """The taxes of one item; raise Invalid where its situation cannot be used or a rate is not known."""
    operation, product = line.operation, line.product
    found = icms_situation(operation, product)
    groups = [_group("ICMS", found, CALCULATIONS[found.calculation](line), line)]
    goods = line.price - _sum(groups, "vST", "vFCPST")
    if operation.issuer.industrial:
        groups.append(_group("IPI", ipi.ipi_situation(line), ipi.ipi(line, goods), line))
    share = None
    if difal.is_due(operation, found):
        written = situation("ICMSUFDest", "", operation, product)
        share = _group("ICMSUFDest", written, difal.difal(line), line)
    net = goods - _sum(groups, "vIPI")
    before = _totals([*groups, share] if share else groups)
    pis, cofins = pis_cofins.contributions(line, net, before)
    groups.append(_group("PIS", pis.situation, pis.computed, line))
    groups.append(_group("COFINS", cofins.situation, cofins.computed, line))
    groups += [share] if share else []
    rate = ibs_cbs.in_force(line)
    if rate is not None:
        groups += _ibs_cbs(line, ibs_cbs.ibs_cbs(line, rate, _totals(groups), net))
    return Taxed(tuple(groups), _sum(groups, *ON_TOP), rate is not None and rate.has_vItem)


def _group(tax: str, found: Situation, computed: Computed, line: Line) -> TaxGroup:
    fields = {"code": found.code, "orig": line.product.origin, **computed.fields}
    return TaxGroup(tax, found.fragment, fields, computed.totals)


def _ibs_cbs(line: Line, found: IbsCbs) -> list[TaxGroup]:
    own = _group("IBSCBS", found.situation, Computed(found.fields, found.totals), line)
    if found.selective is None:
        return [own]
    fields = {**found.selective._asdict(), "cClassTribIS": line.product.is_class, "CSTIS": line.product.is_cst}
    written = situation("IS", "", line.operation, line.product)
    return [_group("IS", written, Computed(fields, {"vIS": found.selective.vIS}), line), own]


def _totals(groups: list[TaxGroup]) -> Mapping[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for group in groups:
        for name, amount in group.totals.items():
            sums[name] = sums.get(name, ZERO) + amount
    return sums


def _sum(groups: list[TaxGroup], *names: str) -> Decimal:
    return sum((group.totals.get(name, ZERO) for group in groups for name in names), ZERO)
