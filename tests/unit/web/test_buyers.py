"""A buyer's data are shown to operators, and each look is written down."""

import doctest
from html import unescape

from tests.unit.web.conftest import DETAILS, Installed, Visitor
from workflow.nfe.shipment_detail import ShipmentDetail
from workflow.web import buyers


def test_the_examples_hold() -> None:
    assert doctest.testmod(buyers).failed == 0


def test_the_whole_of_it_is_shown_to_an_operator_and_recorded(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    html = unescape(maria.get(f"/s/{id}/buyer").text)
    assert DETAILS["BuyerName"] in html
    assert DETAILS["BuyerTaxInfo"]["TaxClassifications"][0]["Value"] in html
    maria.get(f"/s/{id}/buyer")
    assert page.said() == ["maria saw-buyer"] * 2
    assert "Viu dados do comprador" in maria.get(f"/audit?shipment={id}").text


def test_a_viewer_gets_none_of_it_and_leaves_no_trace(page: Installed, joao: Visitor) -> None:
    answer = joao.get(f"/s/{page.stopped()}/buyer")
    assert answer.status_code == 403
    assert DETAILS["BuyerName"] not in answer.text
    assert page.said() == []


def test_a_shipment_without_details_has_no_buyer(page: Installed, maria: Visitor) -> None:
    assert maria.get(f"/s/{page.receive()}/buyer").status_code == 404
    assert page.said() == []


def test_a_mask_leaves_nobody_to_be_known() -> None:
    detail = ShipmentDetail.model_validate(DETAILS)
    shown = " ".join(fact.value for fact in buyers.masked(detail))
    for name in DETAILS["BuyerName"].split():
        assert len(name) < 3 or name not in shown
    assert DETAILS["BuyerTaxInfo"]["TaxClassifications"][0]["Value"][:-2] not in shown
    assert buyers.masked(ShipmentDetail()) == []
