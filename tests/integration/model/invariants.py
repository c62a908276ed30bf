"""What must hold after each step: the rows, SEFAZ's books and Amazon's book agree."""

import sqlite3
from collections import namedtuple
from collections.abc import Collection, Mapping
from hashlib import sha256
from itertools import pairwise
from typing import Any

from tests.integration.model.sefaz import Note
from tests.integration.model.world import World
from tests.promises import (
    assert_histories_are_paths_without_gaps,
    assert_rows_are_due_or_settled_or_wait_for_a_person,
)
from workflow.catalog import SELLER_STOPPED
from workflow.models import DocumentKind, NumberStatus, VoidingState
from workflow.nfe.protocol import chNFe_of
from workflow.sandbox.shipments import SELLER_ID
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.store import Store, shipment_id

#: What a number may be whose shipment was cancelled before SEFAZ had a note of it.
GIVEN_UP = {NumberStatus.UNUSED, NumberStatus.VOIDED, NumberStatus.PERSON}
SNAPSHOT = {
    "shipments": "SELECT * FROM shipment",
    "lines": "SELECT * FROM history ORDER BY shipment_id, seq",
    "documents": "SELECT shipment_id, kind, version, sha256 FROM document ORDER BY version",
    "numbers": "SELECT * FROM number ORDER BY number",
    "series": "SELECT * FROM number_series",
    "sellers": "SELECT * FROM seller",
    "voidings": "SELECT id, first, last, state, sealed_request FROM voiding",
}


class Snapshot:
    """All tables at one moment, read by the driver: it is done after each step."""

    def __init__(self, store: Store) -> None:
        with store.reading() as connection:
            driver: Any = connection.connection.driver_connection
            self._rows = {name: _read(driver, question) for name, question in SNAPSHOT.items()}

    def __getattr__(self, name: str) -> list[Any]:
        return self._rows[name]


def _read(driver: sqlite3.Connection, question: str) -> list[Any]:
    cursor = driver.execute(question)
    row = namedtuple("row", [column[0] for column in cursor.description])
    return [row(*found) for found in cursor]


