"""A product is mended on the page under the rules of an import."""

import pytest

from tests.unit.web.conftest import Installed, Visitor
from workflow.audit import Action, Audit
from workflow.sandbox.shipments import SELLER_ID

GOOD = {"sku": "NEW-1", "title": "Caneca", "ncm": "69120000", "csosn": "102"}


def stored(page: Installed, sku: str = "NEW-1") -> dict[str, object] | None:
    return page.tools.catalog.products(SELLER_ID, [sku]).get(sku)


def test_a_product_is_registered_from_its_shipment_and_leads_back(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    form = maria.get(f"/products/{SELLER_ID}?sku=NEW-1&title=Caneca&back={id}").text
    assert 'value="Caneca"' in form
    answer = maria.post(f"/products/{SELLER_ID}", GOOD | {"back": id})
    assert answer.headers["location"] == f"/s/{id}?done=product"
    product = stored(page)
    assert product is not None
    assert (product["ncm"], product["csosn"]) == ("69120000", "102")


def test_a_change_is_written_down_field_by_field(page: Installed, maria: Visitor) -> None:
    maria.post(f"/products/{SELLER_ID}", GOOD)
    maria.post(f"/products/{SELLER_ID}", GOOD | {"ncm": "69111010", "others": "by_uf.RJ.fcp_rate = 2\n"})
    line = Audit(page.tools.store).lines(action=Action.PRODUCT)[0]
    assert line.actor == "maria"
    assert "ncm 69120000 → 69111010" in line.detail
    assert "by_uf.RJ.fcp_rate – → 2" in line.detail
    assert "title" not in line.detail


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"ncm": "691"}, "ncm: "),
        ({"ncm": "00771000"}, "no chapter of the NCM"),
        ({"csosn": "777"}, "csosn"),
        ({"others": "no sign here"}, "write name = value"),
        ({"others": "colour = red"}, "unknown column colour"),
        ({"sku": ""}, "sku: "),
    ],
)
def test_a_mistake_is_told_beside_what_was_typed_and_nothing_is_saved(
    page: Installed, maria: Visitor, change: dict[str, str], said: str
) -> None:
    answer = maria.post(f"/products/{SELLER_ID}", GOOD | change)
    assert answer.status_code == 400
    assert said in answer.text
    assert 'value="Caneca"' in answer.text
    assert stored(page) is None
    assert page.said() == []


def test_an_empty_field_is_the_sellers_own_setting(page: Installed, maria: Visitor) -> None:
    maria.post(f"/products/{SELLER_ID}", GOOD | {"csosn": "", "gtin": " "})
    product = stored(page)
    assert product is not None
    assert not {"csosn", "gtin"} & set(product)


def test_every_stored_field_is_in_the_form_and_comes_back_as_it_was(page: Installed, maria: Visitor) -> None:
    others = "approximate_tax = 12.5\nby_uf.RJ.icms_rate = 20"
    maria.post(f"/products/{SELLER_ID}", GOOD | {"others": others})
    before = stored(page)
    form = maria.get(f"/products/{SELLER_ID}?sku=NEW-1").text
    assert others.splitlines()[1] in form
    maria.post(f"/products/{SELLER_ID}", GOOD | {"others": others})
    assert stored(page) == before


def test_products_with_mistakes_are_listed_alone(page: Installed, joao: Visitor) -> None:
    page.tools.catalog.put_products(SELLER_ID, [("WRONG-1", {"sku": "WRONG-1", "ncm": "00770000"})])
    everything, wrong = joao.get("/products").text, joao.get("/products?only=problems").text
    assert "CANECA-350" in everything
    assert "WRONG-1" in wrong
    assert "CANECA-350" not in wrong
    assert "no chapter of the NCM" in wrong
    assert "CANECA-350" in joao.get("/products?q=caneca").text
    assert "WRONG-1" not in joao.get("/products?q=caneca").text


def test_a_product_of_nobody_is_none(page: Installed, maria: Visitor) -> None:
    assert maria.get("/products/NOBODY?sku=X").status_code == 404
    assert maria.post("/products/NOBODY", GOOD).status_code == 404


def test_a_form_leads_back_to_a_shipment_and_nowhere_else(page: Installed, maria: Visitor) -> None:
    answer = maria.post(f"/products/{SELLER_ID}", GOOD | {"back": "//evil.example/x"})
    assert answer.headers["location"] == f"/products?seller={SELLER_ID}"
