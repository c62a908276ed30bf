"""IBS and CBS: there where the law wants them, at the year's rates, and computed from their base (group UB).

Three bodies tax the same base: the UF (gIBSUF), the municipality (gIBSMun), the Union (gCBS). Their rules are the
same with other codes, so that each is written once and registered three times. NT 2025.002 v1.52.
"""

from datetime import date
from decimal import Decimal
from functools import partial
from typing import NamedTuple

from workflow.nfe import tax_tables
from workflow.nfe.amounts import ZERO
from workflow.nfe.rules.note import Group
from workflow.nfe.rules.rulebook import CENT, Applies, Figures, formula, rule
from workflow.nfe.tax_tables import ClassTrib

_NT = "NT 2025.002 v1.52"
_BASE = "det/imposto/IBSCBS/gIBSCBS"
_HUNDRED = Decimal(100)
_LAST_PLACE = Decimal("0.0001")
#: NT 2025.002: UB12-10 in homologation for CRT 3 since this day; in production without a date.
_REQUIRED_IN_TESTS = date(2026, 7, 1)
#: LC 214/2025 art. 348: the law itself.
_REQUIRED_BY_LAW = date(2026, 1, 1)
#: The UF that hold areas whose CBS may be zero (UB56-10, exception 3).
_INCENTIVE = ("AC", "AM", "AP", "RO", "RR")


def _is_missing(item: Group) -> bool:
    return (
        item.note.crt == "3"
        and item.note.value("ide/finNFe") in ("1", "3")
        and "imposto/IBSCBS" not in item
        and "prod/comb" not in item
    )


@rule("1115", field="UB12-10", each="det", source=_NT, since=_REQUIRED_IN_TESTS)
def a_test_of_the_normal_regime_has_IBSCBS(item: Group) -> str | None:
    """In homologation the group is required of CRT 3."""
    return "IBSCBS is missing with CRT 3" if item.note.value("ide/tpAmb") == "2" and _is_missing(item) else None


@rule("1115", field="UB12-10", each="det", source=_NT, applies=Applies.FUTURE, since=_REQUIRED_BY_LAW)
def the_normal_regime_has_IBSCBS(item: Group) -> str | None:
    """In production the law requires it and SEFAZ does not look yet."""
    return "IBSCBS is missing with CRT 3" if item.note.value("ide/tpAmb") == "1" and _is_missing(item) else None


@rule("1118", field="W34-10", source=_NT)
def the_totals_of_IBSCBS_have_items(note: Group) -> str | None:
    """IBSCBSTot without an item that has IBSCBS."""
    if "total/IBSCBSTot" in note and "det/imposto/IBSCBS" not in note:
        return "IBSCBSTot is there, no item has IBSCBS"
    return None


@rule("1119", field="W34-20", source=_NT)
def the_items_IBSCBS_have_totals(note: Group) -> str | None:
    """An item with IBSCBS without IBSCBSTot."""
    if "total/IBSCBSTot" not in note and "det/imposto/IBSCBS" in note:
        return "IBSCBSTot is missing, an item has IBSCBS"
    return None


class _Body(NamedTuple):
    """One body that taxes: its group, its rate and tax, and (cStat, field) of each rule."""

    group: str
    rate: str
    tax: str
    fixed: tuple[str, str]
    deferred: tuple[str, str]
    cut: tuple[str, str]
    reduced: tuple[str, str]
    computed: tuple[str, str]


_UF = _Body(
    "gIBSUF", "pIBSUF", "vIBSUF",
    fixed=("1026", "UB18-10"), deferred=("1031", "UB23-10"), cut=("1034", "UB27-10"),
    reduced=("1035", "UB28-10"), computed=("1041", "UB35-10"),
)  # fmt: skip
_MUNICIPALITY = _Body(
    "gIBSMun", "pIBSMun", "vIBSMun",
    fixed=("1036", "UB37-10"), deferred=("1045", "UB42-10"), cut=("1046", "UB46-10"),
    reduced=("1047", "UB47-10"), computed=("1052", "UB54-10"),
)  # fmt: skip
_UNION = _Body(
    "gCBS", "pCBS", "vCBS",
    fixed=("1037", "UB56-10"), deferred=("1062", "UB61-10"), cut=("1063", "UB65-10"),
    reduced=("1064", "UB66-10"), computed=("1069", "UB67-10"),
)  # fmt: skip


