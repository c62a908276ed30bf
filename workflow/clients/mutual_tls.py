"""HTTPS with our own certificate: the server is always verified, our key is never on a disk in the clear.

Trusted are certifi's public roots and those of ICP-Brasil; most of SEFAZ's servers chain to the latter.
A session keeps its connections, some per host: make one per seller's certificate and process, after a fork, and
reuse it. Its hosts share one context, but for those that `workflow/data/sefaz_tls.csv` names as needing their own:
a lower level for one of them lowers no other. Requests go through the proxy that the environment names, if any.
"""

import os
import secrets
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509 import Certificate
from urllib3 import PoolManager, ProxyManager
from urllib3.exceptions import URLSchemeUnknown
from urllib3.response import BaseHTTPResponse
from urllib3.util import make_headers, parse_url

from workflow.clients.connections import KEPT, public_context
from workflow.errors import Misconfigured, SellerStopped
from workflow.nfe.tables import rows

#: OpenSSL's own level; a host below it has a context to itself.
DEFAULT_LEVEL = 2
#: Python's default suites (3.10 and later) at another security level.
_SUITES = "@SECLEVEL={level}:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"


def mtls_session(
    private_key: CertificateIssuerPrivateKeyTypes,
    certificate: Certificate,
    chain: Sequence[Certificate] = (),
    *,
    ca_file: Path | None = None,
) -> "MutualTls":
    """Connections that show this certificate and speak https only; `ca_file` (PEM) adds roots to trust.

    Raises Misconfigured when `ca_file` cannot be read, SellerStopped when OpenSSL rejects the certificate.
    """
    session = MutualTls(partial(_context, private_key, certificate, chain, ca_file))
    session.context()
    return session


@cache
def lowered_hosts() -> Mapping[str, int]:
    """The hosts that OpenSSL refuses at its default level, and the level they need (GO's DH key is too small)."""
    levels = {row["host"]: int(row["security_level"]) for row in rows("sefaz_tls.csv")}
    return MappingProxyType({host: level for host, level in levels.items() if level < DEFAULT_LEVEL})


class MutualTls:
    """Connections by host, each with the context of the host's level; a context is made when one needs it."""

    def __init__(self, context: Callable[[int], ssl.SSLContext]) -> None:
        self._context = cache(context)
        self._managers: dict[str, PoolManager] = {}

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> BaseHTTPResponse:
        """As PoolManager's; raise URLSchemeUnknown for anything but https."""
        parts = urlsplit(url)
        if parts.scheme != "https":
            raise URLSchemeUnknown(parts.scheme)
        host = parts.hostname or ""
        if host not in self._managers:
            self._managers[host] = _manager(self.context(host), proxy_of(host))
        return self._managers[host].urlopen(method, url, redirect, **options)

    def context(self, host: str = "") -> ssl.SSLContext:
        """The context of the host's level."""
        return self._context(lowered_hosts().get(host, DEFAULT_LEVEL))


def _manager(context: ssl.SSLContext, proxy: str) -> PoolManager:
    if not proxy:
        return PoolManager(maxsize=KEPT, ssl_context=context)
    login = parse_url(proxy).auth
    headers = make_headers(proxy_basic_auth=unquote(login)) if login else None
    return ProxyManager(proxy, proxy_headers=headers, maxsize=KEPT, ssl_context=context)


def proxy_of(host: str) -> str:
    """The proxy that the environment names for https to the host; empty where there is none (NO_PROXY)."""
    named = getproxies()
    proxy = "" if proxy_bypass(host) else named.get("https") or named.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _context(
    private_key: CertificateIssuerPrivateKeyTypes,
    certificate: Certificate,
    chain: Sequence[Certificate],
    ca_file: Path | None,
    level: int,
) -> ssl.SSLContext:
    context = public_context()
    if level != DEFAULT_LEVEL:
        context.set_ciphers(_SUITES.format(level=level))
    # IIS asks for the certificate after the request: by renegotiation (TLS 1.2) or afterwards (TLS 1.3). Allowed to
    # every host, not only to those of the table: it weakens nothing, and an authorizer may move to IIS overnight.
    context.options &= ~ssl.OP_NO_RENEGOTIATION
    context.post_handshake_auth = True
    # Python 3.13 made it the default; no chain of ICP-Brasil was ever checked against it.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    with as_file(files("workflow") / "data" / "icp_brasil_roots.pem") as roots:
        context.load_verify_locations(roots)
    try:
        if ca_file:
            context.load_verify_locations(ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise Misconfigured("sefaz-ca-file", f"NFE_SEFAZ_CA_FILE: {ca_file} is no readable PEM file") from error
    try:
        with _client_pem(private_key, certificate, chain) as (pem, password):
            context.load_cert_chain(pem, password=password)
    except ssl.SSLError as error:
        raise SellerStopped(
            "sefaz-certificate-unusable", f"OpenSSL rejects the seller's certificate ({error.reason}); replace it"
        ) from error
    return context


@contextmanager
def _client_pem(
    private_key: CertificateIssuerPrivateKeyTypes, certificate: Certificate, chain: Sequence[Certificate]
) -> Iterator[tuple[str, bytes]]:
    """A path that OpenSSL reads key and certificates from, and the random password of the key in it."""
    password = secrets.token_hex(16).encode()
    key = private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))
    # A root is never sent: the server has it, and an old one's signature may be below OpenSSL's level.
    senders = [certificate, *(above for above in chain if above.subject != above.issuer)]
    pem = key + b"".join(sender.public_bytes(Encoding.PEM) for sender in senders)
    with _file_of(pem) as path:
        yield path, password


@contextmanager
def _file_of(content: bytes) -> Iterator[str]:
    """A file that exists only for the block: in memory on Linux, elsewhere a private one, removed at the end."""
    if hasattr(os, "memfd_create") and Path("/proc/self/fd").is_dir():
        number = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{number}"
        return
    with tempfile.TemporaryDirectory() as folder:  # 0700
        path = Path(folder) / "client.pem"
        path.touch(mode=0o600)
        path.write_bytes(content)
        yield str(path)
