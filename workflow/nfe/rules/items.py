"""The items: numbered in sequence, coded, and worth quantity times price (det/prod)."""

from datetime import date
from functools import lru_cache

from stdnum import ean

from workflow.nfe.rules.identification import NT_2019_001
from workflow.nfe.rules.note import Group, is_sale
from workflow.nfe.rules.rulebook import Applies, Figures, formula, rule

_NO_GTIN = "SEM GTIN"
#: NT 2021.003: both GTIN or none, in production since this day.
_GTIN = date(2022, 9, 12)
_LENGTHS = (8, 12, 13, 14)


@rule("927", field="H02-10", source="NT 2019.001", since=NT_2019_001)
def items_are_numbered_in_sequence(note: Group) -> str | None:
    """nItem 1, 2, 3 …"""
    found = [item.attributes.get("nItem") for item in note.all("det")]
    wrong = next((nth for nth, one in enumerate(found, start=1) if one != str(nth)), None)
    return None if wrong is None else f"item {wrong} of {len(found)} is numbered {found[wrong - 1]}"


@lru_cache(maxsize=4096)
def _is_gtin(text: str) -> bool:
    return len(text) in _LENGTHS and text.isascii() and bool(ean.is_valid(text))


def _wrong_gtin(prod: Group, tag: str) -> str | None:
    text = prod.value(tag)
    if text in ("", _NO_GTIN) or _is_gtin(text):
        return None
    return f"{tag} {text} is neither a GTIN with a right check digit nor {_NO_GTIN}"


def _is_real(text: str) -> bool:
    return text not in ("", _NO_GTIN)


@rule("611", field="I03-10", each="det/prod", since=_GTIN)
def cEAN_is_a_gtin(prod: Group) -> str | None:
    """Its check digit."""
    return _wrong_gtin(prod, "cEAN")


@rule("612", field="I12-10", each="det/prod", since=_GTIN)
def cEANTrib_is_a_gtin(prod: Group) -> str | None:
    """Its check digit."""
    return _wrong_gtin(prod, "cEANTrib")


# Whether SEFAZ's table of prefixes holds these is not confirmed: no error.
@rule("882", field="I03-20", each="det/prod", applies=Applies.OPTIONAL)
def cEAN_is_of_the_whole_world(prod: Group) -> str | None:
    """GS1 gives the prefixes 02, 04 and 2 to nobody: they are for use inside one company."""
    gtin = prod.value("cEAN")
    if _is_gtin(gtin) and len(gtin) > 8 and gtin.zfill(14)[1:].startswith(("02", "04", "2")):
        return f"cEAN {gtin} has a prefix for use inside one company"
    return None


@rule("883", field="I03-30", each="det/prod", since=_GTIN)
def cEAN_says_something(prod: Group) -> str | None:
    """Never empty, but for a MEI."""
    if prod.note.crt != "4" and "cEAN" in prod and not prod.value("cEAN"):
        return f"cEAN is empty; write {_NO_GTIN}"
    return None


@rule("888", field="I12-20", each="det/prod", since=_GTIN)
def cEANTrib_says_something(prod: Group) -> str | None:
    """Never empty, but for a MEI."""
    if prod.note.crt != "4" and "cEANTrib" in prod and not prod.value("cEANTrib"):
        return f"cEANTrib is empty; write {_NO_GTIN}"
    return None


@rule("885", field="I12-30", each="det/prod", since=_GTIN)
def a_gtin_has_a_gtin_of_its_tax_unit(prod: Group) -> str | None:
    """cEAN is a GTIN, cEANTrib none."""
    if _is_real(prod.value("cEAN")) and not _is_real(prod.value("cEANTrib")):
        return "cEAN is a GTIN, cEANTrib is none"
    return None


@rule("886", field="I12-40", each="det/prod", since=_GTIN)
def a_gtin_of_the_tax_unit_has_a_gtin(prod: Group) -> str | None:
    """cEANTrib is a GTIN, cEAN none."""
    if _is_real(prod.value("cEANTrib")) and not _is_real(prod.value("cEAN")):
        return "cEANTrib is a GTIN, cEAN is none"
    return None


@rule("777", field="I05-10", each="det")
def NCM_is_whole(item: Group) -> str | None:
    """Eight digits; the two of `00` are for services."""
    NCM = item.value("prod/NCM")
    if len(NCM) == 8 or "imposto/ISSQN" in item or not item.note.is_ordinary:
        return None
    return f"NCM {NCM} has not eight digits"


# The table of NCM itself is not here: only what is in no edition of it.
@rule("778", field="I05-20", each="det")
def NCM_is_of_a_chapter(item: Group) -> str | None:
    """Chapters 00 and 77 have no code, but for a MEI's 00000000 inside the UF."""
    NCM = item.value("prod/NCM")
    is_mei_inside = item.note.crt == "4" and NCM == "00000000" and item.note.value("ide/idDest") == "1"
    if len(NCM) != 8 or is_mei_inside or NCM[:2] not in ("00", "77") or not is_sale(item):
        return None
    return f"NCM {NCM} is of a chapter without codes"


def _is_of(prod: Group, first: str) -> bool:
    return prod.value("CFOP").startswith(first) and "comb" not in prod


@rule("733", field="I08-50", each="det/prod")
def an_internal_CFOP_is_in_an_internal_note(prod: Group) -> str | None:
    """5xxx needs idDest 1."""
    if _is_of(prod, "5") and prod.note.value("ide/idDest") != "1":
        return f"CFOP {prod.value('CFOP')} with idDest {prod.note.value('ide/idDest')}"
    return None


@rule("732", field="I08-60", each="det/prod")
def an_interstate_CFOP_is_in_an_interstate_note(prod: Group) -> str | None:
    """6xxx needs idDest 2."""
    if _is_of(prod, "6") and prod.note.value("ide/idDest") != "2":
        return f"CFOP {prod.value('CFOP')} with idDest {prod.note.value('ide/idDest')}"
    return None


def _product(prod: Group, quantity: str, price: str) -> Figures | None:
    count, each, total = prod.amount(quantity), prod.amount(price), prod.amount("vProd")
    if count is None or each is None or total is None or prod.note.value("ide/finNFe") != "1":
        return None
    return Figures("vProd", total, f"{quantity} x {price}", count * each)


@formula("629", field="I11-10", each="det/prod")
def vProd_is_quantity_times_price(prod: Group) -> Figures | None:
    """In the unit that is sold."""
    return _product(prod, "qCom", "vUnCom")


@formula("630", field="I11-20", each="det/prod")
def vProd_is_taxed_quantity_times_price(prod: Group) -> Figures | None:
    """In the unit that is taxed; an amount of nothing is not asked."""
    return _product(prod, "qTrib", "vUnTrib")
