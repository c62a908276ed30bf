"""ICMS: the situation a regime may use, what it makes, and the part of the buyer's UF (groups N and NA)."""

from datetime import date
from decimal import Decimal

from workflow.nfe import tables, tax_tables
from workflow.nfe.amounts import ZERO
from workflow.nfe.rules.note import Group, is_sale
from workflow.nfe.rules.rulebook import Applies, Figures, formula, rule

_SIMPLES = ("1", "4")
_NORMAL = ("2", "3")
_MEI = "4"
#: NT 2024.001 v1.20: MEI's own regime, in production since this day.
_NT_2024_001 = date(2024, 9, 16)
#: EC 87/2015: since this year the whole difference is the buyer's UF's.
_WHOLE_PART = date(2019, 1, 1)

#: N12-70, N12a-70: what a non-contributor may be sold under; the last four are fuels taxed once.
_CST_TO_CONSUMER = ("00", "20", "40", "41", "60", "02", "15", "53", "61")
_CSOSN_TO_CONSUMER = ("102", "103", "300", "400", "500")
_CSOSN_OF_MEI = ("102", "300", "400", "900")
#: NA01-20, exception 10: exempt or not taxed.
_NO_DIFAL = ("40", "41", "103", "300", "400")

_HUNDRED = Decimal(100)
#: Resolução SF 13/2012: the rate of goods that are mostly foreign.
_FOREIGN = Decimal(4)


def icms(item: Group) -> Group | None:
    """The item's one group of ICMS (ICMS00, ICMSSN102 …)."""
    return item.first("imposto/ICMS/*")


def _situation(item: Group) -> str:
    group = icms(item)
    return "" if group is None else group.value("CST") or group.value("CSOSN")


@rule("966", field="N11-10", each="det", source="NT 2024.001", since=_NT_2024_001)
def the_origin_is_told(item: Group) -> str | None:
    """orig, but for a MEI and for notes of credit and debit."""
    group = icms(item)
    is_asked = item.note.crt != _MEI and item.note.value("ide/finNFe") not in ("5", "6")
    return "orig is missing" if is_asked and group is not None and "orig" not in group else None


@rule("590", field="N12-20", each="det", source="NT 2024.001", applies=Applies.OPTIONAL)
def the_simples_uses_no_CST(item: Group) -> str | None:
    """CST is of CRT 2 and 3."""
    group = icms(item)
    if item.note.crt in _SIMPLES and group is not None and "CST" in group:
        return f"CST {group.value('CST')} with CRT {item.note.crt}"
    return None


@rule("591", field="N12a-10", each="det", source="NT 2024.001", applies=Applies.OPTIONAL)
def only_the_simples_uses_CSOSN(item: Group) -> str | None:
    """CSOSN is of CRT 1 and 4."""
    group = icms(item)
    if item.note.crt in _NORMAL and group is not None and "CSOSN" in group:
        return f"CSOSN {group.value('CSOSN')} with CRT {item.note.crt}"
    return None


def _is_sale_to_consumer(item: Group) -> bool:
    return is_sale(item) and item.note.value("dest/indIEDest") == "9"


@rule("508", field="N12-70", each="det", applies=Applies.OPTIONAL)
def the_CST_suits_a_consumer(item: Group) -> str | None:
    """To a non-contributor there is no later taxpayer to shift the tax to."""
    CST = item.value("imposto/ICMS/*/CST")
    if _is_sale_to_consumer(item) and CST and CST not in _CST_TO_CONSUMER:
        return f"CST {CST} to a non-contributor"
    return None


@rule("600", field="N12a-70", each="det")
def the_CSOSN_suits_a_consumer(item: Group) -> str | None:
    """To a non-contributor there is neither credit nor substitution; a MEI's codes are another rule's."""
    CSOSN = item.value("imposto/ICMS/*/CSOSN")
    if _is_sale_to_consumer(item) and item.note.crt != _MEI and CSOSN and CSOSN not in _CSOSN_TO_CONSUMER:
        return f"CSOSN {CSOSN} to a non-contributor"
    return None


