"""The tokens of one seller: Login with Amazon's access token, and restricted data tokens made with it.

The application has one of its own, for what is no seller's. All live an hour. They are kept until a minute before
their end, in this process and, sealed, in a cache that all workers share, because Amazon gives restricted tokens at
one a second. Keys hold a hash, never a token; no error quotes one. Sources: Amazon's "Connect to the SP-API" and
Tokens API 2021-03-01.
"""

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import redis
import requests

from workflow.clients.exchange import Answer, Request, exchange
from workflow.clients.selling_partner import (
    Call,
    SellingPartner,
    Throttled,
    Token,
    object_of,
    user_agent,
)
from workflow.errors import NfeError, Refused, RetryLater, SellerStopped

#: Seconds before its end at which a token is no longer used: clocks differ and requests take time.
MARGIN = 60
#: Documented life of both tokens, in seconds, for an answer that does not say it.
LIFE = 3600

_RESTRICTED_PATH = "/tokens/2021-03-01/restrictedDataToken"
#: A token goes into a header: visible ASCII only, at most the documented 2,048 bytes (and some).
_TOKEN = re.compile(r"[!-~]{1,8192}")

#: An error's name (RFC 6749, 5.2); a text might quote what we sent.
_LWA_ERROR = re.compile(r"[a-z_]{1,40}")

#: Login with Amazon's errors that a person must mend, and how (RFC 6749, 5.2; LWAExceptionErrorCode of Amazon's SDK).
_MEND = {
    "invalid_grant": "the refresh token is revoked, expired or another application's: let the seller authorise again",
    "invalid_client": "client id or secret is wrong, or the secret was rotated: set the new one",
    "unauthorized_client": "the application may not use this grant: check it in Amazon's developer console",
    "access_denied": "the seller denied or withdrew the authorisation: let the seller authorise again",
    "invalid_scope": "the application lacks the scope: check its roles",
    "invalid_request": "client id, secret or refresh token is missing or misspelt: check the seller's file",
    "unsupported_grant_type": "the address is not a Login with Amazon server: check NFE_LWA_URL",
}


class TokenCache(Protocol):
    """Where workers share tokens; losing it costs only new tokens."""

    def get(self, key: str) -> bytes | None:
        """The value put under the key, unless its time is over."""

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """Keep the value for `ttl` seconds."""

    def drop(self, key: str) -> None:
        """Forget the key."""


class RedisTokenCache:
    """The shared cache in Redis; `seal` and `unseal` encrypt a value for its key: a dump of Redis holds no token."""

    def __init__(
        self, client: redis.Redis, *, seal: Callable[[bytes, str], bytes], unseal: Callable[[bytes, str], bytes]
    ) -> None:
        self._redis = client
        self._seal = seal
        self._unseal = unseal

    def get(self, key: str) -> bytes | None:
        """As TokenCache; None also when Redis is away or the value was sealed with a lost key."""
        try:
            sealed = self._redis.get(key)
            return self._unseal(sealed, key) if isinstance(sealed, bytes) else None
        except (redis.RedisError, NfeError, ValueError):
            return None

    def put(self, key: str, value: bytes, ttl: int) -> None:
        """As TokenCache; nothing happens when Redis is away."""
        try:
            self._redis.set(key, self._seal(value, key), ex=ttl)
        except redis.RedisError:
            return

    def drop(self, key: str) -> None:
        """As TokenCache; a token that stays is refused again and costs one request."""
        try:
            self._redis.delete(key)
        except redis.RedisError:
            return


class _Kept(NamedTuple):
    """A token and the moment (seconds since the epoch) from which it is not used any more."""

    token: str
    until: float


