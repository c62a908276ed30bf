"""Tools whose counterparts are scripted: each call takes the next answer, or raises it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.models import DocumentKind
from workflow.settings import Settings
from workflow.states import State
from workflow.stops import Side
from workflow.store import Claim

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Script:
    """A counterpart: answers in order, and what it was asked."""

    answers: list[Any] = field(default_factory=list)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self.asked.append((operation, arguments))
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


class FakeStore:
    """What stages ask the store themselves."""

    def __init__(self) -> None:
        self.sent: list[bool] = []
        self.lines: list[Any] = []

    def now(self) -> datetime:
        return NOW

    def mark_unsent(self, claim: Claim) -> None:
        self.sent.append(False)

    def history(self, id: str) -> list[Any]:
        return self.lines


class FakeTools:
    """One seller, its scripted counterparts, the documents given."""

    def __init__(self) -> None:
        self.settings = Settings()
        self.store = FakeStore()
        self.amazon, self.sefaz = Script(), Script()
        self.catalog: Any = None
        self.pace = SimpleNamespace(first=lambda seller: self.settings.poll_first, learn=lambda seller, questions: None)
        self.documents: dict[DocumentKind, bytes] = {}
        self.permits: list[str] = []
        issuer = SimpleNamespace(tpAmb=2, cnpj="99999999000191")
        self._seller = SimpleNamespace(
            amazon=self.amazon,
            submission=self.amazon,
            sefaz=self.sefaz,
            uf="SP",
            channels=(),
            recovery=None,
            issuer=issuer,
            amazon_url="http://127.0.0.1:1",
            permit=self._permit,
            consult_permit=self._permit,
        )

    def seller(self, id: str, side: Side | None = None) -> Any:
        return self._seller

    @contextmanager
    def _permit(self, operation: str, who: str) -> Iterator[None]:
        self.permits.append(operation)
        yield

    def document(self, id: str, kind: DocumentKind) -> bytes:
        if kind not in self.documents:
            raise Invalid("no-document", str(kind))
        return self.documents[kind]

    def before_sending(self, claim: Claim) -> None:
        self.store.sent.append(True)

    def batch_id(self) -> str:
        return "1"


@pytest.fixture
def tools() -> Any:
    """Scripted tools."""
    return FakeTools()


def claimed(state: State, *, sent: bool = False, tries: int = 1) -> Claim:
    """A shipment in our hands."""
    return Claim(
        id="A1/FBA1",
        seller_id="A1",
        amazon_shipment_id="FBA1",
        state=state,
        tries=tries,
        crashes=0,
        turn=1,
        sent_at=NOW if sent else None,
        access_key=None,
        lease="token",
        until=NOW + timedelta(minutes=3),
        at=NOW,
    )
