"""Purging: what has served goes, what the law wants stays, and what moves is not touched."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.unit.conftest import SELLER, Clock, notification, plan_of
from workflow import purge as job
from workflow.catalog import Catalog
from workflow.engine import Engine
from workflow.errors import Invalid
from workflow.models import DocumentKind, NumberStatus
from workflow.numbers import Range, decide, reserve
from workflow.purge import Removed, candidates, on_their_way, purge, remove_seller, waiting
from workflow.states import Stage, State
from workflow.store import DOCUMENT, SHIPMENT, Left, Settlement, Store
from workflow.vendors import INVOICE, File, Vendors

MONTH = timedelta(days=30)
ALL = tuple(DocumentKind)
STAY = {DocumentKind.NFEPROC, DocumentKind.CANCELLATION, DocumentKind.CORRECTION}
CANARY = b"MARIA DA SILVA 12345678909"


@pytest.fixture
def ended(engine: Engine, store: Store) -> Callable[..., str]:
    """Make a shipment that has every kind of document and rests in a state."""

    def make(name: str = "FBA1", state: State = State.ACCEPTED, **row: Any) -> str:
        id, _ = engine.receive(notification(name))
        leave(store, id, *(kind for kind in ALL if kind is not DocumentKind.NOTIFICATION))
        values = {"state": state, "due_at": None, "ring_at": None} | row
        with store.writing() as connection:
            connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == id).values(values))
        return id

    return make


def leave(store: Store, id: str, *kinds: DocumentKind) -> None:
    with store.writing() as connection:
        store._leave(connection, id, [Left(kind, CANARY) for kind in kinds], store.now())


def kinds(store: Store, id: str) -> set[str]:
    return {row.kind for row in store.documents(id)}


def run(store: Store, **how: Any) -> tuple[int, int, int]:
    return tuple(purge(store, before=store.now() - MONTH, actor="test", **how))  # type: ignore[return-value]


@pytest.mark.parametrize("state", [State.ACCEPTED, State.ERRORED, State.REJECTED, State.CANCELLED])
def test_after_thirty_days_only_the_archive_is_left(
    store: Store, clock: Clock, ended: Callable[..., str], state: State
) -> None:
    id = ended(state=state)
    clock.pass_(days=29, hours=23)
    assert run(store) == (0, 0, 0)
    clock.pass_(hours=1)
    assert run(store) == (1, len(ALL) - len(STAY), 0)
    assert kinds(store, id) == STAY
    assert store.document(id, DocumentKind.NFEPROC) == CANARY
    line = store.history(id)[-1]
    assert (line.stage, line.outcome, line.actor, line.state) == ("purge", "purged", "test", state)
    assert line.reason == "removed: details, nfe, notification, rejection, verdict"
    assert run(store) == (0, 0, 0)
    assert store.history(id)[-1].seq == line.seq


@pytest.mark.parametrize(
    "row",
    [
        {"state": State.GENERATED}, {"state": State.SUBMITTED}, {"stop_code": "unknown-sku"}, {"cancelling": True},
        {"lease": "somebody"}, {"due_at": datetime(2027, 6, 1, tzinfo=UTC)},
    ],
    ids=str,
)  # fmt: skip
def test_what_moves_or_waits_for_a_person_keeps_all(
    store: Store, clock: Clock, ended: Callable[..., str], row: dict[str, Any]
) -> None:
    id = ended(**row)
    clock.pass_(days=99)
    assert run(store) == (0, 0, 0)
    assert kinds(store, id) == set(ALL)


def test_those_that_wait_for_a_person_are_counted(store: Store, clock: Clock, ended: Callable[..., str]) -> None:
    ended("FBA1", stop_code="unknown-sku")
    ended("FBA2")
    clock.pass_(days=31)
    assert waiting(store, before=clock() - MONTH) == (1, 0, 1)
    assert waiting(store, before=clock() - MONTH, seller_id="ANOTHER") == (0, 0, 0)


def test_another_sellers_stay(store: Store, clock: Clock, ended: Callable[..., str]) -> None:
    id = ended()
    clock.pass_(days=31)
    assert run(store, seller_id="ANOTHER") == (0, 0, 0)
    assert kinds(store, id) == set(ALL)
    assert run(store, seller_id=SELLER)[0] == 1


def test_batches_end_and_each_is_told(
    store: Store, clock: Clock, ended: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "BATCH", 2)
    for number in range(5):
        ended(f"FBA{number}")
    clock.pass_(days=31)
    told: list[int] = []
    assert run(store, tell=told.append)[0] == 5
    assert told == [2, 2, 1]


def test_what_happens_afterwards_is_purged_in_its_turn(store: Store, clock: Clock, ended: Callable[..., str]) -> None:
    id = ended(state=State.ERRORED)
    clock.pass_(days=31)
    run(store)
    assert store.retry(id, actor="me") is State.AUTHORIZED
    claim = store.claim(id, Stage.SUBMIT, lease=timedelta(minutes=3))
    assert claim is not None
    left = (Left(DocumentKind.VERDICT, CANARY),)
    settlement = Settlement(state=State.SUBMITTED, outcome="done", due=None, documents=left)
    assert store.settle(claim, Stage.SUBMIT, settlement, ring_after=timedelta())
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).values(state=State.ACCEPTED))
    assert run(store) == (0, 0, 0)
    clock.pass_(days=30)
    assert run(store) == (1, 1, 0)


def test_a_retry_of_a_purged_shipment_is_told_why_it_cannot(
    store: Store, clock: Clock, ended: Callable[..., str]
) -> None:
    id = ended(state=State.REJECTED)
    clock.pass_(days=31)
    run(store)
    assert store.retry(id, actor="me") is State.FETCHED
    with pytest.raises(Invalid, match=r"details document was purged on 2026-12-23; `nfe retry --refetch`"):
        store.document(id, DocumentKind.DETAILS)
    assert store.document("NOBODY/X", DocumentKind.DETAILS) is None


def number(store: Store, id: str, status: NumberStatus, **more: Any) -> None:
    with store.writing() as connection:
        where = Range("99999999000191", 2, 1)
        reserve(connection, id, 1, where, lambda nNF: "12345670", store.now())
        decide(connection, id, 1, status, now=store.now(), **more)


@pytest.mark.parametrize(("key", "stays"), [("K" * 44, True), (None, False)])
def test_a_note_that_only_the_signed_xml_proves_is_kept(
    store: Store, clock: Clock, engine: Engine, key: str | None, stays: bool
) -> None:
    """SEFAZ said 101 by key: authorised and cancelled, and gave no protocol. Without a key the number is another's."""
    id, _ = engine.receive(notification())
    leave(store, id, DocumentKind.NFE, DocumentKind.DETAILS)
    number(store, id, NumberStatus.USED, access_key=key)
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).values(state=State.CANCELLED, due_at=None, ring_at=None))
    clock.pass_(days=31)
    run(store)
    assert kinds(store, id) == ({DocumentKind.NFE} if stays else set())


