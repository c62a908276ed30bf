"""What a search of the model once found, told as single stories: the real engine and stages, a world in this process."""

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.integration.model.fate import Clock, Fault, Ordeal, Trouble
from tests.integration.model.kit import AMAZON, FrailStore, Kit, register_seller, sell_products
from tests.integration.model.machine import ACTS
from tests.integration.model.world import World
from workflow.crypto import Vault
from workflow.engine import Outcome
from workflow.errors import Invalid, RetryLater
from workflow.handovers import Handovers
from workflow.key_source import new_key
from workflow.migrations import upgrade
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe.certificate import SigningKey
from workflow.nfe.protocol import chNFe_of
from workflow.nfe.signature import digest_value
from workflow.numbers import NUMBER
from workflow.sandbox import shipments
from workflow.sandbox.shipments import SELLER_ID
from workflow.settings import Settings
from workflow.states import Stage, State, next_stage
from workflow.store import REISSUE, connect, shipment_id
from workflow.tools import SellerSecrets
from workflow.withdrawal import withdraw

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class House:
    """One shipment of one seller."""

    def __init__(self, url: str, key: SigningKey) -> None:
        engine = connect(url)
        upgrade(engine)
        (example,) = shipments.demo_shipments(1, now=NOW, only_good=True)
        self.clock = Clock(NOW)
        self.world = World(self.clock, [example])
        self.store = FrailStore(engine, Vault([new_key()]))
        self.store.set_clock(self.clock)
        self.kit = Kit(Settings(amazon_url=AMAZON), self.store, self.world, key)
        register_seller(self.kit)
        sell_products(self.kit)
        self.store.world = self.world
        self.example = example
        self.id = shipment_id(shipments.SELLER_ID, example.shipment_id)
        self.announce("Created")

    @property
    def row(self) -> Any:
        """The shipment's."""
        return self.store.shipment(self.id)

    @property
    def numbers(self) -> list[Any]:
        """(nNF, status) of all."""
        with self.store.reading() as connection:
            rows = connection.execute(NUMBER.select().order_by(NUMBER.c.number)).all()
        return [(row.number, row.status) for row in rows]

    def announce(self, status: str) -> None:
        """Amazon's notification."""
        self.kit.engine.receive(json.dumps(shipments.notification(self.example.details, status)).encode())

    def go(self, *faults: Fault) -> Outcome:
        """Run the stage whose turn it is, as soon as it is due."""
        stage = next_stage(State(self.row.state), cancelling=self.row.cancelling)
        assert stage is not None
        self.clock.moment = max(self.clock.moment, self.row.due_at)
        with self.world.meets(Ordeal(deque(faults))):
            return self.kit.engine.advance(self.id, stage, partial(_swapped, stage, self.kit))

    def go_to(self, state: State) -> None:
        """Run stages, all of which succeed, up to a state."""
        while self.row.state != state:
            self.go()


def _swapped(stage: Stage, kit: Kit, claim: Any) -> Any:
    return ACTS[stage](claim, kit)


@pytest.fixture
def house(tmp_path: Path, signing_key: SigningKey) -> Iterator[House]:
    """A shipment that was just announced."""
    made = House(f"sqlite:///{tmp_path / 'house.sqlite3'}", signing_key)
    yield made
    made.store.engine.dispose()


def test_a_worker_that_sleeps_until_its_shipment_is_cancelled_takes_no_number(house: House) -> None:
    house.go_to(State.FETCHED)

    def meanwhile() -> None:
        house.clock.pass_(timedelta(minutes=10))
        house.announce("Cancelled")
        assert house.go().state is State.CANCELLED

    before_the_number = 2  # after: before the claim, after the claim
    ordeal = Ordeal(at=before_the_number, trouble=Trouble.SLEEPS, meanwhile=meanwhile)
    with house.world.meets(ordeal):
        house.kit.engine.advance(house.id, Stage.GENERATE, partial(_swapped, Stage.GENERATE, house.kit))
    assert house.row.state == State.CANCELLED
    assert house.numbers == []


def test_a_send_that_failed_after_a_lost_one_does_not_make_the_lost_one_forgotten(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.LATE)
    house.go(Fault.NONE, Fault.AWAY)  # SEFAZ knows no such NF-e yet; then it is out of reach
    assert house.row.sent_at is not None


