from collections.abc import Callable
from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.nfe.buyer import HOMOLOGATION_NAME
from workflow.nfe.invoice import Address, Invoice

Build = Callable[..., Invoice]
Detail = dict[str, Any]

#: What a reason must never quote.
SECRETS = ("Beltrano", "Fulano", "Consola", "11144477735", "111.444.777-35", "01302", "11912345678")


def refusal(build: Build, detail: Detail, **issuer: Any) -> Invalid:
    with pytest.raises(Invalid) as refused:
        build(detail, **issuer)
    assert not any(secret in str(refused.value) for secret in SECRETS)
    return refused.value


def classified(*pairs: tuple[str, str]) -> Detail:
    return {"TaxClassifications": [{"Name": name, "Value": value} for name, value in pairs]}


@pytest.mark.parametrize(
    ("info", "cpf", "cnpj"),
    [
        (classified(("CPF", "111.444.777-35")), "11144477735", None),
        (classified(("cnpj", "15.436.940/0001-03")), None, "15436940000103"),
        (classified(("VAT", "12.abc.345/01de-35")), None, "12ABC34501DE35"),
        (classified(("BUSINESS", "x"), ("CST", "11144477735")), "11144477735", None),
        (classified(("VAT", "11144477735"), ("CNPJ", "15436940000103")), None, "15436940000103"),
    ],
)
def test_the_buyer_is_known_by_name_first_then_by_digits(
    build: Build, detail: Detail, info: Detail, cpf: str | None, cnpj: str | None
) -> None:
    detail["BuyerTaxInfo"] = info
    dest = build(detail).dest
    assert (dest.cpf, dest.cnpj) == (cpf, cnpj)


@pytest.mark.parametrize(
    ("info", "code"),
    [
        (None, "no-buyer-id"),
        (classified(), "no-buyer-id"),
        (classified(("Millage", "10")), "no-buyer-id"),
        (classified(("CPF", "99999999999")), "bad-buyer-id"),
        (classified(("CNPJ", "15436940")), "bad-buyer-id"),
    ],
)
def test_a_buyer_without_a_good_id_is_refused(build: Build, detail: Detail, info: Detail | None, code: str) -> None:
    detail["BuyerTaxInfo"] = info
    assert refusal(build, detail).code == code


def test_a_person_is_called_as_the_buyer_and_not_as_the_receiver(build: Build, detail: Detail) -> None:
    assert build(detail).dest.name == "Fulano da Silva"


@pytest.mark.parametrize("name", [None, "", "1", "😀😀"])
def test_a_name_that_cannot_be_written_is_replaced_by_the_receivers(
    build: Build, detail: Detail, name: str | None
) -> None:
    detail["BuyerName"] = name
    assert build(detail).dest.name == "Beltrano da Silva"


def test_a_company_has_its_legal_name(build: Build, detail: Detail) -> None:
    detail["BuyerTaxInfo"] = classified(("CNPJ", "15436940000103")) | {"CompanyLegalName": "Firma S.A."}
    assert build(detail).dest.name == "Firma S.A."


def test_in_homologation_the_name_is_the_fixed_text(build: Build, detail: Detail) -> None:
    assert build(detail, tpAmb=2).dest.name == HOMOLOGATION_NAME


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"AddressLine1": None}, "address-withheld"),
        ({"AddressLine1": "", "AddressLine2": None, "Name": None}, "address-withheld"),
        ({"AddressLine1": "😀"}, "no-street"),
        ({"City": None}, "no-address"),
        ({"PostalCode": None}, "no-address"),
        ({"PostalCode": "1302-000"}, "bad-cep"),
        ({"City": "Gotham"}, "unknown-municipality"),
        ({"CountryCode": "US"}, "foreign-address"),
    ],
)
def test_an_address_that_cannot_be_written_is_refused_by_field(
    build: Build, detail: Detail, changes: Detail, code: str
) -> None:
    detail["ShippingAddress"] |= changes
    assert refusal(build, detail).code == code


def test_no_address_at_all_is_refused(build: Build, detail: Detail) -> None:
    detail["ShippingAddress"] = None
    assert refusal(build, detail).code == "no-address"


def test_no_bairro_names_the_fields_that_were_asked(build: Build, detail: Detail) -> None:
    detail["BuyerCounty"] = None
    reason = refusal(build, detail)
    assert reason.code == "no-district"
    assert "BuyerCounty" in reason.message


