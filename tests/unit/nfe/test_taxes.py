from decimal import Decimal
from typing import Any

from workflow.nfe import tables, taxes
from workflow.nfe.invoice import Invoice, Product


def test_the_groups_come_in_the_order_of_the_schema(invoice: Invoice) -> None:
    (item,) = invoice.items
    assert [group.fragment for group in item.taxes] == [
        "icms/csosn102.xml.j2",
        "pis/outr.xml.j2",
        "cofins/outr.xml.j2",
    ]


def test_a_new_situation_is_a_row_a_fragment_and_a_calculation(invoice: Invoice, monkeypatch: Any) -> None:
    def half(product: Product, value: Decimal) -> tuple[dict[str, str | Decimal], dict[str, Decimal]]:
        return {"vBC": value}, {"vBC": value, "vICMS": value / 2}

    row = tables.Situation("ICMS", "777", frozenset({1}), "icms/new.xml.j2")
    known = {**tables.situations(), ("ICMS", "777"): row}
    monkeypatch.setattr(tables, "situations", lambda: known)
    monkeypatch.setattr(taxes, "CALCULATIONS", {"icms/new.xml.j2": half})
    product = invoice.items[0].product.model_copy(update={"csosn": "777"})
    group, *_ = taxes.taxes(invoice.issuer, product, Decimal("10.00"))
    assert group.fields == {"code": "777", "orig": "0", "vBC": Decimal("10.00")}
    assert group.totals == {"vBC": Decimal("10.00"), "vICMS": Decimal("5.00")}
