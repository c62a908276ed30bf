"""How it is paid: methods and brands of SEFAZ's tables, and sums that fit vNF (group YA)."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from types import MappingProxyType

from workflow.nfe import tables, tax_ids
from workflow.nfe.rules.identification import INTERMEDIARIES
from workflow.nfe.rules.note import Group
from workflow.nfe.rules.rulebook import Applies, Figures, formula, rule

_NT = "NT 2020.006"
_NONE, _LATER, _OTHER = "90", "91", "99"
_ALL = "pag/detPag"


@rule("871", field="YA02-04")
def a_correction_has_no_payment(note: Group) -> str | None:
    """finNFe 3 and 4 are paid with tPag 90."""
    finNFe = note.value("ide/finNFe")
    if finNFe in ("3", "4") and any(one.text != _NONE for one in note.all(f"{_ALL}/tPag")):
        return f"finNFe is {finNFe}, tPag is not 90"
    return None


@rule("436", field="YA02-60", each=_ALL, source=_NT, since=INTERMEDIARIES)
def tPag_is_in_the_table(payment: Group) -> str | None:
    """With the day from which a code may be used."""
    return _not_in_table(payment, "tPag", payment.value("tPag"))


@rule("443", field="YA06-10", each=_ALL, source=_NT, since=INTERMEDIARIES)
def tBand_is_in_the_table(payment: Group) -> str | None:
    """The card's brand."""
    return _not_in_table(payment, "tBand", payment.value("card/tBand"))


def _not_in_table(payment: Group, kind: str, code: str) -> str | None:
    issued = payment.note.dhEmi
    if not code or issued is None:
        return None
    since = _codes().get((kind, code))
    return f"{kind} {code} is not in the table" if since is None or issued.date() < since else None


@cache
def _codes() -> Mapping[tuple[str, str], date]:
    """The day from which a code may be used, by (tPag or tBand, code)."""
    return MappingProxyType(
        {(row["kind"], row["code"]): date.fromisoformat(row["since"]) for row in tables.rows("payment_codes.csv")}
    )


@rule("441", field="YA02a-10", each=_ALL, source=_NT, since=INTERMEDIARIES)
def another_method_is_described(payment: Group) -> str | None:
    """tPag 99 needs xPag."""
    return "tPag is 99, xPag is missing" if payment.value("tPag") == _OTHER and not payment.value("xPag") else None


@rule("442", field="YA02a-20", each=_ALL, source=_NT, since=INTERMEDIARIES)
def only_another_method_is_described(payment: Group) -> str | None:
    """xPag needs tPag 99."""
    tPag = payment.value("tPag")
    return f"xPag is there with tPag {tPag}" if tPag != _OTHER and "xPag" in payment else None


def _is_unpaid(note: Group) -> bool:
    """Nothing is paid, or later: the sums of payments are not asked."""
    return any(one.text in (_NONE, _LATER) for one in note.all(f"{_ALL}/tPag")) or _ALL not in note


def _paid(note: Group) -> Decimal:
    return note.sum(f"{_ALL}/vPag")


@rule("865", field="YA03-10", applies=Applies.FUTURE)
def enough_is_paid(note: Group) -> str | None:
    """The payments reach vNF."""
    vNF = note.amount("total/ICMSTot/vNF")
    if vNF is None or _is_unpaid(note) or _paid(note) >= vNF:
        return None
    return f"the payments make {_paid(note)}, vNF is {vNF}"


@rule("866", field="YA03-20")
def too_much_is_changed(note: Group) -> str | None:
    """Payments over vNF need vTroco."""
    vNF = note.amount("total/ICMSTot/vNF")
    if vNF is None or _is_unpaid(note) or _paid(note) <= vNF or note.amount("pag/vTroco"):
        return None
    return f"the payments make {_paid(note)}, vNF is {vNF}, vTroco is missing"


@formula("869", field="YA09-10", tolerance=Decimal(0))
def the_change_is_what_is_too_much(note: Group) -> Figures | None:
    """vTroco is the payments less vNF."""
    change, vNF = note.amount("pag/vTroco"), note.amount("total/ICMSTot/vNF")
    if not change or vNF is None or _is_unpaid(note):
        return None
    return Figures("vTroco", change, "payments less vNF", _paid(note) - vNF)


@rule("904", field="YA03-30", each=_ALL)
def nothing_is_paid_with_nothing(payment: Group) -> str | None:
    """tPag 90 and 91 have vPag zero."""
    tPag, vPag = payment.value("tPag"), payment.amount("vPag")
    return f"vPag is {vPag} with tPag {tPag}" if tPag in (_NONE, _LATER) and vPag else None


@rule("391", field="YA04-10", each=_ALL, applies=Applies.FUTURE, since=date(2025, 1, 1))
def a_card_is_told_about(payment: Group) -> str | None:
    """tPag 03, 04 and 17 have the group card."""
    tPag = payment.value("tPag")
    return f"card is missing with tPag {tPag}" if tPag in ("03", "04", "17") and "card" not in payment else None


@rule("392", field="YA05-10", each=f"{_ALL}/card")
def an_integrated_card_is_whole(card: Group) -> str | None:
    """tpIntegra 1 needs CNPJ and cAut."""
    missing = [tag for tag in ("CNPJ", "cAut") if not card.value(tag)]
    return f"tpIntegra is 1, {' and '.join(missing)} missing" if card.value("tpIntegra") == "1" and missing else None


@rule("437", field="YA05-20", each=f"{_ALL}/card", source=_NT, since=INTERMEDIARIES)
def the_institutions_cnpj_is_one(card: Group) -> str | None:
    """Its check digits."""
    CNPJ = card.value("CNPJ")
    return "CNPJ has wrong check digits" if CNPJ and not tax_ids.is_cnpj(CNPJ) else None
