"""The local Amazon's customer invoices answer as the official model and its sandbox examples say."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.server import start_amazon
from workflow.sandbox.vendor_shelf import HeldInvoice

from .conftest import Partner

LIST = "/vendor/directFulfillment/shipping/v1/customerInvoices"
ONE = LIST + "/{purchaseOrderNumber}"
PERIOD = {"createdAfter": "2026-11-01T00:00:00Z", "createdBefore": "2026-11-08T00:00:00Z"}
EXAMPLES = Path(__file__).parents[3].parent / "shared" / "amazon" / "sandbox_examples.json"


@pytest.fixture
def vendor() -> Iterator[Partner]:
    """A local Amazon that holds no customer invoice and keeps no plan."""
    with start_amazon(settings=AmazonSettings(rate_plan=False)) as started:
        yield Partner(started)


def held(number: int, **changes: Any) -> dict[str, Any]:
    content = base64.b64encode(b"%PDF-1.7 " + str(number).encode()).decode()
    return {
        "purchaseOrderNumber": f"PO{number}",
        "content": content,
        "created": f"2026-11-0{number}T12:00:00Z",
    } | changes


def listed(vendor: Partner, **parameters: Any) -> requests.Response:
    return vendor.call("GET", LIST, vendor.restricted(LIST), params=PERIOD | parameters)


def numbers(answer: requests.Response) -> list[str]:
    return [entry["purchaseOrderNumber"] for entry in answer.json()["payload"]["customerInvoices"]]


def test_both_operations_need_their_own_restricted_token(vendor: Partner) -> None:
    assert listed(vendor).status_code == 200
    for token in (vendor.token(), vendor.restricted(), vendor.restricted(ONE)):
        assert vendor.call("GET", LIST, token, params=PERIOD).status_code == 403
    for path, status in ((ONE, 200), (f"{LIST}/PO1", 200), (f"{LIST}/PO2", 403), (LIST, 403)):
        assert vendor.call("GET", f"{LIST}/PO1", vendor.restricted(path)).status_code == status


@pytest.mark.skipif(not EXAMPLES.exists(), reason="the official examples are not beside this repository")
def test_without_invoices_the_catch_all_examples_are_answered(vendor: Partner) -> None:
    official = json.loads(EXAMPLES.read_text())["vendorDirectFulfillmentShippingV1"]
    catch_all = {
        example["operation"]: example["sandbox"]["static"][-1]["response"]
        for example in official
        if example["http"] == "200"
    }
    assert listed(vendor).json() == catch_all["getCustomerInvoices"]
    assert vendor.call("GET", f"{LIST}/ANY", vendor.restricted(ONE)).json() == catch_all["getCustomerInvoice"]


def test_the_examples_list_ends_at_its_second_page(vendor: Partner) -> None:
    token = listed(vendor).json()["payload"]["pagination"]["nextToken"]
    assert listed(vendor, nextToken=token).json() == {"payload": {"customerInvoices": []}}


def test_pages_follow_the_limit_and_the_order(vendor: Partner) -> None:
    vendor.control("customer_invoices", [held(2), held(1), held(3)])
    first = listed(vendor, limit=2)
    assert numbers(first) == ["PO1", "PO2"]
    last = listed(vendor, limit=2, nextToken=first.json()["payload"]["pagination"]["nextToken"])
    assert numbers(last) == ["PO3"]
    assert "pagination" not in last.json()["payload"]
    assert numbers(listed(vendor, sortOrder="DESC")) == ["PO3", "PO2", "PO1"]


def test_a_window_leaves_both_its_ends_out(vendor: Partner) -> None:
    vendor.control("customer_invoices", [held(1), held(2), held(3)])
    answer = listed(vendor, createdAfter="2026-11-01T12:00:00Z", createdBefore="2026-11-03T17:30:00+05:30")
    assert numbers(answer) == ["PO2"]


def test_a_warehouse_has_its_own_invoices(vendor: Partner) -> None:
    vendor.control("customer_invoices", [held(1, shipFromPartyId="W1"), held(2)])
    assert numbers(listed(vendor, shipFromPartyId="W1")) == ["PO1"]
    assert numbers(listed(vendor)) == ["PO1", "PO2"]


@pytest.mark.parametrize(
    ("parameters", "status", "code"),
    [
        ({"createdBefore": "2019-09-2100:00:00"}, 403, "InvalidRequest"),
        ({"createdAfter": "2026-11-01T00:00:00"}, 403, "InvalidRequest"),
        ({"createdBefore": "2026-11-08T00:00:01Z"}, 400, "InvalidRequest"),
        ({"createdBefore": "2026-10-08T00:00:00Z"}, 400, "InvalidRequest"),
        ({"limit": 0}, 400, "InvalidRequest"),
        ({"limit": 101}, 400, "InvalidRequest"),
        ({"sortOrder": "UP"}, 400, "InvalidRequest"),
        ({"nextToken": "unknown"}, 400, "InvalidRequest"),
        ({"shipFromPartyId": "dummy"}, 400, "InvalidInput"),
    ],
)
def test_wrong_parameters_are_refused(vendor: Partner, parameters: dict[str, Any], status: int, code: str) -> None:
    answer = listed(vendor, **parameters)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (status, code)


def test_one_order_is_answered_as_it_stands_or_refused(vendor: Partner) -> None:
    vendor.control("customer_invoices", held(1, content="no base64"))
    token = vendor.restricted(ONE)
    expected = {"purchaseOrderNumber": "PO1", "content": "no base64"}
    assert vendor.call("GET", f"{LIST}/PO1", token).json() == {"payload": expected}
    assert vendor.call("GET", f"{LIST}/PO2", token).status_code == 404
    for number in ("mockpurchaseOrderNumberDummy", "PO-1"):
        refused = vendor.call("GET", f"{LIST}/{number}", token)
        assert (refused.status_code, refused.json()["errors"][0]["message"]) == (400, "Invalid transmission ID.")


def test_each_operation_has_a_plan_of_its_own(vendor: Partner) -> None:
    vendor.control("settings", {"rate_plan": True, "vendor_rate": 0.01, "vendor_burst": 2})
    token = vendor.restricted(LIST)
    statuses = [vendor.call("GET", LIST, token, params=PERIOD).status_code for _ in range(3)]
    assert statuses == [200, 200, 429]
    assert vendor.call("GET", f"{LIST}/PO1", vendor.restricted(ONE)).status_code == 200


def test_invoices_outlive_a_restart(tmp_path: Path) -> None:
    journal = tmp_path / "amazon.jsonl"
    book = AmazonBook(AmazonSettings(), journal=journal)
    book.add_customer_invoice(HeldInvoice.model_validate(held(1)))
    book.close()
    again = AmazonBook(AmazonSettings(), journal=journal)
    assert again.customer_invoices.one("PO1") == {"purchaseOrderNumber": "PO1", "content": held(1)["content"]}
    assert again.dump()["customer_invoices"] == 1
    again.close()
