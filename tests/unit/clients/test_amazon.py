"""The three operations of Shipment Invoicing v0 against a real server that answers what Amazon documents."""

import base64
import json
import platform
from decimal import Decimal
from typing import Any

import pytest
import requests

from workflow.clients.amazon import AmazonClient, InvoiceStatus, NoSuchShipment, Throttled, content_md5
from workflow.clients.selling_partner import compose_user_agent, one_line, user_agent
from workflow.errors import Invalid, LostAnswer, NfeError, Refused, RetryLater, SellerStopped

XML = b'<?xml version="1.0"?>\r\n<nfeProc>\xc3\xa7</nfeProc>\n'
SHIPMENT = "DrLqQwqvb"


class Purse:
    """Tokens that count how often they were refused."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def access_token(self) -> str:
        return f"Atza|{len(self.refused)}"

    def restricted_token(self, path_template: str, method: str = "GET") -> str:
        return f"Atz.sprdt|{method} {path_template} {len(self.refused)}"

    def forget(self, refused: str) -> None:
        self.refused.append(refused)


@pytest.fixture
def purse():
    return Purse()


@pytest.fixture
def client(server, purse):
    return _client(server, purse)


def _client(server: Any, purse: Any, **options: Any) -> AmazonClient:
    return AmazonClient(
        http=requests.Session(),
        tokens=purse,
        base_url=server.url,
        marketplace_id="A2Q3Y263D00KWC",
        timeout=options.pop("timeout", 5),
        **options,
    )


def _problem(code: str, message: str = "A message") -> dict[str, Any]:
    return {"errors": [{"code": code, "message": message, "details": "Rua Augusta, 1"}]}


OPERATIONS = {
    "getShipmentDetails": lambda client: client.shipment_details(SHIPMENT),
    "submitInvoice": lambda client: client.submit_invoice(SHIPMENT, XML),
    "getInvoiceStatus": lambda client: client.invoice_status(SHIPMENT),
}
EVERY = pytest.mark.parametrize("operation", OPERATIONS)


def _failure(client: AmazonClient, operation: str) -> NfeError:
    with pytest.raises(NfeError) as caught:
        OPERATIONS[operation](client)
    assert "Atz" not in str(caught.value)
    assert "Augusta" not in str(caught.value)
    return caught.value


def test_details_are_the_bytes_as_received(server, client):
    raw = b'{ "payload" : {"AmazonShipmentId":"x", "n": 1.10} }\n'
    server.answers(200, raw)
    assert client.shipment_details(SHIPMENT) == raw
    [seen] = server.seen
    assert (seen.method, seen.path) == ("GET", f"/fba/outbound/brazil/v0/shipments/{SHIPMENT}")


def test_only_the_details_use_the_restricted_token_of_the_generic_path(server, client):
    server.answers(200, {"payload": {}}).answers(200, {}).answers(
        200, {"payload": {"Shipments": {"InvoiceStatus": "x"}}}
    )
    for run in OPERATIONS.values():
        run(client)
    tokens = [seen.headers["x-amz-access-token"] for seen in server.seen]
    assert tokens == [
        "Atz.sprdt|GET /fba/outbound/brazil/v0/shipments/{shipmentId} 0",
        "Atza|0",
        "Atza|0",
    ]


def test_submission_carries_the_bytes_their_digest_and_the_marketplace(server, client):
    server.answers(200, {})
    client.submit_invoice(SHIPMENT, XML)
    [seen] = server.seen
    body = json.loads(seen.body)
    assert (seen.method, seen.path) == ("POST", f"/fba/outbound/brazil/v0/shipments/{SHIPMENT}/invoice")
    assert seen.headers["content-type"] == "application/json"
    assert base64.b64decode(body["InvoiceContent"], validate=True) == XML
    assert body["ContentMD5Value"] == content_md5(XML)
    assert len(body["ContentMD5Value"]) == 24
    assert body["MarketplaceId"] == "A2Q3Y263D00KWC"
    assert set(body) == {"InvoiceContent", "ContentMD5Value", "MarketplaceId"}


def test_the_digest_can_be_switched_to_hex(server, purse):
    server.answers(200, {})
    _client(server, purse, md5_hex=True).submit_invoice(SHIPMENT, b"Have to deal with Base64 format?")
    assert json.loads(server.seen[0].body)["ContentMD5Value"] == "e1c78e4ee2dfe66df408026a119d57ac"


def test_every_request_carries_amazons_headers(server, client):
    server.answers(200, {})
    client.shipment_details(SHIPMENT)
    headers = server.seen[0].headers
    assert headers["user-agent"].startswith("nfe-workflow/")
    assert f"(Language=Python/{platform.python_version()}; Platform=" in headers["user-agent"]
    assert len(headers["x-amz-date"]) == len("20260131T120000Z")


def test_a_user_agent_is_never_longer_than_amazon_takes():
    assert len(compose_user_agent("x", "1", {"Language": "y" * 900})) == 500
    assert len(user_agent()) <= 500


def test_an_id_is_one_segment_of_the_path(server, client):
    server.answers(200, {})
    client.shipment_details("a/../b?c#d é")
    assert server.seen[0].path == "/fba/outbound/brazil/v0/shipments/a%2F..%2Fb%3Fc%23d%20%C3%A9"


@pytest.mark.parametrize("shipment_id", ["", ".", ".."])
def test_an_id_that_would_leave_the_path_is_invalid(client, shipment_id):
    with pytest.raises(Invalid, match="bad-shipment-id"):
        client.shipment_details(shipment_id)


@EVERY
def test_429_means_the_bucket_of_that_operation_is_empty(server, client, operation):
    server.answers(429, _problem("QuotaExceeded"))
    error = _failure(client, operation)
    assert isinstance(error, Throttled)
    assert (error.code, error.operation) == ("throttled", operation)
    assert not isinstance(error, LostAnswer)


@EVERY
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("body", [b"", b"<html>Service Unavailable</html>", b'{"errors":[{"code":"InternalFailure"}]}'])
def test_5xx_is_later_and_a_lost_answer_for_a_submission(server, client, operation, status, body):
    server.answers(status, body)
    error = _failure(client, operation)
    assert error.code == f"amazon-http-{status}"
    assert isinstance(error, RetryLater)
    assert isinstance(error, LostAnswer) is (operation == "submitInvoice")


@EVERY
@pytest.mark.parametrize("status", [400, 404, 413, 415])
def test_the_requests_own_fault_is_refused_with_amazons_code(server, client, operation, status):
    server.answers(status, _problem("InvalidInput", "Invalid\nShipment ID"))
    error = _failure(client, operation)
    assert isinstance(error, Refused)
    assert (error.code, error.message) == ("InvalidInput", f"{operation}: Invalid Shipment ID")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"errors":[]}', b'{"errors":[7]}', b'{"errors":{"code":1}}'])
def test_a_refusal_without_a_code_keeps_its_status(server, client, body):
    server.answers(404, body)
    error = _failure(client, "getShipmentDetails")
    assert (type(error), error.code) == (NoSuchShipment, "http-404")


@EVERY
@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_token_is_refreshed_once(server, client, purse, operation, status):
    server.answers(status, _problem("Unauthorized")).answers(200, {"payload": {"Shipments": {"InvoiceStatus": "x"}}})
    OPERATIONS[operation](client)
    first, second = (seen.headers["x-amz-access-token"] for seen in server.seen)
    assert purse.refused == [first]
    assert second != first


@EVERY
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [b'{"message":"Forbidden"}', b"<html>", b'{"errors":[{"code":"Unauthorized"}]}'])
def test_a_fresh_token_refused_too_stops_the_seller(server, client, operation, status, body):
    server.answers(status, body)
    error = _failure(client, operation)
    assert isinstance(error, SellerStopped)
    assert error.code == "amazon-unauthorized"
    assert len(server.seen) == 2


def test_a_403_about_the_request_itself_is_refused(server, client):
    server.answers(403, _problem("InvalidInput"))
    assert isinstance(_failure(client, "getInvoiceStatus"), Refused)


@EVERY
@pytest.mark.parametrize("fault", ["hangs", "drops", "resets", "truncates"])
def test_a_broken_answer_is_lost_only_for_a_submission(server, purse, operation, fault):
    getattr(server, fault)()
    error = _failure(_client(server, purse, timeout=0.3), operation)
    assert isinstance(error, RetryLater)
    assert isinstance(error, LostAnswer) is (operation == "submitInvoice")


@EVERY
def test_nobody_listening_is_simply_later(serve, purse, operation):
    server = serve()
    server.url = "http://127.0.0.1:1"
    error = _failure(_client(server, purse), operation)
    assert type(error) is RetryLater
    assert error.code == "amazon-unreachable"


@EVERY
@pytest.mark.parametrize("body", [b"", b"<html>ok</html>", b"[]", b"null", b"\xff", b"[" * 100_000])
def test_a_2xx_without_a_json_object_is_no_answer(server, client, operation, body):
    server.answers(200, body)
    error = _failure(client, operation)
    assert error.code == "amazon-garbled"
    assert isinstance(error, LostAnswer) is (operation == "submitInvoice")


@EVERY
def test_errors_inside_a_200_are_a_refusal(server, client, operation):
    server.answers(200, _problem("InvalidInput"))
    assert isinstance(_failure(client, operation), Refused)


@EVERY
def test_a_redirect_is_not_followed_with_the_token(server, serve, client, operation):
    other = serve().answers(200, {})
    server.answers(307, Location=other.url)
    assert isinstance(_failure(client, operation), RetryLater)
    assert not other.seen


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"payload": {"Shipments": {"AmazonShipmentId": SHIPMENT, "InvoiceStatus": "Accepted"}}}, "Accepted"),
        ({"payload": {"Shipments": [{"AmazonShipmentId": SHIPMENT, "InvoiceStatus": "Errored"}]}}, "Errored"),
        ({"payload": {"Shipments": {"InvoiceStatus": "NotFound"}}}, "NotFound"),
        ({"Payload": {"shipments": {"amazonShipmentId": SHIPMENT, "invoiceStatus": "PROCESSING"}}}, "Processing"),
        ({"Shipments": {"InvoiceStatus": "Accepted"}}, "Accepted"),
        ({"payload": {"Shipments": {"InvoiceStatus": "OnHold"}}}, "OnHold"),
        (
            {
                "payload": {
                    "Shipments": [
                        {"AmazonShipmentId": "other", "InvoiceStatus": "Accepted"},
                        {"AmazonShipmentId": SHIPMENT, "InvoiceStatus": "Errored"},
                        {"AmazonShipmentId": SHIPMENT, "InvoiceStatus": "Processing"},
                    ]
                }
            },
            "Processing",
        ),
    ],
)
def test_the_verdict_is_found_however_it_is_written(server, client, answer, status):
    server.answers(200, answer)
    assert client.invoice_status(SHIPMENT) == InvoiceStatus(status, json.dumps(answer).encode())


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"payload": None},
        {"payload": {"Shipments": []}},
        {"payload": {"Shipments": {"AmazonShipmentId": SHIPMENT}}},
        {"payload": {"Shipments": {"InvoiceStatus": 7}}},
        {"payload": {"Shipments": {"AmazonShipmentId": "other", "InvoiceStatus": "Accepted"}}},
    ],
)
def test_an_answer_without_this_shipments_status_is_named(server, client, answer):
    server.answers(200, answer)
    error = _failure(client, "getInvoiceStatus")
    assert isinstance(error, RetryLater)
    assert error.code == "amazon-no-status"


def test_amazons_rate_is_handed_on_where_it_is_a_rate(server, purse):
    rates: list[tuple[str, Decimal]] = []
    for value in ("1.133", "0", "-1", "NaN", "Infinity", "much"):
        server.answers(200, {}, **{"x-amzn-RateLimit-Limit": value})
    server.answers(200, {})
    client = _client(server, purse, on_rate=lambda operation, rate: rates.append((operation, rate)))
    for _ in range(7):
        client.shipment_details(SHIPMENT)
    assert rates == [("getShipmentDetails", Decimal("1.133"))]


@pytest.mark.parametrize(
    "private",
    ["123.456.789-09", "12345678909", "12345678000195", "12.ABC.345/01DE-35", "01310-100", "a.b@c.com", "Atza|IwEB"],
)
def test_private_data_in_amazons_text_is_starred_out(private):
    assert private not in one_line(f"Invalid value {private}, mend it")


def test_amazons_text_is_one_short_line():
    line = one_line("x\n" * 500)
    assert 190 < len(line) <= 200
    assert "\n" not in line
