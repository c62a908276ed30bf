"""HTTPS with our own certificate: the server is always verified, our key is never on a disk in the clear.

Trusted are certifi's public roots and those of ICP-Brasil; most of SEFAZ's servers chain to the latter.
A session keeps its connections, some per host: make one per seller's certificate and process, after a fork, and
reuse it. Its hosts share one context, but for those that `workflow/data/sefaz_tls.csv` names as needing their own:
a lower level for one of them lowers no other.
"""

import os
import secrets
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property, partial
from importlib.resources import as_file, files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import certifi
import requests
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from cryptography.x509 import Certificate
from requests.adapters import BaseAdapter, HTTPAdapter

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
) -> requests.Session:
    """A session that shows this certificate and speaks https only; `ca_file` (PEM) adds roots to trust.

    Raises Misconfigured when `ca_file` cannot be read, SellerStopped when OpenSSL rejects the certificate.
    """
    session = requests.Session()
    session.adapters.clear()  # no plain http

    def adapter(level: int = DEFAULT_LEVEL) -> _ContextAdapter:
        with _client_pem(private_key, certificate, chain) as (pem, password):
            context = _context(pem, password, ca_file)
        if level < DEFAULT_LEVEL:
            context.set_ciphers(_SUITES.format(level=level))
        return _ContextAdapter(context)

    session.mount("https://", adapter())
    for host, level in lowered_hosts().items():
        session.mount(f"https://{host}/", _WhenNeeded(partial(adapter, level)))
    return session


@cache
def lowered_hosts() -> Mapping[str, int]:
    """The hosts that OpenSSL refuses at its default level, and the level they need (GO's DH key is too small)."""
    levels = {row["host"]: int(row["security_level"]) for row in rows("sefaz_tls.csv")}
    return MappingProxyType({host: level for host, level in levels.items() if level < DEFAULT_LEVEL})


class _ContextAdapter(HTTPAdapter):
    """Every connection uses our context, whatever `verify` or REQUESTS_CA_BUNDLE say; also through a proxy."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Nothing: the context verifies; requests would load its own bundle into it."""

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, verify: Any, cert: Any = None
    ) -> Any:
        return super().build_connection_pool_key_attributes(request, True, None)


class _WhenNeeded(BaseAdapter):
    """An adapter that is made at its first request: each context holds all roots, 0.7 MB."""

    def __init__(self, make: Callable[[], _ContextAdapter]) -> None:
        super().__init__()
        self._make = make

    @cached_property
    def adapter(self) -> _ContextAdapter:
        """The adapter."""
        return self._make()

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """As the adapter does."""
        return self.adapter.send(*args, **kwargs)

    def close(self) -> None:
        """As the adapter does, where there is one."""
        if "adapter" in vars(self):
            self.adapter.close()


def _context(pem: str, password: bytes, ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
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
