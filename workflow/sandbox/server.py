"""Starts the counterparts: in a process of their own (`serve_…`) or on a thread beside a test (`start_…`).

Everything listens on loopback only. A process says in one line where it listens and what it holds, then serves
until SIGTERM or SIGINT.
"""

import asyncio
import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from workflow.sandbox import amazon, sefaz
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings, Shipment
from workflow.sandbox.certificates import demo_a1, server_context
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.sefaz_settings import SefazSettings
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_NAME
from workflow.sandbox.static import examples, static_application

LOOPBACK = "127.0.0.1"

#: Of the demo seller's A1, which is worth nothing elsewhere.
A1_PASSWORD = "sandbox"  # noqa: S105

#: More than the largest answerable message (500 KB), so that 214 can be answered instead of a closed door.
_MAX_BODY = 4_000_000

#: linux/prctl.h
_PR_SET_PDEATHSIG = 1

Book = TypeVar("Book", AmazonBook, SefazBook)


class Announcement(NamedTuple):
    """Where a counterpart listens and what it holds.

    SEFAZ's TLS is verified with `ca_file`; `a1_file` is a certificate that may enter, of the demo seller.
    """

    what: str
    url: str
    control_url: str
    holds: dict[str, Any]
    ca_file: str | None = None
    a1_file: str | None = None
    a1_password: str | None = None

    def as_json(self) -> str:
        """One line for programs."""
        return json.dumps(self._asdict(), ensure_ascii=False)

    def as_text(self) -> str:
        """One line for people."""
        holds = ", ".join(f"{name} {value}" for name, value in self.holds.items())
        trust = f"; trust {self.ca_file}" if self.ca_file else ""
        if self.a1_file:
            trust += f"; enter with {self.a1_file} (password {self.a1_password})"
        return f"local {self.what} on {self.url}; control {self.control_url}/_control/{trust}; {holds}"


class Listening(NamedTuple):
    """Open servers and what to say of them."""

    servers: tuple[HTTPServer, ...]
    announcement: Announcement
    book: AmazonBook | SefazBook

    async def close(self) -> None:
        """Take no more requests and close what is open."""
        for server in self.servers:
            server.stop()
            await server.close_all_connections()
        self.book.close()


Opener = Callable[[], Awaitable[Listening]]
#: Unix time.
Clock = Callable[[], float]


