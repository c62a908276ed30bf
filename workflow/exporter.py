"""The metrics over HTTP, and whether the installation lives and is ready: /metrics, /healthz, /readyz.

Nothing here needs a login, since nothing is told but numbers, seller ids and codes; whoever listens elsewhere than on
loopback keeps the port inside (`NFE_METRICS_ADDRESS`).
"""

import json
import threading
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from prometheus_client import CONTENT_TYPE_LATEST

from workflow import ending
from workflow.alerts import Watch
from workflow.errors import Misconfigured
from workflow.examination import Examination
from workflow.exposition import exposition
from workflow.logs import logger
from workflow.settings import Settings

log = logger(__name__)

#: From the last sweep until nobody can be at work any more.
SWEEP_LATE = timedelta(seconds=60)
#: Seconds in which a caller must have said what it wants.
TIMEOUT = 10


def readiness(examination: Examination) -> dict[str, str]:
    """What a running installation needs, and `ok` or what is wrong with it."""
    database, broker = examination.database.ask(), examination.broker.ask()
    swept = None if broker is None else broker.since_sweep
    return {
        "database": "ok" if database is not None else "does not answer",
        "revision": "ok" if database is not None and database.is_current else "unknown or older: nfe migrate",
        "broker": "ok" if broker is not None else "does not answer",
        "sweep": "ok" if swept is not None and swept < SWEEP_LATE else "nobody sweeps: are beat and a worker up?",
    }


class _Handler(BaseHTTPRequestHandler):
    """One request; `examination` is the server's."""

    server: "Exporter"
    timeout = TIMEOUT
    server_version, sys_version = "nfe", ""

    def do_GET(self) -> None:
        """Answer."""
        path = urlsplit(self.path).path
        if path == "/metrics":
            self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, exposition(self.server.examination))
        elif path == "/healthz":
            self._answer(HTTPStatus.OK, "text/plain", b"ok\n")
        elif path == "/readyz":
            found = readiness(self.server.examination)
            is_ready = set(found.values()) == {"ok"}
            status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, "application/json", json.dumps(found).encode() + b"\n")
        else:
            self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /healthz or /readyz\n")

    def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: a line per scrape tells nobody anything."""


class Exporter(ThreadingHTTPServer):
    """Listens until it is shut down; one scrape at a time is answered by each thread."""

    daemon_threads = True

    def __init__(self, settings: Settings, examination: Examination) -> None:
        self.examination = examination
        if settings.metrics_port is None:
            raise Misconfigured("no-metrics-port", "nobody said where to listen; set NFE_METRICS_PORT")
        try:
            super().__init__((settings.metrics_address, settings.metrics_port), _Handler)
        except OSError as error:
            where = f"{settings.metrics_address}:{settings.metrics_port}"
            message = f"the metrics cannot listen on {where} ({error.strerror}); choose another NFE_METRICS_PORT"
            raise Misconfigured("port-in-use", message) from error

    def begin(self) -> threading.Thread:
        """Serve from a thread."""
        return _started(self.serve_forever, "exporter")


def begin_watching(watch: Watch, every: timedelta) -> threading.Thread:
    """Look for what is to be told until the end is near: also what keeps the task of the same purpose from running."""

    def look_again_and_again() -> None:
        while not ending.is_near():
            try:
                watch.look()
            except Exception as error:
                # What it asks may go away at any moment; the next look tells.
                log.warning("look failed", kind=type(error).__name__)
            ending.is_near(wait=every.total_seconds())

    return _started(look_again_and_again, "watch")


def _started(work: Callable[[], None], name: str) -> threading.Thread:
    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    return thread
