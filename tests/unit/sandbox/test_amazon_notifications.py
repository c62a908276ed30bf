"""Destinations and subscriptions of the local Amazon: the right token for each, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings

from .conftest import Partner

ROOT = "/notifications/v1"
TYPE = f"{ROOT}/subscriptions/FBA_OUTBOUND_SHIPMENT_STATUS"
ARN = "arn:aws:sqs:us-east-1:123456789012:nfe"
QUEUE = {"name": "nfe", "resourceSpecification": {"sqs": {"arn": ARN}}}

Ask = Callable[..., requests.Response]


@pytest.fixture
def application(partner: Partner) -> Ask:
    """Ask with the application's own token; the plan of 1/s is off."""
    partner.control("settings", {"rate_plan": False})
    token = _grantless(partner)
    return lambda method, path, body=None: partner.call(method, path, token, json=body)


@pytest.fixture
def seller(partner: Partner) -> Ask:
    """Ask with the seller's."""
    token = partner.token()
    return lambda method, path, body=None: partner.call(method, path, token, json=body)


def _grantless(partner: Partner, scope: str = "sellingpartnerapi::notifications") -> str:
    answer = partner.lwa(grant_type="client_credentials", scope=scope, refresh_token="")
    return str(answer.json()["access_token"])


def _destination(application: Ask) -> str:
    return str(application("POST", f"{ROOT}/destinations", QUEUE).json()["payload"]["destinationId"])


def _subscribed(seller: Ask, destination: str) -> dict[str, Any]:
    body = {"payloadVersion": "1.0", "destinationId": destination}
    return dict(seller("POST", TYPE, body).json()["payload"])


def test_a_destination_is_made_shown_and_ended(application: Ask) -> None:
    id = _destination(application)
    shown = {"destinationId": id, "name": "nfe", "resource": {"sqs": {"arn": ARN}}}
    assert application("GET", f"{ROOT}/destinations").json() == {"payload": [shown]}
    assert application("GET", f"{ROOT}/destinations/{id}").json() == {"payload": shown}
    assert application("DELETE", f"{ROOT}/destinations/{id}").json() == {}
    assert application("GET", f"{ROOT}/destinations/{id}").status_code == 404


def test_a_subscription_is_made_once_shown_and_ended(application: Ask, seller: Ask) -> None:
    destination = _destination(application)
    assert seller("GET", TYPE).status_code == 404
    made = _subscribed(seller, destination)
    assert made["destinationId"] == destination
    assert seller("GET", TYPE).json() == {"payload": made}
    again = seller("POST", TYPE, {"payloadVersion": "1.0", "destinationId": destination})
    assert (again.status_code, again.json()["errors"][0]["code"]) == (409, "Conflict")
    assert application("GET", f"{TYPE}/{made['subscriptionId']}").json() == {"payload": made}
    assert application("DELETE", f"{ROOT}/destinations/{destination}").status_code == 409
    assert application("DELETE", f"{TYPE}/{made['subscriptionId']}").status_code == 200
    assert seller("GET", TYPE).status_code == 404


def test_destinations_are_the_applications_and_subscriptions_the_sellers(application: Ask, seller: Ask) -> None:
    assert seller("GET", f"{ROOT}/destinations").status_code == 403
    assert seller("POST", f"{ROOT}/destinations", QUEUE).status_code == 403
    assert application("GET", TYPE).status_code == 403
    assert application("POST", TYPE, {"payloadVersion": "1.0", "destinationId": "x"}).status_code == 403


def test_a_token_of_another_scope_opens_nothing_here(partner: Partner) -> None:
    token = _grantless(partner, "sellingpartnerapi::client_credential:rotation")
    assert partner.call("GET", f"{ROOT}/destinations", token).status_code == 403
    unknown = partner.lwa(grant_type="client_credentials", scope="profile")
    assert (unknown.status_code, unknown.json()["error"]) == (400, "invalid_scope")


def test_the_end_of_a_subscription_may_need_the_sellers_token(partner: Partner, application: Ask, seller: Ask) -> None:
    made = _subscribed(seller, _destination(application))
    partner.control("settings", {"grantless_unsubscribe": False})
    assert application("DELETE", f"{TYPE}/{made['subscriptionId']}").status_code == 403
    assert seller("DELETE", f"{TYPE}/{made['subscriptionId']}").status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"name": "nfe"},
        {"name": "", "resourceSpecification": {"sqs": {"arn": ARN}}},
        {"name": "nfe", "resourceSpecification": {"sqs": {"arn": "https://sqs.us-east-1.amazonaws.com/1/nfe"}}},
    ],
)
def test_a_destination_without_name_or_arn_is_invalid(application: Ask, body: dict[str, Any]) -> None:
    assert application("POST", f"{ROOT}/destinations", body).status_code == 400


def test_a_subscription_to_nowhere_is_invalid(application: Ask, seller: Ask) -> None:
    destination = _destination(application)
    for body in ({"payloadVersion": "1.0", "destinationId": "nowhere"}, {"destinationId": destination}):
        assert seller("POST", TYPE, body).status_code == 400


def test_one_queue_is_one_destination(application: Ask) -> None:
    _destination(application)
    assert application("POST", f"{ROOT}/destinations", QUEUE).status_code == 409


def test_the_plan_is_one_a_second_with_a_burst_of_five(partner: Partner) -> None:
    token = _grantless(partner)
    statuses = [partner.call("GET", f"{ROOT}/destinations", token).status_code for _ in range(7)]
    assert statuses[:5] == [200] * 5
    assert statuses[-1] == 429


def test_what_was_agreed_outlives_a_restart(tmp_path: Path) -> None:
    before = AmazonBook(AmazonSettings(), journal=tmp_path / "amazon.jsonl")
    book = before.subscriptions
    kept, gone = (book.add_destination("app", name, f"{ARN}-{name}") for name in ("kept", "gone"))
    book.end_destination(gone["destinationId"])
    first = book.subscribe("app", "seller", "TYPE", "1.0", kept["destinationId"])
    other = book.subscribe("app", "other", "TYPE", "1.0", kept["destinationId"])
    book.end_subscription(other.id)
    before.close()
    after = AmazonBook(AmazonSettings(), journal=tmp_path / "amazon.jsonl")
    assert after.subscriptions.destinations("app") == [kept]
    assert after.subscriptions.subscription("app", "seller", "TYPE") == first
    assert after.subscriptions.subscription("app", "other", "TYPE") is None
    after.close()
