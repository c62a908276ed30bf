from datetime import date
from typing import Any

import pytest

from tests.unit.nfe.conftest import ISSUER
from workflow.errors import Invalid
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.operation import Operation, cfop, icms_situation, internal_rate

ON = date(2026, 11, 22)
NORMAL = {"crt": 3, "pis_cofins": "cumulative"}


def sale(to: str = "MG", *, contributor: bool = False, **issuer: Any) -> Operation:
    return Operation(Issuer.parse(ISSUER | NORMAL | issuer), to, contributor, ON)


def goods(**values: Any) -> Product:
    return Product.parse({"sku": "A", "ncm": "85183000"} | values)


def code(operation: Operation, **values: Any) -> str:
    product = goods(**values)
    return cfop(operation, product, icms_situation(operation, product))


@pytest.mark.parametrize(
    ("to", "contributor", "values", "expected"),
    [
        ("SP", False, {}, "5102"),
        ("MG", False, {}, "6108"),
        ("MG", True, {}, "6102"),
        ("SP", False, {"own_production": True}, "5101"),
        ("MG", False, {"own_production": True}, "6107"),
        ("MG", True, {"own_production": True}, "6101"),
        ("SP", False, {"cst": "60"}, "5405"),
        ("MG", False, {"cst": "60"}, "6108"),
        ("MG", True, {"cst": "60"}, "6404"),
        ("SP", True, {"cst": "10"}, "5403"),
        ("MG", True, {"cst": "10", "own_production": True}, "6401"),
        ("MG", False, {"cfop_interstate": "6106"}, "6106"),
        ("MG", False, {"by_uf": {"MG": {"cfop": "6110"}}, "cfop_interstate": "6106"}, "6110"),
    ],
)
def test_the_cfop_follows_the_maker_the_route_the_substitution_and_the_buyer(
    to: str, contributor: bool, values: dict[str, Any], expected: str
) -> None:
    assert code(sale(to, contributor=contributor), **values) == expected


def test_the_sellers_cfop_goes_before_the_tables() -> None:
    assert code(sale("SP", cfop_in_state="5106")) == "5106"
    assert code(sale("MG", cfop_interstate="6106"), cst="60") == "6106"


def test_a_mei_sells_with_two_cfops() -> None:
    assert code(sale("SP", crt=4)) == "5102"
    assert code(sale("MG", crt=4)) == "6102"
    with pytest.raises(Invalid, match="337"):
        code(sale("MG", crt=4), cfop_interstate="6108")


def test_a_cfop_of_the_other_route_is_refused() -> None:
    with pytest.raises(Invalid, match="732"):
        code(sale("MG"), by_uf={"MG": {"cfop": "5102"}})


def test_an_industry_resells_with_the_cfop_of_resale() -> None:
    assert code(sale("SP", industrial=True)) == "5101"
    assert code(sale("SP", industrial=True), own_production=False) == "5102"


def test_the_products_situation_goes_from_the_unit_to_the_seller() -> None:
    values = {"cst": "60", "cst_interstate": "00", "by_uf": {"RJ": {"cst": "20"}}}
    assert icms_situation(sale("SP"), goods(**values)).code == "60"
    assert icms_situation(sale("MG"), goods(**values)).code == "00"
    assert icms_situation(sale("RJ"), goods(**values)).code == "20"
    assert icms_situation(sale("RJ", cst="41"), goods()).code == "41"


def test_the_products_own_rate_is_of_the_sellers_state_only() -> None:
    product = goods(icms_rate="12", fcp_rate="0")
    assert internal_rate(sale(), product, "SP").icms == 12
    assert internal_rate(sale(), product, "MG").icms == 18
