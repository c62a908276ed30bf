"""Destinations with the application's token, subscriptions with the seller's; each answer read or told in one line."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from workflow.clients.amazon_tokens import Tokens
from workflow.clients.notifications_api import (
    Destination,
    NotificationsApi,
    Subscription,
    check_arn,
    queue_policy,
)
from workflow.errors import Invalid, LostAnswer, Refused, RetryLater, SellerStopped

ARN = "arn:aws:sqs:us-east-1:123456789012:nfe"
SHOWN = {"destinationId": "d-1", "name": "nfe", "resource": {"sqs": {"arn": ARN}}}
SUBSCRIBED = {"subscriptionId": "s-1", "payloadVersion": "1.0", "destinationId": "d-1"}
TYPE = "/notifications/v1/subscriptions/FBA_OUTBOUND_SHIPMENT_STATUS"
DENIED = {"errors": [{"code": "Unauthorized", "message": "Access to requested resource is denied."}]}


@pytest.fixture
def lwa(serve):
    """Login with Amazon: each token says by its name what it was given for."""
    server = serve()

    def reply(handler: Any) -> None:
        form = parse_qs(server.seen[-1].body.decode())
        token = f"Atza|{form['grant_type'][0]}"
        body = json.dumps({"access_token": token, "token_type": "bearer", "expires_in": 3600}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return server.does(reply)


@pytest.fixture
def api(lwa, server):
    tokens = Tokens(
        http=requests.Session(), lwa_url=f"{lwa.url}/auth/o2/token", client_id="app", client_secret="secret",
        refresh_token="Atzr|one", base_url=server.url, cache=None, timeout=2,
    )  # fmt: skip
    return NotificationsApi(http=requests.Session(), tokens=tokens, base_url=server.url, timeout=2)


def _tokens(server: Any) -> list[str]:
    return [seen.headers["x-amz-access-token"].partition("|")[2] for seen in server.seen]


def test_the_applications_token_is_asked_for_by_scope_and_kept(api, lwa, server):
    server.answers(200, {"payload": [SHOWN]})
    assert api.destinations() == api.destinations() == [Destination("d-1", "nfe", ARN)]
    [seen] = lwa.seen
    assert parse_qs(seen.body.decode()) == {
        "grant_type": ["client_credentials"],
        "scope": ["sellingpartnerapi::notifications"],
        "client_id": ["app"],
        "client_secret": ["secret"],
    }
    assert _tokens(server) == ["client_credentials"] * 2


def test_an_event_bus_is_a_destination_without_a_queue(api, server):
    server.answers(200, {"payload": [{"destinationId": "d-2", "name": "bus", "resource": {"eventBridge": {}}}]})
    assert api.destinations() == [Destination("d-2", "bus", None)]


def test_no_destinations_is_an_empty_list(api, server):
    server.answers(200, {})
    assert api.destinations() == []


def test_a_destination_is_made_by_its_arn(api, server):
    server.answers(200, {"payload": SHOWN})
    assert api.create_destination("nfe", ARN).id == "d-1"
    [seen] = server.seen
    assert (seen.method, seen.path) == ("POST", "/notifications/v1/destinations")
    assert json.loads(seen.body) == {"name": "nfe", "resourceSpecification": {"sqs": {"arn": ARN}}}


def test_a_destination_whose_answer_is_lost_may_be_there(api, server):
    server.answers(200, {"payload": {}})
    with pytest.raises(LostAnswer):
        api.create_destination("nfe", ARN)
    server.replies.clear()
    server.drops()
    with pytest.raises(LostAnswer):
        api.create_destination("nfe", ARN)


def test_a_refusal_is_told_with_amazons_words(api, server):
    server.answers(400, {"errors": [{"code": "InvalidInput", "message": "Cannot send to the queue"}]})
    with pytest.raises(Refused, match="Cannot send to the queue") as caught:
        api.create_destination("nfe", ARN)
    assert caught.value.code == "InvalidInput"


def test_a_subscription_is_made_and_read_with_the_sellers_token(api, server):
    server.answers(200, {"payload": SUBSCRIBED})
    assert api.subscribe("d-1") == api.subscription() == Subscription("s-1", "d-1")
    made, read = server.seen
    assert (made.method, made.path) == ("POST", TYPE)
    assert json.loads(made.body) == {"payloadVersion": "1.0", "destinationId": "d-1"}
    assert (read.method, read.path) == ("GET", f"{TYPE}?payloadVersion=1.0")
    assert _tokens(server) == ["refresh_token"] * 2


def test_a_seller_who_is_subscribed_already_is_no_error(api, server):
    server.answers(409, {"errors": [{"code": "Conflict", "message": "exists"}]})
    assert api.subscribe("d-1") is None


def test_no_subscription_is_none(api, server):
    server.answers(404, {"errors": [{"code": "NotFound", "message": "none"}]})
    assert api.subscription() is None


@pytest.mark.parametrize(
    "payload", [None, {}, {"subscriptionId": "s-1"}, [SUBSCRIBED], {**SUBSCRIBED, "destinationId": 1}]
)
def test_a_garbled_subscription_is_asked_for_again(api, server, payload):
    server.answers(200, {"payload": payload})
    with pytest.raises(RetryLater, match="amazon-garbled"):
        api.subscription()


def test_ending_is_grantless_and_what_is_gone_is_no_error(api, server):
    server.answers(404, {}).answers(200, {})
    api.unsubscribe("s/1")
    api.delete_destination("d/1")
    assert [(seen.method, seen.path) for seen in server.seen] == [
        ("DELETE", f"{TYPE}/s%2F1"),
        ("DELETE", "/notifications/v1/destinations/d%2F1"),
    ]
    assert set(_tokens(server)) == {"client_credentials"}


def test_where_ending_needs_the_sellers_token_it_is_used(api, server):
    server.answers(403, DENIED).answers(403, DENIED).answers(200, {})
    api.unsubscribe("s-1")
    assert _tokens(server) == ["client_credentials", "client_credentials", "refresh_token"]


def test_a_seller_without_the_role_is_told(api, server):
    server.answers(403, DENIED)
    with pytest.raises(SellerStopped, match="roles"):
        api.subscription()


@pytest.mark.parametrize(
    "arn", ["", "nfe", "https://sqs.us-east-1.amazonaws.com/123456789012/nfe", "arn:aws:sns:us-east-1:123456789012:nfe",
            ARN + ".fifo", ARN + "\n", ARN + '","AWS":"*'],
)  # fmt: skip
def test_only_the_arn_of_a_standard_queue_is_taken(arn):
    with pytest.raises(Invalid, match="bad-arn"):
        check_arn(arn)


def test_the_policy_lets_amazons_account_in_and_nobody_else():
    [statement] = queue_policy(ARN)["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"AWS": "arn:aws:iam::437568002678:root"}
    assert statement["Action"] == ["sqs:SendMessage", "sqs:GetQueueAttributes"]
    assert statement["Resource"] == ARN
