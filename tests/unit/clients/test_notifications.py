"""Whatever comes in is a notification of ours or Invalid, in whichever envelope."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.clients.notifications import CANCELLED, CREATED, DEPTH, MAX_BYTES, TYPE, Notification, announced_at, parse
from workflow.errors import Invalid

PAYLOAD = {
    "SellerId": "A1TESTSELLER",
    "AmazonOrderId": "701-1234567-1234567",
    "AmazonShipmentId": "DrLqQwqvb",
    "ShipmentStatus": "Created",
}
ENVELOPE: dict[str, Any] = {
    "NotificationVersion": "1.0",
    "NotificationType": TYPE,
    "PayloadVersion": "1.0",
    "EventTime": "2026-11-22T12:00:00.000Z",
    "Payload": {"FBAOutboundShipmentStatusNotification": PAYLOAD},
    "NotificationMetadata": {"ApplicationId": "app", "SubscriptionId": "sub", "NotificationId": "n-1"},
}
EXPECTED = Notification("A1TESTSELLER", "701-1234567-1234567", "DrLqQwqvb", CREATED, "n-1")


def dump(value: Any) -> bytes:
    return json.dumps(value).encode()


def saying(**changes: Any) -> bytes:
    """The notification with other values in its payload; None leaves a member out."""
    payload = {name: value for name, value in (PAYLOAD | changes).items() if value is not None}
    return dump(ENVELOPE | {"Payload": {"FBAOutboundShipmentStatusNotification": payload}})


def recased(value: Any, change: Any) -> Any:
    """The same with other names of members."""
    if isinstance(value, dict):
        return {change(name): recased(inner, change) for name, inner in value.items()}
    return value


WRAPPED = {
    "as it is": ENVELOPE,
    "a string": json.dumps(ENVELOPE),
    "a string in a string": json.dumps(json.dumps(ENVELOPE)),
    "SNS": {"Type": "Notification", "MessageId": "1", "Message": json.dumps(ENVELOPE), "Signature": "x"},
    "EventBridge": {"version": "0", "detail-type": TYPE, "source": "aws.partner/sellingpartnerapi", "detail": ENVELOPE},
    "SQS": {"MessageId": "1", "ReceiptHandle": "x", "Body": json.dumps(ENVELOPE), "Attributes": {}},
    "SNS in SQS": {"body": json.dumps({"Message": json.dumps(ENVELOPE)})},
    "EventBridge in SNS in SQS": {"Body": json.dumps({"Message": json.dumps({"detail": ENVELOPE})})},
    "camelCase": recased(ENVELOPE, lambda name: name[0].lower() + name[1:]),
    "lower case": recased(ENVELOPE, str.lower),
    "upper case": recased(ENVELOPE, str.upper),
}


@pytest.mark.parametrize("wrapped", WRAPPED.values(), ids=WRAPPED.keys())
def test_the_same_is_said_in_every_envelope(wrapped: Any) -> None:
    assert parse(dump(wrapped)) == EXPECTED


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_other_unicode_encodings_of_json_are_read(encoding: str) -> None:
    assert parse(json.dumps(ENVELOPE).encode(encoding)) == EXPECTED


@pytest.mark.parametrize(
    ("written", "read"),
    [("Created", CREATED), ("CREATED", CREATED), ("Cancelled", CANCELLED), ("canceled", CANCELLED), ("Lost", "Lost")],
)
def test_a_status_has_one_spelling(written: str, read: str) -> None:
    assert parse(saying(ShipmentStatus=written)).status == read


def test_members_we_do_not_know_change_nothing() -> None:
    more = ENVELOPE | {"Message": "decoy", "New": [1, {"NotificationType": "OTHER"}]}
    assert parse(dump(more)) == EXPECTED


@pytest.mark.parametrize("name", ["SellerId", "AmazonShipmentId", "ShipmentStatus"])
@pytest.mark.parametrize("value", [None, "", "  ", 12345, 1.5, True, ["A"], {"a": "b"}], ids=repr)
def test_what_must_be_there_is_named_when_it_is_not(name: str, value: Any) -> None:
    with pytest.raises(Invalid, match=f"bad-notification: {name} "):
        parse(saying(**{name: value}))


HOSTILE_IDS = [
    "../../etc/passwd", "..", ".", "a/b", "a\\b", "a?b", "a#b", "a%2fb", "a b", "a\nb", "a\x00b", "x" * 65, "é", "١٢٣",
    "{{ 7*7 }}", "'; DROP TABLE shipment; --", "\ud800", "---",
]  # fmt: skip


@pytest.mark.parametrize("name", ["SellerId", "AmazonShipmentId"])
@pytest.mark.parametrize("value", HOSTILE_IDS, ids=ascii)
def test_an_id_that_a_url_or_a_path_would_read_otherwise_is_refused(name: str, value: str) -> None:
    with pytest.raises(Invalid, match=f"{name} is no identifier") as raised:
        parse(saying(**{name: value}))
    assert value not in raised.value.message or value == "."


@pytest.mark.parametrize("value", [None, 701, ["701"], *HOSTILE_IDS], ids=ascii)
def test_an_order_id_that_is_none_counts_as_missing(value: Any) -> None:
    said = parse(saying(AmazonOrderId=value))
    assert (said.order_id, said.shipment_id) == (None, "DrLqQwqvb")


@pytest.mark.parametrize(
    "metadata", [None, "text", [], {}, {"NotificationId": 7}, {"NotificationId": "\x00"}], ids=repr
)
def test_metadata_is_not_needed(metadata: Any) -> None:
    assert parse(dump(ENVELOPE | {"NotificationMetadata": metadata})).notification_id is None


@pytest.mark.parametrize(
    "kind", ["ANY_OFFER_CHANGED", "", 7, [], {"a": 1}, "x" * 1000], ids=lambda kind: repr(kind)[:20]
)
def test_another_type_is_refused_and_named_shortly(kind: Any) -> None:
    with pytest.raises(Invalid, match="NotificationType is") as raised:
        parse(dump(ENVELOPE | {"NotificationType": kind}))
    assert len(raised.value.message) < 200


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        7,
        [],
        {},
        {"FBAOutboundShipmentStatusNotification": None},
        {"FBAOutboundShipmentStatusNotification": []},
    ],
    ids=repr,
)
def test_a_payload_of_another_shape_is_refused(payload: Any) -> None:
    with pytest.raises(Invalid, match="Payload"):
        parse(dump(ENVELOPE | {"Payload": payload}))


def nested(depth: int) -> Any:
    value: Any = ENVELOPE
    for _ in range(depth):
        value = {"Message": value}
    return value


def test_envelopes_are_opened_to_a_depth_and_no_further() -> None:
    assert parse(dump(nested(DEPTH - 1))) == EXPECTED
    with pytest.raises(Invalid, match="NotificationType is missing"):
        parse(dump(nested(DEPTH)))


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"{", b"null", b"7", b'"text"', b"[]", b"{}", b"\xff\xfe", b"\x80abc", b'{"Message": "{"}',
        b"NaN", b"9" * 5000, b"[" * 100_000, b'{"Message":' * 20_000, b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'"' + b"\\u0000" * 1000 + b'"',
    ],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_what_is_no_notification_is_invalid_in_one_line(raw: bytes) -> None:
    with pytest.raises(Invalid) as raised:
        parse(raw)
    assert raised.value.code == "bad-notification"
    assert "\n" not in raised.value.message
    assert len(raised.value.message) < 200


def test_a_megabyte_is_not_even_read() -> None:
    with pytest.raises(Invalid, match=f"at most {MAX_BYTES}"):
        parse(dump(ENVELOPE | {"Extra": "x" * 1_000_000}))


def parsed_or_invalid(raw: bytes) -> None:
    try:
        said = parse(raw)
    except Invalid:
        return
    for id in (said.seller_id, said.shipment_id):
        assert id.isascii()
        assert "/" not in id


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
#: Members that the parser looks at, with values of any kind.
LIKELY = st.recursive(
    JSON | st.sampled_from([TYPE, *PAYLOAD.values()]),
    lambda inner: st.dictionaries(
        st.sampled_from([*ENVELOPE, *PAYLOAD, "Message", "detail", "body", "FBAOutboundShipmentStatusNotification"]),
        inner,
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("told", "at"),
    [
        ("2026-11-22T09:00:00-03:00", datetime(2026, 11, 22, 12, tzinfo=UTC)),
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        (None, None),
        (7, None),
    ],
)
def test_when_it_happened_is_amazons_word_where_that_is_a_moment(told: Any, at: datetime | None) -> None:
    assert announced_at(dump(ENVELOPE | {"EventTime": told})) == at


@given(st.binary())
def test_arbitrary_bytes_are_parsed_or_invalid(raw: bytes) -> None:
    parsed_or_invalid(raw)


@given(JSON | LIKELY)
def test_arbitrary_json_is_parsed_or_invalid(value: Any) -> None:
    parsed_or_invalid(dump(value))


@given(st.fixed_dictionaries(dict.fromkeys(PAYLOAD, st.text() | st.sampled_from(list(PAYLOAD.values())) | JSON)))
def test_an_arbitrary_payload_is_parsed_or_invalid(payload: dict[str, Any]) -> None:
    parsed_or_invalid(dump(ENVELOPE | {"Payload": {"FBAOutboundShipmentStatusNotification": payload}}))
