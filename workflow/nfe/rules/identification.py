"""What the note is: its key, series, dates, contingency, and whose site the sale came about on (ide, infIntermed)."""

import re
from datetime import date, timedelta

from workflow.nfe import access_key, tables, tax_ids
from workflow.nfe.rules.note import Group, moment
from workflow.nfe.rules.rulebook import Applies, rule

#: NT 2020.006 v1.31: the rules about intermediaries, in production since this day.
INTERMEDIARIES = date(2022, 4, 4)
#: NT 2019.001: in production since this day.
NT_2019_001 = date(2019, 9, 2)

_CLOCKS_DIFFER = timedelta(minutes=5)
_SECOND = timedelta(seconds=1)
_IN_TIME = timedelta(days=7)
_MUCH_TOO_LATE = timedelta(days=30)
#: procEmi of a note that the taxpayer issues: 1 and 2 are the tax office's own.
_BY_TAXPAYER = ("0", "3")


@rule("502", field="A03-10")
def the_Id_is_made_of_the_fields(note: Group) -> str | None:
    """The key says what the fields say; a note issued at the tax office carries its CNPJ instead."""
    if note.value("ide/procEmi") not in _BY_TAXPAYER:
        return None
    written, made = _parts(note.note.Id), _parts(_composed(note))
    if written is None:
        return "the Id is not NFe and a key of 44 characters"
    if made is None:
        return "the fields of the key do not have their widths"
    wrong = [name for name, one, other in zip(written._fields, written, made, strict=True) if one != other]
    return f"the key and the fields differ in {', '.join(wrong)}" if wrong else None


def _composed(note: Group) -> str:
    issued = note.note.dhEmi
    issuer = note.value("emit/CNPJ") or note.value("emit/CPF").zfill(14)
    values = {tag: note.value(f"ide/{tag}") for tag in ("cUF", "mod", "serie", "nNF", "tpEmis", "cNF", "cDV")}
    return (
        f"{values['cUF']}{issued:%y%m}{issuer}{values['mod']}{values['serie']:0>3}{values['nNF']:0>9}"
        f"{values['tpEmis']}{values['cNF']}{values['cDV']}"
        if issued
        else ""
    )


def _parts(key: str) -> access_key.KeyParts | None:
    return access_key.split(key) if len(key) == 44 else None


@rule("253", field="B23-10")
def the_check_digit_is_right(note: Group) -> str | None:
    """The 44th character of the Id."""
    key = note.note.Id
    if len(key) != 44 or not key.isascii() or access_key.check_digit(key[:43]) == key[43]:
        return None
    return f"the key ends in {key[43]}, its first 43 characters make {access_key.check_digit(key[:43])}"


@rule("897", field="B03-10", since=NT_2019_001)
def cNF_cannot_be_guessed(note: Group) -> str | None:
    """Neither the number itself nor one of the twenty weak codes."""
    cNF, nNF = note.value("ide/cNF"), note.value("ide/nNF")
    if re.fullmatch("[0-9]{1,9}", nNF) and access_key.is_weak_cNF(cNF, int(nNF)):
        return f"cNF {cNF} is nNF or one of the weak codes; draw another"
    return None


@rule("703", field="B09-10")
def it_is_not_issued_in_the_future(note: Group) -> str | None:
    """Asked only where the time is known."""
    now, issued = note.note.now, note.note.dhEmi
    if now is None or issued is None or issued <= now + _CLOCKS_DIFFER:
        return None
    return f"dhEmi is {(issued - now) // _SECOND} seconds after the time of sending, 300 are allowed"


@rule("228", field="B09-20", applies=Applies.OPTIONAL)
def it_is_not_much_too_late(note: Group) -> str | None:
    """Over thirty days a UF may refuse it (NT 2025.001, 2.4)."""
    age = _age(note)
    return f"dhEmi is {age.days} days before the time of sending" if age and age > _MUCH_TOO_LATE else None


@rule("150", field="B09-20", applies=Applies.OPTIONAL)
def it_is_in_time(note: Group) -> str | None:
    """Over seven days it is authorised as late (NT 2025.001, 2.4)."""
    age = _age(note)
    return f"dhEmi is {age.days} days before the time of sending" if age and _IN_TIME < age <= _MUCH_TOO_LATE else None


def _age(note: Group) -> timedelta | None:
    now, issued = note.note.now, note.note.dhEmi
    return None if now is None or issued is None else now - issued


@rule("710", field="B21-20")
def the_danfe_is_of_an_nfe(note: Group) -> str | None:
    """tpImp 4 and 5 are formats of the NFC-e."""
    tpImp = note.value("ide/tpImp")
    return f"tpImp is {tpImp}, a format of the NFC-e" if tpImp in ("4", "5") else None


