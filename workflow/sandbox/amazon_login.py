"""Where tokens come from: Login with Amazon, and restricted data tokens (tokens 2021-03-01)."""

import json
import re
from http.client import responses
from typing import Any

from workflow.sandbox.amazon_handler import (
    CUSTOMER_INVOICES,
    JSON,
    MEDIA,
    QUOTA,
    SHIPMENTS,
    AmazonHandler,
    Wrong,
    denied,
)
from workflow.sandbox.amazon_tokens import Grant, digest, issue
from workflow.sandbox.faults import Answer

#: Restricted operations a restricted data token may be asked for, as `METHOD path`.
_RESTRICTED = (re.compile(rf"GET {SHIPMENTS}/[^/]+"), re.compile(rf"GET {CUSTOMER_INVOICES}(/[^/]+)?"))

#: What a grantless token may be asked for.
_SCOPES = ("sellingpartnerapi::notifications", "sellingpartnerapi::client_credential:rotation")


class LwaToken(AmazonHandler):
    """POST /auth/o2/token: Login with Amazon, which has an error shape of its own."""

    async def post(self) -> None:
        """Exchange a refresh token, or the application's own credentials, for an access token."""
        await self.respond("lwa", (), self._exchange)

    def failure(self, status: int) -> Answer:
        """A failure in the shape of OAuth 2.0, with its own words for it."""
        error = {503: "temporarily_unavailable"}.get(status, "server_error" if status >= 500 else "invalid_request")
        return self._refuse(error, responses.get(status, "Failure"), status)

    def _exchange(self) -> Answer:
        client = self.get_body_argument("client_id", "")
        settings = self.book.settings
        if settings.clients is not None and settings.clients.get(client) != self.get_body_argument("client_secret", ""):
            return self._refuse("invalid_client", "Client authentication failed", 401)
        kind = self.get_body_argument("grant_type", "")
        if kind == "refresh_token":
            return self._refresh(client, self.get_body_argument("refresh_token", ""))
        scope = self.get_body_argument("scope", "")
        if kind == "client_credentials" and scope in _SCOPES:
            return self._issue(Grant("grantless", client, "", None, *self._lifetime(), (scope,)), None)
        if kind == "client_credentials":
            return self._refuse("invalid_scope", "The request has an invalid scope", 400)
        return self._refuse("unsupported_grant_type", "The grant type is not supported", 400)

    def _refresh(self, client: str, refresh_token: str) -> Answer:
        sellers = self.book.settings.sellers
        if not refresh_token:
            return self._refuse("invalid_request", "The request is missing a required parameter", 400)
        if sellers is not None and refresh_token not in sellers:
            return self._refuse("invalid_grant", "The request has an invalid grant parameter", 400)
        seller_id = sellers[refresh_token] if sellers is not None else None
        grant = Grant("plain", client, digest(refresh_token), seller_id, *self._lifetime())
        return self._issue(grant, refresh_token)

    def _lifetime(self) -> tuple[float, float]:
        now = self.book.clock()
        return now, now + self.book.settings.token_seconds

    def _issue(self, grant: Grant, refresh_token: str | None) -> Answer:
        seconds = self.book.settings.token_seconds
        body = {"access_token": issue(grant), "token_type": "bearer", "expires_in": seconds}
        if refresh_token:
            body["refresh_token"] = refresh_token
        return Answer(200, json.dumps(body).encode(), JSON)

    def _refuse(self, error: str, description: str, status: int) -> Answer:
        body = {"error": error, "error_description": description}
        return Answer(status, json.dumps(body).encode(), JSON)


class RestrictedDataToken(AmazonHandler):
    """POST /tokens/2021-03-01/restrictedDataToken."""

    async def post(self) -> None:
        """Exchange an access token for one that opens the named restricted resources."""
        await self.respond("createRestrictedDataToken", (), self._create)

    def _create(self) -> Answer:
        settings = self.book.settings
        return self.answer(self._result(), settings.token_rate)

    def _result(self) -> dict[str, Any] | Wrong:
        settings = self.book.settings
        grant = self.grant()
        if isinstance(grant, Wrong):
            return grant
        if not grant.is_plain:
            return denied("The access token you provided is not the seller's.")
        if not self.is_json():
            return MEDIA
        if not self.book.permit(
            grant.client,
            grant.seller,
            "createRestrictedDataToken",
            rate=settings.token_rate,
            burst=settings.token_burst,
        ):
            return QUOTA
        resources = self._resources()
        if isinstance(resources, Wrong):
            return resources
        expires = self.book.clock() + settings.token_seconds
        restricted = grant._replace(kind="restricted", issued=self.book.clock(), expires=expires, resources=resources)
        return {"restrictedDataToken": issue(restricted), "expiresIn": settings.token_seconds}

    def _resources(self) -> tuple[str, ...] | Wrong:
        given = (self.read_json() or {}).get("restrictedResources")
        if not isinstance(given, list) or not 1 <= len(given) <= 50:
            return Wrong(
                400, "InvalidRequest", "Request is missing or has invalid parameters", "Resource not provided."
            )
        names = tuple(f"{entry.get('method')} {entry.get('path')}" for entry in given if isinstance(entry, dict))
        if not all(any(pattern.fullmatch(name) for pattern in _RESTRICTED) for name in names):
            return Wrong(400, "InvalidInput", "Application do not have access to some or all requested resource")
        return names
