"""Tokens are asked for once an hour, shared sealed, and never told."""

import json
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests

from workflow.clients.amazon import DETAILS_PATH
from workflow.clients.amazon_tokens import RedisTokenCache, TokenCache, Tokens
from workflow.clients.selling_partner import Throttled
from workflow.crypto import Vault
from workflow.errors import NfeError, Refused, RetryLater, SellerStopped
from workflow.key_source import new_key

REFRESH = "Atzr|refresh-secret"
SECRET = "amzn1.oa2-cs.v1.secret"


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lwa(serve):
    return serve().answers(200, _access("Atza|one"))


@pytest.fixture
def api(serve):
    return serve().answers(200, _restricted("Atz.sprdt|one"))


@pytest.fixture
def make(lwa, api, clock):
    def tokens(cache: TokenCache | None = None, **options: Any) -> Tokens:
        values: dict[str, Any] = {
            "http": requests.Session(),
            "lwa_url": f"{lwa.url}/auth/o2/token",
            "client_id": "amzn1.application-oa2-client.1",
            "client_secret": SECRET,
            "refresh_token": REFRESH,
            "base_url": api.url,
            "cache": cache,
            "timeout": 2,
            "clock": clock,
        }
        return Tokens(**values | options)

    return tokens


def _access(token: str, life: int = 3600) -> dict[str, Any]:
    return {"access_token": token, "token_type": "bearer", "expires_in": life, "refresh_token": REFRESH}


def _restricted(token: str, life: int = 3600) -> dict[str, Any]:
    return {"restrictedDataToken": token, "expiresIn": life}


def _failure(ask: Any) -> NfeError:
    with pytest.raises(NfeError) as caught:
        ask()
    error: BaseException | None = caught.value
    while error:
        assert REFRESH not in str(error)
        assert SECRET not in str(error)
        assert "Atza|" not in str(error)
        error = error.__cause__
    return caught.value


def test_the_refresh_token_is_exchanged_as_a_form(make, lwa):
    assert make().access_token() == "Atza|one"
    [seen] = lwa.seen
    assert (seen.method, seen.path) == ("POST", "/auth/o2/token")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded;charset=UTF-8"
    assert parse_qs(seen.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": [REFRESH],
        "client_id": ["amzn1.application-oa2-client.1"],
        "client_secret": [SECRET],
    }


def test_an_access_token_serves_until_a_minute_before_its_end(make, lwa, clock):
    lwa.replies.clear()
    lwa.answers(200, _access("Atza|one")).answers(200, _access("Atza|two"))
    tokens = make()
    tokens.access_token()
    clock.now += 3539
    assert tokens.access_token() == "Atza|one"
    clock.now += 1
    assert tokens.access_token() == "Atza|two"
    assert len(lwa.seen) == 2


def test_the_restricted_token_is_made_for_the_generic_path_and_kept(make, lwa, api):
    tokens = make()
    for _ in range(5):
        assert tokens.restricted_token(DETAILS_PATH) == "Atz.sprdt|one"
    [seen] = api.seen
    assert (seen.method, seen.path) == ("POST", "/tokens/2021-03-01/restrictedDataToken")
    assert seen.headers["x-amz-access-token"] == "Atza|one"
    assert json.loads(seen.body) == {"restrictedResources": [{"method": "GET", "path": DETAILS_PATH}]}
    assert len(lwa.seen) == 1


def test_each_path_has_a_restricted_token_of_its_own(make, api):
    api.replies.clear()
    api.answers(200, _restricted("Atz.sprdt|a")).answers(200, _restricted("Atz.sprdt|b"))
    tokens = make()
    assert tokens.restricted_token("/a") != tokens.restricted_token("/b")


def test_a_restricted_token_may_come_in_a_payload(make, api):
    api.replies.clear()
    api.answers(200, {"payload": _restricted("Atz.sprdt|wrapped")})
    assert make().restricted_token(DETAILS_PATH) == "Atz.sprdt|wrapped"


def test_a_forgotten_token_is_asked_for_again(make, lwa):
    lwa.replies.clear()
    lwa.answers(200, _access("Atza|one")).answers(200, _access("Atza|two"))
    tokens = make()
    tokens.forget(tokens.access_token())
    assert tokens.access_token() == "Atza|two"


def test_forgetting_an_old_token_leaves_the_new_one(make, lwa):
    tokens = make()
    tokens.access_token()
    tokens.forget("Atza|older")
    tokens.access_token()
    assert len(lwa.seen) == 1


def test_a_withdrawn_access_token_is_renewed_for_the_restricted_one(make, lwa, api):
    lwa.replies.clear()
    lwa.answers(200, _access("Atza|one")).answers(200, _access("Atza|two"))
    api.replies.clear()
    api.answers(403, {"errors": [{"code": "Unauthorized", "message": "Expired"}]})
    api.answers(200, _restricted("Atz.sprdt|two"))
    assert make().restricted_token(DETAILS_PATH) == "Atz.sprdt|two"
    assert [seen.headers["x-amz-access-token"] for seen in api.seen] == ["Atza|one", "Atza|two"]


@pytest.mark.parametrize(
    "error",
    ["invalid_grant", "invalid_client", "unauthorized_client", "access_denied", "invalid_scope", "invalid_request"],
)
def test_what_a_person_must_mend_stops_the_seller_and_says_how(make, lwa, error):
    lwa.replies.clear()
    lwa.answers(400, {"error": error, "error_description": f"bad {REFRESH}"})
    stopped = _failure(make().access_token)
    assert isinstance(stopped, SellerStopped)
    assert stopped.code == f"lwa-{error.replace('_', '-')}"
    assert ":" in stopped.message
    assert len(lwa.seen) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"error": "server_error"}),
        (503, {"error": "temporarily_unavailable"}),
        (400, {"error": "server_error"}),
        (503, b"<html>"),
        (403, b"<html>a firewall</html>"),
        (302, b""),
    ],
)
def test_what_passes_by_itself_is_tried_later(make, lwa, status, body):
    lwa.replies.clear()
    lwa.answers(status, body)
    assert type(_failure(make().access_token)) is RetryLater


