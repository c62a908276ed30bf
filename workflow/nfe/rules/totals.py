"""The totals are the sums of the items, and vNF what they make together (group W).

MOC calls the sums of ICMSTot, and the product of base and rate (528), "facultativas": a UF may choose not to look.
They are errors here all the same: a note that contradicts itself is wrong whoever looks, and nobody is known not to.
"""

from decimal import Decimal
from functools import partial

from workflow.nfe.rules.note import Group
from workflow.nfe.rules.rulebook import MOC, Applies, Figures, formula

_NT = "NT 2025.002 v1.52"
#: MOC 7.0 Anexo I, note *3.
_TOTAL_TOLERANCE = Decimal("0.50")

#: cStat, rule, field of ICMSTot, and where the items have it: what is absent counts as zero.
_SUMS = (
    ("531", "W03-10", "vBC", "imposto/ICMS/*/vBC"),
    ("532", "W04-10", "vICMS", "imposto/ICMS/*/vICMS"),
    ("795", "W04a-10", "vICMSDeson", "imposto/ICMS/*/vICMSDeson"),
    ("798", "W04c-10", "vFCPUFDest", "imposto/ICMSUFDest/vFCPUFDest"),
    ("799", "W04e-10", "vICMSUFDest", "imposto/ICMSUFDest/vICMSUFDest"),
    ("800", "W04g-10", "vICMSUFRemet", "imposto/ICMSUFDest/vICMSUFRemet"),
    ("861", "W04h-10", "vFCP", "imposto/ICMS/*/vFCP"),
    ("533", "W05-10", "vBCST", "imposto/ICMS/*/vBCST"),
    ("534", "W06-10", "vST", "imposto/ICMS/*/vICMSST"),
    ("862", "W06a-10", "vFCPST", "imposto/ICMS/*/vFCPST"),
    ("859", "W06b-10", "vFCPSTRet", "imposto/ICMS/*/vFCPSTRet"),
    ("535", "W08-10", "vFrete", "prod/vFrete"),
    ("536", "W09-10", "vSeg", "prod/vSeg"),
    ("537", "W10-10", "vDesc", "prod/vDesc"),
    ("601", "W11-10", "vII", "imposto/II/vII"),
    ("538", "W12-10", "vIPI", "imposto/IPI/IPITrib/vIPI"),
    ("863", "W12a-10", "vIPIDevol", "impostoDevol/IPI/vIPIDevol"),
    ("602", "W13-10", "vPIS", "imposto/PIS/*/vPIS"),
    ("603", "W14-10", "vCOFINS", "imposto/COFINS/*/vCOFINS"),
    ("604", "W15-10", "vOutro", "prod/vOutro"),
    ("685", "W16a-10", "vTotTrib", "imposto/vTotTrib"),
)

#: The same of IBSCBSTot, below gIBSCBS of each item.
_IBS_CBS_SUMS = (
    ("1076", "W35-10", "vBCIBSCBS", "vBC"),
    ("1077", "W38-10", "gIBS/gIBSUF/vDif", "gIBSUF/gDif/vDif"),
    ("1078", "W39-10", "gIBS/gIBSUF/vDevTrib", "gIBSUF/gDevTrib/vDevTrib"),
    ("1080", "W41-10", "gIBS/gIBSUF/vIBSUF", "gIBSUF/vIBSUF"),
    ("1081", "W43-10", "gIBS/gIBSMun/vDif", "gIBSMun/gDif/vDif"),
    ("1082", "W44-10", "gIBS/gIBSMun/vDevTrib", "gIBSMun/gDevTrib/vDevTrib"),
    ("1084", "W46-10", "gIBS/gIBSMun/vIBSMun", "gIBSMun/vIBSMun"),
    ("1085", "W47-10", "gIBS/vIBS", "vIBS"),
    ("1086", "W48-10", "gIBS/vCredPres", "gIBSCredPres/vCredPres"),
    ("1088", "W53-10", "gCBS/vDif", "gCBS/gDif/vDif"),
    ("1089", "W54-10", "gCBS/vDevTrib", "gCBS/gDevTrib/vDevTrib"),
    ("1091", "W56-10", "gCBS/vCBS", "gCBS/vCBS"),
    ("1087", "W56a-10", "gCBS/vCredPres", "gCBSCredPres/vCredPres"),
)


def _total_is_the_sum(group: str, name: str, items: str, note: Group) -> Figures | None:
    """A total is the sum of the items', to the cent."""
    found = note.first(f"total/{group}")
    if found is None or _is_service_too(note, name):
        return None
    return Figures(name, found.sum(name), "the sum of the items", note.sum(f"det/{items}"))


def _is_service_too(note: Group, name: str) -> bool:
    """PIS and COFINS of services have totals of their own."""
    return name in ("vPIS", "vCOFINS") and "det/imposto/ISSQN" in note


