"""Faults on demand: what a counterpart does wrong when a test or an operator asks for it.

A fault waits for a request of its operation (and, where `match` is given, about that shipment, number or key),
spoils it, and is used up after `times` requests. Those that end in `_after_processing` spoil only the answer:
the counterpart has done its work and remembers it, which is the case that issues invoices twice elsewhere.
A request in the pause of `slow` or of a hang is told in the book (`paused`) and can be let go on; one that is `slow` is
processed when its client has left.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from tornado.httputil import HTTPServerRequest
from tornado.web import Application, RequestHandler

Kind = Literal[
    "drop_before",
    "hang_before",
    "status",
    "slow",
    "hang_after_processing",
    "drop_after_processing",
    "status_after_processing",
    "garbage",
]

#: Any operation of the counterpart.
ANY = "*"


class Fault(BaseModel):
    """What to spoil, how, and how often; `times` None is for ever, `seconds` is the pause of slow and hang.

    `body` is what status, status_after_processing and garbage answer instead of words of their own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    operation: str = ANY
    kind: Kind
    status: int = Field(default=503, ge=200, le=599)
    seconds: float = Field(default=3600.0, ge=0)
    times: int | None = Field(default=1, ge=1)
    match: str | None = None
    body: str | None = None

    def fits(self, operation: str, names: Collection[str]) -> bool:
        """Whether a request of this operation, about these names, is the one to spoil."""
        return self.operation in (ANY, operation) and (self.match is None or self.match in names)


class Pause:
    """A request that is held open: what it asks, and about what. Made on the server's loop, ended from any thread."""

    def __init__(self, fault: Fault, operation: str, names: Collection[str]) -> None:
        self.kind = fault.kind
        self.operation = operation
        self.names = frozenset(names)
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        """Return when the time is over, or at `end`."""
        try:
            await asyncio.wait_for(self._over.wait(), timeout=seconds)
        except TimeoutError:
            return

    def end(self) -> None:
        """Let the request go on."""
        self._loop.call_soon_threadsafe(self._over.set)


class Faults:
    """The faults that wait, oldest first, and the requests that are held open."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []
        self.paused: list[Pause] = []

    def add(self, fault: Fault) -> None:
        """Let a fault wait behind those that are there."""
        self._waiting.append(fault)

    def clear(self) -> None:
        """Forget every fault that waits."""
        self._waiting.clear()

    def take(self, operation: str, names: Collection[str]) -> Fault | None:
        """The oldest fault that fits this request, used up by one; None when nothing is to be spoiled."""
        for place, fault in enumerate(self._waiting):
            if fault.fits(operation, names):
                self._use_up(place, fault)
                return fault
        return None

    def _use_up(self, place: int, fault: Fault) -> None:
        if fault.times is None:
            return
        if fault.times == 1:
            del self._waiting[place]
        else:
            self._waiting[place] = fault.model_copy(update={"times": fault.times - 1})

    def dump(self) -> list[dict[str, Any]]:
        """The faults that wait, as JSON values."""
        return [fault.model_dump() for fault in self._waiting]

    @contextmanager
    def pausing(self, pause: Pause) -> Iterator[None]:
        """Show the request as held open meanwhile."""
        self.paused.append(pause)
        try:
            yield
        finally:
            self.paused.remove(pause)

    def go_on(self) -> None:
        """End every pause."""
        for pause in tuple(self.paused):
            pause.end()

    def dump_paused(self) -> list[dict[str, Any]]:
        """The requests that are held open, as JSON values; not what they are about, which may name a buyer."""
        return [{"operation": one.operation, "kind": one.kind} for one in tuple(self.paused)]


class Answer(NamedTuple):
    """What goes over the wire."""

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str] = {}  # noqa: RUF012 - NamedTuple fields; never changed


class SpoiltHandler(RequestHandler):
    """Answers one request, spoilt if a fault waits for it. Host and unknown fields are never looked at."""

    faults: Faults
    record: Callable[[str, Collection[str], str], None]

    def __init__(self, application: Application, request: HTTPServerRequest, **kwargs: Any) -> None:
        self._gone = asyncio.Event()
        self._paused: Pause | None = None
        super().__init__(application, request, **kwargs)

    def on_connection_close(self) -> None:
        """End a pause whose client has left."""
        self._gone.set()
        if self._paused is not None:
            self._paused.end()

    def set_default_headers(self) -> None:
        """Name no server."""
        self.clear_header("Server")

    def check_etag_header(self) -> bool:
        """Answer in full always: no counterpart knows 304."""
        return False

    async def respond(self, operation: str, names: Collection[str], process: Callable[[], Answer]) -> None:
        """Process and answer, with at most one fault before, between or instead."""
        fault = self.faults.take(operation, names)
        kind = fault.kind if fault else None
        if fault is None or kind is None:
            self._send(operation, names, process())
        elif kind == "drop_before":
            self._drop(operation, names, kind)
        elif kind == "hang_before":
            await self._hang(fault, operation, names)
        elif kind == "status":
            self._send(operation, names, _told(fault, self.failure(fault.status)))
        elif kind == "slow":
            await self._hold(fault, operation, names)
            self._send(operation, names, process())
        else:
            await self._respond_after(fault, operation, names, process())

    def failure(self, status: int) -> Answer:
        """What the counterpart itself answers where it fails; unless it says otherwise, a page."""
        return _page(status)

    async def _respond_after(self, fault: Fault, operation: str, names: Collection[str], answer: Answer) -> None:
        if fault.kind == "garbage":
            self._send(operation, names, _told(fault, Answer(200, b"<html><body>Service</html", "text/html")))
        elif fault.kind == "status_after_processing":
            self._send(operation, names, _told(fault, _page(fault.status)))
        elif fault.kind == "drop_after_processing":
            self._drop(operation, names, fault.kind)
        else:
            await self._hang(fault, operation, names)

    async def _hang(self, fault: Fault, operation: str, names: Collection[str]) -> None:
        self.record(operation, names, fault.kind)
        await self._hold(fault, operation, names)
        self._close()

    async def _hold(self, fault: Fault, operation: str, names: Collection[str]) -> None:
        if self._gone.is_set():
            return
        self._paused = Pause(fault, operation, names)
        with self.faults.pausing(self._paused):
            await self._paused.wait(fault.seconds)

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._gone.wait(), timeout=seconds)
        except TimeoutError:
            return

    def _send(self, operation: str, names: Collection[str], answer: Answer) -> None:
        self.record(operation, names, str(answer.status))
        if self._gone.is_set():
            return
        self.set_status(answer.status)
        self.set_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.set_header(name, value)
        self.finish(answer.body)

    def _drop(self, operation: str, names: Collection[str], kind: str) -> None:
        self.record(operation, names, kind)
        self._close()

    def _close(self) -> None:
        self._auto_finish = False
        connection = self.request.connection
        assert connection is not None
        connection.stream.close()  # type: ignore[attr-defined]  # HTTP1Connection has it, its base says nothing


def _told(fault: Fault, usual: Answer) -> Answer:
    """The fault's own body, where it has one."""
    if fault.body is None:
        return usual
    kind = "application/json" if fault.body.startswith("{") else "text/xml; charset=utf-8"
    return usual._replace(body=fault.body.encode(), content_type=kind)


def _page(status: int) -> Answer:
    """What a proxy in front answers: a page, not the counterpart's own shape."""
    return Answer(status, f"<html><body><h1>{status}</h1></body></html>".encode(), "text/html")
