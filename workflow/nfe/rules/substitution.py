"""ICMS-ST and the credit of the Simples: what SEFAZ does not compute. Warnings, without a code."""

from decimal import Decimal

from workflow.nfe import tables, tax_tables
from workflow.nfe.amounts import cents
from workflow.nfe.rules.icms import icms
from workflow.nfe.rules.note import Group, is_sale, line_value
from workflow.nfe.rules.rulebook import CENT, Applies, Figures, formula, rule

_HUNDRED = Decimal(100)
_CONVENTION = "Convênio ICMS 142/2018"
_OURS = Applies.OURS


def _of(base: Decimal, percent: Decimal) -> Decimal:
    return base * percent / _HUNDRED


@rule("", field="N21", each="det", source=f"{_CONVENTION}, cl. 11", applies=_OURS)
def vBCST_is_the_goods_with_the_margin(item: Group) -> str | None:
    """The goods, with or without freight, discount and IPI, with pMVAST, less pRedBCST."""
    group = icms(item)
    base, margin = (group.amount("vBCST"), group.amount("pMVAST")) if group is not None else (None, None)
    if group is None or base is None or margin is None or not is_sale(item):
        return None
    goods = [line_value(item), item.sum("prod/vProd"), item.sum("prod/vProd") - item.sum("prod/vDesc")]
    goods += [one + item.sum("imposto/IPI/IPITrib/vIPI") for one in goods]
    left = (_HUNDRED + margin) / _HUNDRED * (_HUNDRED - group.sum("pRedBCST")) / _HUNDRED
    if any(abs(base - one * left) <= CENT / 2 for one in goods):
        return None
    return f"vBCST is {base}, {goods[0]} with pMVAST {margin} makes {goods[0] * left:.2f}"


@formula("", field="N23", each="det", source=f"{_CONVENTION}, cl. 14", applies=_OURS)
def vICMSST_is_what_the_own_tax_leaves(item: Group) -> Figures | None:
    """The base times the rate, less the seller's own ICMS: for the Simples, the one it would have."""
    group = icms(item)
    if group is None or not is_sale(item):
        return None
    stated, base, rate = group.amount("vICMSST"), group.amount("vBCST"), group.amount("pICMSST")
    if stated is None or base is None or rate is None:
        return None
    own = group.sum("vICMS") if "vICMS" in group else cents(_of(line_value(item), _own_rate(group, rate)))
    return Figures(
        "vICMSST", stated, "vBCST x pICMSST less the own ICMS", max(cents(_of(base, rate)) - own, Decimal(0))
    )


def _own_rate(group: Group, internal: Decimal) -> Decimal:
    ufs = (group.note.origin_uf, group.note.buyer_uf)
    if group.note.value("ide/idDest") != "2" or not all(uf in tables.ufs() for uf in ufs):
        return internal
    return tax_tables.interstate_rate(group.value("orig"), *ufs)


@formula("", field="N23d", each="det/imposto/ICMS/*", source="arithmetic", applies=_OURS)
def vFCPST_is_base_times_rate(group: Group) -> Figures | None:
    """The fund against poverty by substitution, with or without the own one deducted."""
    stated, base, rate = group.amount("vFCPST"), group.amount("vBCFCPST"), group.amount("pFCPST")
    if stated is None or base is None or rate is None:
        return None
    whole = _of(base, rate)
    made = min(whole, whole - group.sum("vFCP"), key=lambda one: abs(stated - one))
    return Figures("vFCPST", stated, "vBCFCPST x pFCPST", made)


@rule("", field="N23a", each="det/imposto/ICMS/*", source="arithmetic", applies=_OURS)
def the_fund_by_substitution_has_the_same_base(group: Group) -> str | None:
    """vBCFCPST is vBCST."""
    fund, base = group.amount("vBCFCPST"), group.amount("vBCST")
    return None if fund is None or base is None or fund == base else f"vBCFCPST is {fund}, vBCST is {base}"


@formula("", field="N30", each="det", source="LC 123/2006, art. 23", applies=_OURS)
def vCredICMSSN_is_the_line_times_pCredSN(item: Group) -> Figures | None:
    """The credit that the Simples grants: of the line, or of the base where it has one."""
    group = icms(item)
    stated, rate = (group.amount("vCredICMSSN"), group.amount("pCredSN")) if group is not None else (None, None)
    if group is None or stated is None or rate is None or not is_sale(item):
        return None
    bases = (line_value(item), item.sum("prod/vProd"), group.amount("vBC") or line_value(item))
    made = min((_of(base, rate) for base in bases), key=lambda one: abs(stated - one))
    return Figures("vCredICMSSN", stated, "the line x pCredSN", made)