def test_an_index_finds_what_is_to_be_purged(store: Store, clock: Clock, ended: Callable[..., str]) -> None:
    ended()
    plan = plan_of(store, candidates(clock() - MONTH))
    assert "ix_shipment_updated_at" in plan
    assert "SCAN shipment" not in plan


# -- vendors ------------------------------------------------------------------------------------------------


def vendor(store: Store) -> Vendors:
    vendors = Vendors(store)
    vendors.put_connector("india", base_url="http://127.0.0.1:1", ship_from_party_id=None, secrets=b"{}")
    vendors.keep("india", [File("PO1", b"%PDF-1.7", "application/pdf")])
    return vendors


def test_a_vendors_invoice_loses_its_content_and_keeps_its_facts(store: Store, clock: Clock) -> None:
    vendors = vendor(store)
    (before,) = vendors.invoices()
    clock.pass_(days=31)
    assert run(store, seller_id=SELLER) == (0, 0, 0)
    assert run(store) == (0, 0, 1)
    assert run(store) == (0, 0, 0)
    (after,) = vendors.invoices()
    assert (after.sha256, after.size, after.purged_at) == (before.sha256, before.size, clock())
    assert vendors.file("india", "PO1") is None
    assert vendors.purged_at("india", "PO1") == clock()
    with store.reading() as connection:
        assert connection.execute(select(INVOICE.c.sealed)).scalar_one() == b""


