"""The local Amazon answers as the official models say."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from workflow.sandbox.shipments import Example

from .conftest import Partner

ORDINARY, ERRORED, HIDDEN = 0, 4, 11


def test_the_whole_path_from_token_to_verdict(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    example = examples[ORDINARY]
    details = partner.details(example.shipment_id, partner.restricted())
    assert details.json() == {"payload": example.details}
    assert details.headers["x-amzn-RateLimit-Limit"] == "1.133"
    assert partner.status(example.shipment_id) == "NotFound"
    submitted = partner.submit(example.shipment_id, nfeProc)
    assert (submitted.status_code, submitted.json()) == (200, {})
    assert partner.status(example.shipment_id) == "Accepted"


def test_login_answers_as_lwa_does(partner: Partner) -> None:
    answer = partner.lwa().json()
    assert (answer["token_type"], answer["expires_in"]) == ("bearer", 3600)
    assert answer["refresh_token"] == partner.refresh_token
    grantless = partner.lwa(grant_type="client_credentials", scope="sellingpartnerapi::notifications")
    assert grantless.json()["access_token"].startswith("Atza|")
    assert partner.lwa(grant_type="password").json()["error"] == "unsupported_grant_type"


def test_known_credentials_only_when_told_so(partner: Partner, examples: list[Example]) -> None:
    partner.control("settings", {"clients": {"client": "right"}, "sellers": {"Atzr|one": "ANOTHER"}})
    wrong = partner.lwa(client_secret="wrong")
    assert (wrong.status_code, wrong.json()["error"]) == (401, "invalid_client")
    unknown = partner.lwa(client_secret="right", refresh_token="Atzr|two")
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_grant")
    assert set(unknown.json()) == {"error", "error_description"}
    token = partner.lwa(client_secret="right").json()["access_token"]
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice/status"
    assert partner.call("GET", path, token).status_code == 400


def test_details_need_a_restricted_data_token(partner: Partner, examples: list[Example]) -> None:
    shipment_id = examples[ORDINARY].shipment_id
    denied = partner.details(shipment_id, partner.token())
    assert denied.status_code == 403
    assert denied.json()["errors"][0]["message"] == "Access to requested resource is denied."
    assert "x-amzn-RateLimit-Limit" not in denied.headers
    own = partner.restricted(f"/fba/outbound/brazil/v0/shipments/{shipment_id}")
    assert partner.details(shipment_id, own).status_code == 200
    assert partner.details(examples[1].shipment_id, own).status_code == 403


def test_a_restricted_token_opens_nothing_else(partner: Partner, examples: list[Example]) -> None:
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice/status"
    assert partner.call("GET", path, partner.restricted()).status_code == 403
    body = {"restrictedResources": [{"method": "GET", "path": "/orders/v0/orders"}]}
    refused = partner.call("POST", "/tokens/2021-03-01/restrictedDataToken", partner.token(), json=body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "InvalidInput")


def test_a_missing_forged_or_expired_token_is_denied(partner: Partner, examples: list[Example]) -> None:
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice/status"
    old = partner.token()
    partner.control("settings", {"tokens_valid_from": time.time()})
    for token in (None, "Atza|forged.token", old):
        assert partner.call("GET", path, token).status_code == 403
    assert partner.call("GET", path, partner.token()).status_code == 200


def test_unknown_shipments_get_the_texts_of_the_official_examples(partner: Partner) -> None:
    error = partner.details("BadShipId", partner.restricted()).json()["errors"][0]
    assert error == {
        "code": "InvalidInput",
        "message": "Invalid Shipment ID",
        "details": "'BadShipId' is an invalid ShipmentID",
    }
    submitted = partner.submit("BadIDForShipment", b"", InvoiceContent="NonBase64EncodedValue")
    assert submitted.status_code == 400
    assert submitted.json()["errors"][0] == {
        "code": "InvalidInput",
        "message": "Shipment ID is invalid",
        "details": "InvoiceContent fails encoding. Shipment 'BadIDForShipment' does not exist",
    }


def test_a_path_the_models_do_not_know_is_404(partner: Partner) -> None:
    assert partner.call("GET", "/fba/outbound/brazil/v0/shipments", partner.token()).status_code == 404


def test_the_md5_is_of_the_raw_bytes_in_base64(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    shipment_id = examples[ORDINARY].shipment_id
    wrong = partner.submit(shipment_id, nfeProc, ContentMD5Value="9906bd8f227f6a43f1e27db4b9258ad4")
    assert wrong.status_code == 400
    assert partner.book()["shipments"][shipment_id]["effective"] == 0


def test_only_json_is_taken(partner: Partner, examples: list[Example]) -> None:
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice"
    assert partner.call("POST", path, partner.token(), data="x").status_code == 415


def test_an_invoice_that_no_sefaz_authorised_ends_errored(partner: Partner, examples: list[Example]) -> None:
    shipment_id = examples[ORDINARY].shipment_id
    assert partner.submit(shipment_id, b"<NFe/>").status_code == 200
    assert partner.status(shipment_id) == "Errored"
    assert partner.book()["shipments"][shipment_id]["submissions"][0]["problem"]


def test_one_nfe_serves_one_shipment(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    first, second = examples[0].shipment_id, examples[1].shipment_id
    partner.submit(first, nfeProc)
    partner.submit(second, nfeProc)
    assert [partner.status(first), partner.status(second)] == ["Accepted", "Errored"]


def test_the_same_bytes_again_are_a_repeat_and_others_a_conflict(
    partner: Partner, examples: list[Example], nfeProc: bytes
) -> None:
    shipment_id = examples[ORDINARY].shipment_id
    answers = [partner.submit(shipment_id, xml).status_code for xml in (nfeProc, nfeProc, b"<other/>")]
    assert answers == [200, 200, 400]
    entry = partner.book()["shipments"][shipment_id]
    assert (entry["effective"], entry["repeats"]) == (1, 1)


def test_a_refused_invoice_may_be_submitted_again(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    example = examples[ERRORED]
    partner.submit(example.shipment_id, nfeProc)
    assert partner.status(example.shipment_id) == "Errored"
    entry = example.shipment().model_dump() | {"outcome": "accepted"}
    partner.control("shipments", entry)
    partner.submit(example.shipment_id, nfeProc)
    assert partner.status(example.shipment_id) == "Accepted"
    assert partner.book()["shipments"][example.shipment_id]["effective"] == 2


def test_an_outcome_may_be_errored_only_once(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    partner.control("shipments", examples[0].shipment().model_dump() | {"outcome": "errored_once"})
    seen = []
    for _ in range(2):
        partner.submit(examples[0].shipment_id, nfeProc)
        seen.append(partner.status(examples[0].shipment_id))
    assert seen == ["Errored", "Accepted"]


def test_the_verdict_takes_its_time(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    partner.control("settings", {"processing_seconds": 0.4, "not_found_seconds": 0.4})
    ordinary, hidden = examples[ORDINARY].shipment_id, examples[HIDDEN].shipment_id
    partner.submit(ordinary, nfeProc)
    partner.submit(hidden, nfeProc)
    assert [partner.status(ordinary), partner.status(hidden)] == ["Processing", "NotFound"]
    time.sleep(0.5)
    assert [partner.status(ordinary), partner.status(hidden)] == ["Accepted", "Processing"]


def test_shipments_may_be_a_list_like_its_ancestor(partner: Partner, examples: list[Example]) -> None:
    partner.control("settings", {"status_as_list": True})
    partner.is_judged = False
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice/status"
    assert isinstance(partner.call("GET", path, partner.token()).json()["payload"]["Shipments"], list)


def test_the_plan_is_25_at_once_for_each_application_seller_and_operation(
    partner: Partner, examples: list[Example]
) -> None:
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice/status"
    token, session = partner.token(), requests.Session()

    def ask() -> requests.Response:
        return session.get(partner.amazon.url + path, headers={"x-amz-access-token": token}, timeout=5)

    answers = [ask() for _ in range(27)]
    assert [answer.status_code for answer in answers[:25]] == [200] * 25
    assert answers[-1].status_code == 429
    assert answers[-1].json()["errors"][0]["code"] == "QuotaExceeded"
    assert "x-amzn-RateLimit-Limit" not in answers[-1].headers
    assert partner.book()["throttled"]["getInvoiceStatus"] >= 1
    other_seller = Partner(partner.amazon, "Atzr|two")
    assert other_seller.call("GET", path, other_seller.token()).status_code == 200
    partner.control("settings", {"rate_plan": False})
    assert ask().status_code == 200


@pytest.mark.parametrize(
    ("kind", "processed"),
    [
        ("drop_before", False),
        ("hang_before", False),
        ("hang_after_processing", True),
        ("drop_after_processing", True),
    ],
)
def test_a_fault_that_loses_the_answer(
    partner: Partner, examples: list[Example], nfeProc: bytes, kind: str, processed: bool
) -> None:
    shipment_id = examples[ORDINARY].shipment_id
    fault = {"operation": "submitInvoice", "kind": kind, "seconds": 0.3, "match": shipment_id}
    partner.control("faults", fault)
    with pytest.raises(requests.ConnectionError):
        partner.submit(shipment_id, nfeProc)
    assert partner.status(shipment_id) == ("Accepted" if processed else "NotFound")
    assert partner.submit(shipment_id, nfeProc).status_code == 200
    assert partner.book()["shipments"][shipment_id]["effective"] == 1


def test_a_fault_that_spoils_the_answer(partner: Partner, examples: list[Example], nfeProc: bytes) -> None:
    shipment_id = examples[ORDINARY].shipment_id
    partner.control("faults", {"operation": "submitInvoice", "kind": "status", "status": 503, "times": 2})
    assert [partner.submit(shipment_id, nfeProc).status_code for _ in range(2)] == [503, 503]
    assert partner.status(shipment_id) == "NotFound"
    partner.control("faults", {"operation": "submitInvoice", "kind": "garbage"})
    assert partner.submit(shipment_id, nfeProc).text.startswith("<html>")
    assert partner.status(shipment_id) == "Accepted"


def test_a_slow_answer_is_still_right(partner: Partner) -> None:
    partner.control("faults", {"operation": "lwa", "kind": "slow", "seconds": 0.3})
    began = time.monotonic()
    assert partner.lwa().status_code == 200
    assert time.monotonic() - began >= 0.3


def test_a_request_that_is_held_open_is_told_and_let_go_on(partner: Partner) -> None:
    partner.control("faults", {"operation": "lwa", "kind": "slow"})
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(partner.lwa)
        while not (paused := partner.call("GET", "/_control/paused").json()):
            assert not answer.done()
            time.sleep(0.01)
        assert paused == partner.book()["paused"] == [{"operation": "lwa", "kind": "slow"}]
        partner.call("DELETE", "/_control/paused")
        assert answer.result(5).status_code == 200
    assert partner.call("GET", "/_control/paused").json() == []


def test_a_fault_waits_for_the_shipment_it_names_and_can_be_forgotten(
    partner: Partner, examples: list[Example]
) -> None:
    first, second = examples[0].shipment_id, examples[1].shipment_id
    partner.control("faults", {"kind": "status", "match": second, "times": None})
    assert partner.status(first) == "NotFound"
    token = partner.token()
    assert partner.call("GET", f"/fba/outbound/brazil/v0/shipments/{second}/invoice/status", token).status_code == 503
    partner.call("DELETE", "/_control/faults")
    assert partner.status(second) == "NotFound"


def test_host_and_extra_parameters_are_ignored(partner: Partner, examples: list[Example]) -> None:
    headers = {"x-amz-access-token": partner.token(), "Host": "27.0.0.1:18080"}
    path = f"/fba/outbound/brazil/v0/shipments/{examples[0].shipment_id}/invoice/status?MarketplaceIds=A2Q3Y263D00KWC"
    assert requests.get(partner.amazon.url + path, headers=headers, timeout=5).status_code == 200


def test_the_book_tells_every_request_and_no_buyer(partner: Partner, examples: list[Example]) -> None:
    partner.status(examples[0].shipment_id)
    book = partner.book()
    assert book["counts"]["getInvoiceStatus"] == 1
    assert book["requests"][-1]["subject"] == examples[0].shipment_id
    assert examples[0].details["BuyerName"] not in str(book)
    assert "requests" not in partner.call("GET", "/_control/book?requests=0").json()


def test_a_wrong_control_request_says_what_is_wrong(partner: Partner) -> None:
    refused = partner.call("POST", "/_control/faults", json={"kind": "sneeze"})
    assert refused.status_code == 400
    assert "kind" in refused.json()["error"]
    assert partner.call("POST", "/_control/settings", json={"no_such": 1}).status_code == 400
    assert partner.call("POST", "/_control/cakes", json={}).status_code == 404
