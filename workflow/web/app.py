"""The page as an ASGI application: the table's pages behind the gate, the style sheet, and a sign of life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from anyio.to_thread import current_default_thread_limiter
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workflow.audit import Audit
from workflow.parts import ALIVE
from workflow.tools import Tools
from workflow.users import users_of
from workflow.web.gate import endpoint
from workflow.web.pages import PAGES
from workflow.web.visit import Ring, Site

#: Views at once: no more than the database has connections for.
THREADS = 8

#: Sent with every answer. No script and no style but our own files, nothing from elsewhere; the DANFE's pictures are in
#: the page itself. `no-referrer` would take the origin away from our own forms.
HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self';"
    " img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def application(tools: Tools, ring: Ring) -> Starlette:
    """The page of an installation; `ring` is told of each row that is due now."""
    settings = tools.settings
    root = urlsplit(settings.web_url).path.rstrip("/")
    site = Site(tools, users_of(tools.store, settings), Audit(tools.store), ring, root)
    routes: list[BaseRoute] = [
        Route(ALIVE, _alive),
        Mount("/static", StaticFiles(packages=[("workflow.web", "static")])),
    ]
    routes += [Route(page.path, endpoint(page, site), methods=[page.method]) for page in PAGES]
    # A proxy may take the path that it publishes the page under off, or leave it on.
    prefixed: list[BaseRoute] = [Mount(root, routes=routes)] if root else []
    return Starlette(routes=prefixed + routes, middleware=[Middleware(_Headers)], lifespan=_lifespan)


async def _alive(_: Request) -> Response:
    """That this process serves; what it needs is `nfe doctor`'s to say."""
    return PlainTextResponse("ok")


@asynccontextmanager
async def _lifespan(_: Starlette) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    yield


class _Headers:
    """Adds HEADERS to every answer, and keeps pages out of caches; a file may be kept, and is asked for anew."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                headers["cache-control"] = "no-cache" if "etag" in headers else "no-store"
                if scope.get("scheme") == "https":
                    headers["strict-transport-security"] = "max-age=31536000"
            await send(message)

        await self._app(scope, receive, send_with_headers)