class Tokens:
    """The tokens of one seller (one refresh token) for one application."""

    def __init__(
        self,
        *,
        http: requests.Session,
        lwa_url: str,
        client_id: str,
        client_secret: str,
        refresh_token: str,
        base_url: str,
        cache: TokenCache | None,
        timeout: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._http = http
        self._lwa_url = lwa_url
        self._client_id = client_id
        # Two during a rotation, a comma between: the old secret works until its expiry, the new one from its arrival.
        self._secrets = tuple(one.strip() for one in client_secret.split(","))
        self._refresh_token = refresh_token
        self._api = SellingPartner(http=http, base_url=base_url, timeout=timeout)
        self._cache = cache
        self._timeout = timeout
        self._clock = clock
        self._identity = "\0".join((lwa_url, base_url, client_id, refresh_token))
        self._kept: dict[str, _Kept] = {}
        self._lock = threading.RLock()

    def access_token(self) -> str:
        """The seller's plain token. Raises SellerStopped, Throttled or RetryLater."""
        grant = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        return self._token("access", lambda: self._ask_lwa(grant))

    def grantless_token(self, scope: str) -> str:
        """The application's own token, for operations that are no seller's. Raises as access_token."""
        grant = {"grant_type": "client_credentials", "scope": scope}
        return self._token(f"grantless {scope}", lambda: self._ask_lwa(grant))

    def restricted_token(self, path_template: str, method: str = "GET") -> str:
        """A restricted data token for the path, which may keep its placeholder. Raises as access_token, and Refused."""
        return self._token(f"restricted {method} {path_template}", lambda: self._ask_restricted(path_template, method))

    def forget(self, refused: str) -> None:
        """Drop the token Amazon refused, here and in the shared cache; a newer one of another worker stays."""
        with self._lock:
            for name in [name for name, kept in self._kept.items() if kept.token == refused]:
                del self._kept[name]
                shared = self._shared(name)
                if self._cache and shared and shared.token == refused:
                    self._cache.drop(self._key(name))

    def _token(self, name: str, ask: Callable[[], tuple[str, int]]) -> str:
        with self._lock:
            kept = self._kept.get(name)
            if kept is None or kept.until <= self._clock():
                kept = self._shared(name) or self._fresh(name, ask)
                self._kept[name] = kept
            return kept.token

    def _fresh(self, name: str, ask: Callable[[], tuple[str, int]]) -> _Kept:
        token, life = ask()
        ttl = life - MARGIN
        kept = _Kept(token, self._clock() + ttl)
        if self._cache and ttl > 0:
            self._cache.put(self._key(name), json.dumps(kept).encode(), ttl)
        return kept

    def _shared(self, name: str) -> _Kept | None:
        """What another worker has put into the shared cache, if it is still to be used."""
        value = self._cache.get(self._key(name)) if self._cache else None
        try:
            token, until = json.loads(value or b"null")
            kept = _Kept(str(token), float(until))
        except (ValueError, TypeError):
            return None
        return kept if kept.until > self._clock() and _TOKEN.fullmatch(kept.token) else None

    def _key(self, name: str) -> str:
        return "nfe:token:" + hashlib.sha256(f"{self._identity}\0{name}".encode()).hexdigest()

    def _ask_lwa(self, grant: Mapping[str, str]) -> tuple[str, int]:
        """A new access token and its life in seconds, with the first secret that Login with Amazon takes."""
        for secret in self._secrets:
            answer = self._exchange(grant, secret)
            if answer.status != 200 and _lwa_error(answer) == "invalid_client":
                continue
            break
        if answer.status != 200:
            raise _lwa_meaning(answer)
        return _token_in(object_of(answer) or {}, "access_token", "expires_in")

    def _exchange(self, grant: Mapping[str, str], secret: str) -> Answer:
        form = {**grant, "client_id": self._client_id, "client_secret": secret}
        headers = {
            "content-type": "application/x-www-form-urlencoded;charset=UTF-8",
            "user-agent": user_agent(),
            "accept": "application/json",
        }
        request = Request("POST", self._lwa_url, headers, urlencode(form).encode(), asks=True, operation="token")
        return exchange(self._http, request, timeout=self._timeout, party="lwa")

    def _ask_restricted(self, path_template: str, method: str) -> tuple[str, int]:
        """A new restricted token and its life in seconds; SellerStopped when the application lacks the role."""
        body = {"restrictedResources": [{"method": method, "path": path_template}]}
        call = Call("createRestrictedDataToken", "POST", _RESTRICTED_PATH, body)
        try:
            answer = self._api.call(call, Token(self.access_token, self.forget))
        except Refused as error:
            if "not have access" not in error.message:
                raise
            raise SellerStopped(
                "amazon-role-missing",
                f"the application may not read {path_template}: it needs the role Tax Invoicing (restricted), "
                "then a new authorisation by the seller",
            ) from error
        content = object_of(answer) or {}
        # Amazon's guide wraps the answer in `payload`, its model does not.
        payload = content.get("payload")
        return _token_in(payload if isinstance(payload, dict) else content, "restrictedDataToken", "expiresIn")


def _token_in(content: dict[str, Any], name: str, life_name: str) -> tuple[str, int]:
    token, life = content.get(name), content.get(life_name)
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise RetryLater("amazon-garbled", f"Amazon's answer has no usable {name}")
    return token, life if isinstance(life, int) and life > 0 else LIFE


def _lwa_error(answer: Answer) -> str:
    """Login with Amazon's error code; its JSON is not of the Selling Partner API's shape."""
    error = (object_of(answer) or {}).get("error")
    return error if isinstance(error, str) else ""


def _lwa_meaning(answer: Answer) -> NfeError:
    """What a refusal of Login with Amazon means; server_error and its like are worth another try."""
    error = _lwa_error(answer)
    if answer.status == 429:
        return Throttled("Login with Amazon")
    if mend := _MEND.get(error):
        return SellerStopped(f"lwa-{error.replace('_', '-')}", f"Login with Amazon refuses: {mend}")
    said = error if _LWA_ERROR.fullmatch(error) else f"HTTP {answer.status}"
    return RetryLater(f"lwa-http-{answer.status}", f"Login with Amazon cannot answer now: {said}")
