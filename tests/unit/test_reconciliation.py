"""Lists and reports of people: what is missing is taken, what is wrong is told by its line, never by its words."""

# ruff: noqa: F811  the fixtures come from the other commands' tests

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import SELLER, notification
from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file, store  # noqa: F401
from workflow.engine import Engine, Reception
from workflow.errors import Invalid
from workflow.models import DocumentKind
from workflow.reconciliation import Wanted, Wrong, read, reconcile
from workflow.states import State
from workflow.store import Store

NEW, KNOWN = str(Reception.CREATED), str(Reception.REPEATED)


def ids(content: bytes) -> list[str]:
    """The shipments of a file without wrong lines."""
    found = read(content, SELLER)
    assert all(isinstance(line, Wanted) for line in found), found
    return [line.shipment_id for line in found if isinstance(line, Wanted)]


@pytest.mark.parametrize(
    "content",
    [
        b"FBA1\nFBA2\n",
        b"FBA1\r\nFBA2",
        b'\xef\xbb\xbf# from Seller Central\n\n  FBA1  \n"FBA2"\n',
        b"shipment-id\nFBA1\nFBA2\n",
        b"AmazonShipmentId\nFBA1\n\nFBA2\n",
        b"Order ID,Shipment ID,Buyer\n701-1,FBA1,Maria\n701-2,FBA2,Jo\xe3o\n",
        b"amazon-order-id\tshipment-id\n701-1\tFBA1\n701-2\tFBA2\n",
        'buyer;SHIPMENT_ID\n"Silva; Maria";FBA1\n"João\nda Silva";FBA2\n'.encode(),
        notification("FBA1") + b"\n" + notification("FBA2"),
    ],
)
def test_a_list_a_table_and_notifications_are_read(content: bytes) -> None:
    assert ids(content) == ["FBA1", "FBA2"]


