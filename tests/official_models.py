"""Amazon's own models (Swagger 2.0) as a judge: whether a request and its answer are what a model says.

The models lie beside the repository where somebody has them; without them nothing can be judged. An object may have no
member that its model does not name: the models allow it, we do not.
"""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import requests
from jsonschema import Draft4Validator, FormatChecker

FOLDER = Path(__file__).parents[2] / "shared" / "amazon" / "models"
#: The models whose operations the program calls.
MODELS = (
    "shipmentInvoicingV0",
    "tokens_2021-03-01",
    "deliveryShipmentInvoiceV2022-07-01",
    "notifications",
    "vendorDirectFulfillmentShippingV1",
)
ABSENT = "Amazon's models are not beside the repository"
#: Our own check of moments: jsonschema's needs another package.
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_moment(text: object) -> bool:
    return not isinstance(text, str) or datetime.fromisoformat(text).tzinfo is not None


class Operation(NamedTuple):
    """One operation of a model."""

    model: str
    name: str
    method: str
    path: str
    said: Mapping[str, Any]

    @property
    def statuses(self) -> frozenset[int]:
        """What it may be answered with."""
        return frozenset(map(int, self.said["responses"]))

    def named(self, path: str) -> dict[str, str] | None:
        """The values of the path's parameters; None where it is another operation's."""
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path), path)
        return None if found is None else {name: unquote(text) for name, text in found.groupdict().items()}

    def parameters(self, place: str) -> Iterator[Mapping[str, Any]]:
        """What it takes in the path, the query or the body."""
        shared = _model(self.model)["paths"][self.path].get("parameters", [])
        for given in (*shared, *self.said.get("parameters", [])):
            one = _resolved(self.model, given)
            if one["in"] == place:
                yield one


def present() -> bool:
    """Whether there is anything to judge by."""
    return FOLDER.is_dir()


@cache
def operations() -> tuple[Operation, ...]:
    """Every operation of the models."""
    return tuple(
        Operation(model, said["operationId"], method.upper(), path, said)
        for model in MODELS
        for path, methods in _model(model)["paths"].items()
        for method, said in methods.items()
        if isinstance(said, dict) and "operationId" in said
    )


def operation_of(method: str, url: str) -> Operation | None:
    """The operation that a request calls; None: an address of no model (login, the control API)."""
    path = urlsplit(url).path
    found = (one for one in operations() if one.method == method and one.named(path) is not None)
    # An address without parameters before one that a parameter fits too.
    return min(found, key=lambda one: one.path.count("{"), default=None)


def judge(answer: requests.Response) -> list[str]:
    """What is wrong with an answer, by its model."""
    asked = answer.request
    operation = operation_of(str(asked.method), str(asked.url))
    if operation is None:
        return []
    if answer.status_code not in operation.statuses:
        return [f"{operation.name} knows no status {answer.status_code}"]
    said = operation.said["responses"][str(answer.status_code)]
    wrong = [] if answer.headers["Content-Type"] == "application/json" else ["no JSON by its Content-Type"]
    known = {name.lower() for name in said.get("headers", {})}
    sent = {name.lower() for name in answer.headers if name.lower().startswith("x-amzn-")}
    wrong += [f"header {name}" for name in sent - known]
    if "x-amzn-requestid" not in sent:
        wrong.append("no x-amzn-RequestId")
    return wrong + _violations(operation.model, said.get("schema", {}), answer.json())


def judge_request(asked: requests.PreparedRequest) -> list[str]:
    """What is wrong with a request, by its model."""
    operation = operation_of(str(asked.method), str(asked.url))
    if operation is None:
        return []
    parts = urlsplit(str(asked.url))
    query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
    wrong = [
        *_wrong_texts(operation, "path", operation.named(parts.path) or {}),
        *_wrong_texts(operation, "query", query),
    ]
    for body in operation.parameters("body"):
        content = json.loads(asked.body or b"null")
        wrong += _violations(operation.model, body["schema"], content) if body["required"] or content else []
    return wrong


def _wrong_texts(operation: Operation, place: str, given: Mapping[str, str]) -> Iterator[str]:
    known = {one["name"]: one for one in operation.parameters(place)}
    yield from (f"{place} has {name}, which the model does not know" for name in given.keys() - known.keys())
    for name, one in known.items():
        if name not in given:
            if one.get("required"):
                yield f"{place} lacks {name}"
            continue
        value: Any = int(given[name]) if one["type"] == "integer" else given[name]
        schema = {key: one[key] for key in ("type", "enum", "pattern", "format", "minimum", "maximum") if key in one}
        yield from (f"{name}: {found.message}" for found in _validator(schema).iter_errors(value))


def _violations(model: str, schema: Mapping[str, Any], content: Any) -> list[str]:
    whole = {**schema, "definitions": _model(model)["definitions"]}
    return [f"{'/'.join(map(str, found.path))}: {found.message}" for found in _validator(whole).iter_errors(content)]


def _validator(schema: Mapping[str, Any]) -> Draft4Validator:
    """Swagger 2.0's schemas are those of JSON Schema's draft 4."""
    return Draft4Validator(schema, format_checker=FORMATS)


def _resolved(model: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = given.get("$ref", "").removeprefix("#/parameters/")
    found: Mapping[str, Any] = _model(model)["parameters"][reference] if reference else given
    return found


@cache
def _model(name: str) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    for definition in said["definitions"].values():
        _close(definition)
    return said


def _close(schema: dict[str, Any]) -> None:
    """Let objects have the members only that the model names."""
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
    for inner in (*schema.get("properties", {}).values(), schema.get("items")):
        if isinstance(inner, dict):
            _close(inner)