def _is_corrected(note: Group) -> bool:
    """Returns and credit notes repeat the rates of the note they correct."""
    return note.value("ide/finNFe") in ("4", "5", "6")


def _may_be_zero(group: Group) -> bool:
    regular = "gTribRegular" in group.within("gIBSCBS")
    note = group.note
    inside = note.origin_uf in _INCENTIVE and note.buyer_uf in _INCENTIVE
    return regular or (group.tag == "gCBS" and ("gALCZFMCBS" in group or inside))


def _base(group: Group) -> Decimal | None:
    return group.within("gIBSCBS").amount("vBC")


def _rate_is_the_years(body: _Body, group: Group) -> str | None:
    rate, issued = group.amount(body.rate), group.note.dhEmi
    known = tax_tables.ibs_cbs_rate(issued.date()) if issued else None
    expected: Decimal | None = getattr(known, body.rate, None)
    if rate is None or expected is None or _is_corrected(group.note) or rate == expected:
        return None
    return None if rate == 0 and _may_be_zero(group) else f"{body.rate} is {rate}, this year's is {expected}"


def _deferred_is_a_part_of_the_tax(body: _Body, group: Group) -> Figures | None:
    base, part, stated = _base(group), group.amount("gDif/pDif"), group.amount("gDif/vDif")
    rate = _effective_rate(body, group)
    if base is None or rate is None or part is None or stated is None:
        return None
    return Figures("vDif", stated, f"vBC x {body.rate} x pDif", base * rate / _HUNDRED * part / _HUNDRED)


def _known_class(IBSCBS: Group) -> ClassTrib | None:
    """The row of the group's cClassTrib on the day of issue; None where our part of the table has it not."""
    issued = IBSCBS.note.dhEmi
    return None if issued is None else tax_tables.class_trib(IBSCBS.value("cClassTrib"), issued.date())


@rule("1024", field="UB14-20", each="det/imposto/IBSCBS", source=_NT)
def cClassTrib_is_of_the_CST(IBSCBS: Group) -> str | None:
    """Each class belongs to one situation."""
    known, CST = _known_class(IBSCBS), IBSCBS.value("CST")
    if known is None or known.cst == CST:
        return None
    return f"cClassTrib {known.code} is of CST {known.cst}, not {CST}"


def _cut_is_the_classs(body: _Body, group: Group) -> str | None:
    known = _known_class(group.within("IBSCBS"))
    cut = group.amount("gRed/pRedAliq")
    if known is None or cut is None or "ide/gCompraGov" in group.note:
        return None
    expected = known.pRedCBS if body is _UNION else known.pRedIBS
    return f"pRedAliq is {cut}, that of cClassTrib {known.code} is {expected}" if cut != expected else None


def _reduced_rate_is_computed(body: _Body, group: Group) -> str | None:
    rate, cut, stated = group.amount(body.rate), group.amount("gRed/pRedAliq"), group.amount("gRed/pAliqEfet")
    if rate is None or cut is None or stated is None:
        return None
    redutor = group.note.amount("ide/gCompraGov/pRedutor") or ZERO
    made = rate * (1 - cut / _HUNDRED) * (1 - redutor / _HUNDRED)
    # Half up and half even may differ in the last of the four places.
    is_off = abs(stated - made) > _LAST_PLACE
    return f"pAliqEfet is {stated}, {body.rate} less pRedAliq makes {made:.4f}" if is_off else None


def _tax_is_base_times_rate(body: _Body, group: Group) -> Figures | None:
    base, stated, rate = _base(group), group.amount(body.tax), _effective_rate(body, group)
    if base is None or stated is None or rate is None:
        return None
    less = group.sum("gDif/vDif") + group.sum("gDevTrib/vDevTrib")
    how = f"vBC x {body.rate}" + (" less vDif and vDevTrib" if less else "")
    return Figures(body.tax, stated, how, base * rate / _HUNDRED - less)


def _effective_rate(body: _Body, group: Group) -> Decimal | None:
    return group.amount("gRed/pAliqEfet") if "gRed/pAliqEfet" in group else group.amount(body.rate)