def test_login_with_amazon_can_throttle_too(make, lwa):
    lwa.replies.clear()
    lwa.answers(429, b"")
    assert isinstance(_failure(make().access_token), Throttled)


@pytest.mark.parametrize("fault", ["hangs", "drops", "resets", "truncates"])
def test_a_broken_answer_is_tried_later(make, lwa, fault):
    lwa.replies.clear()
    getattr(lwa, fault)()
    assert type(_failure(make(timeout=0.3).access_token)) is RetryLater


@pytest.mark.parametrize(
    "body", [b"", b"[]", {}, {"access_token": ""}, {"access_token": "a\nb"}, {"access_token": "ç"}, {"access_token": 1}]
)
def test_a_token_that_fits_no_header_is_no_token(make, lwa, body):
    lwa.replies.clear()
    lwa.answers(200, body)
    assert type(_failure(make().access_token)) is RetryLater


def test_during_a_rotation_the_second_secret_is_tried(make, lwa):
    lwa.replies.clear()
    lwa.answers(401, {"error": "invalid_client"}).answers(200, _access("Atza|two"))
    assert make(client_secret="old, new").access_token() == "Atza|two"
    assert [parse_qs(seen.body.decode())["client_secret"] for seen in lwa.seen] == [["old"], ["new"]]


@pytest.mark.parametrize("do", ["do", "does"])
def test_a_missing_role_stops_the_seller(make, api, do):
    api.replies.clear()
    message = f"Application {do} not have access to some or all requested resource"
    api.answers(400, {"errors": [{"code": "InvalidInput", "message": message}]})
    stopped = _failure(lambda: make().restricted_token(DETAILS_PATH))
    assert isinstance(stopped, SellerStopped)
    assert stopped.code == "amazon-role-missing"


def test_any_other_refusal_of_a_restricted_token_stays_one(make, api):
    api.replies.clear()
    api.answers(400, {"errors": [{"code": "InvalidInput", "message": "Invalid path"}]})
    assert isinstance(_failure(lambda: make().restricted_token(DETAILS_PATH)), Refused)


def test_a_throttled_restricted_token_names_its_operation(make, api):
    api.replies.clear()
    api.answers(429, b"")
    error = _failure(lambda: make().restricted_token(DETAILS_PATH))
    assert isinstance(error, Throttled)
    assert error.operation == "createRestrictedDataToken"


def _sealed(client: Any, key: str | None = None) -> RedisTokenCache:
    vault = Vault([key or new_key()])
    return RedisTokenCache(client, seal=vault.seal, unseal=vault.open)


def test_workers_share_tokens_through_redis(make, lwa, api, valkey):
    key = new_key()
    for _ in range(3):
        assert make(_sealed(valkey, key)).restricted_token(DETAILS_PATH) == "Atz.sprdt|one"
    assert (len(lwa.seen), len(api.seen)) == (1, 1)


def test_redis_holds_no_token_in_the_clear_and_forgets_in_time(make, valkey):
    make(_sealed(valkey)).restricted_token(DETAILS_PATH)
    keys = valkey.keys("*")
    assert len(keys) == 2
    for key in keys:
        for text in (key, valkey.get(key)):
            assert b"Atz" not in text
            assert b"refresh-secret" not in text
        assert 0 < valkey.ttl(key) <= 3540


def test_sellers_do_not_share(make, lwa, valkey):
    key = new_key()
    make(_sealed(valkey, key)).access_token()
    make(_sealed(valkey, key), refresh_token="Atzr|another").access_token()
    make(_sealed(valkey, key), client_id="another").access_token()
    assert len(lwa.seen) == 3


def test_a_forgotten_token_leaves_redis_unless_another_worker_renewed_it(make, lwa, valkey):
    lwa.replies.clear()
    lwa.answers(200, _access("Atza|one")).answers(200, _access("Atza|two"))
    key = new_key()
    first, second = make(_sealed(valkey, key)), make(_sealed(valkey, key))
    refused = first.access_token()
    assert second.access_token() == refused
    first.forget(refused)
    assert first.access_token() == "Atza|two"
    second.forget(refused)
    assert second.access_token() == "Atza|two"
    assert len(lwa.seen) == 2


def test_a_lost_key_costs_only_a_new_token(make, lwa, valkey):
    make(_sealed(valkey)).access_token()
    assert make(_sealed(valkey)).access_token() == "Atza|one"
    assert len(lwa.seen) == 2


def test_garbage_in_redis_costs_only_a_new_token(make, lwa, valkey):
    plain = RedisTokenCache(valkey, seal=lambda value, key: value, unseal=lambda value, key: value)
    make(plain).access_token()
    [key] = valkey.keys("*")
    for garbage in (b"{}", b"[1]", b'["a\\nb", 9e9]', b"\xff"):
        valkey.set(key, garbage)
        assert make(plain).access_token() == "Atza|one"
    assert len(lwa.seen) == 5


def test_redis_away_costs_only_the_sharing(make, valkey):
    cache = _sealed(valkey)
    valkey.connection_pool.connection_kwargs["path"] = "/nowhere"
    valkey.connection_pool.disconnect()
    tokens = make(cache)
    assert tokens.access_token() == "Atza|one"
    tokens.forget("Atza|one")
    assert tokens.access_token() == "Atza|one"
