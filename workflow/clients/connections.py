"""Kept HTTP connections, by urllib3 itself: above it, a request would cost twice as much as its sending.

The server is always verified, against certifi's public roots. Nothing in the environment says where a request goes or
whom it trusts: no proxy variable, no netrc, no bundle (SEFAZ's connections do look for a proxy, see `mutual_tls`).
"""

import ssl
from typing import Any, Protocol

import certifi
import urllib3

#: Connections that are kept to one host.
KEPT = 10


class Http(Protocol):
    """Who sends a request: urllib3's PoolManager, or what stands for it."""

    def urlopen(
        self, method: str, url: str, redirect: bool = True, **options: Any
    ) -> urllib3.response.BaseHTTPResponse:
        """As PoolManager's."""


def public() -> urllib3.PoolManager:
    """Connections to servers that a public root vouches for, and to plain ones, as local ones are."""
    return urllib3.PoolManager(maxsize=KEPT, ssl_context=public_context())


def public_context() -> ssl.SSLContext:
    """TLS 1.2 or later, verified against certifi's public roots."""
    context = ssl.create_default_context(cafile=certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