def test_a_purged_invoice_that_amazon_gives_again_is_kept_again(store: Store, clock: Clock) -> None:
    vendors = vendor(store)
    clock.pass_(days=31)
    run(store)
    assert vendors.keep("india", [File("PO1", b"%PDF-1.7", "application/pdf")]).same == 1
    found = vendors.file("india", "PO1")
    assert found is not None
    assert found.content == b"%PDF-1.7"
    clock.pass_(days=29)
    assert run(store) == (0, 0, 0)
    clock.pass_(days=1)
    assert run(store) == (0, 0, 1)


# -- a whole seller -----------------------------------------------------------------------------------------


def test_of_a_seller_only_the_archive_and_its_numbers_are_left(
    store: Store, clock: Clock, ended: Callable[..., str], engine: Engine
) -> None:
    with_archive = ended("FBA1")
    engine.receive(notification("FBA2", "Cancelled"))  # a tombstone
    engine.catalog.put_products(SELLER, [("SKU", {})])
    engine.catalog.put_seller(
        {"id": "ANOTHER", "name": "X", "cnpj": "11222333000181", "issuer": {}, "certificate_until": None}, secrets=b"{}"
    )
    other, _ = engine.receive(notification("FBA9", seller="ANOTHER"))
    assert remove_seller(store, SELLER, actor="test") == Removed(1, 6, 1, 1)
    assert kinds(store, with_archive) == STAY
    assert store.shipment(f"{SELLER}/FBA2") is None
    row = store.shipment(with_archive)
    assert row is not None
    assert row.amazon_order_id is None
    assert [line.outcome for line in store.history(with_archive)] == ["purged"]
    seller = Catalog(store).seller(SELLER)
    assert seller is not None
    assert (seller.stop_code, seller.sealed_secrets) == ("removed", b"")
    assert kinds(store, other) == {DocumentKind.NOTIFICATION}
    assert remove_seller(store, SELLER, actor="test") == Removed(0, 0, 0, 1)  # safe to repeat


def test_a_seller_without_an_archive_is_gone(store: Store, engine: Engine) -> None:
    engine.receive(notification("FBA2", "Cancelled"))
    assert remove_seller(store, SELLER, actor="test").kept == 0
    assert Catalog(store).seller(SELLER) is None
    with pytest.raises(Invalid, match="unknown-seller"):
        remove_seller(store, SELLER, actor="test")


def test_a_seller_whose_shipments_are_on_their_way_stays_whole(store: Store, engine: Engine) -> None:
    id, _ = engine.receive(notification())
    assert on_their_way(store, SELLER) == 1
    with pytest.raises(Invalid, match="still-on-their-way"):
        remove_seller(store, SELLER, actor="test")
    assert kinds(store, id) == {DocumentKind.NOTIFICATION}
    seller = Catalog(store).seller(SELLER)
    assert seller is not None
    assert seller.stop_code is None


def test_nothing_of_a_buyer_is_left_in_the_rows_that_stay(
    store: Store, clock: Clock, ended: Callable[..., str]
) -> None:
    ended()
    clock.pass_(days=31)
    run(store)
    with store.reading() as connection:
        for row in connection.execute(select(DOCUMENT.c.kind, DOCUMENT.c.sealed)):
            assert row.kind in STAY
            assert CANARY not in row.sealed


def test_a_purged_shipment_that_is_announced_again_stays_as_it_is(
    store: Store, clock: Clock, ended: Callable[..., str], engine: Engine
) -> None:
    id = ended()
    clock.pass_(days=31)
    run(store)
    engine.receive(notification())
    assert kinds(store, id) == STAY