@rule("782", field="N12a-80", each="det", source="NT 2024.001", since=_NT_2024_001)
def the_CSOSN_is_a_meis(item: Group) -> str | None:
    """A MEI has four codes."""
    CSOSN = item.value("imposto/ICMS/*/CSOSN")
    if item.note.crt == _MEI and CSOSN and CSOSN not in _CSOSN_OF_MEI:
        return f"CSOSN {CSOSN} with CRT 4"
    return None


@rule("337", field="N12a-90", each="det", source="NT 2024.001", since=_NT_2024_001)
def the_CFOP_is_a_meis(item: Group) -> str | None:
    """A MEI sells under 5102 and 6102 with CSOSN 102."""
    CFOP = item.value("prod/CFOP")
    is_asked = item.note.crt == _MEI and is_sale(item) and _situation(item) == "102"
    return f"CFOP {CFOP} with CRT 4 and CSOSN 102" if is_asked and CFOP not in ("5102", "6102") else None


# "Facultativa"; but arithmetic: see totals.py.
@formula("528", field="N17-20", each="det")
def vICMS_is_base_times_rate(item: Group) -> Figures | None:
    """For CST 00, 10, 20, 70 and 90, and CSOSN 900; CST 51 defers a part of it."""
    group = icms(item)
    if group is None or group.value("CST") == "51" or not item.note.is_ordinary:
        return None
    return _base_times_rate(group, "vICMS", "vBC", "pICMS")


def _base_times_rate(group: Group, tax: str, base: str, rate: str) -> Figures | None:
    stated, of, percent = group.amount(tax), group.amount(base), group.amount(rate)
    if stated is None or of is None or percent is None:
        return None
    return Figures(tax, stated, f"{base} x {rate}", of * percent / _HUNDRED)


@formula("351", field="N16a-10", each="det/imposto/ICMS/ICMS51")
def vICMSOp_is_base_times_rate(group: Group) -> Figures | None:
    """CST 51: the tax before its deferral."""
    return _base_times_rate(group, "vICMSOp", "vBC", "pICMS")


@formula("352", field="N16c-10", each="det/imposto/ICMS/ICMS51")
def vICMSDif_is_a_part_of_vICMSOp(group: Group) -> Figures | None:
    """CST 51: what is due later."""
    return _base_times_rate(group, "vICMSDif", "vICMSOp", "pDif")


@formula("353", field="N17-10", each="det/imposto/ICMS/ICMS51")
def vICMS_is_what_is_not_deferred(group: Group) -> Figures | None:
    """CST 51: what is due now."""
    stated, whole, later = group.amount("vICMS"), group.amount("vICMSOp"), group.amount("vICMSDif")
    if stated is None or whole is None or later is None:
        return None
    return Figures("vICMS", stated, "vICMSOp - vICMSDif", whole - later)


@formula("860", field="N17c-10", each="det/imposto/ICMS/*")
def vFCP_is_base_times_rate(group: Group) -> Figures | None:
    """The fund against poverty of the issuer's UF."""
    return _base_times_rate(group, "vFCP", "vBCFCP" if "vBCFCP" in group else "vBC", "pFCP")


@rule("880", field="N17b-10", each="det/imposto/ICMS/*")
def pFCP_is_never_zero(group: Group) -> str | None:
    """No FCP is no field."""
    return "pFCP is zero; leave its fields out" if group.amount("pFCP") == 0 else None


@rule("881", field="N23b-10", each="det/imposto/ICMS/*")
def pFCPST_is_never_zero(group: Group) -> str | None:
    """No FCP is no field."""
    return "pFCPST is zero; leave its fields out" if group.amount("pFCPST") == 0 else None


@rule("876", field="N17c-20", each="det/imposto/ICMS/*")
def FCP_of_the_buyers_uf_is_in_its_own_field(group: Group) -> str | None:
    """Interstate to a consumer it is vFCPUFDest, never vFCP."""
    vFCP = group.amount("vFCP")
    return f"vFCP is {vFCP} in an interstate sale" if vFCP and group.note.is_to_consumer_elsewhere else None