for _group, _source, _below, _sums in (
    ("ICMSTot", MOC, "", _SUMS),
    ("IBSCBSTot", _NT, "imposto/IBSCBS/gIBSCBS/", _IBS_CBS_SUMS),
):
    for _cStat, _field, _total, _items in _sums:
        formula(
            _cStat,
            field=_field,
            source=_source,
            name=f"{_total.replace('/', '_')}_is_the_sum_of_the_items",
            tolerance=Decimal(0),
        )(partial(_total_is_the_sum, _group, _total, _below + _items))


@formula("564", field="W07-10", tolerance=Decimal(0))
def vProd_is_the_sum_of_the_items(note: Group) -> Figures | None:
    """Only of the items that count in the total (indTot 1), and no services."""
    stated = note.amount("total/ICMSTot/vProd")
    if stated is None or "det/imposto/ISSQN" in note:
        return None
    counted = sum((prod.sum("vProd") for prod in note.all("det/prod") if prod.value("indTot") == "1"), Decimal(0))
    return Figures("vProd", stated, "the sum of the items", counted)


#: W16-10: what vNF is made of. DIFAL, IBS and CBS are not in it in 2026.
_ADDED = ("vProd", "vST", "vFCPST", "vICMSMonoReten", "vFrete", "vSeg", "vOutro", "vII", "vIPI", "vIPIDevol")


@formula("610", field="W16-10", tolerance=_TOTAL_TOLERANCE)
def vNF_is_made_of_the_totals(note: Group) -> Figures | None:
    """Imports and cars that the factory bills are exceptions; a relief may be deducted or not (exception 3)."""
    total = note.first("total/ICMSTot")
    stated = total.amount("vNF") if total is not None else None
    if total is None or stated is None or _is_import(note) or "det/prod/veicProd" in note:
        return None
    made = sum((total.sum(tag) for tag in _ADDED), Decimal(0)) - total.sum("vDesc")
    made += (
        note.sum("total/ISSQNtot/vServ")
        + _substituted(note, "PISST", "vPIS")
        + _substituted(note, "COFINSST", "vCOFINS")
    )
    deducted = made - total.sum("vICMSDeson")
    return Figures("vNF", stated, "what it is made of", min(made, deducted, key=lambda one: abs(stated - one)))


def _is_import(note: Group) -> bool:
    return note.value("ide/idDest") == "3" or any(one.text.startswith("3") for one in note.all("det/prod/CFOP"))


def _substituted(note: Group, group: str, tag: str) -> Decimal:
    """PIS or COFINS by substitution, where the item says that it is in the total."""
    found = note.all(f"det/imposto/{group}")
    return sum((one.sum(tag) for one in found if one.value(f"indSoma{group}") == "1"), Decimal(0))


#: VB01-10: what vItem is made of in the item; IBS and CBS are not in it in 2025 and 2026.
_IN_ITEM = (
    "prod/vProd",
    "prod/vFrete",
    "prod/vSeg",
    "prod/vOutro",
    "imposto/ICMS/*/vICMSST",
    "imposto/ICMS/*/vICMSMonoReten",
    "imposto/ICMS/*/vFCPST",
    "imposto/II/vII",
    "imposto/IPI/IPITrib/vIPI",
    "impostoDevol/IPI/vIPIDevol",
)


@formula("1105", field="VB01-10", each="det", source=_NT, applies=Applies.FUTURE)
def vItem_is_made_of_the_item(item: Group) -> Figures | None:
    """Judged for 2025 and 2026 only."""
    stated, issued = item.amount("vItem"), item.note.dhEmi
    if stated is None or issued is None or issued.year > 2026 or "imposto/ISSQN" in item or "prod/veicProd" in item:
        return None
    made = sum((item.sum(path) for path in _IN_ITEM), Decimal(0)) - item.sum("prod/vDesc")
    if item.value("imposto/ICMS/*/indDeduzDeson") == "1":
        made -= item.sum("imposto/ICMS/*/vICMSDeson")
    return Figures("vItem", stated, "what it is made of", made)


@formula("1094", field="W60-10", source=_NT, applies=Applies.FUTURE, tolerance=Decimal(0))
def vNFTot_is_the_sum_of_the_items(note: Group) -> Figures | None:
    """The sum of every vItem; where the items have none, vNF stands for it while IBS and CBS are not in it."""
    stated, issued = note.amount("total/vNFTot"), note.note.dhEmi
    if stated is None or issued is None:
        return None
    if all("vItem" in item for item in note.all("det")):
        return Figures("vNFTot", stated, "the sum of every vItem", note.sum("det/vItem"))
    return Figures("vNFTot", stated, "vNF", note.sum("total/ICMSTot/vNF")) if issued.year <= 2026 else None
