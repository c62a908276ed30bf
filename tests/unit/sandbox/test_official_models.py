"""Whatever the local Amazon answers is what Amazon's own models say: every operation, every status."""

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import requests
from jsonschema import Draft7Validator

from tests.official_models import ABSENT, FOLDER, Operation, judge, operations, present
from workflow.sandbox.amazon_book import AmazonSettings
from workflow.sandbox.server import start_amazon
from workflow.sandbox.shipments import Example

from .conftest import Partner

pytestmark = pytest.mark.skipif(not present(), reason=ABSENT)

TYPE = "FBA_OUTBOUND_SHIPMENT_STATUS"
ARN = "arn:aws:sqs:us-east-1:123456789012:nfe"
DETAILS = "/fba/outbound/brazil/v0/shipments/{shipmentId}"
LIST = "/vendor/directFulfillment/shipping/v1/customerInvoices"
ABOUT = {"marketplaceId": "A2Q3Y263D00KWC", "invoiceType": "Outbound", "programType": "FbaOnSite"}
PERIOD = {"createdAfter": "2026-11-01T00:00:00Z", "createdBefore": "2026-11-08T00:00:00Z"}
FILE = {
    "InvoiceContent": base64.b64encode(b"<nfeProc/>").decode(),
    "ContentMD5Value": base64.b64encode(hashlib.md5(b"<nfeProc/>").digest()).decode(),
}
LOWER = {name[0].lower() + name[1:]: value for name, value in FILE.items()}


class Asked(NamedTuple):
    """A good call: whose token, and what it brings; `values` fill the path."""

    token: str
    values: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any] | None = None


def asked(token: str, *, query: dict[str, str] | None = None, body: Any = None, **values: str) -> Asked:
    return Asked(token, values, query or {}, body)


SHIPMENT = "the first example's id"
DESTINATION, SUBSCRIPTION = "a destination's id", "a subscription's id"
#: A good call of each operation that the local Amazon has.
GOOD = {
    "shipmentInvoicingV0.getShipmentDetails": asked(DETAILS, shipmentId=SHIPMENT),
    "shipmentInvoicingV0.submitInvoice": asked("seller", shipmentId=SHIPMENT, body=FILE),
    "shipmentInvoicingV0.getInvoiceStatus": asked("seller", shipmentId=SHIPMENT),
    "tokens_2021-03-01.createRestrictedDataToken": asked(
        "seller", body={"restrictedResources": [{"method": "GET", "path": DETAILS}]}
    ),
    "deliveryShipmentInvoiceV2022-07-01.submitInvoice": asked(
        "seller", query={"shipmentId": SHIPMENT}, body=LOWER | ABOUT
    ),
    "deliveryShipmentInvoiceV2022-07-01.getInvoiceStatus": asked("seller", query={"shipmentId": SHIPMENT} | ABOUT),
    "notifications.getDestinations": asked("application"),
    "notifications.createDestination": asked(
        "application", body={"name": "nfe", "resourceSpecification": {"sqs": {"arn": ARN}}}
    ),
    "notifications.getDestination": asked("application", destinationId=DESTINATION),
    "notifications.deleteDestination": asked("application", destinationId=DESTINATION),
    "notifications.getSubscription": asked("seller", query={"payloadVersion": "1.0"}, notificationType=TYPE),
    "notifications.createSubscription": asked(
        "seller", notificationType=TYPE, body={"payloadVersion": "1.0", "destinationId": DESTINATION}
    ),
    "notifications.getSubscriptionById": asked("application", notificationType=TYPE, subscriptionId=SUBSCRIPTION),
    "notifications.deleteSubscriptionById": asked("application", notificationType=TYPE, subscriptionId=SUBSCRIPTION),
    "vendorDirectFulfillmentShippingV1.getCustomerInvoices": asked(LIST, query=PERIOD),
    "vendorDirectFulfillmentShippingV1.getCustomerInvoice": asked(
        LIST + "/{purchaseOrderNumber}", purchaseOrderNumber="PO1"
    ),
}
#: What else the local Amazon can answer to each, and the change of the good call that brings it about.
OTHERWISE: list[tuple[str, int, dict[str, Any]]] = [
    ("shipmentInvoicingV0.getShipmentDetails", 400, {"values": {"shipmentId": "BadShipId"}}),
    ("shipmentInvoicingV0.submitInvoice", 400, {"body": {"InvoiceContent": "x"}}),
    ("shipmentInvoicingV0.submitInvoice", 400, {"body": FILE | {"ContentMD5Value": "x"}}),
    ("shipmentInvoicingV0.getInvoiceStatus", 400, {"values": {"shipmentId": "BadShipId"}}),
    ("tokens_2021-03-01.createRestrictedDataToken", 400, {"body": {"restrictedResources": []}}),
    ("deliveryShipmentInvoiceV2022-07-01.submitInvoice", 400, {"query": {}}),
    ("deliveryShipmentInvoiceV2022-07-01.submitInvoice", 400, {"query": {"shipmentId": "BadIDForShipment"}}),
    ("deliveryShipmentInvoiceV2022-07-01.submitInvoice", 400, {"body": LOWER}),
    ("deliveryShipmentInvoiceV2022-07-01.getInvoiceStatus", 400, {"query": {"orderId": "none"} | ABOUT}),
    ("notifications.createDestination", 400, {"body": {"name": "nfe"}}),
    ("notifications.createDestination", 409, {"twice": True}),
    ("notifications.getDestination", 404, {"values": {"destinationId": "none"}}),
    ("notifications.deleteDestination", 404, {"values": {"destinationId": "none"}}),
    ("notifications.deleteDestination", 409, {"subscribed": True}),
    ("notifications.getSubscription", 404, {"values": {"notificationType": "ANY_OFFER_CHANGED"}}),
    ("notifications.createSubscription", 400, {"body": {"payloadVersion": "1.0", "destinationId": "none"}}),
    ("notifications.createSubscription", 409, {"twice": True}),
    ("notifications.getSubscriptionById", 404, {"values": {"notificationType": TYPE, "subscriptionId": "none"}}),
    ("notifications.deleteSubscriptionById", 404, {"values": {"notificationType": TYPE, "subscriptionId": "none"}}),
    ("vendorDirectFulfillmentShippingV1.getCustomerInvoices", 400, {"query": PERIOD | {"limit": "1000"}}),
    ("vendorDirectFulfillmentShippingV1.getCustomerInvoices", 400, {"query": PERIOD | {"nextToken": "x"}}),
    ("vendorDirectFulfillmentShippingV1.getCustomerInvoices", 403, {"query": {"createdAfter": "never"}}),
    ("vendorDirectFulfillmentShippingV1.getCustomerInvoice", 404, {"values": {"purchaseOrderNumber": "PO9"}}),
    (
        "vendorDirectFulfillmentShippingV1.getCustomerInvoice",
        400,
        {"values": {"purchaseOrderNumber": "mockpurchaseOrderNumberDummy"}},
    ),
]
#: Operations of the models that this program has no use for.
ELSEWHERE = {"getSubscriptions", "sendTestNotification"} | {
    one.name
    for one in (operations() if present() else ())
    if "customerInvoices" not in one.path and "/vendor/" in one.path
}
KNOWN: dict[str, Operation] = (
    {f"{one.model}.{one.name}": one for one in operations() if one.name not in ELSEWHERE} if present() else {}
)
#: By the model of this API alone 413 is a bare list, by all its other answers and all other models it is an object.
BARE = {("deliveryShipmentInvoiceV2022-07-01", 413)}
FAILURES = [
    (key, status)
    for key, one in KNOWN.items()
    for status in sorted(one.statuses - {200})
    if (one.model, status) not in BARE
]


