"""The local Amazon in static mode: the examples of the official models, and nothing else.

As in Amazon's own static sandbox a request is matched with the examples' values literally, and an example that names
none answers what no other does. Whatever the example does not name is not looked at: Host, tokens, further parameters
and fields of the body. Login with Amazon gives a token to everybody. What matches nothing gets Amazon's answer to that:
400 `InvalidInput`, "Could not match input arguments".
"""

import json
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, NamedTuple
from urllib.parse import unquote

from tornado.routing import URLSpec
from tornado.web import Application

from workflow.sandbox import control
from workflow.sandbox.amazon_book import AmazonBook
from workflow.sandbox.amazon_handler import JSON, AmazonHandler, NoSuchPath, Wrong
from workflow.sandbox.faults import Answer

#: Texts by name: of the path one each, of the query as many as were sent.
Given = Mapping[str, Sequence[str]]

_NO_MATCH = Wrong(400, "InvalidInput", "Could not match input arguments")


class Example(NamedTuple):
    """One request of an official model and its answer; `parameters` are of path and query."""

    operation: str
    method: str
    path: re.Pattern[str]
    parameters: Mapping[str, Any]
    body: Mapping[str, Any]
    status: int
    answer: Mapping[str, Any]

    def named(self, method: str, path: str) -> dict[str, list[str]] | None:
        """The path's parameters, None where the request is of another operation."""
        found = self.path.fullmatch(path) if method == self.method else None
        return None if found is None else {name: [unquote(text)] for name, text in found.groupdict().items()}

    def matches(self, given: Given, body: Mapping[str, Any]) -> bool:
        """Whether everything the example names was sent with its very value."""
        return all(_is_same(value, given.get(name, ())) for name, value in self.parameters.items()) and all(
            name in body and body[name] == value for name, value in self.body.items()
        )


def _is_same(value: Any, texts: Sequence[str]) -> bool:
    """Whether an example's value was sent; a list is sent repeated or with commas."""
    if isinstance(value, list):
        return ",".join(texts) == ",".join(str(one) for one in value)
    return list(texts) == [str(value)]


@cache
def examples() -> tuple[Example, ...]:
    """The examples of `workflow/data/amazon_static.json`, those that name most first."""
    table = json.loads(resources.files("workflow.data").joinpath("amazon_static.json").read_text(encoding="utf-8"))
    found = [example for operation in table["operations"] for example in _examples_of(operation)]
    return tuple(sorted(found, key=lambda one: len(one.parameters) + len(one.body), reverse=True))


def _examples_of(operation: Mapping[str, Any]) -> Iterator[Example]:
    path = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation["path"]))
    for one in operation["examples"]:
        given = one.get("parameters", {}), one.get("body", {})
        yield Example(operation["operation"], operation["method"], path, *given, one["status"], one["answer"])


def static_application(book: AmazonBook) -> Application:
    """The static mode as a tornado application; the book only notes requests and holds faults."""
    about = {"book": book}
    return Application(
        [*control.routes(book), URLSpec(r"/auth/o2/token", StaticToken, about)],
        default_handler_class=StaticExample,
        default_handler_args=about,
        log_function=lambda handler: None,
    )


class StaticToken(AmazonHandler):
    """POST /auth/o2/token: a token for whoever asks."""

    async def post(self) -> None:
        """The token, and the refresh token where one was sent."""
        await self.respond("lwa", (), self._issue)

    def _issue(self) -> Answer:
        body = {"access_token": "Atza|static", "token_type": "bearer", "expires_in": 3600}
        refresh_token = self.get_body_argument("refresh_token", "")
        return _answer(200, body | ({"refresh_token": refresh_token} if refresh_token else {}))


class StaticExample(NoSuchPath):
    """Every other address: the example that the request matches."""

    async def prepare(self) -> None:
        """Answer whatever the method; 404 where the models have no such operation."""
        method, path = str(self.request.method), self.request.path
        known = [(one, named) for one in examples() if (named := one.named(method, path)) is not None]
        if not known:
            await super().prepare()
            return
        first, named = known[0]
        subjects = [text for texts in named.values() for text in texts]
        await self.respond(first.operation, subjects, lambda: self._found([one for one, _ in known], named))

    def _found(self, known: Sequence[Example], named: Given) -> Answer:
        query = {name: self.get_query_arguments(name, strip=False) for name in self.request.query_arguments}
        given: Given = {**query, **named}
        body = self.read_json() or {}
        for example in known:
            if example.matches(given, body):
                return _answer(example.status, example.answer)
        return _answer(_NO_MATCH.status, _NO_MATCH.body())


def _answer(status: int, body: Mapping[str, Any]) -> Answer:
    headers = {"x-amzn-RequestId": secrets.token_hex(16)}
    return Answer(status, json.dumps(body, ensure_ascii=False).encode(), JSON, headers)