def test_a_note_that_may_be_on_its_way_is_not_made_anew_for_the_svc(house: House) -> None:
    house.world.sefaz.svc = "107"
    house.go_to(State.GENERATED)
    house.go(Fault.LOST)
    for _ in range(8):
        house.go(Fault.NONE, Fault.BUSY)  # SEFAZ knows no such key, and takes no note
    assert house.row.state == State.GENERATED
    house.go_to(State.ACCEPTED)
    assert len(set(house.world.sefaz.received)) == 1


def test_a_note_on_its_way_is_not_called_cancelled_before_it_can_have_come(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.LATE)
    house.announce("Cancelled")
    assert house.go().code == "maybe-on-its-way"
    assert (house.go().state, house.go().state) == (State.AUTHORIZED, State.CANCELLED)
    assert [note.cancelled for note in house.world.sefaz.notes.values()] == [True]
    assert house.numbers == [(1, NumberStatus.USED)]


def test_a_note_that_never_came_is_cancelled_without_sefaz(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.LOST)
    house.announce("Cancelled")
    house.go()
    assert house.go().state is State.CANCELLED
    assert house.numbers == [(1, NumberStatus.UNUSED)]


def test_a_cancellation_that_finds_an_authorised_note_goes_on_at_once(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.UNHEARD)
    house.announce("Cancelled")
    assert house.go().state is State.AUTHORIZED
    assert house.row.ring_at == house.clock()  # its chain has no link left that could go on


def test_a_number_that_is_still_in_process_is_not_refused(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.LATE)
    assert house.go().code == "635"
    house.clock.pass_(timedelta(minutes=11))
    assert house.go().state is State.AUTHORIZED


def test_a_note_that_waits_under_a_receipt_is_not_called_cancelled_before_it_is_decided(house: House) -> None:
    house.go_to(State.GENERATED)
    assert house.go(Fault.QUEUED_LONG).code == "103"
    house.announce("Cancelled")
    house.go_to(State.CANCELLED)
    assert [note.cancelled for note in house.world.sefaz.notes.values()] == [True]
    assert house.numbers == [(1, NumberStatus.USED)]


def test_a_receipt_is_not_forgotten_over_a_question_that_failed(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.QUEUED_LONG)
    assert house.go(Fault.LOST).code == "sefaz-timeout"
    assert house.go().code == "103"
    house.go_to(State.AUTHORIZED)
    assert len(house.world.sefaz.received) == 1


def test_a_receipt_that_takes_long_is_asked_for_ever_more_seldom(house: House) -> None:
    house.go_to(State.GENERATED)
    began = house.clock()
    house.go(Fault.QUEUED_LONG)
    house.go_to(State.AUTHORIZED)
    assert house.clock() - began < timedelta(minutes=60)
    assert sum(line.code == "103" for line in house.store.history(house.id)) <= 12


def test_the_cancelled_note_before_a_reissue_says_nothing_of_the_one_after_it(house: House) -> None:
    house.go_to(State.AUTHORIZED)
    assert house.store.cancel(house.id, reason="the product was wrong", actor="maria", code=REISSUE)
    house.go()
    house.go_to(State.GENERATED)
    house.go(Fault.LATE)
    house.announce("Cancelled")
    house.go_to(State.CANCELLED)
    assert [note.cancelled for note in house.world.sefaz.notes.values()] == [True, True]
    assert house.numbers == [(1, NumberStatus.USED), (2, NumberStatus.USED)]


def test_a_note_cancelled_elsewhere_has_used_its_number(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.UNHEARD)
    next(iter(house.world.sefaz.notes.values())).cancelled = True
    assert house.go().state is State.CANCELLED
    assert house.numbers == [(1, NumberStatus.USED)]


def test_a_note_cancelled_elsewhere_while_we_cancel_it_has_used_its_number(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.UNHEARD)
    next(iter(house.world.sefaz.notes.values())).cancelled = True
    house.announce("Cancelled")
    assert house.go().state is State.CANCELLED
    assert house.numbers == [(1, NumberStatus.USED)]


