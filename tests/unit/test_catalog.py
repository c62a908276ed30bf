from collections.abc import Sequence

import pytest

from tests.unit.conftest import SELLER
from workflow.catalog import Catalog
from workflow.engine import Engine
from workflow.store import Store


@pytest.fixture
def catalog(store: Store, engine: Engine) -> Catalog:
    """The test's seller has two products, another seller has one of the same name."""
    catalog = Catalog(store)
    catalog.put_seller({"id": "OTHER", "name": "X", "cnpj": "1", "issuer": {}, "certificate_until": None}, secrets=b"")
    catalog.put_products(SELLER, [("B", {"sku": "B", "ncm": "2"}), ("A", {"sku": "A", "ncm": "1"})])
    catalog.put_products("OTHER", [("A", {"sku": "A", "ncm": "9"})])
    return catalog


def skus(catalog: Catalog, seller: str) -> Sequence[str]:
    return [row.sku for row in catalog.all_products(seller)]


def test_a_sellers_products_come_by_sku(catalog: Catalog) -> None:
    assert [row.data["ncm"] for row in catalog.all_products(SELLER)] == ["1", "2"]
    assert catalog.all_products("NOBODY") == []


def test_a_product_that_is_put_again_is_replaced(catalog: Catalog) -> None:
    assert catalog.put_products(SELLER, [("A", {"sku": "A", "ncm": "7"}), ("C", {"sku": "C", "ncm": "3"})]) == 2
    assert [row.data["ncm"] for row in catalog.all_products(SELLER)] == ["7", "2", "3"]


def test_removing_takes_the_sellers_own_only(catalog: Catalog) -> None:
    assert catalog.remove_products(SELLER, ["A", "A"]) == []
    assert skus(catalog, SELLER) == ["B"]
    assert skus(catalog, "OTHER") == ["A"]


def test_one_unknown_sku_and_none_is_removed(catalog: Catalog) -> None:
    assert catalog.remove_products(SELLER, ["A", "Z", "Y"]) == ["Y", "Z"]
    assert skus(catalog, SELLER) == ["A", "B"]
