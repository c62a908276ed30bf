"""The two operations of a vendor's customer invoices against a real server that answers what Amazon documents."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from tests.unit.clients.conftest import Server
from workflow.clients.vendor import GET_PATH, LIST_PATH, CustomerInvoice, Page, Query, Throttled, VendorClient
from workflow.errors import Invalid, LostAnswer, NfeError, Refused, RetryLater, SellerStopped

INDIA = timezone(timedelta(hours=5, minutes=30))
QUERY = Query(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, 5, 30, tzinfo=INDIA))
ENTRY = {"purchaseOrderNumber": "PO98676856", "content": "JVBERi0="}
INVOICE = CustomerInvoice("PO98676856", "JVBERi0=")


class Purse:
    """Tokens that count how often they were refused."""

    def __init__(self, problem: NfeError | None = None) -> None:
        self.refused: list[str] = []
        self.problem = problem

    def restricted_token(self, path_template: str, method: str = "GET") -> str:
        if self.problem:
            raise self.problem
        return f"Atz.sprdt|{method} {path_template} {len(self.refused)}"

    def forget(self, refused: str) -> None:
        self.refused.append(refused)


@pytest.fixture
def purse() -> Purse:
    return Purse()


def client_of(server: Server, purse: Purse, **options: Any) -> VendorClient:
    tokens: Any = purse
    return VendorClient(http=requests.Session(), tokens=tokens, base_url=server.url, timeout=2, **options)


@pytest.fixture
def client(server: Server, purse: Purse) -> VendorClient:
    return client_of(server, purse)


def asked(server: Server, place: int = 0) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(server.seen[place].path).query).items()}


def test_a_page_is_its_invoices_and_the_next_token(server: Server, client: VendorClient) -> None:
    server.answers(200, {"payload": {"pagination": {"nextToken": "MDAw+/="}, "customerInvoices": [ENTRY]}})
    assert client.customer_invoices(QUERY) == Page((INVOICE,), "MDAw+/=")
    assert urlsplit(server.seen[0].path).path == LIST_PATH
    assert asked(server) == {"createdAfter": "2026-11-01T00:00:00Z", "createdBefore": "2026-11-08T00:00:00Z"}


def test_every_parameter_reaches_amazon_on_every_page(server: Server, client: VendorClient) -> None:
    server.answers(200, {"payload": {}})
    query = QUERY._replace(limit=2, sort_order="DESC", ship_from_party_id="A B&C")
    client.customer_invoices(query, "MDAw+/=")
    expected = {"limit": "2", "sortOrder": "DESC", "shipFromPartyId": "A B&C", "nextToken": "MDAw+/="}
    assert {name: asked(server)[name] for name in expected} == expected
    assert len(asked(server)) == 6


@pytest.mark.parametrize(
    ("answer", "page"),
    [
        ({"customerInvoices": [ENTRY], "pagination": {"nextToken": "T"}}, Page((INVOICE,), "T")),
        ({"payload": {"customerInvoices": [ENTRY], "pagination": {"nextToken": ""}}}, Page((INVOICE,), None)),
        ({"payload": {"customerInvoices": [ENTRY], "pagination": None}}, Page((INVOICE,), None)),
        ({"payload": {}}, Page((), None)),
        ({}, Page((), None)),
        ({"payload": None}, Page((), None)),
        ({"payload": {"customerInvoices": {"odd": 1}}}, Page((), None)),
        ({"payload": {"customerInvoices": ["odd", {"content": 5}]}}, Page((CustomerInvoice("", ""),), None)),
        ({"payload": {"customerInvoices": [ENTRY]}, "errors": []}, Page((INVOICE,), None)),
    ],
)
def test_whatever_the_model_leaves_open_is_read(
    server: Server, client: VendorClient, answer: dict[str, Any], page: Page
) -> None:
    server.answers(200, answer)
    assert client.customer_invoices(QUERY) == page


@pytest.mark.parametrize("answer", [{"payload": ENTRY}, ENTRY])
def test_one_invoice_comes_with_or_without_its_wrapper(
    server: Server, client: VendorClient, answer: dict[str, Any]
) -> None:
    server.answers(200, answer)
    assert client.customer_invoice("PO98676856") == INVOICE
    assert server.seen[0].path == f"{LIST_PATH}/PO98676856"


@pytest.mark.parametrize("number", ["", "PO 1", "PO/1", "..", "PO1?x=1", "PÓ1", "PO1\n"])
def test_a_number_that_is_none_is_refused_before_anything_is_sent(
    server: Server, client: VendorClient, number: str
) -> None:
    server.answers(200, {})
    with pytest.raises(Invalid, match="bad-order-number"):
        client.customer_invoice(number)
    assert server.seen == []


def test_each_operation_has_its_own_restricted_token(server: Server, client: VendorClient) -> None:
    server.answers(200, {"payload": {}})
    client.customer_invoices(QUERY)
    client.customer_invoice("PO1")
    assert [seen.headers["x-amz-access-token"] for seen in server.seen] == [
        f"Atz.sprdt|GET {LIST_PATH} 0",
        f"Atz.sprdt|GET {GET_PATH} 0",
    ]


def test_a_refused_token_is_renewed_once(server: Server, client: VendorClient, purse: Purse) -> None:
    server.answers(403, {"errors": [{"code": "Unauthorized", "message": "expired"}]}).answers(200, {"payload": {}})
    assert client.customer_invoices(QUERY) == Page((), None)
    assert purse.refused == [f"Atz.sprdt|GET {LIST_PATH} 0"]


def test_a_403_for_a_bad_date_is_no_matter_of_tokens(server: Server, client: VendorClient) -> None:
    server.answers(403, {"errors": [{"code": "InvalidRequest", "message": "The request is invalid.", "details": ""}]})
    with pytest.raises(Refused) as caught:
        client.customer_invoices(QUERY)
    assert caught.value.code == "InvalidRequest"


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, {"errors": [{"code": "InvalidInput", "message": "Invalid transmission ID."}]}, Refused, "InvalidInput"),
        (400, {"payload": {"errors": 1}}, Refused, "http-400"),
        (400, "<html>", Refused, "http-400"),
        (404, {"errors": [{"code": "NotFound", "message": "no"}]}, Refused, "NotFound"),
        (415, {"errors": []}, Refused, "http-415"),
        (401, {"message": "Unauthorized"}, SellerStopped, "amazon-unauthorized"),
        (403, {"errors": [{"code": "Unauthorized", "message": "denied"}]}, SellerStopped, "amazon-unauthorized"),
        (429, {"errors": [{"code": "QuotaExceeded", "message": "slow"}]}, Throttled, "throttled"),
        (500, "", RetryLater, "amazon-http-500"),
        (503, "<html>", RetryLater, "amazon-http-503"),
        (200, "<html>", RetryLater, "amazon-garbled"),
        (200, [], RetryLater, "amazon-garbled"),
        (200, {"errors": [{"code": "InvalidInput", "message": "Ana Souza 123.456.789-09"}]}, Refused, "InvalidInput"),
    ],
)
def test_every_other_answer_says_what_must_happen_next(
    server: Server, client: VendorClient, status: int, body: Any, kind: type[NfeError], code: str
) -> None:
    server.answers(status, body)
    for ask in (lambda: client.customer_invoices(QUERY), lambda: client.customer_invoice("PO1")):
        with pytest.raises(kind) as caught:
            ask()
        assert caught.value.code == code
        assert not isinstance(caught.value, LostAnswer)  # it only asked: nothing to be afraid of
        assert "123.456" not in str(caught.value)
        assert "Atz" not in str(caught.value)


@pytest.mark.parametrize("fault", ["drops", "resets", "truncates", "hangs"])
def test_a_broken_connection_is_worth_another_try(server: Server, client: VendorClient, fault: str) -> None:
    getattr(server, fault)()
    with pytest.raises(RetryLater):
        client.customer_invoices(QUERY)


def test_the_rate_of_the_header_is_passed_on(server: Server, purse: Purse) -> None:
    heard: list[tuple[str, Decimal]] = []
    server.answers(200, {"payload": {}}, **{"x-amzn-RateLimit-Limit": "12.5"})
    client_of(server, purse, on_rate=lambda *told: heard.append(told)).customer_invoices(QUERY)
    assert heard == [("getCustomerInvoices", Decimal("12.5"))]


def test_a_missing_role_is_named_as_a_vendor_knows_it(server: Server) -> None:
    problem = SellerStopped("amazon-role-missing", "it needs the role Tax Invoicing")
    with pytest.raises(SellerStopped, match="Direct-to-Consumer Shipping"):
        client_of(server, Purse(problem)).customer_invoices(QUERY)
    revoked = SellerStopped("lwa-invalid-grant", "revoked")
    with pytest.raises(SellerStopped, match="revoked"):
        client_of(server, Purse(revoked)).customer_invoices(QUERY)