def test_an_earlier_version_that_was_authorised_after_all_is_adopted(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.REFUSED)
    [first] = house.store.versions(house.id, DocumentKind.NFE)
    house.clock.pass_(timedelta(minutes=1))
    assert house.store.retry(house.id, actor="maria") is State.FETCHED
    house.go_to(State.GENERATED)
    second, _ = house.store.versions(house.id, DocumentKind.NFE)
    assert chNFe_of(first) == chNFe_of(second)
    assert digest_value(first) != digest_value(second)
    house.world.sefaz.refused.clear()
    house.world.sefaz._decide(first, Fault.NONE)  # it was on its way, and came in the dark
    house.go()
    assert house.row.state == State.AUTHORIZED
    [nfeProc] = house.store.versions(house.id, DocumentKind.NFEPROC)
    assert first in nfeProc
    house.go_to(State.ACCEPTED)


def test_bytes_that_nobody_here_stored_are_a_persons_matter_who_is_told_how_to_mend_it(house: House) -> None:
    house.go_to(State.GENERATED)
    [ours] = house.store.versions(house.id, DocumentKind.NFE)
    others = ours.replace(digest_value(ours).encode(), b"A" * 27 + b"=")
    house.world.sefaz._decide(others, Fault.NONE)
    outcome = house.go()
    assert (outcome.code, house.row.state) == ("protocol-other-digest", State.GENERATED)
    assert "have that note cancelled at SEFAZ, then `nfe retry`" in str(outcome.reason)
    house.world.sefaz.notes[chNFe_of(ours)].cancelled = True
    house.store.retry(house.id, actor="maria")
    assert house.go().state is State.CANCELLED


def take_back(house: House, reason: str = "devolution note issued") -> State:
    """A person's order."""
    return withdraw(house.kit, house.id, reason=reason, actor="maria")


def test_a_cancellation_after_the_deadline_is_taken_back_and_the_shipment_rests_as_it_was(house: House) -> None:
    house.go_to(State.ACCEPTED)
    house.clock.pass_(timedelta(hours=25))
    house.announce("Cancelled")
    assert house.go().code == "cancel-deadline-over"
    assert take_back(house) is State.ACCEPTED
    assert (house.row.state, house.row.cancelling, house.row.stop_code, house.row.due_at) == (
        *(State.ACCEPTED, False, None, None),
    )
    house.announce("Cancelled")  # SQS delivers once more
    assert not house.row.cancelling
    assert house.store.cancel(house.id, reason="now really", actor="maria")


def test_a_cancellation_that_sefaz_refuses_is_taken_back_and_the_shipment_goes_on(house: House) -> None:
    house.go_to(State.AUTHORIZED)
    house.announce("Cancelled")
    assert house.go(Fault.REFUSED).code == "221"
    assert house.row.sent_at is None  # SEFAZ said no: there is nothing on its way
    assert take_back(house) is State.AUTHORIZED
    house.go_to(State.ACCEPTED)
    assert len(house.world.amazon.submissions[house.example.shipment_id]) == 1


def test_an_event_that_may_have_arrived_is_asked_for_before_it_is_taken_back(house: House) -> None:
    house.go_to(State.ACCEPTED)
    house.announce("Cancelled")
    house.go(Fault.UNHEARD)
    with pytest.raises(RetryLater, match="maybe-on-its-way"):
        take_back(house)
    house.clock.pass_(timedelta(minutes=16))
    with pytest.raises(Invalid, match="already-cancelled"):
        take_back(house)
    assert house.go().state is State.CANCELLED


def test_an_event_that_did_not_arrive_is_taken_back(house: House) -> None:
    house.go_to(State.ACCEPTED)
    house.announce("Cancelled")
    house.go(Fault.LOST)
    house.clock.pass_(timedelta(minutes=16))
    assert take_back(house) is State.ACCEPTED
    assert [note.cancelled for note in house.world.sefaz.notes.values()] == [False]


def test_a_reissue_that_cannot_be_done_is_taken_back(house: House) -> None:
    house.world.amazon.verdict = "Errored"
    house.go_to(State.ERRORED)
    house.clock.pass_(timedelta(hours=25))
    assert house.store.cancel(house.id, reason="wrong product", actor="maria", code=REISSUE)
    assert house.go().code == "cancel-deadline-over"
    assert take_back(house) is State.ERRORED
    house.world.amazon.verdict = "Accepted"
    assert house.store.retry(house.id, actor="maria") is State.AUTHORIZED
    house.go_to(State.ACCEPTED)


