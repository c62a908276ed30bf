"""One call of Amazon's Selling Partner API: the token in its header, the status judged before the body.

The eight error statuses of the model (400, 401, 403, 404, 415, 429, 500, 503) have three meanings: try again later,
refresh the token once, refused. Sources: models of amzn/selling-partner-api-models of 2026-08-05; Amazon's guides
on the User-Agent header and on usage plans.
"""

import json
import platform
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import requests

from workflow.clients.exchange import LARGEST_BODY, Answer, Request, exchange
from workflow.errors import NfeError, Refused, RetryLater, SellerStopped
from workflow.privacy import discreet, only
from workflow.release import our_version

#: Amazon's longest User-Agent.
LONGEST_USER_AGENT = 500
#: A person reads it in a list: one line.
LONGEST_MESSAGE = 200

#: Words of refusals that name nobody: of Amazon's models, and what stands between them.
PLAIN = frozenset(
    re.findall(
        r"\w+",
        """
        a access allowed already an and another any application are as at authorization authorized be been
        before body by cannot check code content correctly could data date denied details does empty encoding
        entity error exceeded exist exists expired failed fails field fields for forbidden format formatted
        found frequency from greater has have header id ids in incorrect input internal invalid invoice is it
        its length limit malformed marketplace maximum media missing must no not number of on one operation or
        order orders parameter parameters parsed permission purchase provided quota rate request requested
        required requests resource restricted role seller server service shipment shipmentid shipments should
        signature size specified status successfully supported temporarily than that the then this time to token
        too transmission type unauthorized unexpected unknown unsupported valid value values was were which with
        yet you your
        """,
    )
)
#: Of a refusal so much is kept: the largest that Amazon documents are a few kB.
LONGEST_KEPT = 65_536
_CODE = re.compile(r"[A-Za-z][\w.-]{0,63}")

#: Selling Partner API by region; Brazil is served by NA, India by EU. Source: Amazon's "SP-API Endpoints".
HOSTS = {
    "EU": "https://sellingpartnerapi-eu.amazon.com",
    "NA": "https://sellingpartnerapi-na.amazon.com",
    "FE": "https://sellingpartnerapi-fe.amazon.com",
}


class Throttled(RetryLater):
    """Amazon answered 429: the bucket of `operation` is empty, whatever we thought."""

    def __init__(self, operation: str) -> None:
        super().__init__("throttled", f"Amazon throttled {operation}; lower NFE_AMAZON_RATE if this goes on")
        self.operation = operation


class Problem(NamedTuple):
    """The first error of an Amazon answer: its code verbatim, its message on one line without private data."""

    code: str
    message: str


class Token(NamedTuple):
    """Where a call gets its token, and how it says that Amazon did not take it."""

    obtain: Callable[[], str]
    forget: Callable[[str], None]


class Call(NamedTuple):
    """One operation of the API; `path` is percent-encoded already, `body` is sent as JSON.

    `also` are statuses beside 2xx that answer the question: 404 where one asks whether something is there.
    Where the call `asks_about_buyer`, only PLAIN words of a refusal are repeated: we cannot know what is the buyer's.
    `largest` is how many bytes its answer may have.
    """

    operation: str
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    asks: bool = True
    also: tuple[int, ...] = ()
    asks_about_buyer: bool = False
    largest: int = LARGEST_BODY


class SellingPartner:
    """The API at one base URL, for whichever seller's token a call brings."""

    def __init__(
        self,
        *,
        http: requests.Session,
        base_url: str,
        timeout: float,
        on_rate: Callable[[str, Decimal], None] | None = None,
    ) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._timeout = timeout
        self._on_rate = on_rate

    def call(self, call: Call, token: Token) -> Answer:
        """Send the call; on 401 or 403 once more with a fresh token. The answer is a 2xx, or one the call knows.

        Raises Throttled, RetryLater, LostAnswer, Refused, SellerStopped.
        """
        answer = self._send(call, used := token.obtain())
        if answer.status in (401, 403):
            token.forget(used)
            answer = self._send(call, token.obtain())
        self._report_rate(call.operation, answer)
        if error := _judge(call, answer):
            raise error
        return answer

    def _send(self, call: Call, token: str) -> Answer:
        headers = {
            "x-amz-access-token": token,
            "x-amz-date": datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ"),
            "user-agent": user_agent(),
            "accept": "application/json",
        }
        body = None
        if call.body is not None:
            headers["content-type"] = "application/json"
            body = json.dumps(call.body).encode()
        url = self._base_url + call.path
        request = Request(call.method, url, headers, body, call.asks, call.operation, call.largest)
        return exchange(self._http, request, timeout=self._timeout, party="amazon")

    def _report_rate(self, operation: str, answer: Answer) -> None:
        """Pass on x-amzn-RateLimit-Limit (permits per second, best effort, never on a throttled answer)."""
        try:
            rate = Decimal(answer.headers.get("x-amzn-RateLimit-Limit", ""))
        except InvalidOperation:
            return
        if self._on_rate and rate.is_finite() and rate > 0:
            self._on_rate(operation, rate)


