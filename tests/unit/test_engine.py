"""Claim, act, settle: on SQLite and on PostgreSQL."""

import doctest
import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.unit.conftest import SELLER, Clock, notification
from workflow import engine as engine_module
from workflow.clients.amazon import NoSuchShipment
from workflow.clients.selling_partner import Throttled
from workflow.engine import SELLER_STOPPED, Done, Engine, Kind, Reception
from workflow.errors import Invalid, LostAnswer, Misconfigured, NfeError, Refused, RetryLater, SellerStopped
from workflow.models import DocumentKind
from workflow.settings import Settings
from workflow.states import Stage, State
from workflow.store import Claim, Left, Store

Notify = Callable[..., str]


def fetched(claim: Claim) -> Done:
    return Done(state=State.FETCHED, documents=(Left(DocumentKind.DETAILS, b'{"a": 1}'),))


def raises(error: Exception) -> Callable[[Claim], Done]:
    def act(claim: Claim) -> Done:
        raise error

    return act


def state_of(store: Store, id: str) -> str:
    row = store.shipment(id)
    assert row is not None
    return str(row.state)


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(engine_module).failed == 0


def test_the_same_notification_twice_makes_one_shipment(engine: Engine, store: Store) -> None:
    first = engine.receive(notification())
    second = engine.receive(notification())
    assert (first[1], second[1]) == (Reception.CREATED, Reception.REPEATED)
    assert len(store.shipments()) == 1
    assert len(store.history(first[0])) == 1


def test_a_cancellation_before_its_shipment_leaves_a_tombstone(engine: Engine, store: Store) -> None:
    id, came = engine.receive(notification(status="Cancelled"))
    assert came is Reception.BURIED
    assert engine.receive(notification(status="Created"))[1] is Reception.REPEATED
    assert state_of(store, id) == State.CANCELLED


def test_an_unknown_status_is_told_in_the_history_and_moves_nothing(
    engine: Engine, store: Store, notify: Notify
) -> None:
    id = notify()
    assert engine.receive(notification(status="Shipped"))[1] is Reception.IGNORED
    assert store.history(id)[-1].outcome == "ignored"
    assert state_of(store, id) == State.RECEIVED


def test_an_unknown_seller_is_refused_and_nothing_is_written(engine: Engine, store: Store) -> None:
    with pytest.raises(Invalid, match="unknown-seller"):
        engine.receive(notification(seller="NOBODY"))
    assert store.shipments() == []


def test_a_stage_leaves_state_history_and_document_together(engine: Engine, store: Store, notify: Notify) -> None:
    id = notify()
    outcome = engine.advance(id, Stage.FETCH, fetched)
    assert (outcome.kind, outcome.goes_on) == (Kind.DONE, True)
    assert state_of(store, id) == State.FETCHED
    assert store.document(id, DocumentKind.DETAILS) == b'{"a": 1}'
    assert [line.state for line in store.history(id)] == [State.RECEIVED, State.FETCHED]


def test_what_is_stored_of_a_document_is_sealed(engine: Engine, store: Store, notify: Notify) -> None:
    id = notify()
    engine.advance(id, Stage.FETCH, fetched)
    with store.reading() as connection:
        stored = connection.exec_driver_sql("SELECT sealed FROM document WHERE kind = 'details'").scalar_one()
    assert b'"a"' not in bytes(stored)


def test_a_stage_whose_turn_it_is_not_is_harmless(engine: Engine, store: Store, notify: Notify) -> None:
    id = notify()
    for stage in (Stage.GENERATE, Stage.AUTHORIZE, Stage.SUBMIT, Stage.POLL, Stage.CANCEL):
        assert engine.advance(id, stage, raises(AssertionError("ran"))).kind is Kind.SKIPPED
    assert len(store.history(id)) == 1


def test_a_shipment_in_a_workers_hands_is_not_given_to_another(store: Store, notify: Notify, clock: Clock) -> None:
    id = notify()
    assert store.claim(id, Stage.FETCH, lease=timedelta(seconds=60)) is not None
    assert store.claim(id, Stage.FETCH, lease=timedelta(seconds=60)) is None
    clock.pass_(seconds=61)
    assert store.claim(id, Stage.FETCH, lease=timedelta(seconds=60)) is not None


