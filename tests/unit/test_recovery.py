"""A restored older database catches up by asking SEFAZ and Amazon, and issues nothing a second time."""

import json
import shutil
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.integration.desk import Desk, open_desk
from workflow import adoption, backup, doctor, recovery
from workflow.archive import Archive, Month, Which
from workflow.errors import Invalid
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe import rebuild
from workflow.nfe.access_key import split
from workflow.nfe.protocol import chNFe_of
from workflow.number_book import NumberBook
from workflow.provenance import Provenance
from workflow.recovery import Recovered
from workflow.sandbox.shipments import SELLER_ID, notification
from workflow.states import State
from workflow.stops import UNKNOWN_NUMBERS
from workflow.store import DOCUMENT, PURGED, shipment_id
from workflow.void_numbers import void

ACCEPTED, AUTHORIZED, CANCELLED, FETCHED = State.ACCEPTED, State.AUTHORIZED, State.CANCELLED, State.FETCHED


class Past:
    """A desk whose database can be made as old as its copy."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        self.desk = desk
        self._copy = folder / "copy.sqlite3"

    def copy(self) -> None:
        """As `nfe backup` does."""
        backup.write(self.desk.tools.store, self._copy)

    def restore(self, *, redis: bool = True) -> None:
        """Put the copy in the database's place; Redis is as it was, or empty."""
        tools = self.desk.tools
        tools.store.engine.dispose()
        database = Path(str(tools.store.engine.url.database))
        for name in ("-wal", "-shm"):
            database.with_name(database.name + name).unlink(missing_ok=True)
        shutil.copy(self._copy, database)
        tools._sellers.clear()
        self.desk.a_second_later()
        if not redis:
            tools.redis.flushdb()

    def recover(self, **more: Any) -> Recovered:
        """As `nfe recover` does."""
        self.desk.clock.pass_(seconds=30)
        [found] = recovery.recover(self.desk.tools, SELLER_ID, actor="maria", **more)
        self.desk.a_second_later()
        return found

    def living(self) -> dict[str, list[str]]:
        """The living notes in SEFAZ's book by buyer."""
        found: dict[str, list[str]] = {}
        for key, note in self.desk.sefaz.book.by_key.items():
            if note.cancelled_at is None:
                found.setdefault(str(note.document), []).append(key)
        return found

    def assert_nothing_twice(self) -> None:
        """One living note per buyer, one key per number, one file per shipment, no number missing."""
        assert all(len(keys) == 1 for keys in self.living().values()), self.living()
        numbers = Counter((note.cnpj, note.serie, note.nNF) for note in self.desk.sefaz.book.by_key.values())
        assert max(numbers.values()) == 1
        files = self.desk.amazon.book.dump(requests=False)["shipments"].values()
        assert all(entry["effective"] <= 1 for entry in files)
        assert [standing.gaps for standing in NumberBook(self.desk.tools.store).standings()] == [()]


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk"), valkey) as opened:
        yield opened


@pytest.fixture
def past(open_one: Desk, tmp_path: Path) -> Iterator[Past]:
    """A desk with an accepted note; what earlier tests issued can be cancelled no more, and is not asked for."""
    open_one.clock.pass_(hours=30)
    open_one.go_to(open_one.announce(), ACCEPTED)
    yield Past(open_one, tmp_path)
    open_one.sefaz.book.change({"other_key": "562"})
    open_one.forget()


def key_of(past: Past, id: str) -> str:
    key: str = past.desk.row(id).access_key
    return key