class Started(Generic[Book]):
    """A counterpart on a thread of its own, with its book at hand; a context manager that stops it."""

    announcement: Announcement

    book: Book

    def __init__(self, book: Book, opener: Opener) -> None:
        self.book = book
        self._opener = opener
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=asyncio.run, args=(self._main(),), daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            listening = await self._opener()
            self.announcement = listening.announcement
        except Exception as error:  # handed to the thread that waits in __init__
            self._failure = error
            return
        finally:
            self._ready.set()
        await self._stopping.wait()
        await listening.close()

    @property
    def url(self) -> str:
        """The base address of the counterpart."""
        return self.announcement.url

    @property
    def control_url(self) -> str:
        """The base address of its control API, without `/_control`."""
        return self.announcement.control_url

    def stop(self) -> None:
        """Close the servers, drop what still hangs, and end the thread."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    def __enter__(self) -> "Started[Book]":
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()


def start_amazon(
    port: int = 0,
    *,
    memory: Path | None = None,
    settings: AmazonSettings | None = None,
    shipments: Iterable[Shipment] = (),
    static: bool = False,
    clock: Clock = time.time,
) -> Started[AmazonBook]:
    """Start a local Amazon on a thread; port 0 is a free one, `memory` a folder that outlives it.

    In static mode it knows the official examples only.
    """
    book = _amazon_book(memory, settings, shipments, clock)
    return Started(book, lambda: _open_amazon(book, port, static=static))


def start_sefaz(
    folder: Path,
    port: int = 0,
    control_port: int = 0,
    *,
    memory: Path | None = None,
    settings: SefazSettings | None = None,
    clock: Clock = time.time,
) -> Started[SefazBook]:
    """Start a local SEFAZ on a thread; its certificates are kept in `folder`, what it decided in `memory`."""
    book = _sefaz_book(memory, settings, clock)
    return Started(book, lambda: _open_sefaz(book, port, control_port, folder))


def serve_amazon(
    port: int,
    *,
    memory: Path | None = None,
    settings: AmazonSettings | None = None,
    shipments: Iterable[Shipment] = (),
    static: bool = False,
    as_json: bool = False,
    parent_death: bool = False,
) -> None:
    """Serve a local Amazon until SIGTERM or SIGINT; with `parent_death` also until the parent is gone."""
    book = _amazon_book(memory, settings, shipments)
    _serve(lambda: _open_amazon(book, port, static=static), as_json=as_json, parent_death=parent_death)


def serve_sefaz(
    port: int,
    control_port: int,
    folder: Path,
    *,
    memory: Path | None = None,
    settings: SefazSettings | None = None,
    as_json: bool = False,
    parent_death: bool = False,
) -> None:
    """Serve a local SEFAZ until SIGTERM or SIGINT; with `parent_death` also until the parent is gone."""
    book = _sefaz_book(memory, settings)
    opener: Opener = lambda: _open_sefaz(book, port, control_port, folder)  # noqa: E731 - reads as above
    _serve(opener, as_json=as_json, parent_death=parent_death)


def _amazon_book(
    memory: Path | None, settings: AmazonSettings | None, shipments: Iterable[Shipment], clock: Clock = time.time
) -> AmazonBook:
    journal = memory / "amazon.jsonl" if memory else None
    book = AmazonBook(settings or AmazonSettings(), clock=clock, journal=journal)
    for shipment in shipments:
        if book.find(shipment.shipment_id, None) is None:
            book.add(shipment)
    return book


def _sefaz_book(memory: Path | None, settings: SefazSettings | None, clock: Clock = time.time) -> SefazBook:
    journal = memory / "sefaz.jsonl" if memory else None
    return SefazBook(settings or SefazSettings(), clock=clock, journal=journal)


async def _open_amazon(book: AmazonBook, port: int, *, static: bool) -> Listening:
    server, bound = _listen(static_application(book) if static else amazon.application(book), port)
    url = f"http://{LOOPBACK}:{bound}"
    holds = {"static examples": len(examples()), "credentials": "any"} if static else book.holds()
    return Listening((server,), Announcement("amazon", url, url, holds), book)


async def _open_sefaz(book: SefazBook, port: int, control_port: int, folder: Path) -> Listening:
    ca_file, context, authority = server_context(folder)
    book.trust(authority)
    server, bound = _listen(sefaz.application(book), port, ssl_options=context)
    control_server, control_bound = _listen(sefaz.control_application(book), control_port)
    urls = f"https://{LOOPBACK}:{bound}", f"http://{LOOPBACK}:{control_bound}"
    a1_file = demo_a1(folder, cnpj=SELLER_CNPJ, name=SELLER_NAME, password=A1_PASSWORD)
    said = Announcement("sefaz", *urls, book.holds(), str(ca_file), str(a1_file), A1_PASSWORD)
    return Listening((server, control_server), said, book)


def _listen(application: Application, port: int, **options: Any) -> tuple[HTTPServer, int]:
    sockets = bind_sockets(port, LOOPBACK, backlog=1024)
    server = HTTPServer(application, max_body_size=_MAX_BODY, **options)
    server.add_sockets(sockets)
    return server, int(sockets[0].getsockname()[1])


def _serve(opener: Opener, *, as_json: bool, parent_death: bool) -> None:
    if parent_death:
        _end_with_parent()

    async def main() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        listening = await opener()
        said = listening.announcement
        print(said.as_json() if as_json else said.as_text(), flush=True)
        await stopping.wait()
        await listening.close()

    asyncio.run(main())


def _end_with_parent() -> None:
    """Ask Linux for a SIGTERM when the parent (more exactly: the thread that started us) ends."""
    if not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent or parent == 1:
        # The parent was gone before we asked.
        sys.exit(0)