def test_the_bairro_comes_from_the_first_field_in_the_sellers_order(build: Build, detail: Detail) -> None:
    detail["ShippingAddress"] |= {"District": "Um", "County": "Dois", "AddressLine3": "Tres"}
    assert build(detail).dest.address.district == "Um"
    assert build(detail, district_fields=["AddressLine3", "District"]).dest.address.district == "Tres"


def test_a_field_that_repeats_the_city_is_no_bairro_while_another_is_there(build: Build, detail: Detail) -> None:
    detail["ShippingAddress"]["County"] = "São Paulo"
    assert build(detail).dest.address.district == "Centro"
    detail["BuyerCounty"] = None
    assert build(detail).dest.address.district == "São Paulo"


def test_a_line_that_is_the_bairro_is_not_the_complement_too(build: Build, detail: Detail) -> None:
    detail["ShippingAddress"] |= {"AddressLine2": "Bela Vista", "AddressLine3": "Fundos"}
    address = build(detail, district_fields=["AddressLine2"]).dest.address
    assert (address.district, address.complement) == ("Bela Vista", "Fundos")


@pytest.mark.parametrize(("phone", "written"), [("+55 (11) 91234-5678", "5511912345678"), ("123", None), (None, None)])
def test_a_phone_is_digits_or_absent(build: Build, detail: Detail, phone: str | None, written: str | None) -> None:
    detail["ShippingAddress"]["Phone"] = phone
    assert build(detail).dest.address.phone == written


def test_a_company_with_an_ie_is_a_contributor(build: Build, detail: Detail) -> None:
    detail["BuyerTaxInfo"] = classified(("CNPJ", "15436940000103"))
    dest = build(detail, buyer_ie="110.042.490.114").dest
    assert (dest.indIEDest, dest.ie, dest.is_contributor) == ("1", "110042490114", True)
    dest = build(detail).dest
    assert (dest.indIEDest, dest.ie, dest.is_contributor) == ("9", None, False)


@pytest.mark.parametrize(
    ("uf", "city", "cep", "indIEDest"),
    [("SC", "Florianópolis", "88010-000", "2"), ("SP", "Campinas", "13010-111", "9")],
)
def test_who_is_exempt_of_registration_is_so_where_the_state_knows_it(
    build: Build, detail: Detail, uf: str, city: str, cep: str, indIEDest: str
) -> None:
    detail["ShippingAddress"] |= {"StateOrRegion": uf, "City": city, "PostalCode": cep}
    invoice = build(detail, buyer_ie="isento")
    assert (invoice.dest.indIEDest, invoice.dest.ie) == (indIEDest, None)
    assert any("805" in warning for warning in invoice.warnings) is (indIEDest == "9")


@pytest.mark.parametrize("ie", ["1", "PR123", "123456789012345"])
def test_an_ie_that_is_none_is_refused_and_not_quoted(build: Build, detail: Detail, ie: str) -> None:
    with pytest.raises(Invalid) as refused:
        build(detail, buyer_ie=ie)
    assert refused.value.code == "bad-buyer-ie"
    assert ie not in refused.value.message.split()


OWN = {
    "street": "Rua da Bahia",
    "number": "1",
    "district": "Centro",
    "city": "Belo Horizonte",
    "uf": "MG",
    "cep": "30160010",
}


def test_goods_that_go_elsewhere_have_a_place_of_delivery_and_it_says_the_route(build: Build, detail: Detail) -> None:
    invoice = build(detail, buyer_address=Address.model_validate(OWN))
    assert invoice.dest.address.uf == "MG"
    assert invoice.entrega is not None
    assert (invoice.entrega.cpf, invoice.entrega.name) == ("11144477735", "Beltrano da Silva")
    assert (invoice.entrega.address.uf, invoice.idDest) == ("SP", "1")


def test_the_buyers_own_address_is_no_other_place(build: Build, detail: Detail) -> None:
    same = build(detail).dest.address
    assert build(detail, buyer_address=same.model_copy(update={"street": "RUA DA CONSOLACAO"})).entrega is None


def test_a_foreigner_buys_inside_the_state_only(build: Build, detail: Detail) -> None:
    detail["BuyerTaxInfo"] = classified(("Passport", "AB-123456"))
    assert build(detail).dest.foreign_id == "AB123456"
    detail["ShippingAddress"] |= {"StateOrRegion": "RJ", "City": "Niterói", "PostalCode": "24020-000"}
    reason = refusal(build, detail)
    assert (reason.code, "721" in reason.message) == ("no-buyer-id", True)