def test_a_number_that_another_program_used_is_given_up_for_the_next(house: House) -> None:
    house.world.sefaz.take(shipments.SELLER_CNPJ, serie=1, nNF=1)
    house.go_to(State.REJECTED)
    house.store.retry(house.id, actor="maria")
    house.go_to(State.AUTHORIZED)
    assert house.numbers == [(1, NumberStatus.USED), (2, NumberStatus.USED)]


@pytest.mark.parametrize("fault", [Fault.BUSY, Fault.BLOCKED, Fault.ODD])
def test_a_cancellation_waits_for_a_sefaz_that_cannot_now(house: House, fault: Fault) -> None:
    house.go_to(State.AUTHORIZED)
    house.announce("Cancelled")
    house.go(fault)
    assert house.row.stop_code is None
    assert house.go().state is State.CANCELLED


def test_a_question_that_sefaz_does_not_answer_now_is_no_answer(house: House) -> None:
    house.go_to(State.AUTHORIZED)
    house.announce("Cancelled")
    house.go(Fault.UNHEARD)
    house.go(Fault.BLOCKED)
    assert house.row.stop_code is None
    assert house.go().state is State.CANCELLED


def test_sefaz_is_asked_for_a_key_no_more_than_ten_times_an_hour(house: House) -> None:
    house.go_to(State.GENERATED)
    house.go(Fault.LOST)
    until = house.clock() + timedelta(hours=3)
    while house.clock() < until:
        house.go(Fault.NONE, Fault.LOST)
    assert house.world.sefaz.complaints == []


def stopped(house: House, code: str) -> None:
    """A stop of the seller, as another shipment's stage may have found it."""
    assert house.kit.catalog.stop_seller(shipments.SELLER_ID, code, "told")
    house.kit._rows.clear()  # a second later


def test_a_revoked_authorisation_at_amazon_does_not_hold_a_cancellation_at_sefaz(house: House) -> None:
    house.go_to(State.AUTHORIZED)
    stopped(house, "lwa-invalid-grant")
    assert (house.go().code, house.row.stop_code) == ("seller-stopped", "seller-stopped")
    house.announce("Cancelled")
    assert house.go().state is State.CANCELLED
    assert [note.cancelled for note in house.world.sefaz.notes.values()] == [True]


@pytest.mark.parametrize("code", ["certificate-expired", "213", "sefaz-certificate-refused"])
def test_an_expired_certificate_holds_no_submission_and_no_question_for_the_verdict(house: House, code: str) -> None:
    house.go_to(State.AUTHORIZED)
    stopped(house, code)
    house.go_to(State.ACCEPTED)
    assert len(house.world.amazon.submissions[house.example.shipment_id]) == 1


def test_an_expired_certificate_holds_generation_authorisation_and_cancellation_till_it_is_mended(house: House) -> None:
    stopped(house, "certificate-expired")
    house.go_to(State.FETCHED)
    for state in (State.FETCHED, State.GENERATED):
        assert house.go().reason == "certificate-expired: told"
        assert (house.row.state, house.row.stop_code) == (state, "seller-stopped")
        assert house.kit.catalog.resume_seller(shipments.SELLER_ID, actor="maria") == 1
        house.go()
        stopped(house, "certificate-expired")
    house.announce("Cancelled")
    assert house.go().code == "seller-stopped"
    assert not house.world.sefaz.notes[house.row.access_key].cancelled


def test_a_stop_of_one_side_is_not_forgotten_over_that_of_the_other(house: House) -> None:
    house.go_to(State.AUTHORIZED)
    stopped(house, "lwa-invalid-grant")
    stopped(house, "203")
    assert house.go().reason is not None
    house.announce("Cancelled")
    outcome = house.go()
    assert (outcome.code, str(outcome.reason)[:4]) == ("seller-stopped", "203:")


def test_a_stop_that_is_neither_sides_stops_both(house: House) -> None:
    house.go_to(State.AUTHORIZED)
    stopped(house, "removed")
    assert house.go().code == "seller-stopped"
    house.announce("Cancelled")
    assert house.go().code == "seller-stopped"


def test_one_passing_not_found_after_many_questions_submits_nothing_again(house: House) -> None:
    house.go_to(State.SUBMITTED)
    house.world.amazon.may_lag = True
    for fault in (Fault.AWAY, Fault.AWAY, Fault.AWAY, Fault.ODD):
        house.go(fault)
    assert house.row.state == State.SUBMITTED