@rule("434", field="B25c-10", source="NT 2020.006", since=INTERMEDIARIES)
def a_sale_at_a_distance_names_its_way(note: Group) -> str | None:
    """indPres 2, 3, 4, 9 in an ordinary outgoing note needs indIntermed, 0 or 1."""
    if note.note.is_ordinary and note.value("ide/indPres") in ("2", "3", "4", "9") and "ide/indIntermed" not in note:
        return f"indPres {note.value('ide/indPres')} needs indIntermed"
    return None


@rule("435", field="B25c-20", source="NT 2020.006", since=INTERMEDIARIES)
def no_intermediary_without_a_sale_at_a_distance(note: Group) -> str | None:
    """indIntermed 1 with an indPres that knows no intermediary."""
    if note.value("ide/indIntermed") == "1" and note.value("ide/indPres") not in ("1", "2", "3", "4", "9"):
        return f"indIntermed is 1 with indPres {note.value('ide/indPres')}"
    return None


@rule("244", field="B26-10")
def the_series_is_a_taxpayers_own(note: Group) -> str | None:
    """890 to 909 are of notes issued at the tax office."""
    serie = note.amount("ide/serie")
    if serie is not None and 890 <= serie <= 909 and note.value("ide/procEmi") in _BY_TAXPAYER:
        return f"serie {serie} is the tax office's, procEmi {note.value('ide/procEmi')} is the taxpayer's"
    return None


@rule("503", field="C02-30")
def the_series_is_a_companys(note: Group) -> str | None:
    """910 to 969 are of people with a CPF."""
    serie = note.amount("ide/serie")
    if serie is not None and 910 <= serie <= 969 and "emit/CNPJ" in note:
        return f"serie {serie} is of issuers with a CPF"
    return None


@rule("556", field="B28-10")
def no_contingency_in_a_normal_emission(note: Group) -> str | None:
    """dhCont and xJust belong to the other types of emission."""
    if note.value("ide/tpEmis") == "1" and ("ide/dhCont" in note or "ide/xJust" in note):
        return "dhCont or xJust with tpEmis 1"
    return None


@rule("557", field="B28-20")
def a_contingency_says_why(note: Group) -> str | None:
    """Any other type of emission needs the moment and the reason; 3 is the simple invoice, not a contingency."""
    tpEmis = note.value("ide/tpEmis")
    if tpEmis in ("", "1", "3") or ("ide/xJust" in note and moment(note.value("ide/dhCont")) is not None):
        return None
    return f"tpEmis {tpEmis} needs dhCont and xJust"


@rule("438", field="YB01-10", source="NT 2020.006", since=INTERMEDIARIES)
def an_intermediary_is_named(note: Group) -> str | None:
    """indIntermed 1 needs infIntermed."""
    if note.value("ide/indIntermed") == "1" and "infIntermed" not in note:
        return "indIntermed is 1, infIntermed is missing"
    return None


@rule("439", field="YB01-20", source="NT 2020.006", since=INTERMEDIARIES)
def no_intermediary_is_named_for_nothing(note: Group) -> str | None:
    """infIntermed needs indIntermed 1."""
    if note.value("ide/indIntermed") != "1" and "infIntermed" in note:
        return "infIntermed is there, indIntermed is not 1"
    return None


@rule("440", field="YB02-10", source="NT 2020.006", each="infIntermed", since=INTERMEDIARIES)
def the_intermediarys_cnpj_is_one(intermediary: Group) -> str | None:
    """Its check digits."""
    return None if tax_ids.is_cnpj(intermediary.value("CNPJ")) else "CNPJ has wrong check digits"


@rule("972", field="ZD01-10", source="NT 2018.005", since=date(2019, 5, 7))
def the_software_has_a_name_where_the_uf_asks(note: Group) -> str | None:
    """infRespTec in the UF that require it."""
    unit = tables.ufs().get(note.note.origin_uf)
    if unit is not None and unit.needs_resp_tec and "infRespTec" not in note:
        return f"infRespTec is missing, {unit.uf} requires it"
    return None


@rule("973", field="ZD02-10", source="NT 2018.005", each="infRespTec")
def the_softwares_cnpj_is_one(technician: Group) -> str | None:
    """Its check digits."""
    return None if tax_ids.is_cnpj(technician.value("CNPJ")) else "CNPJ has wrong check digits"


@rule("975", field="ZD07-10", source="NT 2018.005", since=date(2026, 2, 23))
def the_software_proves_itself_in_parana(note: Group) -> str | None:
    """idCSRT and hashCSRT in PR, but not at the virtual contingency (tpEmis 6, 7)."""
    if note.note.origin_uf != "PR" or note.value("ide/tpEmis") in ("6", "7"):
        return None
    if "infRespTec/idCSRT" in note and "infRespTec/hashCSRT" in note:
        return None
    return "idCSRT and hashCSRT are missing, PR requires them"