def _judge(call: Call, answer: Answer) -> NfeError | None:
    """What a status other than 2xx means."""
    status = answer.status
    if 200 <= status < 300 or status in call.also:
        return None
    if status == 429:
        return Throttled(call.operation)
    if status in (401, 403):
        return _unauthorized(call, answer)
    if 400 <= status < 500 and status != 408:
        return refusal(call, answer)
    return lost(call, f"amazon-http-{status}", f"Amazon answered {call.operation} with HTTP {status}")


def lost(call: Call, code: str, message: str) -> RetryLater:
    """The error for an answer that cannot be used: LostAnswer where the call may have changed something."""
    return Request(call.method, call.path, {}, asks=call.asks).lost(code, message)


def refusal(call: Call, answer: Answer) -> Refused:
    """The error for an answer by which Amazon refuses, whatever its status."""
    problem = _problem(call, answer)
    return Refused(problem.code, f"{call.operation}: {problem.message}", answer=answer.body[:LONGEST_KEPT])


def _problem(call: Call, answer: Answer) -> Problem:
    found = _problem_of(answer)
    if not call.asks_about_buyer:
        return found
    ids = {part.lower() for part in unquote(call.path).split("/")}
    return found._replace(message=only(found.message, PLAIN | ids))


def _unauthorized(call: Call, answer: Answer) -> NfeError:
    """401 or 403 with a fresh token: the seller's authorisation, unless Amazon names another cause."""
    problem = _problem(call, answer)
    # Vendor direct fulfilment answers 403 InvalidRequest to a bad date (its sandbox): that is no matter of tokens.
    if problem.code in ("InvalidInput", "InvalidRequest"):
        return refusal(call, answer)
    return SellerStopped(
        "amazon-unauthorized",
        f"Amazon denies {call.operation} with a fresh token ({problem.code}: {problem.message}); "
        "check the application's roles and the seller's authorisation",
    )


def object_of(answer: Answer) -> dict[str, Any] | None:
    """The answer's JSON object, or None where it is anything else."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def content_of(call: Call, answer: Answer) -> dict[str, Any]:
    """The JSON object of a 2xx answer; Refused when it carries errors, lost when it is anything else."""
    content = object_of(answer)
    if content is None:
        raise lost(
            call, "amazon-garbled", f"Amazon answered {call.operation} with HTTP {answer.status} and no JSON object"
        )
    if content.get("errors") and not content.get("payload"):
        raise refusal(call, answer)
    return content


def _problem_of(answer: Answer) -> Problem:
    """The first of `errors`, or the gateway's `message`, or the bare status."""
    content = object_of(answer) or {}
    errors = content.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else content
    code, message = first.get("code"), first.get("message")
    if not isinstance(code, str) or not _CODE.fullmatch(code):
        code = f"http-{answer.status}"
    if not isinstance(message, str) or not message.strip():
        return Problem(code, f"HTTP {answer.status}")
    return Problem(code, one_line(message))


def one_line(text: str) -> str:
    """Somebody else's text for a person: one line, at most 200 characters, private data starred out.

    >>> one_line("Invalid\\n buyer 123.456.789-09, see a@b.com")
    'Invalid buyer ***, see ***'
    """
    return discreet(text, longest=LONGEST_MESSAGE)


@lru_cache(maxsize=1)
def user_agent() -> str:
    """Name/version (Language=…; Platform=…), as Amazon requires of every request."""
    python = f"Python/{platform.python_version()}"
    system = f"{platform.system() or 'unknown'}/{platform.release() or 'unknown'}"
    return compose_user_agent("nfe-workflow", our_version(), {"Language": python, "Platform": system})


def compose_user_agent(name: str, number: str, attributes: Mapping[str, str]) -> str:
    """Amazon's form with its escapes: `/` in the name, `(` in the version, `=` in a key, `)` and `;` in a value.

    >>> compose_user_agent("a/b", "1(2", {"Language": "Python/3.11", "Host": "x;(y)"})
    'a\\\\/b/1\\\\(2 (Language=Python/3.11; Host=x\\\\;(y\\\\))'
    """
    pairs = "; ".join(f"{_escape(key, '=')}={_escape(value, ');')}" for key, value in attributes.items())
    return f"{_escape(name, '/')}/{_escape(number, '(')} ({pairs})"[:LONGEST_USER_AGENT]


def _escape(text: str, special: str) -> str:
    printable = "".join(sign for sign in text if " " <= sign <= "~")
    return re.sub(f"[\\\\{re.escape(special)}]", r"\\\g<0>", printable)