def test_a_table_gives_the_orders_too() -> None:
    [first, second] = read(b'amazon-order-id,shipment-id\n701-1,FBA1\n"two words",FBA2', SELLER)
    assert first == Wanted(2, "FBA1", "701-1")
    assert second == Wanted(3, "FBA2", None)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "names no shipment"),
        (b"# nothing\n\n", "names no shipment"),
        (b"order-id,buyer\n701-1,Maria\n", "no column"),
        (b"PK\x03\x04\x00\x00", "no text"),
        (b'shipment-id,x\n"' + b"a" * 200_000, "cannot be read"),
    ],
)
def test_a_file_that_is_none_of_the_three_is_refused_whole(content: bytes, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        read(content, SELLER)


def test_a_wrong_line_is_told_by_its_number_and_never_by_its_words() -> None:
    found = read(b"buyer,shipment-id\nMaria,FBA1\nMaria,Rua das Flores 1\nMaria\n", SELLER)
    assert found[0] == Wanted(2, "FBA1", None)
    assert [line.line for line in found[1:]] == [3, 4]
    assert all(
        isinstance(line, Wrong) and "Maria" not in line.reason and "Rua" not in line.reason for line in found[1:]
    )


def test_a_notification_of_another_seller_is_a_wrong_line() -> None:
    found = read(notification(seller="A2OTHER") + b"\n{nonsense\n" + notification(), SELLER)
    assert [type(line) for line in found] == [Wrong, Wrong, Wanted]


@given(st.binary(max_size=400) | st.text(max_size=400).map(str.encode))
def test_whatever_is_handed_in_is_lines_or_invalid(content: bytes) -> None:
    with suppress(Invalid):
        assert all(line.line >= 1 for line in read(content, SELLER))


def test_what_is_missing_is_made_and_what_is_known_stays(engine: Engine, store: Store) -> None:
    id, _ = engine.receive(notification("FBA1"))
    came = reconcile(engine, SELLER, b"FBA1\nFBA2\nFBA2\nnot an id\n", actor="ana")
    assert came.counts == {NEW: 1, KNOWN: 2}
    assert came.due == (f"{SELLER}/FBA2",)
    assert came.wrong == (Wrong(4, "this is no shipment id of Amazon's: letters, digits, - _ . only"),)
    assert len(store.history(id)) == 1
    [line] = store.history(f"{SELLER}/FBA2")
    assert (line.state, line.actor, line.reason) == (State.RECEIVED, "ana", "handed in by reconcile")
    document = json.loads(store.document(f"{SELLER}/FBA2", DocumentKind.NOTIFICATION) or b"")
    assert document == {
        "HandedInBy": "ana",
        "SellerId": SELLER,
        "AmazonShipmentId": "FBA2",
        "AmazonOrderId": None,
    }


def test_a_tombstone_stays_one(engine: Engine, store: Store) -> None:
    engine.receive(notification(status="Cancelled"))
    assert reconcile(engine, SELLER, b"FBA1", actor="ana").counts == {KNOWN: 1}
    assert [row.state for row in store.shipments()] == [State.CANCELLED]


def test_notifications_mean_what_they_say(engine: Engine, store: Store) -> None:
    lines = [notification("FBA1"), notification("FBA1", "Cancelled"), notification("FBA2", "Cancelled")]
    came = reconcile(engine, SELLER, b"\n".join(lines), actor="ana")
    assert came.counts == {NEW: 1, "cancelling": 1, "buried": 1}
    assert {row.amazon_shipment_id: (row.state, row.cancelling) for row in store.shipments()} == {
        "FBA1": (State.RECEIVED, True),
        "FBA2": (State.CANCELLED, False),
    }


def test_a_dry_run_counts_and_writes_nothing(engine: Engine, store: Store) -> None:
    engine.receive(notification("FBA1"))
    came = reconcile(engine, SELLER, b"FBA1\nFBA2\nFBA2\n", actor="ana", dry_run=True)
    assert came.counts == {NEW: 1, KNOWN: 2}
    assert [row.amazon_shipment_id for row in store.shipments()] == ["FBA1"]


def test_an_unknown_seller_is_refused_before_anything(engine: Engine, store: Store) -> None:
    with pytest.raises(Invalid, match="unknown-seller"):
        reconcile(engine, "NOBODY", b"FBA1", actor="ana", dry_run=True)


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_tells_counts_and_wrong_lines_and_rings_for_the_new(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("shipment-id,buyer\nFBA1,Maria\nFBA2,Maria\n,Maria\n")
    assert nfe("receive", "-", stdin=notification("FBA1")).code == 0
    said = nfe("reconcile", path, "--seller", seller)
    assert said.code == 1
    assert said.lines == [f"{SELLER}/FBA2"]
    assert "1 created, 1 repeated" in said.err
    assert f"nfe: {path} line 4: the shipment's id is missing" in said.err
    assert "Maria" not in said.out + said.err
    assert [row.id for row in said.rung] == [f"{SELLER}/FBA2"]
    assert "1 created" not in nfe("reconcile", path, "--seller", seller).err


def test_the_command_without_a_wrong_line_ends_well(nfe: Nfe, seller: str) -> None:
    said = nfe("reconcile", "-", "--seller", seller, "--json", stdin=b"FBA1\n")
    assert said.code == 0
    assert said.json() == {"dry_run": False, "counts": {"created": 1}, "due": [f"{SELLER}/FBA1"], "wrong": []}


def test_the_command_in_a_dry_run_rings_for_nothing(nfe: Nfe, seller: str, store: Store) -> None:
    said = nfe("reconcile", "-", "--seller", seller, "--dry-run", stdin=b"FBA1\n")
    assert (said.code, said.rung) == (0, [])
    assert "only looked" in said.err
    assert store.shipments() == []


def test_a_file_or_seller_that_is_not_there_is_one_line(nfe: Nfe, seller: str, tmp_path: Path) -> None:
    nfe("reconcile", tmp_path / "none", "--seller", seller).failed("unreadable-file")
    nfe("reconcile", "-", "--seller", "NOBODY", stdin=b"FBA1\n").failed("unknown-seller")
