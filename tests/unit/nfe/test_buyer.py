from collections.abc import Callable
from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.nfe.buyer import HOMOLOGATION_NAME
from workflow.nfe.invoice import Invoice

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
