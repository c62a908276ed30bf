"""The register tells who is a taxpayer, and an NF-e that denies it is refused."""

import pytest

from workflow.clients.sefaz import SefazClient
from workflow.nfe.signature import sign

from .conftest import NFE, Seller, decided, etree, unsigned

BUYER = "11222333000181"
ENTRY = {"uf": "SP", "ie": "110042490114", "cnpj": BUYER}


def to_company(seller: Seller, nNF: int = 1) -> bytes:
    """A signed NF-e to a company without IE (indIEDest 9)."""
    root = etree.fromstring(unsigned(nNF))
    cpf = root.find(f".//{NFE}dest/{NFE}CPF")
    assert cpf is not None
    cpf.tag, cpf.text = f"{NFE}CNPJ", BUYER
    uf = root.find(f".//{NFE}dest/{NFE}enderDest/{NFE}UF")
    assert uf is not None
    assert uf.text == "SP"
    return sign(etree.tostring(root), seller.key)


def test_one_several_or_nobody_is_told_apart(seller: Seller, client: SefazClient) -> None:
    seller.control("taxpayers", [ENTRY, {**ENTRY, "ie": "110042490115", "is_active": False}])
    seller.control("taxpayers", {"uf": "RJ", "ie": "12345678", "cpf": "11144477735"})
    both = client.taxpayer(uf="SP", tpAmb=2, cnpj=BUYER)
    assert (both.cStat, len(both.registrations), [one.ie for one in both.active]) == ("112", 2, ["110042490114"])
    assert client.taxpayer(uf="SP", tpAmb=2, ie="110042490114").cStat == "111"
    person = client.taxpayer(uf="RJ", tpAmb=2, cpf="11144477735")
    assert (person.cStat, person.registrations[0].cpf, person.registrations[0].uf) == ("111", "11144477735", "RJ")
    nobody = [
        client.taxpayer(uf="RJ", tpAmb=2, cnpj=BUYER),
        client.taxpayer(uf="SP", tpAmb=2, ie="9"),
        client.taxpayer(uf="SP", tpAmb=2, cpf="11144477735"),
    ]
    assert [one.cStat for one in nobody] == ["259", "261", "264"]
    assert all(one.is_unknown and one.is_offered for one in nobody)


def test_a_register_that_wants_two_wrappers_is_answered_too(seller: Seller, client: SefazClient) -> None:
    seller.control("taxpayers", {**ENTRY, "uf": "MT"})
    assert client.taxpayer(uf="MT", tpAmb=2, cnpj=BUYER).cStat == "111"


@pytest.mark.parametrize(("changes", "cStat"), [({}, "232"), ({"is_active": False}, "100"), ({"uf": "RJ"}, "100")])
def test_a_company_that_is_an_active_taxpayer_of_its_unit_needs_its_ie(
    seller: Seller, changes: dict[str, object], cStat: str
) -> None:
    seller.control("taxpayers", {**ENTRY, **changes})
    assert seller.authorize(to_company(seller)) == cStat


def test_a_question_about_nobody_breaks_the_form(seller: Seller) -> None:
    asked = '<ConsCad xmlns="http://www.portalfiscal.inf.br/nfe" versao="2.00"><infCons><UF>SP</UF></infCons></ConsCad>'
    assert decided(seller.ask("CadConsultaCadastro4", asked)) == "215"


def test_a_registration_has_one_holder(seller: Seller) -> None:
    with pytest.raises(AssertionError, match="either cnpj or cpf"):
        seller.control("taxpayers", {**ENTRY, "cpf": "11144477735"})