@pytest.mark.parametrize("redis", [True, False], ids=["Redis kept", "Redis empty"])
def test_every_shipment_of_an_older_database_ends_with_the_note_that_it_had(past: Past, redis: bool) -> None:
    desk = past.desk
    begun = [
        desk.announce(),
        *(desk.go_to(desk.announce(), state) for state in (FETCHED, State.GENERATED, AUTHORIZED, State.SUBMITTED)),
    ]
    past.copy()
    unknown = [desk.announce(), desk.announce()]
    keys = {id: key_of(past, desk.go_to(id, ACCEPTED)) for id in (*begun, *unknown)}
    past.restore(redis=redis)
    found = past.recover()
    assert (found.found, found.free, found.after - found.before) == (4, 0, 4)
    for id in unknown:
        desk.tell(id, "Created")
    assert [desk.rest(id) for id in (*begun, *unknown)] == [ACCEPTED] * 7
    assert {id: key_of(past, id) for id in keys} == keys
    for id, key in keys.items():
        assert [status for _, status in desk.numbers(id)] == [NumberStatus.USED]
        assert key.encode() in desk.document(id, DocumentKind.NFEPROC)
    past.assert_nothing_twice()


def test_a_sale_that_nobody_issued_gets_a_number_above_all_that_were_given(past: Past) -> None:
    desk = past.desk
    late = desk.go_to(desk.announce(), FETCHED)
    past.copy()
    keys = [key_of(past, desk.go_to(desk.announce(), ACCEPTED)) for _ in range(2)]
    past.restore()
    past.recover()
    assert desk.rest(late) is ACCEPTED
    assert desk.numbers(late)[0][0] > max(int(split(key).nNF) for key in keys)
    past.assert_nothing_twice()


def test_a_note_that_was_authorised_and_not_handed_in_is_handed_in(past: Past) -> None:
    desk = past.desk
    id = desk.go_to(desk.announce(), FETCHED)
    past.copy()
    key = key_of(past, desk.go_to(id, AUTHORIZED))
    past.restore()
    past.recover()
    assert desk.rest(id) is ACCEPTED
    assert {one["chNFe"] for one in desk.submissions(id)["submissions"]} == {key}
    past.assert_nothing_twice()


def test_what_was_cancelled_meanwhile_ends_as_cancelled(past: Past) -> None:
    desk = past.desk
    accepted = desk.go_to(desk.announce(), ACCEPTED)
    fetched = desk.go_to(desk.announce(), FETCHED)
    past.copy()
    events = desk.asked("NFeRecepcaoEvento4") + 2
    for id in (accepted, desk.go_to(fetched, ACCEPTED)):
        desk.tell(id, "Cancelled")
        assert desk.rest(id) is CANCELLED
    past.restore()
    assert past.recover().cancelled == 1
    assert [desk.rest(id) for id in (accepted, fetched)] == [CANCELLED, CANCELLED]
    assert all(desk.document(id, DocumentKind.CANCELLATION) for id in (accepted, fetched))
    assert desk.asked("NFeRecepcaoEvento4") == events
    past.assert_nothing_twice()


def test_a_note_that_was_reissued_meanwhile_is_found_by_its_turn(past: Past) -> None:
    desk = past.desk
    id = desk.go_to(desk.announce(), ACCEPTED)
    past.copy()
    desk.tools.store.cancel(id, reason="Tributacao do produto corrigida", actor="maria", code="reissue")
    while desk.row(id).turn == 1 or desk.row(id).state != AUTHORIZED:
        desk.go(id)
    key = key_of(past, id)
    past.restore()
    past.recover()
    desk.rest(id)
    assert (key_of(past, id), desk.row(id).turn) == (key, 2)
    past.assert_nothing_twice()


def test_numbers_in_between_that_sefaz_does_not_know_are_voided(past: Past) -> None:
    desk = past.desk
    past.copy()
    refused = desk.go_to(desk.announce(), State.GENERATED)
    desk.go_to(desk.announce(), ACCEPTED)
    last = desk.go_to(desk.announce(), State.GENERATED)
    past.restore()
    found = past.recover()
    assert (found.found, found.free) == (1, 2)
    void(desk.tools, SELLER_ID)
    rows = NumberBook(desk.tools.store).numbers(seller_id=SELLER_ID)
    statuses = [row.status for row in rows if row.number >= found.before]
    assert statuses == [NumberStatus.VOIDED, NumberStatus.USED, NumberStatus.VOIDED]
    for id in (refused, last):
        desk.tell(id, "Created")
        assert desk.rest(id) is ACCEPTED
    past.assert_nothing_twice()


