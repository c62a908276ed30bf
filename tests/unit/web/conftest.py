"""The operator's page served for real, on a database of its own, and visitors of both roles."""

import base64
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn
from sqlalchemy import update

from tests.unit.conftest import nfeproc, notification
from workflow import passwords
from workflow.migrations import upgrade
from workflow.models import DocumentKind, Role
from workflow.sandbox.shipments import SELLER_ID, demo_products, demo_seller, demo_shipments
from workflow.settings import Settings
from workflow.states import State
from workflow.store import SHIPMENT, Due, Left
from workflow.tools import SellerSecrets, Tools
from workflow.users import users_of
from workflow.web.server import configuration

PASSWORD = "correct horse"
DETAILS = demo_shipments(1, now=datetime(2026, 11, 22, 12, tzinfo=UTC))[0].details


@dataclass
class Visitor:
    """A browser: it keeps cookies, and finds a form's token in the page that it saw."""

    url: str
    session: requests.Session = field(default_factory=requests.Session)
    #: The token of its session's forms, once it has seen one.
    known: str = ""

    def get(self, path: str, **headers: str) -> requests.Response:
        """Open a page; a redirection is not followed."""
        return self.session.get(self.url + path, headers=headers, allow_redirects=False, timeout=10)

    def token(self, path: str = "/shipments") -> str:
        """The token of a page's forms."""
        found = re.search(r'name="form_token" value="([^"]+)"', self.get(path).text)
        assert found is not None
        return found[1]

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> requests.Response:
        """Send a form as one of our own pages would."""
        self.known = self.known or self.token("/login" if path == "/login" else "/numbers")
        fields = {"form_token": self.known} | (form or {})
        return self.session.post(self.url + path, data=fields, headers=headers, allow_redirects=False, timeout=10)

    def log_in(self, name: str, password: str = PASSWORD) -> requests.Response:
        """Log in."""
        answer = self.post("/login", {"name": name, "password": password})
        self.known = ""
        return answer


@dataclass
class Installed:
    """The page and what is behind it."""

    tools: Tools
    url: str
    rung: list[Due]

    def visitor(self, name: str | None = None) -> Visitor:
        """A browser, logged in where a name is given."""
        made = Visitor(self.url)
        if name is not None:
            assert made.log_in(name).status_code == 303
        return made

    def receive(self, shipment: str = "FBA1", **values: Any) -> str:
        """A shipment, whose row then has these values; its id."""
        id, _ = self.tools.engine.receive(notification(shipment, seller=SELLER_ID))
        if values:
            with self.tools.store.writing() as connection:
                connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(values))
        return id

    def leave(self, id: str, kind: DocumentKind, content: bytes) -> None:
        """A document of the shipment's."""
        store = self.tools.store
        with store.writing() as connection:
            store._leave(connection, id, (Left(kind, content),), store.now())

    def stopped(self, code: str = "unknown-sku", reason: str = "no such SKU", shipment: str = "FBA1") -> str:
        """A shipment that needs a person, with Amazon's details."""
        values = {"state": State.FETCHED, "stop_code": code, "due_at": None, "ring_at": None}
        id = self.receive(shipment, **values)
        self.leave(id, DocumentKind.DETAILS, json.dumps(DETAILS).encode())
        self.tools.store.note(id, stage="generate", outcome="stopped", reason=reason)
        return id

    def authorised(self, shipment: str = "FBA1") -> str:
        """A shipment whose NF-e is accepted."""
        id = self.receive(shipment, state=State.ACCEPTED, due_at=None, ring_at=None)
        self.leave(id, DocumentKind.NFEPROC, nfeproc())
        self.leave(id, DocumentKind.DETAILS, json.dumps(DETAILS).encode())
        return id

    def said(self) -> list[str]:
        """The audit log's actions but logins, oldest first."""
        from workflow.audit import Audit

        lines = reversed(Audit(self.tools.store).lines())
        return [f"{line.actor} {line.action}" for line in lines if not line.action.startswith("login")]


def installed(tools: Tools, pfx: bytes) -> None:
    """A seller with its products, an operator called maria and a viewer called joao."""
    upgrade(tools.store.engine)
    secrets = SellerSecrets(issuer=demo_seller(), pfx=pfx, pfx_password="secret", refresh_token="Atzr|hidden")
    seller = {"id": SELLER_ID, "name": "Loja", "cnpj": "99999999000191", "issuer": demo_seller()}
    until = datetime(2060, 1, 1, tzinfo=UTC)
    tools.catalog.put_seller(seller | {"certificate_until": until}, secrets=secrets.dump())
    products = [{name: value for name, value in row.items() if value is not None} for row in demo_products()]
    tools.catalog.put_products(SELLER_ID, [(row["sku"], row) for row in products])
    users = users_of(tools.store, tools.settings)
    users.put("maria", Role.OPERATOR, PASSWORD)
    users.put("joao", Role.VIEWER, PASSWORD)


Serve = Callable[..., Installed]
KEY = base64.urlsafe_b64encode(bytes(32)).decode()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, a1_pfx: bytes) -> Path:
    """A folder with the database of an installation as `installed` makes it."""
    folder = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "N", 2)
        tools = Tools(Settings(data_dir=folder, encryption_key=KEY))
        installed(tools, a1_pfx)
        tools.store.engine.dispose()
    return folder


@pytest.fixture
def serve(tmp_path: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve the page with these settings."""
    monkeypatch.setattr(passwords, "N", 2)
    shutil.copytree(prepared, tmp_path / "data")
    running: list[tuple[uvicorn.Server, threading.Thread, Tools]] = []

    def start(**chosen: Any) -> Installed:
        tools = Tools(Settings(data_dir=tmp_path / "data", encryption_key=KEY, **chosen))
        rung: list[Due] = []
        listener = socket.create_server(("127.0.0.1", 0))
        server = uvicorn.Server(configuration(tools, rung.append))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.002)
        running.append((server, thread, tools))
        return Installed(tools, f"http://127.0.0.1:{listener.getsockname()[1]}", rung)

    yield start
    for server, _, _ in running:
        server.should_exit = True
    for _, thread, tools in running:
        thread.join(10)
        tools.store.engine.dispose()


@pytest.fixture
def page(serve: Serve) -> Installed:
    """The page as it is by default."""
    return serve()


@pytest.fixture
def maria(page: Installed) -> Visitor:
    """An operator."""
    return page.visitor("maria")


@pytest.fixture
def joao(page: Installed) -> Visitor:
    """A viewer."""
    return page.visitor("joao")
