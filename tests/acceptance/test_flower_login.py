"""People log in to a running Flower at a provider of their own: Okta, GitHub and GitLab as they answer, over TLS.

Google's addresses are fixed in Flower, so it is not tried here.
"""

import json
import os
import secrets
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from tests.acceptance.flower import running
from tests.acceptance.test_readme_walk import free_ports
from workflow.sandbox import certificates
from workflow.settings import load

CLIENT, SECRET = "flower-client", "a-secret-of-the-provider"
MARIA, STRANGER = "maria@shop.example", "joao@elsewhere.example"


class Paths(NamedTuple):
    """Where a provider is asked what, and how the address of its own is written."""

    authorize: str
    token: str
    who: str
    base: str = ""


PROVIDERS = {
    "okta": Paths("/oauth2/default/v1/authorize", "/oauth2/default/v1/token", "/oauth2/default/v1/userinfo", "/oauth2/default"),
    "github": Paths("/login/oauth/authorize", "/login/oauth/access_token", "/api/v3/user/emails"),
    "gitlab": Paths("/oauth/authorize", "/oauth/token", "/api/v4/user"),
}  # fmt: skip


@dataclass
class Provider:
    """An authorization server (RFC 6749, 4.1) where somebody is logged in already; codes and tokens serve once."""

    paths: Paths
    person: str = MARIA
    is_verified: bool = True
    redirect_uri: str = ""
    codes: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser is sent with its code."""
        wanted = {"client_id": CLIENT, "response_type": "code", "redirect_uri": self.redirect_uri}
        assert {name: query.get(name) for name in wanted} == wanted
        assert query["state"]
        self.codes[code := secrets.token_hex(8)] = self.person
        return f"{self.redirect_uri}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | None:
        """A token for a code, to whoever knows the client's secret."""
        person = self.codes.pop(form.get("code", ""), None)
        known = (form.get("client_id"), form.get("client_secret"), form.get("redirect_uri"))
        if person is None or known != (CLIENT, SECRET, self.redirect_uri):
            return None
        self.tokens[token := secrets.token_hex(8)] = person
        return {"access_token": token, "token_type": "Bearer"}

    def who(self, header: str) -> Any:
        """Whose token it is, as GitHub says it in a list and the others in an object."""
        person = self.tokens.pop(header.partition(" ")[2], None)
        if person is None:
            return None
        if self.paths.who.endswith("emails"):
            return [{"email": person, "verified": self.is_verified}]
        return {"email": person, "email_verified": self.is_verified}


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if address.path == provider.paths.authorize:
                query = {name: values[0] for name, values in parse_qs(address.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                known = address.path == provider.paths.who
                self._answer(provider.who(self.headers["Authorization"]) if known else None)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            known = self.path == provider.paths.token
            self._answer(provider.token({name: values[0] for name, values in form.items()}) if known else None)

        def _answer(self, content: Any) -> None:
            if content is None:
                provider.refused.append(self.path)
            body = json.dumps(content).encode()
            self.send_response(401 if content is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing on the terminal."""

    return Handler


@contextmanager
def serving(provider: Provider, folder: Path) -> Iterator[str]:
    """The provider over https on a free port; its address."""
    pem = folder / "provider.pem"
    certificates.write_private(pem, certificates.server_pem(certificates.authority(folder)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(provider)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def flower(name: str, provider: Provider, broker: str, folder: Path) -> Iterator[str]:
    """Flower as `nfe up flower` starts it, which trusts the provider's authority; its address."""
    port = free_ports("flower")["flower"]
    provider.redirect_uri = f"http://127.0.0.1:{port}/login"
    with serving(provider, folder) as address:
        settings = load(
            data_dir=folder, redis_url=broker, flower_port=port, flower_url=f"http://127.0.0.1:{port}",
            flower_oauth=name, flower_oauth_url=address + provider.paths.base, flower_oauth_emails=f"{MARIA}|b@shop.example",
            flower_oauth_key=CLIENT, flower_oauth_secret=SECRET,
        )  # fmt: skip
        with running(settings, SSL_CERT_FILE=str(folder / certificates.CA_FILE)) as found:
            yield found


@pytest.fixture
def browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[requests.Session]:
    """A browser that keeps cookies and trusts the provider's authority."""
    for name in [name for name in os.environ if name.startswith(("NFE_", "FLOWER_"))]:
        monkeypatch.delenv(name)
    certificates.authority(tmp_path)
    with requests.Session() as session:
        session.verify = str(tmp_path / certificates.CA_FILE)
        session.trust_env = False
        yield session


@pytest.mark.parametrize("name", PROVIDERS)
def test_only_who_is_named_gets_in_by_way_of_the_provider(
    name: str, valkey: str, tmp_path: Path, browser: requests.Session
) -> None:
    provider = Provider(PROVIDERS[name])
    with flower(name, provider, valkey, tmp_path) as address:
        # Without a login there is the way to the provider, and no data.
        sent = browser.get(f"{address}/tasks", allow_redirects=False, timeout=10)
        assert urlsplit(sent.headers["Location"]).path == "/login"
        assert browser.get(f"{address}/api/tasks", allow_redirects=False, timeout=10).status_code == 302

        # A stranger whom the provider knows stays out.
        provider.person = STRANGER
        assert browser.get(f"{address}/", timeout=10).status_code == 403
        provider.person = MARIA

        # So does an address that nobody has verified, where the provider tells (GitLab does not).
        provider.is_verified = name == "gitlab"
        assert provider.is_verified or browser.get(f"{address}/", timeout=10).status_code == 403
        provider.is_verified = True

        # And a code that this browser did not ask for.
        provider.codes[forged := secrets.token_hex(8)] = MARIA
        query = {"code": forged, "state": "forged"}
        assert browser.get(f"{address}/login", params=query, timeout=10).status_code >= 400
        assert browser.get(f"{address}/api/tasks", allow_redirects=False, timeout=10).status_code == 302
        assert provider.codes.pop(forged) == MARIA

        # Who is named is in, once the provider has told who it is.
        page = browser.get(f"{address}/", timeout=10)
        assert (page.status_code, urlsplit(page.url).path) == (200, "/")
        assert MARIA in page.text
        assert browser.get(f"{address}/api/tasks", timeout=10).json() == {}
    assert provider.refused == []
    assert SECRET not in (tmp_path / "flower.log").read_text()