def _register(body: _Body) -> None:
    each = f"{_BASE}/{body.group}"
    for (cStat, field), wrong in (
        (body.fixed, _rate_is_the_years),
        (body.cut, _cut_is_the_classs),
        (body.reduced, _reduced_rate_is_computed),
    ):
        name = f"{body.group}{wrong.__name__}"
        rule(cStat, field=field, each=each, source=_NT, name=name)(partial(wrong, body))
    for (cStat, field), made in (
        (body.deferred, _deferred_is_a_part_of_the_tax),
        (body.computed, _tax_is_base_times_rate),
    ):
        name = f"{body.group}{made.__name__}"
        formula(cStat, field=field, each=each, source=_NT, name=name)(partial(made, body))


for _body in (_UF, _MUNICIPALITY, _UNION):
    _register(_body)


@formula("1150", field="UB54a-10", each=_BASE, source=_NT)
def vIBS_is_the_sum_of_both(base: Group) -> Figures | None:
    """vIBSUF and vIBSMun, less a presumed credit where its code deducts it (either is accepted)."""
    stated = base.amount("vIBS")
    if stated is None:
        return None
    made, credit = base.sum("gIBSUF/vIBSUF") + base.sum("gIBSMun/vIBSMun"), base.sum("gIBSCredPres/vCredPres")
    is_deducted = credit and abs(stated - made) > CENT
    return Figures("vIBS", stated, "vIBSUF + vIBSMun", made - credit if is_deducted else made)


def _regular_tax_is_base_times_rate(tax: str, rate: str, base: Group) -> Figures | None:
    """A tax as it would be without its suspension (gTribRegular)."""
    regular, of = base.first("gTribRegular"), base.amount("vBC")
    if regular is None or of is None:
        return None
    stated, percent = regular.amount(tax), regular.amount(rate)
    if stated is None or percent is None:
        return None
    return Figures(tax, stated, f"vBC x {rate}", of * percent / _HUNDRED)


for _cStat, _field, _name in (
    ("1040", "UB72-10", "IBSUF"),
    ("1051", "UB72b-10", "IBSMun"),
    ("1068", "UB72d-10", "CBS"),
):
    formula(_cStat, field=_field, each=_BASE, source=_NT, name=f"vTribReg{_name}_is_base_times_rate")(
        partial(_regular_tax_is_base_times_rate, f"vTribReg{_name}", f"pAliqEfetReg{_name}")
    )


@rule("1073", field="W31-10", source=_NT)
def the_total_of_IS_has_items(note: Group) -> str | None:
    """ISTot without an item that has IS."""
    return "ISTot is there, no item has IS" if "total/ISTot" in note and "det/imposto/IS" not in note else None


@rule("1117", field="W31-20", source=_NT)
def the_items_IS_has_a_total(note: Group) -> str | None:
    """An item with IS without ISTot."""
    return "ISTot is missing, an item has IS" if "total/ISTot" not in note and "det/imposto/IS" in note else None


@formula("1075", field="W33-10", source=_NT, applies=Applies.FUTURE, tolerance=ZERO)
def the_total_of_IS_is_the_sum_of_the_items(note: Group) -> Figures | None:
    """The selective tax."""
    stated = note.amount("total/ISTot/vIS")
    return None if stated is None else Figures("vIS", stated, "the sum of the items", note.sum("det/imposto/IS/vIS"))


@formula("1019", field="UB11-10", each="det/imposto/IS", source=_NT, applies=Applies.FUTURE)
def vIS_is_base_times_rate(selective: Group) -> Figures | None:
    """By value; one by quantity is not computed."""
    stated, base, rate = selective.amount("vIS"), selective.amount("vBCIS"), selective.amount("pIS")
    if stated is None or base is None or rate is None or "pISEspec" in selective:
        return None
    return Figures("vIS", stated, "vBCIS x pIS", base * rate / _HUNDRED)


@formula("", field="UB16", each="det/imposto", source="LC 214/2025, art. 12", applies=Applies.OURS)
def the_base_of_IBS_is_that_of_IS_and_IS(imposto: Group) -> Figures | None:
    """The selective tax is in the base of the two others."""
    base, selective = imposto.amount("IBSCBS/gIBSCBS/vBC"), imposto.first("IS")
    if base is None or selective is None:
        return None
    return Figures("vBC of IBSCBS", base, "vBCIS + vIS", selective.sum("vBCIS") + selective.sum("vIS"))
