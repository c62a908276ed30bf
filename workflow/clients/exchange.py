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

import requests
import urllib3
from requests import exceptions as failures
from urllib3.exceptions import NewConnectionError

from workflow import ending, metrics, traces
from workflow.errors import LostAnswer, Misconfigured, NfeError, RetryLater, SellerStopped

#: Seconds to connect, name look-up and TCP: longer waits only hold a worker while the other side is down.
CONNECT_TIMEOUT = 10.0
#: An answer larger than this, unpacked, is not an answer: those of SEFAZ and of shipments are a few kB.
LARGEST_BODY = 8 * 1024 * 1024

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


def exchange(http: requests.Session, request: Request, *, timeout: float, party: str) -> Answer:
    """Send the request once and read its whole answer; `party` starts the error codes (`sefaz-unreachable`).

    Raises RetryLater (not sent, or asked in vain), LostAnswer, Misconfigured, or SellerStopped where the server
    refuses the client certificate.
    """
    with metrics.exchange(party, request.operation) as counted, traces.request(party, request.operation) as span:
        span.tell({"http.request.method": request.method, "server.address": urlsplit(request.url).hostname})
        try:
            with ending.call():
                answer = _send(http, request, timeout)
        except ending.GivenUp:
            counted.result = ending.CODE
            raise ending.given_up(asks=request.asks) from None
        except (failures.InvalidHeader, UnicodeError):
            # Not chained: the exception's text quotes the header, which may be a token.
            raise Misconfigured(f"{party}-header", "a request header has characters HTTP forbids") from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            meaning = _meaning(error, request, party)
            counted.result = meaning.code
            raise meaning from error
        counted.result = str(answer.status)
        span.tell({"http.response.status_code": answer.status})
        return answer


def _send(http: requests.Session, request: Request, timeout: float) -> Answer:
    deadline = time.monotonic() + timeout
    with http.request(
        request.method,
        request.url,
        headers=dict(request.headers),
        data=request.body,
        timeout=(min(CONNECT_TIMEOUT, timeout), timeout),
        allow_redirects=False,
        stream=True,
    ) as response:
        body = _read(response, deadline, request.largest)
        return Answer(response.status_code, response.headers, body)


class _TooSlow(OSError):
    """The answer drips past its time."""


class _TooLarge(OSError):
    """The answer is larger than any that is one."""


def _read(response: requests.Response, deadline: float, largest: int) -> bytes:
    """The whole decoded body, unless it drips past the deadline (time.monotonic) or grows past the limit."""
    parts: list[bytes] = []
    size = 0
    # read1 returns what has come: read(n) would wait for n bytes however slowly they drip.
    while part := response.raw.read1(1 << 16, decode_content=True):
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
    if isinstance(error, failures.InvalidURL | failures.InvalidSchema | failures.MissingSchema):
        return Misconfigured(f"{party}-url", f"{host or 'an address'} is not an address this client may use")
    if tls := _tls_failure(error):
        return _tls_meaning(tls, request, host, party)
    if _certainly_not_sent(error):
        return RetryLater(f"{party}-unreachable", f"{host} cannot be reached; check the network and its status")
    if isinstance(error, failures.Timeout | urllib3.exceptions.TimeoutError | _TooSlow):
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
    """The ssl module's own error inside what requests and urllib3 wrapped around it."""
    inner: object = error
    while isinstance(inner, BaseException):
        if isinstance(inner, ssl.SSLError):
            return inner
        inner = getattr(inner, "reason", None) or (inner.args[0] if inner.args else None)
    return None


def _certainly_not_sent(error: Exception) -> bool:
    """Whether the connection was never made: refused, no such host, timeout while connecting, proxy."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, failures.ConnectTimeout | failures.ProxyError) or isinstance(reason, NewConnectionError)
