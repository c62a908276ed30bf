import pytest

from tests.unit.nfe.conftest import ISSUER, PRODUCTS
from workflow.nfe import tables
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.product_rules import problems


def found(**values: str) -> str:
    product = Product.parse({"sku": "A", "ncm": "85183000"} | values)
    return "\n".join(problems(product, Issuer.parse(ISSUER)))


@pytest.mark.parametrize("sku", PRODUCTS)
def test_nothing_is_wrong_with_a_good_product(sku: str) -> None:
    assert found(**PRODUCTS[sku]) == ""


def test_there_are_96_chapters_and_no_77() -> None:
    chapters = [row["chapter"] for row in tables.rows("ncm_chapters.csv")]
    assert chapters == [f"{number:02d}" for number in range(1, 98) if number != 77]


@pytest.mark.parametrize("ncm", ["77000000", "98010000", "99999999", "00010000"])
def test_a_chapter_that_is_none_is_told(ncm: str) -> None:
    assert f"ncm: {ncm[:2]} is no chapter" in found(ncm=ncm)


@pytest.mark.parametrize("ncm", ["01012100", "97012100", "00000000"])
def test_the_first_and_the_last_chapter_are_known_and_zeros_are_not_looked_up(ncm: str) -> None:
    assert found(ncm=ncm) == ""


@pytest.mark.parametrize(
    ("cest", "is_good"), [("0100100", True), ("2806200", True), ("0000100", False), ("2900100", False)]
)
def test_a_cest_has_a_segment(cest: str, is_good: bool) -> None:
    assert (found(cest=cest) == "") is is_good


def test_a_situation_of_another_regime_is_told_with_the_sku() -> None:
    assert "SKU A: ICMS 999 cannot be used with CRT 1" in found(csosn="999")


def test_everything_wrong_is_told_at_once() -> None:
    assert len(found(ncm="77000000", cest="2900100", csosn="999").splitlines()) == 3


def test_an_override_that_only_one_state_meets_is_told_with_that_state() -> None:
    product = Product.parse({"sku": "A", "ncm": "85183000", "by_uf": {"RJ": {"csosn": "900"}}})
    told = "\n".join(problems(product, Issuer.parse(ISSUER)))
    assert told.endswith("(goods to RJ)")