class Scene(Partner):
    """A local Amazon with a shipment, an invoice of a vendor, a destination and a subscription."""

    shipment_id = ""
    session: requests.Session
    tokens: dict[str, str]

    def token_of(self, whose: str) -> str:
        """The seller's, the application's, or a restricted one for a path; each is asked for once."""
        if whose not in self.tokens:
            self.tokens[whose] = self._new_token(whose)
        return self.tokens[whose]

    def _new_token(self, whose: str) -> str:
        if whose == "seller":
            return self.token()
        if whose == "application":
            form = {"grant_type": "client_credentials", "scope": "sellingpartnerapi::notifications"}
            return str(self.lwa(**form).json()["access_token"])
        return self.restricted(whose)

    def ask(self, key: str, *, token: bool = True, media: str | None = None, **changes: Any) -> requests.Response:
        """The good call, changed."""
        call = self.real(GOOD[key]._replace(**changes))
        return self.send(key, call, self.token_of(call.token) if token else "", media)

    def send(self, key: str, call: Asked, token: str, media: str | None = None) -> requests.Response:
        """A call whose placeholders are filled."""
        path = KNOWN[key].path.format_map(call.values)
        headers = {"Content-Type": media, "x-amz-access-token": token}
        return self.session.request(
            KNOWN[key].method,
            self.amazon.url + path,
            params=call.query,
            json=call.body,
            headers={name: value for name, value in headers.items() if value},
            timeout=5,
        )

    def real(self, call: Asked) -> Asked:
        """The call with the ids that its placeholders stand for."""
        found = {SHIPMENT: lambda: self.shipment_id, DESTINATION: self.destination, SUBSCRIPTION: self.subscription}

        def filled(part: dict[str, Any]) -> dict[str, Any]:
            return {
                name: found[value]() if isinstance(value, str) and value in found else value
                for name, value in part.items()
            }

        return call._replace(
            values=filled(call.values), query=filled(call.query), body=None if call.body is None else filled(call.body)
        )

    def destination(self) -> str:
        """A destination's id."""
        known = self.ask("notifications.getDestinations").json()["payload"]
        made = known[0] if known else self.ask("notifications.createDestination").json()["payload"]
        return str(made["destinationId"])

    def subscription(self) -> str:
        """The seller's subscription's id."""
        found = self.ask("notifications.getSubscription")
        made = found if found.ok else self.ask("notifications.createSubscription")
        return str(made.json()["payload"]["subscriptionId"])

    def clear(self) -> None:
        """No subscription, no destination, no plan."""
        self.control("settings", {"rate_plan": False})
        if self.ask("notifications.getSubscription").ok:
            self.ask("notifications.deleteSubscriptionById")
        for known in self.ask("notifications.getDestinations").json()["payload"]:
            self.ask("notifications.deleteDestination", values={"destinationId": known["destinationId"]})


