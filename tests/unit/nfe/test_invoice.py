from datetime import date
from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.nfe.invoice import Issuer, Product

ADDRESS = {"street": "Rua A", "number": "1", "district": "Centro", "city": "Campinas", "uf": "SP", "cep": "13010-111"}
ISSUER: dict[str, Any] = {
    "seller_id": "A1",
    "name": "Empresa",
    "cnpj": "99999999000191",
    "ie": "110042490114",
    "crt": 1,
    "address": ADDRESS,
}


def complaint(**changes: Any) -> str:
    with pytest.raises(Invalid) as refused:
        Issuer.parse(ISSUER | changes)
    assert refused.value.code == "bad-issuer"
    return refused.value.message


def test_the_municipality_code_is_found_by_name() -> None:
    assert Issuer.parse(ISSUER).address.city_code == "3509502"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"cnpj": "99999999000192"}, "cnpj"),
        ({"ie": "x"}, "ie"),
        ({"seller_id": "../A1"}, "seller_id"),
        ({"seller_id": "A1/B2"}, "seller_id"),
        ({"seller_id": "A1\x1b[31m"}, "seller_id"),
        ({"serie": 890}, "serie"),
        ({"crt": 5}, "crt"),
        ({"cfop_in_state": "6102"}, "cfop_in_state"),
        ({"cfop_interstate": "5102"}, "cfop_interstate"),
        ({"crt": 3}, "pis_cofins"),
        ({"autXML": ["123"]}, "autXML"),
        ({"iest": {"XX": "123"}}, "iest"),
        ({"rates": [{"ncm": "85", "icms_rate": "200"}]}, "icms_rate"),
        ({"warehouses": {"GRU5": {"cnpj": "1"}}}, "warehouses.GRU5.cnpj"),
        ({"infCpl": "{{ buyer }}"}, "infCpl"),
        ({"infCpl": "{% if %}"}, "infCpl"),
        ({"nome": "x"}, "nome"),
        ({"district_fields": ["Bairro"]}, "district_fields"),
        ({"address": ADDRESS | {"city": "Gotham"}}, "address"),
        ({"address": ADDRESS | {"city_code": "3106200"}}, "address"),
        ({"address": ADDRESS | {"uf": "PR", "city": "Curitiba"}}, "resp_tec"),
        ({"resp_tec": {"cnpj": "99999999000191", "contact": "Eu", "email": "a@b.com", "phone": "1133334444",
                       "csrt": "x"}}, "id_csrt"),
    ],
)  # fmt: skip
def test_a_mistake_of_the_seller_is_told_by_its_field(changes: dict[str, Any], field: str) -> None:
    assert field in complaint(**changes)


def test_every_mistake_is_told_at_once() -> None:
    message = complaint(cnpj="1", ie="x")
    assert "cnpj" in message
    assert "ie:" in message


def test_a_product_from_a_row_of_strings() -> None:
    product = Product.model_validate(
        {"sku": "A", "title": "", "ncm": "8518.30.00", "cest": "", "origin": "0", "gtin": "", "csosn": ""}
    )
    assert (product.ncm, product.cest, product.gtin, product.csosn) == ("85183000", None, None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ncm": "123"}, "ncm"),
        ({"gtin": "7891000315508"}, "gtin"),
        ({"origin": "9"}, "origin"),
        ({"cfop_interstate": "5102"}, "cfop_interstate"),
        ({"icms_rate": "18,00001"}, "icms_rate"),
        ({"st_retained_base": "10"}, "st_retained_rate"),
        ({"is_rate": "10"}, "is_class"),
        ({"ipi_rate": "10", "ipi_cst": "53"}, "ipi_rate"),
        ({"cBenef": "x"}, "cBenef"),
        ({"remittance": "35"}, "remittance"),
    ],
)
def test_a_mistake_of_a_product_is_told_by_its_field(changes: dict[str, str], field: str) -> None:
    with pytest.raises(Invalid, match=field):
        Product.parse({"sku": "A", "ncm": "85183000"} | changes)


def test_the_csrt_stays_out_of_a_printed_issuer() -> None:
    resp_tec = {"cnpj": "99999999000191", "contact": "Eu", "email": "a@b.com", "phone": "1133334444"}
    issuer = Issuer.parse(ISSUER | {"resp_tec": resp_tec | {"id_csrt": "01", "csrt": "SECRET"}})
    assert "SECRET" not in repr(issuer)


@pytest.mark.parametrize("written", ["18", "18.00", "18,00", " 18 % "])
def test_a_percentage_may_be_written_as_brazilians_do(written: str) -> None:
    assert Product.parse({"sku": "A", "ncm": "85183000", "icms_rate": written}).icms_rate == 18


def test_the_longest_ncm_then_the_named_unit_counts() -> None:
    rates = [
        {"icms_rate": 1},
        {"uf": "RJ", "icms_rate": 2},
        {"ncm": "33", "icms_rate": 3},
        {"ncm": "3303", "icms_rate": 4},
    ]
    issuer = Issuer.parse(ISSUER | {"rates": rates})
    found = [
        issuer.rate(ncm, uf, date(2026, 11, 22))
        for ncm, uf in (("85", "MG"), ("85", "RJ"), ("3301", "RJ"), ("3303", "RJ"))
    ]
    assert [rate.icms_rate for rate in found if rate] == [1, 2, 3, 4]
