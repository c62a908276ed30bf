"""The static mode answers the official examples, each over real HTTP, and nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import requests

from workflow.clients.amazon import AmazonClient
from workflow.clients.amazon_tokens import Tokens
from workflow.sandbox.amazon_book import AmazonBook
from workflow.sandbox.server import Started, start_amazon
from workflow.sandbox.static import examples

#: The command as it is installed.
NFE = "from tasks.doorbell import main; main()"
#: Extracted from Amazon's models; beside the repository where somebody has them.
OFFICIAL = Path(__file__).parents[4] / "shared" / "amazon" / "sandbox_examples.json"
SHIPMENTS = "/fba/outbound/brazil/v0/shipments"
NO_MATCH = {"errors": [{"code": "InvalidInput", "message": "Could not match input arguments", "details": ""}]}
#: Amazon's own digest, which is that of no text.
LITERAL = {
    "InvoiceContent": "SGF2ZSB0byBkZWFsIHdpdGggQmFzZTY0IGZvcm1hdD8=",
    "ContentMD5Value": "9906bd8f227f6a43f1e27db4b9258ad4",
}


class Pair(NamedTuple):
    """One official example."""

    operation: str
    method: str
    path: str
    status: int
    parameters: dict[str, Any]
    answer: Any


def official() -> list[Pair]:
    """The static examples of the models, none where they are absent."""
    if not OFFICIAL.exists():
        return []
    return [
        Pair(
            entry["operation"],
            entry["method"],
            entry["path"],
            int(entry["http"]),
            {name: one["value"] for name, one in static.get("request", {}).get("parameters", {}).items()},
            static["response"],
        )
        for entries in json.loads(OFFICIAL.read_text(encoding="utf-8")).values()
        for entry in entries
        for static in entry["sandbox"].get("static", [])
    ]


PAIRS = official()
needs_the_models = pytest.mark.skipif(not PAIRS, reason="Amazon's models are not beside the repository")


@pytest.fixture(scope="module")
def amazon() -> Iterator[Started[AmazonBook]]:
    with start_amazon(static=True) as running:
        yield running


def call(amazon: Started[AmazonBook], method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, amazon.url + path, timeout=5, **options)


def asked(amazon: Started[AmazonBook], pair: Pair, **more: Any) -> requests.Response:
    """The request of an official example, its path filled with its values or with any."""
    query, body = dict(pair.parameters), pair.parameters.get("body")
    query.pop("body", None)
    path = re.sub(r"\{(\w+)\}", lambda found: quote(str(query.pop(found[1], "any-value")), safe=""), pair.path)
    if body is not None:
        body = {**body, **more}
    return call(amazon, pair.method, path, params={**query, **more}, json=body)


@needs_the_models
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair.operation}-{pair.status}")
def test_an_official_example_is_answered_as_the_model_says(amazon: Started[AmazonBook], pair: Pair) -> None:
    for answer in (asked(amazon, pair), asked(amazon, pair, marketplaceIds="ATVPDKIKX0DER")):
        assert (answer.status_code, answer.json()) == (pair.status, pair.answer)
        assert answer.headers["Content-Type"] == "application/json"


@needs_the_models
def test_there_is_no_example_that_the_models_do_not_have() -> None:
    ours = [(one.operation, one.method, one.status, dict(one.answer)) for one in examples()]
    theirs = [(pair.operation, pair.method, pair.status, pair.answer) for pair in PAIRS]
    assert sorted(map(str, ours)) == sorted(map(str, theirs))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"{SHIPMENTS}/shipmentId2", None),
        ("GET", f"{SHIPMENTS}/shipmentid1", None),
        ("POST", f"{SHIPMENTS}/shipmentId1/invoice", None),
        ("POST", f"{SHIPMENTS}/shipmentId1/invoice", []),
        ("POST", f"{SHIPMENTS}/shipmentId1/invoice", {"InvoiceContent": LITERAL["InvoiceContent"]}),
        ("POST", f"{SHIPMENTS}/shipmentId1/invoice", LITERAL | {"ContentMD5Value": "4ceOTuLf5m30CAJqEZ1XrA=="}),
        ("POST", "/delivery/2022-07-01/invoice?orderId=1", LITERAL),
        ("GET", "/delivery/2022-07-01/invoice/status?orderId=000-0000000-0000000", None),
        ("POST", "/tokens/2021-03-01/restrictedDataToken", {"restrictedResources": []}),
    ],
)
def test_what_differs_from_every_example_gets_amazons_answer_to_that(
    amazon: Started[AmazonBook], method: str, path: str, body: Any
) -> None:
    answer = call(amazon, method, path, json=body)
    assert (answer.status_code, answer.json()) == (400, NO_MATCH)


def test_the_literal_digest_is_taken_with_further_fields_and_any_host(amazon: Started[AmazonBook]) -> None:
    answer = call(
        amazon,
        "POST",
        f"{SHIPMENTS}/shipmentId1/invoice?MarketplaceIds=x",
        json=LITERAL | {"MarketplaceId": "A2Q3Y263D00KWC"},
        headers={"Host": "27.0.0.1:18080"},
    )
    assert (answer.status_code, answer.json()) == (200, {})


def test_an_example_that_names_nothing_answers_what_no_other_does(amazon: Started[AmazonBook]) -> None:
    path = "/vendor/directFulfillment/shipping/v1/customerInvoices"
    numbers = [
        call(amazon, "GET", f"{path}/{number}").json()["payload"]["purchaseOrderNumber"]
        for number in ("PO98676856", "PO1")
    ]
    assert numbers == ["PO98676856", "mockpurchaseOrderNumber"]
    assert call(amazon, "GET", f"{path}?createdAfter=x&createdBefore=y").status_code == 200
    assert call(amazon, "GET", f"{path}?shipFromPartyId=dummy").status_code == 400


@pytest.mark.parametrize("form", [{}, {"grant_type": "refresh_token", "refresh_token": "Atzr|x"}])
def test_login_gives_a_token_to_everybody(amazon: Started[AmazonBook], form: dict[str, str]) -> None:
    answer = call(amazon, "POST", "/auth/o2/token", data=form).json()
    assert (answer["access_token"], answer["token_type"], answer["expires_in"]) == ("Atza|static", "bearer", 3600)
    assert answer.get("refresh_token") == form.get("refresh_token")


@pytest.mark.parametrize(("method", "path"), [("GET", "/orders/v0/orders"), ("DELETE", f"{SHIPMENTS}/shipmentId1")])
def test_an_operation_without_examples_is_not_found(amazon: Started[AmazonBook], method: str, path: str) -> None:
    assert call(amazon, method, path).status_code == 404


def test_the_programs_own_client_reads_the_example_verdict(amazon: Started[AmazonBook]) -> None:
    http = requests.Session()
    tokens = Tokens(
        http=http,
        lwa_url=f"{amazon.url}/auth/o2/token",
        client_id="any",
        client_secret="any",
        refresh_token="Atzr|any",
        base_url=amazon.url,
        cache=None,
        timeout=5,
    )
    client = AmazonClient(http=http, tokens=tokens, base_url=amazon.url, marketplace_id="any", timeout=5)
    assert client.invoice_status("shipmentId1").status == "Accepted"


@pytest.mark.parametrize("command", [["-m", "workflow.sandbox"], ["-c", NFE, "sandbox"]], ids=["module", "nfe"])
def test_the_static_mode_is_a_process_too(command: list[str]) -> None:
    words = [sys.executable, *command, "amazon", "--static", "--port", "0", "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = json.loads(process.stdout.readline())
        assert said["holds"] == {"static examples": len(examples()), "credentials": "any"}
        answer = requests.get(f"{said['url']}{SHIPMENTS}/BadShipId", timeout=5)
        assert (answer.status_code, answer.json()["errors"][0]["message"]) == (400, "Invalid Shipment ID")
    finally:
        process.terminate()
        assert process.wait(timeout=10) == 0
        process.stdout.close()
