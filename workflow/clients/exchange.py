"""One HTTP exchange: a request goes out once, and a failure is told apart by whether the request may have arrived.

Every client sends through here. The rule: what certainly was not sent is `RetryLater`; what may have been
processed is `LostAnswer`, unless the request only asks and may be repeated. Nobody is redirected, because a
redirect would carry the token elsewhere; the status is the client's to judge, before any body.
"""

import ssl
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import urllib3
from urllib3 import exceptions as failures

from workflow import metrics, traces
from workflow.clients.connections import Http
from workflow.errors import LostAnswer, Misconfigured, NfeError, RetryLater, SellerStopped

#: Seconds to connect, name look-up and TCP: longer waits only hold a worker while the other side is down.
CONNECT_TIMEOUT = 10.0
#: An answer larger than this, unpacked, is not an answer: those of SEFAZ and of shipments are a few kB.
LARGEST_BODY = 8 * 1024 * 1024

#: What a request says besides its own headers.
_SAID = {"accept-encoding": "gzip, deflate"}
#: TLS alerts (RFC 8446, 6.2) by which a server says that it does not want our client certificate.
_CERTIFICATE_ALERTS = (
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNSUPPORTED_CERTIFICATE",
    "ALERT_CERTIFICATE_REVOKED",
    "ALERT_CERTIFICATE_EXPIRED",
    "ALERT_CERTIFICATE_UNKNOWN",
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_UNKNOWN_CA",
    "ALERT_ACCESS_DENIED",
)


class Answer(NamedTuple):
    """A complete HTTP answer: nothing of it has been judged yet."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Request(NamedTuple):
    """One HTTP request of ours; `asks` is True where repeating it changes nothing on the other side.

    `operation` is what the other side calls it, for whoever counts; `largest` is how many bytes its answer may have.
    """

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    asks: bool = False
    operation: str = ""
    largest: int = LARGEST_BODY

    def lost(self, code: str, message: str) -> RetryLater:
        """The error for an answer that did not come or cannot be used."""
        return RetryLater(code, message) if self.asks else LostAnswer(code, message)


def exchange(http: Http, request: Request, *, timeout: float, party: str) -> Answer:
    """Send the request once and read its whole answer; `party` starts the error codes (`sefaz-unreachable`).

    Raises RetryLater (not sent, or asked in vain), LostAnswer, Misconfigured, or SellerStopped where the server
    refuses the client certificate.
    """
    with metrics.exchange(party, request.operation) as counted, traces.request(party, request.operation) as span:
        span.tell({"http.request.method": request.method, "server.address": urlsplit(request.url).hostname})
        try:
            answer = _send(http, request, timeout)
        except (failures.HTTPError, OSError) as error:
            meaning = _meaning(error, request, party)
            counted.result = meaning.code
            raise meaning from error
        except ValueError:
            # Not chained: the exception's text quotes the header, which may be a token.
            raise Misconfigured(f"{party}-header", "a request header has characters HTTP forbids") from None
        counted.result = str(answer.status)
        span.tell({"http.response.status_code": answer.status})
        return answer


def _send(http: Http, request: Request, timeout: float) -> Answer:
    parts = urlsplit(request.url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise failures.LocationParseError(request.url)
    deadline = time.monotonic() + timeout
    with http.urlopen(
        request.method,
        request.url,
        redirect=False,
        retries=False,
        headers=_SAID | dict(request.headers),
        body=request.body,
        timeout=urllib3.Timeout(connect=min(CONNECT_TIMEOUT, timeout), read=timeout),
        preload_content=False,
    ) as response:
        body = _read(response, deadline, request.largest)
        return Answer(response.status, response.headers, body)


class _TooSlow(OSError):
    """The answer drips past its time."""


class _TooLarge(OSError):
    """The answer is larger than any that is one."""


def _read(response: urllib3.response.BaseHTTPResponse, deadline: float, largest: int) -> bytes:
    """The whole decoded body, unless it drips past the deadline (time.monotonic) or grows past the limit."""
    parts: list[bytes] = []
    size = 0
    # read1 returns what has come: read(n) would wait for n bytes however slowly they drip.
    while part := response.read1(1 << 16, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > largest:
            raise _TooLarge
        if time.monotonic() > deadline:
            raise _TooSlow
    return b"".join(parts)


def _meaning(error: Exception, request: Request, party: str) -> NfeError:
    """Say a failure of the transport as what must happen next; the message names the host, never a header."""
    host = urlsplit(request.url).netloc
    if isinstance(error, failures.LocationValueError):
        return Misconfigured(f"{party}-url", f"{host or 'an address'} is not an address this client may use")
    if tls := _tls_failure(error):
        return _tls_meaning(tls, request, host, party)
    if _certainly_not_sent(error):
        return RetryLater(f"{party}-unreachable", f"{host} cannot be reached; check the network and its status")
    if isinstance(error, failures.TimeoutError | _TooSlow):
        return request.lost(f"{party}-timeout", f"{host} did not answer in time")
    if isinstance(error, _TooLarge):
        return request.lost(f"{party}-too-large", f"{host} answered with more than {request.largest} bytes")
    return request.lost(f"{party}-connection-lost", f"{host} closed the connection before its answer was complete")


def _tls_meaning(tls: ssl.SSLError, request: Request, host: str, party: str) -> NfeError:
    reason = tls.reason or type(tls).__name__
    if isinstance(tls, ssl.SSLCertVerificationError):
        why = tls.verify_message or reason
        return RetryLater(f"{party}-tls", f"the certificate of {host} is not trusted: {why}; nothing was sent")
    if reason.endswith(_CERTIFICATE_ALERTS):
        return SellerStopped(
            f"{party}-certificate-refused",
            f"{host} refused the client certificate ({reason}); check its validity and replace it",
        )
    return request.lost(f"{party}-tls", f"TLS with {host} failed: {reason}")


def _tls_failure(error: BaseException) -> ssl.SSLError | None:
    """The ssl module's own error inside what urllib3 wrapped around it."""
    inner: object = error
    while isinstance(inner, BaseException):
        if isinstance(inner, ssl.SSLError):
            return inner
        inner = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
    return None


def _certainly_not_sent(error: Exception) -> bool:
    """Whether the connection was never made: refused, no such host, timeout while connecting, proxy."""
    return isinstance(error, failures.ConnectTimeoutError | failures.NewConnectionError | failures.ProxyError)
