"""Who: issuer, buyer, the places of withdrawal and delivery, those who may download. No value of theirs is told."""

from workflow.nfe import state_registration, tables, tax_ids
from workflow.nfe.rules.note import Group, is_sale
from workflow.nfe.rules.rulebook import Applies, rule

#: MOC 7.0 Anexo I, E04-20: what dest/xNome says in homologation.
HOMOLOGATION_NAME = "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL"

_WRONG_CNPJ = "CNPJ has wrong check digits"
_WRONG_CPF = "CPF has wrong check digits, or is one digit repeated"
_WRONG_IE = "IE has a wrong length or wrong check digits for {uf}"


def _wrong_cnpj(group: Group) -> str | None:
    return _WRONG_CNPJ if group.value("CNPJ") and not tax_ids.is_cnpj(group.value("CNPJ")) else None


def _wrong_cpf(group: Group) -> str | None:
    return _WRONG_CPF if group.value("CPF") and not tax_ids.is_cpf(group.value("CPF")) else None


def _wrong_ie(group: Group, uf: str) -> str | None:
    """Words (ISENTO) have no check digits, nor has a state that is none."""
    ie = group.value("IE")
    is_asked = ie.isdigit() and uf in tables.ufs()
    return _WRONG_IE.format(uf=uf) if is_asked and not state_registration.is_ie(uf, ie) else None


@rule("209", field="C17-20", each="emit", applies=Applies.SECONDARY)
def the_issuers_ie_is_one(emit: Group) -> str | None:
    """Its check digits, by the formula of its state."""
    return _wrong_ie(emit, emit.value("enderEmit/UF"))


@rule("208", field="E02-10", each="dest")
def the_buyers_cnpj_is_one(dest: Group) -> str | None:
    """Its check digits."""
    return _wrong_cnpj(dest)


@rule("237", field="E03-10", each="dest")
def the_buyers_cpf_is_one(dest: Group) -> str | None:
    """Its check digits, and not one digit eleven times."""
    return _wrong_cpf(dest)


@rule("724", field="E04-10")
def the_buyer_has_a_name(note: Group) -> str | None:
    """dest/xNome, which the schema leaves open."""
    return None if note.value("dest/xNome") else "dest/xNome is missing"


@rule("598", field="E04-20")
def a_test_says_that_it_is_one(note: Group) -> str | None:
    """In homologation the buyer's name is a fixed text."""
    if note.value("ide/tpAmb") != "2" or note.value("dest/xNome") in ("", HOMOLOGATION_NAME):
        return None
    return "tpAmb is 2, dest/xNome is not the fixed text of homologation"


@rule("726", field="E05-10")
def the_buyer_has_an_address(note: Group) -> str | None:
    """dest/enderDest, which the schema leaves open."""
    return None if "dest/enderDest" in note else "dest/enderDest is missing"


@rule("696", field="E16a-40")
def who_pays_no_icms_consumes(note: Group) -> str | None:
    """A sale to a non-contributor inside the country is to a final consumer."""
    is_asked = (
        note.value("ide/idDest") != "3" and note.value("dest/indIEDest") == "9" and any(map(is_sale, note.all("det")))
    )
    if is_asked and note.value("ide/indFinal") != "1":
        return "indIEDest is 9, indFinal is not 1"
    return None


@rule("728", field="E17-20")
def a_contributor_has_an_ie(note: Group) -> str | None:
    """indIEDest 1 needs IE."""
    return (
        "indIEDest is 1, IE is missing" if note.value("dest/indIEDest") == "1" and not note.value("dest/IE") else None
    )


@rule("791", field="E17-30")
def the_exempt_has_no_ie(note: Group) -> str | None:
    """indIEDest 2 allows no IE."""
    return "indIEDest is 2, IE is there" if note.value("dest/indIEDest") == "2" and note.value("dest/IE") else None


@rule("210", field="E17-50", each="dest", applies=Applies.SECONDARY)
def the_buyers_ie_is_one(dest: Group) -> str | None:
    """Its check digits, by the formula of its state."""
    return _wrong_ie(dest, dest.value("enderDest/UF"))


@rule("512", field="F02-10", each="retirada", applies=Applies.OPTIONAL)
def the_place_of_withdrawals_cnpj_is_one(retirada: Group) -> str | None:
    """Its check digits."""
    return _wrong_cnpj(retirada)


@rule("540", field="F02a-10", each="retirada", applies=Applies.OPTIONAL)
def the_place_of_withdrawals_cpf_is_one(retirada: Group) -> str | None:
    """Its check digits."""
    return _wrong_cpf(retirada)


@rule("514", field="G02-10", each="entrega", applies=Applies.OPTIONAL)
def the_place_of_deliverys_cnpj_is_one(entrega: Group) -> str | None:
    """Its check digits."""
    return _wrong_cnpj(entrega)


@rule("541", field="G02a-10", each="entrega", applies=Applies.OPTIONAL)
def the_place_of_deliverys_cpf_is_one(entrega: Group) -> str | None:
    """Its check digits."""
    return _wrong_cpf(entrega)


@rule("323", field="GA02-10", each="autXML")
def the_readers_cnpj_is_one(autXML: Group) -> str | None:
    """Check digits of a CNPJ that may download the note."""
    return _wrong_cnpj(autXML)


@rule("325", field="GA03-10", each="autXML")
def the_readers_cpf_is_one(autXML: Group) -> str | None:
    """Check digits of a CPF that may download the note."""
    return _wrong_cpf(autXML)
