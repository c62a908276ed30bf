"""One request of the page, as its views see it: who asks, in which language, for what."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import HTMLResponse, RedirectResponse, Response

from workflow.audit import Action, Audit
from workflow.errors import Invalid
from workflow.models import Role
from workflow.store import Due, Store
from workflow.tools import Tools
from workflow.users import User, Users
from workflow.web.paper import paper
from workflow.web.words import words

Ring = Callable[[Due], None]


@dataclass(frozen=True, slots=True)
class Site:
    """What all visits share."""

    tools: Tools
    users: Users
    audit: Audit
    ring: Ring
    #: The path under which a proxy publishes the page, without a slash at its end.
    root: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One request. A view takes it and gives a response; who is not allowed in never comes so far."""

    site: Site
    user: User | None
    language: str
    address: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    #: What each form of this session must bring back.
    csrf: str = ""
    #: The session's token, for its end.
    token: str = ""
    is_secure: bool = False

    @property
    def store(self) -> Store:
        """The database."""
        return self.site.tools.store

    @property
    def name(self) -> str:
        """Who asks."""
        return self.user.name if self.user else ""

    @property
    def is_operator(self) -> bool:
        """Whether the visitor may see buyers' data and give orders."""
        return self.user is not None and self.user.role is Role.OPERATOR

    def t(self, key: str, **values: object) -> str:
        """The words of a key in the visitor's language; the key's own last word where the program has a new one."""
        return words(self.language).get(key, key.rsplit(".", 1)[-1]).format(**values)

    def show(self, template: str, status: int = 200, **facts: Any) -> Response:
        """A page."""
        return HTMLResponse(paper(template, visit=self, t=self.t, **facts), status)

    def go(self, path: str) -> Response:
        """Another page, after a form: 303 makes a reload harmless."""
        return RedirectResponse(self.site.root + path, 303)

    def note(self, action: Action, shipment_id: str | None = None, detail: str | None = None) -> None:
        """Write down what the visitor does."""
        self.site.audit.note(action, actor=self.name, address=self.address, shipment_id=shipment_id, detail=detail)

    def shipment(self) -> Any:
        """The row of the shipment that the address names; raise Invalid('unknown-shipment')."""
        id = f"{self.params['seller']}/{self.params['shipment']}"
        row = self.store.shipment(id)
        if row is None:
            raise Invalid("unknown-shipment", f"no shipment {id}")
        return row


View = Callable[[Visit], Response]
