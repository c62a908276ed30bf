from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection

from tests.unit.conftest import SELLER
from workflow.catalog import Catalog
from workflow.engine import Engine
from workflow.errors import SellerStopped
from workflow.states import Stage
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


class Cut(Exception):
    """The process ends here."""


def cut_off(store: Store, monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """Let the store die after so many lines of history."""
    tell, told = store._tell, []

    def tell_and_die(connection: Connection, id: str, seq: int, **line: Any) -> None:
        if len(told) == lines:
            raise Cut
        told.append(id)
        tell(connection, id, seq, **line)

    monkeypatch.setattr(store, "_tell", tell_and_die)


@pytest.mark.parametrize("way", ["resume", "put"])
def test_a_seller_goes_on_with_all_that_its_stop_held_up_or_not_at_all(
    store: Store, engine: Engine, notify: Callable[[str], str], monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    ids = [notify(name) for name in ("FBA1", "FBA2", "FBA3")]

    def stops(claim: object) -> Any:
        raise SellerStopped("certificate-expired", "renew the A1")

    def go_on() -> int:
        if way == "resume":
            return engine.catalog.resume_seller(SELLER, actor="maria")
        values = {"id": SELLER, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None}
        return engine.catalog.put_seller(values, secrets=b"{}", actor="maria")

    for id in ids:
        engine.advance(id, Stage.FETCH, stops)
    with monkeypatch.context() as patch:
        cut_off(store, patch, lines=1)
        with pytest.raises(Cut):
            go_on()
    rows = [store.shipment(id) for id in ids]
    assert [row.stop_code for row in rows if row] == ["seller-stopped"] * 3
    assert engine.catalog.seller(SELLER).stop_code == "certificate-expired"  # type: ignore[union-attr]
    assert go_on() == 3
    assert [line.actor for line in store.history(ids[2])][-1] == "maria"
    assert engine.catalog.seller(SELLER).stop_code is None  # type: ignore[union-attr]