@pytest.fixture(scope="module")
def running(examples: list[Example]) -> Iterator[Scene]:
    settings = AmazonSettings(processing_seconds=0, rate_plan=False)
    with start_amazon(settings=settings, shipments=[example.shipment() for example in examples]) as amazon:
        scene = Scene(amazon)
        scene.session, scene.tokens = requests.Session(), {}
        scene.shipment_id = examples[0].shipment_id
        held = {"purchaseOrderNumber": "PO1", "content": "UERG", "created": "2026-11-02T12:00:00Z"}
        scene.control("customer_invoices", held)
        yield scene


@pytest.fixture
def scene(running: Scene) -> Scene:
    running.clear()
    return running


def test_no_operation_of_the_models_is_forgotten() -> None:
    assert set(GOOD) == set(KNOWN)


@pytest.mark.parametrize("key", GOOD)
def test_a_good_call_is_answered_as_the_model_says(scene: Scene, key: str) -> None:
    if key == "notifications.getSubscription":
        scene.subscription()
    answer = scene.ask(key)
    assert (answer.status_code, judge(answer)) == (200, [])


@pytest.mark.parametrize(("key", "status", "changes"), OTHERWISE)
def test_a_refused_call_is_answered_as_the_model_says(
    scene: Scene, key: str, status: int, changes: dict[str, Any]
) -> None:
    changes = dict(changes)
    if changes.pop("twice", False):
        scene.ask(key)
    if changes.pop("subscribed", False):
        scene.subscription()
    answer = scene.ask(key, **changes)
    assert (answer.status_code, judge(answer)) == (status, [])


@pytest.mark.parametrize("key", GOOD)
def test_a_call_without_a_token_is_denied_as_the_model_says(scene: Scene, key: str) -> None:
    answer = scene.ask(key, token=False)
    assert (answer.status_code, judge(answer)) == (403, [])


@pytest.mark.parametrize("key", [key for key, call in GOOD.items() if call.body])
def test_a_body_that_is_no_json_is_refused_as_the_model_says(scene: Scene, key: str) -> None:
    answer = scene.ask(key, media="text/xml")
    assert (answer.status_code, judge(answer)) == (415, [])


@pytest.mark.parametrize("key", GOOD)
def test_a_call_beyond_the_plan_is_throttled_as_the_model_says(scene: Scene, key: str) -> None:
    call = scene.real(GOOD[key])
    token = scene.token_of(call.token)
    scene.control("settings", {"rate_plan": True, "burst": 1, "vendor_burst": 1, "token_burst": 1})
    answers = [scene.send(key, call, token) for _ in range(7)]
    assert (answers[-1].status_code, judge(answers[-1])) == (429, [])


@pytest.mark.parametrize(("key", "status"), FAILURES)
def test_a_failure_on_demand_is_answered_as_the_model_says(scene: Scene, key: str, status: int) -> None:
    model, _, name = key.partition(".")
    operation = f"delivery.{name}" if model.startswith("delivery") else name
    call = scene.real(GOOD[key])
    token = scene.token_of(call.token)
    scene.control("faults", {"operation": operation, "kind": "status", "status": status})
    answer = scene.send(key, call, token)
    assert (answer.status_code, judge(answer)) == (status, [])


def test_an_answer_that_the_model_does_not_know_is_found_out(scene: Scene) -> None:
    key = "shipmentInvoicingV0.getInvoiceStatus"
    scene.control("settings", {"status_as_list": True})
    assert "is not of type 'object'" in " ".join(judge(scene.ask(key)))
    scene.control("settings", {"status_as_list": False})
    scene.control("faults", {"operation": "getInvoiceStatus", "kind": "status", "status": 418})
    assert judge(scene.ask(key)) == ["getInvoiceStatus knows no status 418"]
    scene.control("faults", {"operation": "getInvoiceStatus", "kind": "garbage"})
    with pytest.raises(requests.JSONDecodeError):
        judge(scene.ask(key))


def test_the_notifications_of_the_example_shipments_are_what_their_schema_says(examples: list[Example]) -> None:
    schema = json.loads((FOLDER / "FBAOutboundShipmentStatusNotification.json").read_text(encoding="utf-8"))
    said = [told for example in examples for told in (*example.notifications, *example.afterwards)]
    assert said
    assert [list(Draft7Validator(schema).iter_errors(one)) for one in said] == [[]] * len(said)
