"""What must hold after each step: the rows, SEFAZ's book and Amazon's book agree."""

from collections.abc import Collection
from hashlib import sha256
from typing import Any

from sqlalchemy import select

from tests.integration.model.world import World
from tests.promises import (
    assert_histories_are_paths_without_gaps,
    assert_rows_are_due_or_settled_or_wait_for_a_person,
)
from workflow.models import DocumentKind, NumberStatus
from workflow.numbers import NUMBER, SERIES
from workflow.sandbox.shipments import SELLER_ID
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.store import DOCUMENT, HISTORY, SHIPMENT, Store, shipment_id


class Promises:
    """Of one installation, in one world."""

    def __init__(self, store: Store, world: World) -> None:
        self._store, self._world = store, world

    def hold(self, announced: Collection[str]) -> None:
        """All of them; `announced` are the ids of the shipments that there must be."""
        rows = self._rows(select(*SHIPMENT.c))
        assert sorted(row.id for row in rows) == sorted(announced)
        assert_rows_are_due_or_settled_or_wait_for_a_person(rows)
        lines = self._rows(select(*HISTORY.c).order_by(HISTORY.c.shipment_id, HISTORY.c.seq))
        assert_histories_are_paths_without_gaps(rows, lines)
        self._sefaz_and_the_rows_agree()
        self._bytes_are_never_other_ones()
        self._nothing_is_submitted_twice()
        self._every_number_is_accounted_for()

    def _sefaz_and_the_rows_agree(self) -> None:
        """One living NF-e per shipment, none of a cancelled one, none that we do not know of."""
        rows = {row.id: row for row in self._rows(select(*SHIPMENT.c))}
        numbers = {row.number: row for row in self._rows(select(*NUMBER.c))}
        living: dict[tuple[str, int], str] = {}
        for note in self._world.sefaz.notes.values():
            number = numbers[int(note.key[25:34])]
            if note.cancelled:
                continue
            assert living.setdefault((number.shipment_id, number.turn), note.key) == note.key
            row = rows[number.shipment_id]
            known = row.state in AUTHORIZED_AND_LATER
            asked_for = row.state == State.GENERATED and row.sent_at is not None
            assert known or asked_for, (row, note.key)
            if known:
                assert number.status == NumberStatus.USED
                assert number.access_key == note.key == row.access_key
        assert not self._world.sefaz.complaints

    def _bytes_are_never_other_ones(self) -> None:
        """What SEFAZ and Amazon got is what is stored."""
        stored = self._rows(select(DOCUMENT.c.shipment_id, DOCUMENT.c.kind, DOCUMENT.c.sha256))
        made = {row.sha256 for row in stored if row.kind == DocumentKind.NFE}
        received = self._world.sefaz.received + [signed for _, signed in self._world.sefaz.late]
        assert {sha256(signed).hexdigest() for signed in received} <= made
        for name, files in self._world.amazon.submitted.items():
            id = shipment_id(SELLER_ID, name)
            mine = {row.sha256 for row in stored if row.kind == DocumentKind.NFEPROC and row.shipment_id == id}
            assert {sha256(file).hexdigest() for file in files} <= mine

    def _nothing_is_submitted_twice(self) -> None:
        """Once, and once more for each order to, and for each file that Amazon lost."""
        for name, files in self._world.amazon.submitted.items():
            lines = self._store.history(shipment_id(SELLER_ID, name))
            orders = sum(line.stage == "retry" and line.from_state == State.ERRORED for line in lines)
            assert len(files) <= 1 + orders + self._world.amazon.forgotten[name], name

    def _every_number_is_accounted_for(self) -> None:
        """No gap, one shipment each; decided where the shipment is."""
        series = self._rows(select(SERIES.c.next_number))
        numbers = self._rows(select(*NUMBER.c).order_by(NUMBER.c.number))
        assert [row.number for row in numbers] == list(range(1, series[0].next_number if series else 1))
        states = {row.id: row.state for row in self._rows(select(SHIPMENT.c.id, SHIPMENT.c.state))}
        for number in numbers:
            held = self._world.sefaz.is_taken(number.number)
            if states[number.shipment_id] == State.CANCELLED and number.status != NumberStatus.USED:
                assert number.status == NumberStatus.UNUSED, number
                assert not any(int(key[25:34]) == number.number for key in self._world.sefaz.notes), number
            if number.status == NumberStatus.USED:
                assert held, number

    def _rows(self, question: Any) -> Any:
        with self._store.reading() as connection:
            return connection.execute(question).all()