def test_a_file_that_amazon_never_keeps_is_a_persons_matter_after_some_submissions(house: House) -> None:
    house.go_to(State.SUBMITTED)
    while house.row.due_at is not None:
        house.world.amazon.forget(house.example.shipment_id)
        house.go()
    assert house.row.stop_code == "file-not-kept"
    assert len(house.world.amazon.submissions[house.example.shipment_id]) == 4


def test_an_errored_verdict_on_a_file_whose_answer_was_lost_is_that_files_verdict(house: House) -> None:
    house.world.amazon.verdict = "Errored"
    house.go_to(State.AUTHORIZED)
    house.go(Fault.UNHEARD)
    house.clock.pass_(timedelta(minutes=10))  # Amazon has decided meanwhile
    house.go_to(State.ERRORED)
    assert len(house.world.amazon.submissions[house.example.shipment_id]) == 1


def test_an_errored_verdict_that_a_person_has_read_says_nothing_of_the_file_that_was_lost_after_it(
    house: House,
) -> None:
    house.world.amazon.verdict = "Errored"
    house.go_to(State.ERRORED)
    house.world.amazon.verdict = "Accepted"
    house.clock.pass_(timedelta(minutes=1))
    assert house.store.retry(house.id, actor="maria") is State.AUTHORIZED
    house.go(Fault.LOST)
    house.go_to(State.ACCEPTED)
    assert len(house.world.amazon.submissions[house.example.shipment_id]) == 2


@pytest.mark.parametrize("fault", [Fault.LOST, Fault.UNHEARD])
def test_the_verdict_on_the_first_note_is_not_taken_for_that_on_the_reissued_one(house: House, fault: Fault) -> None:
    house.go_to(State.ACCEPTED)
    assert house.store.cancel(house.id, reason="the product was wrong", actor="maria", code=REISSUE)
    house.go()
    house.go_to(State.AUTHORIZED)
    house.go(fault)
    house.go_to(State.ACCEPTED)
    files = house.world.amazon.submissions[house.example.shipment_id]
    assert files[-1].file == house.kit.document(house.id, DocumentKind.NFEPROC)


def to_be_handed_on(house: House) -> list[tuple[str, str]]:
    """What is due, by its key's number; the first to be made first."""
    rows = Handovers(house.store).rows(shipment_id=house.id)
    return [(row.what, row.access_key[25:34].lstrip("0")) for row in sorted(rows, key=lambda row: row.created_at)]


@pytest.fixture
def wanted(house: House) -> House:
    """Its seller wants each note by mail."""
    row = house.kit.catalog.seller(SELLER_ID)
    assert row is not None
    secrets = SellerSecrets.load(house.store.vault.open(row.sealed_secrets, "seller", SELLER_ID))
    values = {name: row._mapping[name] for name in ("id", "name", "cnpj", "issuer", "certificate_until")}
    house.kit.catalog.put_seller(values, secrets=secrets._replace(buyer_mail={"to": ["a@b.example"]}).dump())
    return house


def test_an_accepted_note_is_to_be_handed_on_and_its_cancellation_after_it(wanted: House) -> None:
    wanted.go_to(State.SUBMITTED)
    assert to_be_handed_on(wanted) == []
    wanted.go_to(State.ACCEPTED)
    assert to_be_handed_on(wanted) == [("note", "1")]
    wanted.clock.pass_(timedelta(minutes=1))
    wanted.announce("Cancelled")
    wanted.go_to(State.CANCELLED)
    assert to_be_handed_on(wanted) == [("note", "1"), ("cancellation", "1")]


def test_a_reissued_note_is_handed_on_beside_the_end_of_the_first(wanted: House) -> None:
    wanted.go_to(State.ACCEPTED)
    wanted.clock.pass_(timedelta(minutes=1))
    assert wanted.store.cancel(wanted.id, reason="the product was wrong", actor="maria", code=REISSUE)
    wanted.go()
    wanted.clock.pass_(timedelta(minutes=1))
    wanted.go_to(State.ACCEPTED)
    assert to_be_handed_on(wanted) == [("note", "1"), ("cancellation", "1"), ("note", "2")]


def test_a_seller_who_wants_nothing_handed_on_has_nothing_to_be(house: House) -> None:
    house.go_to(State.ACCEPTED)
    house.announce("Cancelled")
    house.go_to(State.CANCELLED)
    assert to_be_handed_on(house) == []
