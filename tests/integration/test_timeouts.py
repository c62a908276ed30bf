"""Whenever an answer does not come in time: one authorised NF-e, one accepted file, one cancellation.

Over HTTP, with the real stages. The request hangs before the counterpart has looked at it, is worked on when its client
leaves, or was processed before its answer hangs.
"""

from collections.abc import Iterator

import pytest

from tests.integration.desk import Desk, open_desk
from workflow.models import DocumentKind, NumberStatus
from workflow.sandbox.amazon_book import AmazonBook
from workflow.sandbox.sefaz_book import SefazBook
from workflow.states import State

#: A timeout, in seconds: long enough for an answer on a busy machine, short enough to be met nine times.
TIMEOUT = 0.8
BEFORE, DURING, AFTER = "hang_before", "slow", "hang_after_processing"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("desk")
    with open_desk(folder, valkey, sefaz_timeout=TIMEOUT, amazon_timeout=TIMEOUT) as opened:
        yield opened


def assert_one_note_and_one_file(desk: Desk, id: str) -> None:
    """In the counterparts' books, and in ours."""
    [note] = desk.authorised(id)
    [(number, status)] = desk.numbers(id)
    assert (note.nNF, status) == (number, NumberStatus.USED)
    taken = desk.submissions(id)
    assert (taken["effective"], taken["repeats"], taken["status"]) == (1, 0, "Accepted")
    assert [one["chNFe"] for one in taken["submissions"]] == [note.chNFe]
    assert len(desk.tools.store.versions(id, DocumentKind.NFE)) == 1
    assert len(desk.tools.store.versions(id, DocumentKind.NFEPROC)) == 1


@pytest.mark.parametrize("moment", [BEFORE, DURING, AFTER])
@pytest.mark.parametrize("operation", ["NFeAutorizacao4", "submitInvoice"])
def test_a_timeout_ends_with_one_note_and_one_file(desk: Desk, operation: str, moment: str) -> None:
    book: SefazBook | AmazonBook = desk.sefaz.book if operation == "NFeAutorizacao4" else desk.amazon.book
    id, notes = desk.announce(), len(desk.sefaz.book.by_key)
    desk.go_to(id, State.GENERATED if operation == "NFeAutorizacao4" else State.AUTHORIZED)
    desk.spoil(book, operation, moment)
    assert str(desk.go(id).code).endswith("-timeout")
    assert desk.row(id).sent_at is not None
    assert desk.rest(id) is State.ACCEPTED
    assert_one_note_and_one_file(desk, id)
    assert len(desk.sefaz.book.by_key) == notes + 1
    assert book.faults.dump() == []


@pytest.mark.parametrize("moment", [BEFORE, DURING, AFTER])
def test_a_timeout_of_the_cancellation_ends_with_one_event(desk: Desk, moment: str) -> None:
    id = desk.go_to(desk.announce(), State.ACCEPTED)
    desk.tell(id, "Cancelled")
    desk.spoil(desk.sefaz.book, "NFeRecepcaoEvento4", moment)
    assert desk.go(id).code == "sefaz-timeout"
    assert desk.rest(id) is State.CANCELLED
    assert_one_note_and_one_file(desk, id)
    [note] = desk.authorised(id)
    assert note.procEventoNFe is not None
    kept = desk.document(id, DocumentKind.CANCELLATION)
    assert b"<tpEvento>110111</tpEvento>" in kept
    assert note.procEventoNFe.partition("<nProt>")[2][:15].encode() in kept


def test_a_note_that_is_processed_only_after_sefaz_was_asked_for_it_is_one(desk: Desk) -> None:
    id, notes = desk.go_to(desk.announce(), State.GENERATED), len(desk.sefaz.book.by_key)
    desk.sefaz.book.change({"late_seconds": 20})
    desk.spoil(desk.sefaz.book, "NFeAutorizacao4", AFTER)
    codes = [desk.go(id).code for _ in range(2)]
    desk.sefaz.book.change({"late_seconds": 0})
    assert codes == ["sefaz-timeout", "635"]  # asked by key: no such note; sent again: it waits to be processed
    assert desk.rest(id) is State.ACCEPTED
    assert_one_note_and_one_file(desk, id)
    assert len(desk.sefaz.book.by_key) == notes + 1