def test_bytes_that_cannot_be_made_again_wait_for_a_person_who_may_give_them(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = past.desk
    id = desk.go_to(desk.announce(), FETCHED)
    past.copy()
    desk.go_to(id, AUTHORIZED)
    nfeproc, key = desk.document(id, DocumentKind.NFEPROC), key_of(past, id)
    past.restore()
    past.recover()
    monkeypatch.setattr(rebuild, "BEFORE", timedelta(minutes=2))
    retitle(desk, id)
    assert desk.go(id).code == "bytes-lost"
    assert key in str(desk.tools.store.history(id)[-1].reason)
    assert adoption.give(desk.tools, id, nfeproc, actor="maria") == key
    assert desk.rest(id) is ACCEPTED
    assert chNFe_of(desk.document(id)) == key
    past.assert_nothing_twice()


def retitle(desk: Desk, id: str) -> None:
    """Let the product of the shipment's first item have another title: its note was made from the one of before."""
    details = json.loads(desk.document(id, DocumentKind.DETAILS))
    sku = details["payload"]["ShipmentItems"][0]["SellerSKU"]
    data = desk.tools.catalog.products(SELLER_ID, [sku])[sku]
    desk.tools.catalog.put_products(SELLER_ID, [(sku, data | {"title": f"{data['title']}, novo"})])


def test_another_shipments_note_is_not_taken(past: Past) -> None:
    desk = past.desk
    one, other = (desk.go_to(desk.announce(), AUTHORIZED) for _ in range(2))
    with pytest.raises(Invalid, match="not-its-note"):
        adoption.give(desk.tools, one, desk.document(other, DocumentKind.NFEPROC), actor="maria")


def test_an_invoice_at_amazon_that_no_note_explains_waits_for_a_person(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = past.desk
    id = desk.go_to(desk.announce(), FETCHED)
    past.copy()
    desk.go_to(id, ACCEPTED)
    past.restore()
    past.recover()
    # As in a copy that an older version made: its notes' cNF were drawn.
    monkeypatch.setitem(vars(desk.tools), "provenance", Provenance(b"another secret", desk.clock()))
    outcome = desk.go(id)
    assert (outcome.kind, outcome.code) == ("stopped", "invoice-without-note")


@pytest.mark.parametrize("other_key", ["217", "561", "613"])
def test_a_sefaz_that_does_not_name_keys_is_asked_for_exact_ones(past: Past, other_key: str) -> None:
    desk = past.desk
    begun, free = (desk.go_to(desk.announce(), FETCHED) for _ in range(2))
    past.copy()
    key = key_of(past, desk.go_to(begun, ACCEPTED))
    desk.go_to(desk.announce(), ACCEPTED)
    past.restore()
    desk.sefaz.book.change({"other_key": other_key})
    found = past.recover()
    assert found.unnamed == 2
    assert [desk.rest(id) for id in (begun, free)] == [ACCEPTED, ACCEPTED]
    assert key_of(past, begun) == key
    assert desk.numbers(free)[0][0] == found.after
    past.assert_nothing_twice()


def test_where_neither_sefaz_nor_redis_tells_a_person_says_how_far_it_went(past: Past) -> None:
    desk = past.desk
    past.copy()
    [(last, _)] = desk.numbers(desk.go_to(desk.announce(), ACCEPTED))
    past.restore(redis=False)
    desk.sefaz.book.change({"other_key": "217"})
    with pytest.raises(Invalid, match="--through"):
        past.recover()
    row = desk.tools.catalog.seller(SELLER_ID)
    assert row is not None
    assert row.stop_code == UNKNOWN_NUMBERS  # it was not settled
    assert past.recover(through=last).after == last + 1


def test_a_recovery_that_was_cut_off_goes_on_where_it_was(past: Past) -> None:
    desk = past.desk
    past.copy()
    first, second, third = (desk.numbers(desk.go_to(desk.announce(), AUTHORIZED))[0][0] for _ in range(3))
    past.restore()

    def cut(asked: recovery.Asked) -> None:
        if asked.number == third:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        past.recover(tell=cut)
    again: list[int] = []
    past.recover(tell=lambda asked: again.append(asked.number))
    assert first not in again  # the second is the highest known by now: SEFAZ shows by it whether it tells of numbers
    assert again[:2] == [second, third]
    assert [*NumberBook(desk.tools.store).ends().values()] == [third + 1]


def test_a_number_lost_to_a_note_of_the_past_is_settled_too(past: Past) -> None:
    """An operator went on with the copy and an empty Redis: 539 stopped the seller."""
    desk = past.desk
    first, second = (desk.go_to(desk.announce(), FETCHED) for _ in range(2))
    past.copy()
    key = key_of(past, desk.go_to(second, ACCEPTED))
    past.restore(redis=False)
    desk.go_to(first, State.GENERATED)
    assert desk.go(first).code == "539"
    desk.a_second_later()
    past.recover()
    assert [desk.rest(id) for id in (first, second)] == [ACCEPTED, ACCEPTED]
    assert key_of(past, second) == key
    past.assert_nothing_twice()


def test_nothing_is_asked_of_a_sale_that_came_after_the_recovery(past: Past) -> None:
    desk = past.desk
    past.copy()
    past.restore()
    past.recover()
    asked = desk.asked("NFeConsultaProtocolo4")
    desk.clock.pass_(hours=30)
    id = announced_now(desk)
    desk.go_to(id, State.GENERATED)
    assert desk.asked("NFeConsultaProtocolo4") == asked


def announced_now(desk: Desk) -> str:
    example = next(desk._examples)
    desk.amazon.book.add(example.shipment())
    said = notification(example.details, "Created") | {"EventTime": desk.clock().isoformat()}
    desk.tools.engine.receive(json.dumps(said).encode())
    return shipment_id(SELLER_ID, example.shipment_id)


def test_a_seller_that_nobody_knows_is_told(past: Past) -> None:
    with pytest.raises(Invalid, match="unknown-seller"):
        recovery.recover(past.desk.tools, "A0NOBODY", actor="maria")


def test_notes_without_a_shipment_are_the_doctors_to_tell(past: Past) -> None:
    desk = past.desk
    past.copy()
    id = desk.go_to(desk.announce(), ACCEPTED)
    past.restore()
    past.recover()
    told = [one.message for one in doctor.examine(desk.tools) if "belong to no shipment" in one.message]
    assert len(told) == 1
    desk.tell(id, "Created")
    assert desk.rest(id) is ACCEPTED


def test_the_accountants_month_counts_a_note_without_a_shipment(past: Past) -> None:
    desk = past.desk
    past.copy()
    id = desk.go_to(desk.announce(), ACCEPTED)
    key = split(key_of(past, id))
    past.restore()
    past.recover()
    month, which = Month(2000 + int(key.AAMM[:2]), int(key.AAMM[2:])), Which(2)
    archive = Archive(desk.tools.store)
    before = archive.ownerless(month, which)
    desk.tell(id, "Created")
    desk.go_to(id, AUTHORIZED)
    assert archive.ownerless(month, which) == before - 1


def test_a_sale_whose_notification_was_purged_is_one_of_before(past: Past) -> None:
    desk = past.desk
    past.copy()
    past.restore()
    past.recover()
    desk.clock.pass_(hours=30)
    id = announced_now(desk)
    desk.go_to(id, AUTHORIZED)
    with desk.tools.store.writing() as connection:
        connection.execute(DOCUMENT.delete().where(DOCUMENT.c.shipment_id == id, DOCUMENT.c.kind == "notification"))
    desk.tools.store.note(id, stage="purge", outcome=PURGED, reason="notification")
    assert desk.rest(id) is ACCEPTED