@rule("694", field="NA01-20", each="det")
def the_buyers_ufs_part_is_there(item: Group) -> str | None:
    """ICMSUFDest of a sale to a consumer in another UF, with the rule's exceptions; other CFOP are not judged."""
    is_asked = item.note.is_to_consumer_elsewhere and is_sale(item) and item.note.crt not in _SIMPLES
    if not is_asked or _situation(item) in _NO_DIFAL or "imposto/ICMS/ICMSPart" in item:
        return None
    if "imposto/ICMSUFDest" in item or "imposto/ISSQN" in item or "prod/comb" in item:
        return None
    if item.note.value("entrega/UF") == item.note.origin_uf:
        return None
    return "ICMSUFDest is missing: idDest 2, indFinal 1, indIEDest 9"


@rule("695", field="NA01-30", each="det")
def the_buyers_ufs_part_is_not_there_for_nothing(item: Group) -> str | None:
    """ICMSUFDest anywhere else, unless delivered in yet another UF."""
    delivered = item.note.value("entrega/UF")
    if "imposto/ICMSUFDest" not in item or item.note.is_to_consumer_elsewhere:
        return None
    if delivered not in ("", item.note.origin_uf):
        return None
    return "ICMSUFDest without idDest 2, indFinal 1, indIEDest 9"


def _interstate_rate(part: Group) -> Decimal | None:
    """The rate of the goods between the parties' UF, in percent; None where a fact of it is missing."""
    orig = part.within("imposto").value("ICMS/*/orig")
    ufs = (part.note.origin_uf, part.note.buyer_uf)
    return tax_tables.interstate_rate(orig, *ufs) if orig and all(uf in tables.ufs() for uf in ufs) else None


@rule("697", field="NA09-10", each="det/imposto/ICMSUFDest")
def foreign_goods_leave_at_four(part: Group) -> str | None:
    """pICMSInter is 4 for goods that are mostly foreign (orig 1, 2, 3, 8), and for no other."""
    rate, expected = part.amount("pICMSInter"), _interstate_rate(part)
    if rate is None or expected is None or (rate == _FOREIGN) == (expected == _FOREIGN):
        return None
    return f"pICMSInter is {rate}, that of the goods' orig is {expected}"


@rule("698", field="NA09-30", each="det/imposto/ICMSUFDest")
def the_rate_is_that_of_the_two_ufs(part: Group) -> str | None:
    """7 or 12 by the pair; not judged where the goods leave from or go to another UF than the parties'."""
    note, rate, expected = part.note, part.amount("pICMSInter"), _interstate_rate(part)
    if rate is None or expected is None or note.moves_elsewhere or _FOREIGN in (rate, expected):
        return None
    return f"pICMSInter is {rate}, {note.origin_uf} to {note.buyer_uf} is {expected}" if rate != expected else None


@rule("699", field="NA11-10", each="det/imposto/ICMSUFDest", since=_WHOLE_PART)
def the_whole_difference_is_the_buyers_ufs(part: Group) -> str | None:
    """pICMSInterPart is 100."""
    percent = part.amount("pICMSInterPart")
    return None if percent == _HUNDRED else f"pICMSInterPart is {percent}, not 100"


@formula("793", field="NA13-10", each="det/imposto/ICMSUFDest")
def vFCPUFDest_is_base_times_rate(part: Group) -> Figures | None:
    """The fund against poverty of the buyer's UF."""
    return _base_times_rate(part, "vFCPUFDest", "vBCFCPUFDest", "pFCPUFDest")


@formula("815", field="NA15-10", each="det/imposto/ICMSUFDest", applies=Applies.FUTURE)
def vICMSUFDest_is_the_difference_of_the_rates(part: Group) -> Figures | None:
    """The base times the internal less the interstate rate; or, with two bases, less the issuer's own ICMS."""
    inside, between, share = part.amount("pICMSUFDest"), part.amount("pICMSInter"), part.amount("pICMSInterPart")
    base, stated = part.amount("vBCUFDest"), part.amount("vICMSUFDest")
    if base is None or stated is None or inside is None or between is None or share is None:
        return None
    made = base * max(inside - between, ZERO) / _HUNDRED * share / _HUNDRED
    imposto = part.within("imposto")
    if base > imposto.sum("ICMS/*/vBC"):
        two_bases = max(base * inside / _HUNDRED - imposto.sum("ICMS/*/vICMS"), ZERO) * share / _HUNDRED
        made = min(made, two_bases, key=lambda one: abs(stated - one))
    return Figures("vICMSUFDest", stated, "vBCUFDest x (pICMSUFDest - pICMSInter)", made)
