"""The two operations of Delivery Shipment Invoicing 2022-07-01 against a real server that answers as the model says."""

import base64
import json
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from workflow.clients.delivery import DeliveryClient
from workflow.clients.selling_partner import Throttled
from workflow.errors import Invalid, LostAnswer, NfeError, Refused, RetryLater, SellerStopped

XML = b'<?xml version="1.0"?>\r\n<nfeProc>\xc3\xa7</nfeProc>\n'
SHIPMENT = "1234567890123"
ABOUT = {"marketplaceId": "A2Q3Y263D00KWC", "invoiceType": "Outbound", "programType": "FbaOnSite"}

OPERATIONS = {
    "submitInvoice": lambda client: client.submit_invoice(SHIPMENT, XML),
    "getInvoiceStatus": lambda client: client.invoice_status(SHIPMENT),
}
EVERY = pytest.mark.parametrize("operation", OPERATIONS)


class Purse:
    """Plain tokens that count how often they were refused; a restricted one would fail the test."""

    def __init__(self) -> None:
        self.refused: list[str] = []

    def access_token(self) -> str:
        return f"Atza|{len(self.refused)}"

    def forget(self, refused: str) -> None:
        self.refused.append(refused)


@pytest.fixture
def client(server: Any) -> DeliveryClient:
    return client_of(server)


def client_of(server: Any, **options: Any) -> DeliveryClient:
    return DeliveryClient(
        http=requests.Session(),
        tokens=options.pop("tokens", Purse()),
        base_url=server.url,
        marketplace_id="A2Q3Y263D00KWC",
        program="FbaOnSite",
        invoice_type="Outbound",
        timeout=options.pop("timeout", 5),
        **options,
    )


def failure(client: DeliveryClient, operation: str) -> NfeError:
    with pytest.raises(NfeError) as caught:
        OPERATIONS[operation](client)
    return caught.value


def test_submission_has_every_field_the_model_requires(server: Any, client: DeliveryClient) -> None:
    server.answers(200, {})
    client.submit_invoice(SHIPMENT, XML)
    [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", f"/delivery/2022-07-01/invoice?shipmentId={SHIPMENT}")
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["x-amz-access-token"] == "Atza|0"
    body = json.loads(seen.body)
    assert base64.b64decode(body.pop("invoiceContent"), validate=True) == XML
    assert len(base64.b64decode(body.pop("contentMD5Value"), validate=True)) == 16
    assert body == ABOUT


def test_the_digest_is_base64_of_its_bytes_or_hex_where_so_set(server: Any, client: DeliveryClient) -> None:
    server.answers(200, {})
    text = b"Have to deal with Base64 format?"
    client.submit_invoice(SHIPMENT, text)
    client_of(server, md5_hex=True).submit_invoice(SHIPMENT, text)
    assert [json.loads(seen.body)["contentMD5Value"] for seen in server.seen] == [
        "4ceOTuLf5m30CAJqEZ1XrA==",
        "e1c78e4ee2dfe66df408026a119d57ac",
    ]


def test_the_status_is_asked_with_every_parameter_the_model_requires(server: Any, client: DeliveryClient) -> None:
    server.answers(200, {"invoiceStatus": "Processing"})
    client.invoice_status("a&b=c d")
    asked = urlsplit(server.seen[0].path)
    assert asked.path == "/delivery/2022-07-01/invoice/status"
    assert parse_qs(asked.query) == {"shipmentId": ["a&b=c d"]} | {name: [value] for name, value in ABOUT.items()}


@pytest.mark.parametrize("status", ["Processing", "Accepted", "Errored", "NotFound"])
def test_the_flat_answer_is_the_verdict(server: Any, client: DeliveryClient, status: str) -> None:
    raw = json.dumps({"amazonOrderId": "1", "amazonShipmentId": SHIPMENT, "invoiceStatus": status}).encode()
    server.answers(200, raw)
    assert client.invoice_status(SHIPMENT) == (status, raw)


def test_a_new_word_is_handed_on_and_another_casing_understood(server: Any, client: DeliveryClient) -> None:
    server.answers(200, {"invoiceStatus": "Pondering"}).answers(200, {"InvoiceStatus": "ACCEPTED"})
    assert [client.invoice_status(SHIPMENT).status for _ in range(2)] == ["Pondering", "Accepted"]


@pytest.mark.parametrize("answer", [{}, {"invoiceStatus": ""}, {"amazonShipmentId": "2", "invoiceStatus": "Accepted"}])
def test_an_answer_without_this_shipments_status_is_asked_for_again(
    server: Any, client: DeliveryClient, answer: dict[str, Any]
) -> None:
    server.answers(200, answer)
    assert failure(client, "getInvoiceStatus").code == "amazon-no-status"


def test_an_empty_id_is_never_sent(server: Any, client: DeliveryClient) -> None:
    with pytest.raises(Invalid, match="bad-shipment-id"):
        client.submit_invoice("", XML)
    with pytest.raises(Invalid, match="bad-shipment-id"):
        client.invoice_status(" ")
    assert server.seen == []


@EVERY
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (404, Refused), (413, Refused), (415, Refused), (429, Throttled), (403, SellerStopped)],
)
def test_what_amazon_refuses_keeps_its_code(
    server: Any, client: DeliveryClient, operation: str, status: int, kind: type
) -> None:
    server.answers(status, {"errors": [{"code": "EntityNotFound", "message": "A message", "details": "Rua A, 1"}]})
    error = failure(client, operation)
    assert type(error) is kind
    if kind is Refused:
        assert error.code == "EntityNotFound"
    assert "Rua" not in str(error)


@pytest.mark.parametrize("trouble", ["hangs", "drops", "truncates"])
def test_a_submission_without_an_answer_may_have_arrived(server: Any, trouble: str) -> None:
    getattr(server, trouble)()
    client = client_of(server, timeout=0.3)
    assert isinstance(failure(client, "submitInvoice"), LostAnswer)
    asked = failure(client, "getInvoiceStatus")
    assert isinstance(asked, RetryLater)
    assert not isinstance(asked, LostAnswer)


@pytest.mark.parametrize("status", [500, 503])
def test_a_submission_answered_with_5xx_may_have_arrived(server: Any, client: DeliveryClient, status: int) -> None:
    server.answers(status, "<html>")
    assert isinstance(failure(client, "submitInvoice"), LostAnswer)


@EVERY
def test_a_refused_token_is_forgotten_and_the_call_made_once_more(server: Any, operation: str) -> None:
    purse = Purse()
    server.answers(403, {"errors": [{"code": "Unauthorized", "message": "no"}]}).answers(200, {"invoiceStatus": "x"})
    OPERATIONS[operation](client_of(server, tokens=purse))
    assert [seen.headers["x-amz-access-token"] for seen in server.seen] == ["Atza|0", "Atza|1"]
    assert purse.refused == ["Atza|0"]


@EVERY
def test_the_rate_amazon_tells_is_passed_on(server: Any, operation: str) -> None:
    told: list[tuple[str, Decimal]] = []
    server.answers(200, {"invoiceStatus": "x"}, x_amzn_RateLimit_Limit="2.5")
    OPERATIONS[operation](client_of(server, on_rate=lambda *what: told.append(what)))
    assert told == [(operation, Decimal("2.5"))]
