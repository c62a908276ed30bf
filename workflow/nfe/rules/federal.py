"""PIS, COFINS and IPI: the first two always there, all of them their base times their rate (groups O, Q, S)."""

from decimal import Decimal
from functools import partial

from workflow.nfe.rules.note import Group, is_sale, line_value
from workflow.nfe.rules.rulebook import CENT, Applies, Figures, formula, rule

_HUNDRED = Decimal(100)
_OURS = Applies.OURS


@rule("745", field="Q01-20", each="det/imposto")
def PIS_is_there(imposto: Group) -> str | None:
    """But in notes of credit and debit, and where only a government's payment is received."""
    return "PIS is missing" if _wants_contributions(imposto) and "PIS" not in imposto else None


@rule("748", field="S01-20", each="det/imposto")
def COFINS_is_there(imposto: Group) -> str | None:
    """As PIS."""
    return "COFINS is missing" if _wants_contributions(imposto) and "COFINS" not in imposto else None


def _wants_contributions(imposto: Group) -> bool:
    note = imposto.note
    return note.value("ide/finNFe") not in ("5", "6") and note.value("ide/gCompraGov/tpOperGov") != "2"


def _tax_is_base_times_rate(tax: str, group: Group) -> Figures | None:
    stated, base, rate = group.amount(f"v{tax}"), group.amount("vBC"), group.amount(f"p{tax}")
    if stated is None or base is None or rate is None:
        return None
    return Figures(f"v{tax}", stated, f"vBC x p{tax}", base * rate / _HUNDRED)


def _tax_is_quantity_times_rate(tax: str, group: Group) -> Figures | None:
    stated, count, rate = group.amount(f"v{tax}"), group.amount("qBCProd"), group.amount("vAliqProd")
    if stated is None or count is None or rate is None:
        return None
    return Figures(f"v{tax}", stated, "qBCProd x vAliqProd", count * rate)


def _rate_has_a_base(tax: str, group: Group) -> str | None:
    """A line that costs nothing, or less than its ICMS, may have a rate of nothing."""
    rate, item = group.amount(f"p{tax}"), group.within("det")
    if not rate or group.amount("vBC") != 0 or line_value(item) <= item.sum("imposto/ICMS/*/vICMS"):
        return None
    return f"p{tax} is {rate} of a vBC of nothing"


for _tax, _field in (("PIS", "Q09"), ("COFINS", "S11")):
    _each = f"det/imposto/{_tax}/*"
    for _made in (_tax_is_base_times_rate, _tax_is_quantity_times_rate):
        formula("", field=_field, each=_each, source="arithmetic", applies=_OURS, name=f"{_tax}{_made.__name__}")(
            partial(_made, _tax)
        )
    rule("", field=_field, each=_each, source="arithmetic", applies=_OURS, name=f"{_tax}_rate_has_a_base")(
        partial(_rate_has_a_base, _tax)
    )


@rule("", field="S07", each="det/imposto", source="Leis 10.637/2002 and 10.833/2003, art. 1", applies=_OURS)
def PIS_and_COFINS_have_one_base(imposto: Group) -> str | None:
    """Both tax the same revenue, where they are in the same situation."""
    pis, cofins = imposto.amount("PIS/*/vBC"), imposto.amount("COFINS/*/vBC")
    if pis is None or cofins is None or pis == cofins or imposto.value("PIS/*/CST") != imposto.value("COFINS/*/CST"):
        return None
    return f"vBC is {pis} in PIS and {cofins} in COFINS"


@formula("", field="O14", each="det/imposto/IPI/IPITrib", source="arithmetic", applies=_OURS)
def vIPI_is_base_times_rate(group: Group) -> Figures | None:
    """The tax on industrial products."""
    stated, base, rate = group.amount("vIPI"), group.amount("vBC"), group.amount("pIPI")
    if stated is None or base is None or rate is None:
        return None
    return Figures("vIPI", stated, "vBC x pIPI", base * rate / _HUNDRED)


@rule("", field="O10", each="det", source="Decreto 7.212/2010, art. 190", applies=_OURS)
def IPI_has_a_usual_base(item: Group) -> str | None:
    """The goods, with or without freight, expenses and discount; imports are not judged."""
    base = item.amount("imposto/IPI/IPITrib/vBC")
    if not base or not is_sale(item):
        return None
    value, goods = line_value(item), item.sum("prod/vProd")
    without_discount = value + item.sum("prod/vDesc")
    if any(abs(base - one) < CENT for one in (value, goods, goods - item.sum("prod/vDesc"), without_discount)):
        return None
    return f"vBC of IPI is {base}, the line is {value}"