class Promises:
    """Of one installation, in one world."""

    def __init__(self, store: Store, world: World) -> None:
        self._store, self._world = store, world

    def hold(self, announced: Collection[str]) -> None:
        """All of them; `announced` are the ids of the shipments that there must be."""
        now = Snapshot(self._store)
        assert sorted(row.id for row in now.shipments) == sorted(announced)
        assert_rows_are_due_or_settled_or_wait_for_a_person(now.shipments)
        assert_histories_are_paths_without_gaps(now.shipments, now.lines)
        assert not self._world.sefaz.complaints
        self._who_waits_for_the_seller_waits_for_a_stop(now)
        self._sefaz_and_the_rows_agree(now)
        self._bytes_are_never_other_ones(now)
        self._amazon_has_each_file_once(now)
        self._every_number_is_accounted_for(now)
        self._no_number_in_use_is_voided(now)
        self._letters_are_registered_once()

    def end(self) -> None:
        """When all has come to rest and numbers were voided: each is an NF-e's, or void, or waits with its shipment."""
        now = Snapshot(self._store)
        states = {row.id: row for row in now.shipments}
        for number in now.numbers:
            shipment = states[number.shipment_id]
            waits = number.status == NumberStatus.RESERVED and shipment.stop_code and shipment.turn == number.turn
            is_anothers = number.status == NumberStatus.PERSON and self._world.sefaz.is_taken(number.number)
            done = number.status in (NumberStatus.USED, NumberStatus.VOIDED)
            assert done or waits or is_anothers, (number, shipment)
        assert all(row.state != VoidingState.OPEN for row in now.voidings)

    def _who_waits_for_the_seller_waits_for_a_stop(self, now: Snapshot) -> None:
        """When a seller is mended, nothing stays behind."""
        if all(seller.stop_code is None for seller in now.sellers):
            assert not [row for row in now.shipments if row.stop_code == SELLER_STOPPED]

    def _sefaz_and_the_rows_agree(self, now: Snapshot) -> None:
        """One living NF-e per shipment, none of a cancelled one, none that we do not know of; no number has two."""
        rows = {row.id: row for row in now.shipments}
        numbers = {row.number: row for row in now.numbers}
        notes = self._world.sefaz.notes.values()
        assert len({note.nNF for note in notes}) == len(notes)
        living: dict[str, str] = {}
        for note in notes:
            if not note.cancelled:
                number = numbers[note.nNF]
                assert living.setdefault(number.shipment_id, note.key) == note.key
                self._is_known(note, rows[number.shipment_id], number)

    def _is_known(self, note: Note, row: Any, number: Any) -> None:
        known = row.state in AUTHORIZED_AND_LATER
        asked_for = row.state == State.GENERATED and row.sent_at is not None
        assert known or asked_for, (row, note.key)
        if known:
            assert number.status == NumberStatus.USED
            assert number.turn == row.turn
            assert number.access_key == note.key == row.access_key

    def _bytes_are_never_other_ones(self, now: Snapshot) -> None:
        """What SEFAZ and Amazon got is what is stored."""
        made = {row.sha256 for row in now.documents if row.kind == DocumentKind.NFE}
        received = self._world.sefaz.received + self._world.sefaz.on_their_way()
        assert {sha256(signed).hexdigest() for signed in received} <= made
        for name, files in self._world.amazon.submissions.items():
            mine = set(_proofs(now, shipment_id(SELLER_ID, name)))
            assert {sha256(one.file).hexdigest() for one in files} <= mine

    def _amazon_has_each_file_once(self, now: Snapshot) -> None:
        """Once, and once more for each order to; where a shipment is accepted, it is this note's file that was."""
        states = {row.id: row.state for row in now.shipments}
        for name, files in self._world.amazon.submissions.items():
            id = shipment_id(SELLER_ID, name)
            orders = sum(
                line.shipment_id == id and line.stage == "retry" and line.from_state == State.ERRORED
                for line in now.lines
            )
            assert self._world.amazon.needless[name] <= orders, name
            if states[id] == State.ACCEPTED and not any(one.from_a_sleeper for one in files):
                assert sha256(files[-1].file).hexdigest() == _proofs(now, id)[-1], name

    def _every_number_is_accounted_for(self, now: Snapshot) -> None:
        """No gap, one shipment each; decided where the shipment is."""
        ends = now.series[0].next_number if now.series else 1
        assert [row.number for row in now.numbers] == list(range(1, ends))
        states = {row.id: row.state for row in now.shipments}
        noted = {note.nNF for note in self._world.sefaz.notes.values()}
        for number in now.numbers:
            if states[number.shipment_id] == State.CANCELLED and number.status != NumberStatus.USED:
                assert number.status in GIVEN_UP, number
                assert number.number not in noted, number
            if number.status == NumberStatus.USED:
                assert self._world.sefaz.is_taken(number.number), number
            if number.status == NumberStatus.VOIDED:
                assert number.number in self._world.sefaz.voided, number

    def _no_number_in_use_is_voided(self, now: Snapshot) -> None:
        """SEFAZ was asked to void only what its shipment had given up for good, and by stored bytes."""
        shipments = {row.id: row for row in now.shipments}
        on_their_way = {int(chNFe_of(nfe)[25:34]) for nfe in self._world.sefaz.on_their_way()}
        for number in now.numbers:
            if number.number in self._world.sefaz.voided:
                assert number.status in GIVEN_UP, number
                shipment = shipments[number.shipment_id]
                assert shipment.state == State.CANCELLED or shipment.turn > number.turn, number
                assert number.number not in on_their_way, number
        open_ = self._store.vault.open
        kept = {open_(row.sealed_request, "voiding", row.id) for row in now.voidings}
        assert set(self._world.sefaz.voidings) <= kept

    def _letters_are_registered_once(self) -> None:
        """Letters of correction are numbered without a gap, and none says what the one before it says."""
        for note in self._world.sefaz.notes.values():
            letters: Mapping[int, tuple[str, bytes]] = note.letters
            assert sorted(letters) == list(range(1, len(letters) + 1))
            texts = [letters[seq][0] for seq in sorted(letters)]
            assert all(one != other for one, other in pairwise(texts)), texts


def _proofs(now: Snapshot, id: str) -> list[str]:
    """The digests of a shipment's nfeProc, the newest last."""
    return [row.sha256 for row in now.documents if (row.shipment_id, row.kind) == (id, DocumentKind.NFEPROC)]