def test_a_worker_that_wakes_up_after_its_lease_writes_nothing(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()

    def slow(claim: Claim) -> Done:
        clock.pass_(hours=1)
        assert engine.advance(id, Stage.FETCH, fetched).kind is Kind.DONE
        return Done(state=State.FETCHED, documents=(Left(DocumentKind.DETAILS, b"late"),))

    assert engine.advance(id, Stage.FETCH, slow).kind is Kind.SKIPPED
    assert store.document(id, DocumentKind.DETAILS) == b'{"a": 1}'
    assert len(store.history(id)) == 2


def test_a_worker_whose_lease_ran_out_may_not_send(store: Store, notify: Notify, clock: Clock) -> None:
    id = notify()
    claim = store.claim(id, Stage.FETCH, lease=timedelta(seconds=60))
    assert claim is not None
    assert store.mark_sent(claim)
    clock.pass_(seconds=61)
    assert not store.mark_sent(claim)


def test_a_mark_of_sending_lasts_until_the_state_changes(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    seen = []

    def lost(claim: Claim) -> Done:
        seen.append(claim.sent_at)
        store.mark_sent(claim)
        raise LostAnswer("timeout", "no answer")

    engine.advance(id, Stage.FETCH, lost)
    clock.pass_(seconds=60)
    engine.advance(id, Stage.FETCH, lost)
    assert [sent is None for sent in seen] == [True, False]
    clock.pass_(seconds=60)
    engine.advance(id, Stage.FETCH, fetched)
    row = store.shipment(id)
    assert row is not None
    assert row.sent_at is None


def test_a_failure_that_may_pass_waits_longer_each_time(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    waits = []
    for _ in range(4):
        outcome = engine.advance(id, Stage.FETCH, raises(RetryLater("http-503", "away")))
        assert outcome.wait is not None
        waits.append(outcome.wait.total_seconds())
        clock.pass_(minutes=10)
    assert waits == [2, 4, 8, 16]
    assert [line.tries for line in store.history(id)[1:]] == [1, 2, 3, 4]


def test_a_permit_that_is_not_free_costs_no_try_and_no_line(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    wait = RetryLater("rate-limited", "plan", after=timedelta(seconds=3), counts=False)
    assert engine.advance(id, Stage.FETCH, raises(wait)).kind is Kind.WAITING
    row = store.shipment(id)
    assert row is not None
    assert (row.tries, len(store.history(id))) == (0, 1)
    assert row.due_at == clock() + timedelta(seconds=3)


def test_what_a_person_must_mend_keeps_its_state_and_is_due_never(engine: Engine, store: Store, notify: Notify) -> None:
    id = notify()
    outcome = engine.advance(id, Stage.FETCH, raises(Invalid("unknown-sku", "SKU X is not in the catalogue")))
    row = store.shipment(id)
    assert row is not None
    assert outcome.kind is Kind.STOPPED
    assert (row.state, row.due_at, row.ring_at, row.stop_code) == (State.RECEIVED, None, None, "unknown-sku")
    assert store.history(id)[-1].reason == "SKU X is not in the catalogue"


def test_an_unforeseen_exception_is_tried_again_and_then_left_to_a_person(
    engine: Engine, store: Store, notify: Notify, clock: Clock, settings: Settings
) -> None:
    id = notify()
    for _ in range(settings.max_crashes):
        assert engine.advance(id, Stage.FETCH, raises(KeyError("Maria da Silva"))).kind is Kind.WAITING
        clock.pass_(hours=1)
    assert engine.advance(id, Stage.FETCH, raises(AssertionError("ran"))).code == "gave-up"
    assert "Maria" not in " ".join(str(line.reason) for line in store.history(id))


def test_a_stage_that_kills_its_worker_again_and_again_is_given_up(
    engine: Engine, store: Store, notify: Notify, clock: Clock, settings: Settings
) -> None:
    id = notify()
    for _ in range(settings.max_crashes + 1):  # claimed, and never settled
        assert store.claim(id, Stage.FETCH, lease=timedelta(seconds=60)) is not None
        clock.pass_(minutes=5)
    assert engine.advance(id, Stage.FETCH, fetched).code == "gave-up"
    assert state_of(store, id) == State.RECEIVED


def test_tries_have_an_end(store: Store, engine: Engine, notify: Notify, clock: Clock, settings: Settings) -> None:
    id = notify()
    for _ in range(settings.max_tries):
        assert engine.advance(id, Stage.FETCH, raises(RetryLater("http-503", "away"))).kind is Kind.WAITING
        clock.pass_(hours=1)
    outcome = engine.advance(id, Stage.FETCH, raises(RetryLater("http-503", "away")))
    assert (outcome.kind, outcome.code) == (Kind.STOPPED, "gave-up")


def test_a_seller_that_must_be_mended_stops_and_goes_on_when_resumed(
    engine: Engine, store: Store, notify: Notify
) -> None:
    id = notify()
    engine.advance(id, Stage.FETCH, raises(SellerStopped("certificate-expired", "renew the A1")))
    seller, row = engine.catalog.seller(SELLER), store.shipment(id)
    assert seller is not None
    assert row is not None
    assert (seller.stop_code, row.stop_code, row.due_at) == ("certificate-expired", "seller-stopped", None)
    assert engine.catalog.resume_seller(SELLER, actor="maria") == 1
    assert engine.advance(id, Stage.FETCH, fetched).kind is Kind.DONE


def test_an_installation_to_be_mended_costs_a_shipment_only_time(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()
    outcome = engine.advance(id, Stage.FETCH, raises(Misconfigured("wrong-encryption-key", "put the old one behind")))
    assert (outcome.kind, outcome.code) == (Kind.WAITING, "wrong-encryption-key")
    clock.pass_(minutes=1)
    assert engine.advance(id, Stage.FETCH, fetched).kind is Kind.DONE
    assert [line.code for line in store.history(id)] == [None, "wrong-encryption-key", None]


def test_a_shipment_that_stops_for_a_seller_who_was_just_mended_goes_on(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()

    def sees_the_old_stop(claim: Claim) -> Done:
        engine.catalog.resume_seller(SELLER, actor="maria")  # holds nothing up yet: nobody comes back for us
        raise SellerStopped(SELLER_STOPPED, "certificate-expired: renew the A1")

    engine.catalog.stop_seller(SELLER, "certificate-expired", "renew the A1")
    engine.advance(id, Stage.FETCH, sees_the_old_stop)
    row = store.shipment(id)
    assert row is not None
    assert (row.stop_code, row.due_at, row.ring_at) == (None, clock(), clock())


def test_a_worker_in_flight_does_not_stop_a_seller_who_was_just_mended(
    store: Store, settings: Settings, engine: Engine, notify: Notify, clock: Clock
) -> None:
    versions = [engine.catalog.seller(SELLER).version]  # type: ignore[union-attr]  # what the worker has read
    worker = Engine(store, settings, version_in_use=lambda seller: versions[0])
    expired = SellerStopped("certificate-expired", "renew the A1")
    refused = Done(state=State.REJECTED, code="213", reason="CNPJ-Base difere", stops_seller=True)

    def mended_meanwhile(claim: Claim) -> Done:
        engine.catalog.resume_seller(SELLER, actor="maria")
        if claim.state is State.RECEIVED:
            raise expired
        return refused

    fetching, sending = notify("FBA1"), notify("FBA2")
    for stage, state in ((Stage.FETCH, State.FETCHED), (Stage.GENERATE, State.GENERATED)):
        assert engine.advance(sending, stage, lambda claim, state=state: Done(state=state)).goes_on  # type: ignore[misc]
    for id, stage, again in ((fetching, Stage.FETCH, State.RECEIVED), (sending, Stage.AUTHORIZE, State.FETCHED)):
        worker.advance(id, stage, mended_meanwhile)
        row = store.shipment(id)
        assert row is not None
        assert (row.state, row.stop_code, row.due_at) == (again, None, clock())
        assert engine.catalog.seller(SELLER).stop_code is None  # type: ignore[union-attr]
    versions[0] += 2
    worker.advance(fetching, Stage.FETCH, raises(expired))
    assert engine.catalog.seller(SELLER).stop_code == "certificate-expired"  # type: ignore[union-attr]


def test_what_amazon_throttles_or_does_not_know_waits_for_its_turn(engine: Engine, notify: Notify) -> None:
    unknown = NoSuchShipment("http-404", "getShipmentDetails: none")
    assert engine.advance(notify("FBA1"), Stage.FETCH, raises(Throttled("getShipmentDetails"))).kind is Kind.WAITING
    assert engine.advance(notify("FBA2"), Stage.FETCH, raises(unknown)).code == "http-404"


def test_a_cstat_stays_readable_though_the_buyers_house_has_its_number(
    engine: Engine, store: Store, notify: Notify
) -> None:
    id = notify()
    details = b'{"payload": {"BuyerName": "Maria Souza", "ShippingAddress": {"AddressLine1": "Rua das Flores, 103"}}}'
    left = (Left(DocumentKind.DETAILS, details),)
    engine.advance(id, Stage.FETCH, lambda claim: Done(state=State.FETCHED, documents=left))
    engine.advance(id, Stage.GENERATE, raises(LostAnswer("103", "Lote recebido de Maria, 103; nRec 351000000000001")))
    line = store.history(id)[-1]
    assert (line.code, line.reason) == ("103", "Lote recebido de ***, ***; nRec 351000000000001")


def test_a_cancellation_goes_before_the_next_stage(engine: Engine, store: Store, notify: Notify) -> None:
    id = notify()
    notify(status="Cancelled")
    assert engine.advance(id, Stage.FETCH, fetched).kind is Kind.SKIPPED
    assert engine.advance(id, Stage.CANCEL, lambda claim: Done(state=State.CANCELLED)).kind is Kind.DONE
    row = store.shipment(id)
    assert row is not None
    assert (row.state, row.cancelling, row.due_at) == (State.CANCELLED, False, None)


def test_a_cancellation_that_comes_while_a_stage_works_is_due_at_once(
    engine: Engine, store: Store, notify: Notify, clock: Clock
) -> None:
    id = notify()

    def meanwhile(claim: Claim) -> Done:
        notify(status="Cancelled")
        return Done(state=State.FETCHED, after=timedelta(hours=9))

    engine.advance(id, Stage.FETCH, meanwhile)
    row = store.shipment(id)
    assert row is not None
    assert (row.state, row.cancelling, row.due_at) == (State.FETCHED, True, clock())
    assert engine.advance(id, Stage.CANCEL, lambda claim: Done(state=State.CANCELLED)).kind is Kind.DONE


def test_a_way_that_the_table_does_not_know_is_a_bug(engine: Engine, notify: Notify) -> None:
    with pytest.raises(AssertionError, match="may not lead"):
        engine.advance(notify(), Stage.FETCH, lambda claim: Done(state=State.ACCEPTED))


# -- whose words they are -------------------------------------------------------------------------------------

BUYER = json.dumps({"payload": {"BuyerName": "Zuleica Peçanha", "ShippingAddress": {"Phone": "11988776655"}}}).encode()
ECHO = "Destinatário ZULEICA PECANHA, fone (11) 98877-6655, é inválido"


def echoing(found: NfeError | Done) -> Callable[[Claim], Done]:
    """A stage that finds or raises this."""

    def act(claim: Claim) -> Done:
        if isinstance(found, NfeError):
            raise found
        return found

    return act


@pytest.mark.parametrize(
    "found",
    [
        Refused("InvalidInput", ECHO, answer=b'{"errors": []}'),
        Invalid("225", ECHO),
        SellerStopped("230", ECHO),
        LostAnswer("103", ECHO),
        Invalid("Zuleica", ECHO),
        Done(state=State.GENERATED, reason=ECHO, code="150"),
    ],
    ids=lambda found: type(found).__name__,
)
def test_what_the_other_side_quotes_of_the_buyer_is_in_no_reason(
    engine: Engine, store: Store, notify: Notify, found: NfeError | Done
) -> None:
    id = notify()
    engine.advance(
        id, Stage.FETCH, lambda claim: Done(state=State.FETCHED, documents=(Left(DocumentKind.DETAILS, BUYER),))
    )
    outcome = engine.advance(id, Stage.GENERATE, echoing(found))
    line = store.history(id)[-1]
    assert line.reason == outcome.reason == "Destinatário *** ***, fone (***, é inválido"
    assert "Zuleica" not in str(line.code)
    seller = engine.catalog.seller(SELLER)
    assert seller is not None
    assert "ZULEICA" not in str(seller.stop_reason)


def test_a_refusal_is_kept_whole_and_sealed(engine: Engine, store: Store, notify: Notify) -> None:
    id = notify()
    engine.advance(id, Stage.FETCH, raises(Refused("InvalidInput", "no such shipment", answer=b"whole")))
    assert store.document(id, DocumentKind.REJECTION) == b"whole"
