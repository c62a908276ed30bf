"""What SEFAZ does not ask, but no right document has: amounts that contradict each other. Warnings, without a code."""

from datetime import date
from decimal import Decimal
from functools import partial

from workflow.nfe.rules.icms import icms
from workflow.nfe.rules.note import Group, is_sale, line_value
from workflow.nfe.rules.rulebook import CENT, Applies, Figures, formula, rule

_HUNDRED = Decimal(100)
_NEAREST = CENT / 2
_OURS = Applies.OURS
#: LC 190/2022: DIFAL to non-contributors, since this day.
_LC_190 = date(2022, 1, 1)


@formula("", field="N37", each="det/imposto/ICMS/*", source="arithmetic", applies=_OURS)
def vICMSEfet_is_base_times_rate(group: Group) -> Figures | None:
    """The ICMS that would be due without substitution."""
    stated, base, rate = group.amount("vICMSEfet"), group.amount("vBCEfet"), group.amount("pICMSEfet")
    if stated is None or base is None or rate is None:
        return None
    return Figures("vICMSEfet", stated, "vBCEfet x pICMSEfet", base * rate / _HUNDRED)


@rule("", field="N14", each="det", source="LC 87/1996, art. 13", applies=_OURS)
def a_reduced_base_is_what_is_left_of_the_line(item: Group) -> str | None:
    """What the buyer pays for the line, with or without IPI, less pRedBC."""
    group = icms(item)
    cut, base = (group.amount("pRedBC"), group.amount("vBC")) if group is not None else (None, None)
    if cut is None or base is None or not is_sale(item):
        return None
    value = line_value(item)
    bases = [one * (1 - cut / _HUNDRED) for one in (value, value + item.sum("imposto/IPI/IPITrib/vIPI"))]
    if any(abs(base - one) <= CENT for one in bases):
        return None
    return f"vBC is {base}, the line of {value} less pRedBC {cut} makes {bases[0].quantize(CENT)}"


@rule("", field="NA03", each="det/imposto/ICMSUFDest", source="LC 190/2022", applies=_OURS, since=_LC_190)
def DIFAL_has_a_usual_base(part: Group) -> str | None:
    """The issuer's own base or the whole line (one base), either with the buyer's UF's rate in it (two bases), or less.

    Less, for the buyer's UF may reduce its base by a law of its own.
    """
    base, item = part.amount("vBCUFDest"), part.within("det")
    if base is None:
        return None
    value = line_value(item)
    own = item.amount("imposto/ICMS/*/vBC") or value
    single = [own, value, value + item.sum("imposto/IPI/IPITrib/vIPI")]
    inside = 1 - (part.sum("pICMSUFDest") + part.sum("pFCPUFDest")) / _HUNDRED
    double = [(one - item.sum("imposto/ICMS/*/vICMS")) / inside for one in single] if inside > 0 else []
    if base < min(single) or any(abs(base - one) <= _NEAREST for one in (*single, *double)):
        return None
    return f"vBCUFDest is {base}, the item's own base is {own}"


@rule("", field="NA04", each="det/imposto/ICMSUFDest", source="LC 190/2022", applies=_OURS)
def the_fund_has_the_same_base(part: Group) -> str | None:
    """vBCFCPUFDest is vBCUFDest."""
    fund, base = part.amount("vBCFCPUFDest"), part.amount("vBCUFDest")
    return None if fund is None or fund == base else f"vBCFCPUFDest is {fund}, vBCUFDest is {base}"


@rule("", field="NA17", each="det/imposto/ICMSUFDest", source="EC 87/2015", applies=_OURS)
def nothing_of_DIFAL_is_left_to_the_issuers_uf(part: Group) -> str | None:
    """vICMSUFRemet is zero since 2019."""
    left = part.amount("vICMSUFRemet")
    return f"vICMSUFRemet is {left}" if left and part.amount("pICMSInterPart") == _HUNDRED else None


@rule("", field="NA01", each="det", source="STF, ADI 5464 and 5469", applies=_OURS)
def the_simples_owes_no_DIFAL(item: Group) -> str | None:
    """CRT 1 and 4 pay nothing to the buyer's UF."""
    crt = item.note.crt
    return f"ICMSUFDest with CRT {crt}" if crt in ("1", "4") and "imposto/ICMSUFDest" in item else None


def _suspended_credit_is_the_sum(tax: str, note: Group) -> Figures | None:
    """vCredPresCondSus has no rule of SEFAZ's as the other totals of IBS and CBS have."""
    total = note.first(f"total/IBSCBSTot/g{tax}")
    if total is None:
        return None
    items = note.sum(f"det/imposto/IBSCBS/gIBSCBS/g{tax}CredPres/vCredPresCondSus")
    return Figures("vCredPresCondSus", total.sum("vCredPresCondSus"), "the sum of the items", items)


for _tax in ("IBS", "CBS"):
    formula("", field="W49", source="arithmetic", applies=_OURS, name=f"{_tax}_suspended_credit_is_the_sum")(
        partial(_suspended_credit_is_the_sum, _tax)
    )
