"""The list of shipments, and the story of one."""

import json
import re
from datetime import timedelta
from html import unescape

from tests.unit.web.conftest import DETAILS, Installed, Visitor
from workflow.sandbox.shipments import SELLER_ID
from workflow.states import State
from workflow.web.shipments import ROWS


def listed(html: str) -> list[str]:
    """The shipments of a page of the list, in order."""
    return re.findall(rf'<th scope="row"><a href="/s/{SELLER_ID}/(\w+)"', html)


def test_what_waits_for_a_person_is_shown_first_with_its_reason_in_plain_words(page: Installed, joao: Visitor) -> None:
    page.receive("RUNS")
    page.receive("DONE", state=State.ACCEPTED, due_at=None, ring_at=None)
    page.stopped(shipment="STOPPED")
    page.receive("REFUSED", state=State.REJECTED, due_at=None, ring_at=None)
    assert joao.get("/").headers["location"] == "/shipments"
    html = joao.get("/shipments").text
    assert set(listed(html)) == {"STOPPED", "REFUSED"}
    assert "O SKU não está no catálogo." in html
    assert set(listed(joao.get("/shipments?show=all").text)) == {"RUNS", "DONE", "STOPPED", "REFUSED"}
    assert listed(joao.get("/shipments?show=ACCEPTED").text) == ["DONE"]
    assert listed(joao.get("/shipments?code=unknown-sku").text) == ["STOPPED"]
    assert listed(joao.get("/shipments?show=all&seller=NOBODY").text) == []


def test_the_list_counts_by_state_and_says_how_late_the_oldest_is(page: Installed, joao: Visitor) -> None:
    late = page.tools.store.now() - timedelta(minutes=5, seconds=3)
    page.receive("LATE", due_at=late)
    page.receive("WAITS", due_at=late + timedelta(hours=1))
    page.stopped(shipment="STOPPED")
    html = joao.get("/shipments").text
    assert re.search(r"A mais atrasada espera há 5 min \d+ s", html)
    counts = dict(re.findall(r'class="tab" href="[^"]*"[^>]*>([^<]+) <b>(\d+)</b>', html))
    assert counts == {"Esperam por você": "1", "Todas": "3", "Recebida": "2", "Dados obtidos": "1"}


def test_nothing_to_do_is_said_too(joao: Visitor) -> None:
    html = joao.get("/shipments").text
    assert "Nada espera por você." in html
    assert "Nenhuma atrasada" in html


def test_pages_of_the_list_hold_every_shipment_once(page: Installed, joao: Visitor) -> None:
    for number in range(ROWS + 3):
        page.receive(f"FBA{number}")
    first = joao.get("/shipments?show=all").text
    older = re.search(r'href="([^"]+)" rel="next"', first)
    assert older is not None
    second = joao.get("/shipments" + older[1].replace("&amp;", "&")).text
    assert len(listed(first)) == ROWS
    assert len(set(listed(first) + listed(second))) == ROWS + 3
    assert 'rel="next"' not in second


def test_a_shipment_is_found_by_its_id_its_order_and_its_access_key(page: Installed, joao: Visitor) -> None:
    id = page.receive("FBA1", access_key="3" * 44)
    for text in ("FBA1", id, "3" * 44, " FBA1 "):
        assert joao.get(f"/shipments?q={text}").headers["location"] == f"/s/{id}"
    page.receive("FBA2")
    both = joao.get("/shipments?q=701-1234567-1234567").text
    assert f"/s/{SELLER_ID}/FBA1" in both
    assert f"/s/{SELLER_ID}/FBA2" in both
    assert "Nada com “&lt;b&gt;”." in joao.get("/shipments?q=<b>").text


def test_words_that_are_no_filter_ask_for_nothing(joao: Visitor) -> None:
    for query in ("show=king", "after=yesterday,x", "after=,", "code=x&after=2026-13-45,x"):
        assert joao.get(f"/shipments?{query}").status_code == 200


def test_a_story_says_why_what_to_do_and_everything_that_happened(page: Installed, joao: Visitor) -> None:
    id = page.stopped(reason="ShipmentItems[0]: SKU X-1 is unknown")
    html = joao.get(f"/s/{id}?lang=en").text
    assert "The SKU is not in the catalogue." in html
    assert "Register the product, then retry." in html
    assert "ShipmentItems[0]: SKU X-1 is unknown" in html
    assert html.count("<li class=") == 2, "received, then stopped"
    assert f"nfe show {id}" in html


def test_a_story_leads_to_flower(page: Installed, joao: Visitor) -> None:
    html = joao.get(f"/s/{page.receive()}").text
    assert 'href="http://127.0.0.1:5555/tasks?name=shipment%20OR%20args%3AFBA1"' in html


def test_a_buyer_is_nowhere_but_masked(page: Installed, maria: Visitor, joao: Visitor) -> None:
    id = page.stopped()
    page.authorised("FBA2")
    buyer = [DETAILS["BuyerName"], DETAILS["BuyerTaxInfo"]["TaxClassifications"][0]["Value"]]
    buyer += [DETAILS["ShippingAddress"]["AddressLine1"], DETAILS["ShippingAddress"]["PostalCode"]]
    for visitor in (maria, joao):
        for path in ("/shipments?show=all", f"/s/{id}", f"/s/{SELLER_ID}/FBA2", "/numbers", "/products", "/sellers"):
            html = unescape(visitor.get(path).text)
            assert not [private for private in buyer if private in html], path
    assert DETAILS["ShippingAddress"]["City"] in joao.get(f"/s/{id}").text
    assert page.said() == [], "nobody has seen anything"


def test_only_an_operator_is_offered_what_only_an_operator_may(page: Installed, maria: Visitor, joao: Visitor) -> None:
    id = page.stopped()
    mine, theirs = maria.get(f"/s/{id}").text, joao.get(f"/s/{id}").text
    for path in (f"/s/{id}/retry", f"/s/{id}/cancel", f"/s/{id}/buyer", f"/products/{SELLER_ID}?sku="):
        assert path in mine
        assert path not in theirs


def test_an_item_says_what_is_wrong_with_its_product(page: Installed, maria: Visitor) -> None:
    sku = DETAILS["ShipmentItems"][0]["SellerSKU"]
    id = page.stopped()
    assert "não cadastrado" not in maria.get(f"/s/{id}").text
    page.tools.catalog.put_products(SELLER_ID, [(sku, {"sku": sku, "ncm": "00770000"})])
    assert "no chapter of the NCM" in maria.get(f"/s/{id}").text
    page.tools.catalog.remove_products(SELLER_ID, [sku])
    assert "não cadastrado" in maria.get(f"/s/{id}").text


def test_details_that_cannot_be_read_keep_no_story_from_being_told(page: Installed, maria: Visitor) -> None:
    id = page.receive()
    page.leave(id, "details", json.dumps({"payload": {"BuyerName": {"not": "text"}}}).encode())
    assert maria.get(f"/s/{id}").status_code == 200
