from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.nfe.conftest import ISSUER
from workflow.errors import Invalid
from workflow.nfe.invoice import Invoice, Issuer

Build = Callable[..., Invoice]
Detail = dict[str, Any]

KEY = "35261199999999000191550010000000011482109373"
PLACE = {"cnpj": "15.436.940/0001-03", "name": "Operador", "ie": "110.042.490.114", "address": ISSUER["address"]}


def test_without_a_table_nothing_is_said(build: Build, detail: Detail) -> None:
    invoice = build(detail)
    assert (invoice.retirada, invoice.references) == (None, ())


def test_a_third_partys_warehouse_is_told_with_what_brought_the_goods(build: Build, detail: Detail) -> None:
    text = "Sai de {{ warehouse_name }}, IE {{ warehouse_ie }}, {{ warehouse_address }}: {{ remittances }}"
    invoice = build(detail, warehouses={"GRU5": PLACE | {"remittance": KEY, "infCpl": text}})
    assert invoice.retirada is not None
    assert (invoice.retirada.cnpj, invoice.retirada.ie) == ("15436940000103", "110042490114")
    assert invoice.references == (KEY,)
    assert invoice.infCpl is not None
    assert invoice.infCpl.endswith(
        f"Sai de Operador, IE 110042490114, Rua Teste, 100, São Paulo/SP: NF-e 1 série 1 ({KEY})"
    )


def test_the_sellers_own_warehouse_is_no_retirada(build: Build, detail: Detail) -> None:
    assert build(detail, warehouses={"XBR1": PLACE}, own_warehouses=["GRU5"]).retirada is None


@pytest.mark.parametrize("name", ["NEW1", None])
def test_a_warehouse_that_nobody_named_is_refused(build: Build, detail: Detail, name: str | None) -> None:
    detail["WarehouseId"] = name
    with pytest.raises(Invalid, match="own_warehouses") as refused:
        build(detail, warehouses={"GRU5": PLACE})
    assert refused.value.code == "unknown-warehouse"


def test_a_warehouse_in_another_state_is_a_warning(build: Build, detail: Detail) -> None:
    address = ISSUER["address"] | {"uf": "MG", "city": "Extrema", "cep": "37640-000"}
    invoice = build(detail, warehouses={"GRU5": PLACE | {"address": address}})
    assert any("another state" in warning for warning in invoice.warnings)


def test_a_wrong_key_of_a_remittance_is_told_by_its_field() -> None:
    with pytest.raises(Invalid, match="remittance"):
        Issuer.parse(ISSUER | {"warehouses": {"GRU5": PLACE | {"remittance": KEY[:43] + "0"}}})
