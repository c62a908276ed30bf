"""The NF-e numbers as a person sees them."""

from tests.unit.web.conftest import Installed, Visitor
from workflow import numbers
from workflow.models import NumberStatus


def test_every_number_has_its_shipment_and_a_missing_one_stands_out(page: Installed, joao: Visitor) -> None:
    store, where = page.tools.store, numbers.Range("99999999000191", 2, 1, 1)
    for name in ("FBA1", "FBA2", "FBA3"):
        id = page.receive(name)
        with store.writing() as connection:
            numbers.reserve(connection, id, 1, where, lambda nNF: "12345678", store.now())
    with store.writing() as connection:
        numbers.decide(connection, id, 1, NumberStatus.UNUSED, now=store.now())
    html = joao.get("/numbers").text
    assert html.count("/s/A2DEMOSELLER01/FBA") == 3
    assert "inutilizar até" in html
    assert '<span class="right">0</span>' in html
    only = joao.get("/numbers?status=unused").text
    assert (only.count("/s/A2DEMOSELLER01/FBA"), "FBA3" in only) == (1, True)
    with store.writing() as connection:
        connection.execute(numbers.NUMBER.delete().where(numbers.NUMBER.c.number == 2))
    assert '<span class="wrong">1: 2–2' in joao.get("/numbers").text


def test_none_is_said_too(joao: Visitor) -> None:
    assert "Nenhum número." in joao.get("/numbers?status=king").text
