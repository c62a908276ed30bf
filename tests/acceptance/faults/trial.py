"""One fault, inflicted while a batch of shipments is on its way; and what is counted afterwards, in everybody's books."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

from sqlalchemy import select

from tests.acceptance.faults.plant import Plant
from tests.promises import assert_histories_are_paths_without_gaps, assert_rows_are_due_or_settled_or_wait_for_a_person
from workflow.models import NumberStatus
from workflow.number_book import NumberBook
from workflow.numbers import NUMBER
from workflow.sandbox.shipments import SELLER_ID, Example, demo_shipments
from workflow.states import State
from workflow.store import HISTORY, SHIPMENT, shipment_id


class Tally(NamedTuple):
    """What became of a batch."""

    shipments: int
    lost: int
    doubled: int


class Trial:
    """A batch of good shipments in a plant, of which each must end accepted, or cancelled where it was cancelled."""

    def __init__(self, plant: Plant, seeds: Iterator[int], size: int, *, keep: Callable[[Tally], None]) -> None:
        self.plant = plant
        self.size = size
        self._seeds = seeds
        self._keep = keep
        self.batch: list[Example] = []

    # -- the batch ----------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Let the batch be announced while everything works as usual."""
        self.plant.run_as_usual()
        self.announce(*self.fresh(self.size))

    def fresh(self, count: int) -> list[Example]:
        """Shipments that nobody has seen, known to Amazon."""
        made = demo_shipments(count, seed=next(self._seeds), only_good=True)
        for example in made:
            self.plant.amazon.book.add(example.shipment())
        self.batch += made
        return made

    def announce(self, *examples: Example, rings: bool = False) -> None:
        """Hand in their notifications; who `rings` keeps the sweeper quiet for a while."""
        engine = self.plant.tools().engine
        for example in examples:
            for notification in example.notifications:
                engine.receive(json.dumps(notification).encode(), rings=rings)

    def row(self, example: Example) -> Any:
        """Its row, None while there is none."""
        return self.plant.tools().store.shipment(id_of(example))

    def rows(self) -> dict[str, Any]:
        """The batch's rows by id."""
        return {id: row for id, row in _rows(self.plant).items() if id in {id_of(example) for example in self.batch}}

    # -- the middle, the end ------------------------------------------------------------------------------------

    def wait_for_authorised(self, count: int) -> None:
        """Return once SEFAZ has authorised so many of the batch."""
        buyers = {_buyer(example) for example in self.batch}

        def enough() -> bool:
            book = tuple(self.plant.sefaz.book.by_key.values())
            return len(buyers & {note.document for note in book}) >= count

        self.plant.wait(enough, f"the authorisation of {count}")

    def in_the_middle(self) -> None:
        """Return when a third of the batch is authorised."""
        self.wait_for_authorised(max(len(self.batch) // 3, 1))

    def rest(self) -> None:
        """Return once nothing of the batch is due by itself."""

        def rests() -> bool:
            rows = self.rows()
            return len(rows) >= len(self.batch) and all(
                row.ring_at is None and row.lease is None for row in rows.values()
            )

        self.plant.wait(rests, "rest")

    def count(self, *, cancelled: Collection[Example] = ()) -> None:
        """Let everything come to rest, count what is lost and what is doubled, and hold all books to each other."""
        self.rest()
        gone = {example.shipment_id for example in cancelled}
        lost, doubled = _lost(self, gone), _doubled(self.plant)
        self._keep(Tally(len(self.batch), len(lost), len(doubled)))
        assert (lost, doubled) == ([], []), self.plant.logs()
        assert_books_agree(self.plant)


def id_of(example: Example) -> str:
    """The id of its row."""
    return shipment_id(SELLER_ID, example.shipment_id)


def _buyer(example: Example) -> str:
    """The CPF, by which SEFAZ's book knows the sale without the engine's help."""
    cpf: str = example.details["BuyerTaxInfo"]["TaxClassifications"][0]["Value"]
    return cpf


def _rows(plant: Plant) -> dict[str, Any]:
    with plant.tools().store.reading() as connection:
        return {row.id: row for row in connection.execute(select(*SHIPMENT.c)).all()}


def _lost(trial: Trial, gone: Collection[str]) -> list[str]:
    """Shipments that did not end as they should, or whose file Amazon does not have, by id with their state."""
    rows, book = _rows(trial.plant), trial.plant.amazon.book
    lost = []
    for example in trial.batch:
        row = rows.get(id_of(example))
        state = row.state if row is not None else None
        wanted = State.CANCELLED if example.shipment_id in gone else State.ACCEPTED
        kept = wanted is State.CANCELLED or book.verdict(example.shipment_id) == "Accepted"
        if state != wanted or not kept:
            lost.append(f"{example.shipment_id} {state} {row.stop_code if row is not None else None}")
    return lost


def _doubled(plant: Plant) -> list[str]:
    """Buyers with more than one living NF-e, numbers with more than one key, shipments with more than one file."""
    notes = plant.sefaz.book.by_key.values()
    living = Counter(note.document for note in notes if note.cancelled_at is None)
    held = Counter((note.cnpj, note.serie, note.nNF) for note in notes)
    files = plant.amazon.book.dump(requests=False)["shipments"]
    twice = [f"NF-e of {buyer}" for buyer, times in living.items() if times > 1]
    twice += [f"number {number}" for number, times in held.items() if times > 1]
    return twice + [f"file of {name}" for name, entry in files.items() if entry["effective"] > 1]


def assert_books_agree(plant: Plant) -> None:
    """SEFAZ's book, Amazon's book, the rows, the histories and the numbers of the whole plant tell the same."""
    rows = _rows(plant)
    store = plant.tools().store
    with store.reading() as connection:
        lines = connection.execute(select(*HISTORY.c).order_by(HISTORY.c.shipment_id, HISTORY.c.seq)).all()
        numbers = {row.number: row for row in connection.execute(select(*NUMBER.c)).all()}
    by_shipment = defaultdict(list)
    for line in lines:
        by_shipment[line.shipment_id].append(line)
    assert_rows_are_due_or_settled_or_wait_for_a_person(rows.values())
    for row in rows.values():
        assert_histories_are_paths_without_gaps([row], by_shipment[row.id])
    for note in plant.sefaz.book.by_key.values():
        number = numbers[note.nNF]
        assert (number.status, number.access_key) == (NumberStatus.USED, note.chNFe), number
        row = rows[number.shipment_id]
        assert (row.state == State.CANCELLED) == (note.cancelled_at is not None), row
        assert row.access_key == note.chNFe, row
        submitted = plant.amazon.book.dump(requests=False)["shipments"][row.amazon_shipment_id]["submissions"]
        assert {one["chNFe"] for one in submitted} <= {note.chNFe}, row
    used = {number for number, row in numbers.items() if row.status == NumberStatus.USED}
    assert used == {note.nNF for note in plant.sefaz.book.by_key.values()}
    assert [standing.gaps for standing in NumberBook(store).standings()] == [()]
