"""The archive by months, on both databases: every note of the month, once, in order, with what became of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from tests.unit.archives import CNPJ, Shelf
from tests.unit.conftest import SELLER, Clock, one_database, plan_of
from workflow import archive as module
from workflow import purge
from workflow.archive import Archive, Month, Which
from workflow.catalog import SELLER as SELLERS
from workflow.engine import Engine
from workflow.models import NumberStatus, VoidingState
from workflow.numbers import NUMBER
from workflow.states import State
from workflow.store import SHIPMENT, Store
from workflow.voidings import VOIDING

NOVEMBER = Month(2026, 11)
PRODUCTION = Which()


@pytest.fixture
def shelf(store: Store, engine: Engine) -> Shelf:
    return Shelf(store, engine)


@pytest.fixture
def archive(store: Store) -> Archive:
    return Archive(store)


def keys(archive: Archive, month: Month = NOVEMBER, which: Which = PRODUCTION) -> list[str]:
    return [filed.chNFe for filed in archive.notes(month, which)]


@pytest.mark.parametrize("text", ["2026-13", "2026", "november", "2026-1-1", ""])
def test_what_is_no_month_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"does not match|unconverted"):
        Month.parse(text)


def test_a_month_has_its_notes_in_the_order_of_their_numbers_whatever_the_page(
    archive: Archive, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    shelf.put("2026-10")
    put = [shelf.put("2026-11") for _ in range(5)]
    shelf.put("2026-12")
    assert keys(archive) == put
    assert archive.count(NOVEMBER, PRODUCTION) == 5
    assert keys(archive, Month(2025, 11)) == []


@one_database
def test_homologation_and_production_are_never_mixed(archive: Archive, shelf: Shelf) -> None:
    real, trial = shelf.put(), shelf.put(environment=2)
    assert keys(archive) == [real]
    assert keys(archive, which=Which(environment=2)) == [trial]


@one_database
def test_only_the_sellers_own_where_one_is_named(archive: Archive, shelf: Shelf) -> None:
    key = shelf.put()
    assert keys(archive, which=Which(seller_id=SELLER)) == [key]
    assert keys(archive, which=Which(seller_id="ANOTHER")) == []


@one_database
def test_a_note_that_another_system_has_is_none_of_ours(archive: Archive, shelf: Shelf, store: Store) -> None:
    shelf.put()
    with store.writing() as connection:
        connection.execute(update(NUMBER).values(access_key=None))
    assert keys(archive) == []


def test_what_became_of_a_note_is_told(archive: Archive, shelf: Shelf, store: Store) -> None:
    shelf.put()
    shelf.put(state=State.CANCELLED, cancelled_on="2026-11-23")
    shelf.put(state=State.CANCELLED, protocol=False)
    shelf.put(document=False)
    reissued = shelf.put()
    with store.writing() as connection:
        connection.execute(update(SHIPMENT).where(SHIPMENT.c.access_key == reissued).values(turn=2))
    found = [
        (filed.is_cancelled, filed.has_protocol, filed.document is not None, len(filed.events))
        for filed in archive.notes(NOVEMBER, PRODUCTION)
    ]
    assert found == [
        (False, True, True, 0),
        (True, True, True, 1),
        (True, False, True, 0),
        (False, False, False, 0),
        (True, True, True, 0),
    ]


@one_database
def test_the_archive_is_whole_after_a_purge_and_after_its_seller_was_removed(
    archive: Archive, shelf: Shelf, store: Store, clock: Clock
) -> None:
    put = [shelf.put(), shelf.put(state=State.CANCELLED, cancelled_on="2026-11-23")]
    bare = shelf.put(state=State.CANCELLED, protocol=False)
    before = list(archive.notes(NOVEMBER, PRODUCTION))
    clock.pass_(days=40)
    assert purge.purge(store, before=clock() - timedelta(days=30), actor="test").shipments == 3
    assert list(archive.notes(NOVEMBER, PRODUCTION)) == before
    purge.remove_seller(store, SELLER, actor="test")
    assert keys(archive) == [*put, bare]
    assert all(filed.amazon_order_id is None for filed in archive.notes(NOVEMBER, PRODUCTION))


def test_a_cancellation_belongs_to_the_month_in_which_it_was_registered_too(archive: Archive, shelf: Shelf) -> None:
    shelf.put("2026-10", state=State.CANCELLED, cancelled_on="2026-10-30")
    late = shelf.put("2026-10", state=State.CANCELLED, cancelled_on="2026-11-01")
    shelf.put("2026-10", state=State.CANCELLED, cancelled_on="2026-12-01")
    shelf.put("2026-11", state=State.CANCELLED, cancelled_on="2026-11-02")
    assert [filed.chNFe for filed, _ in archive.late_events(NOVEMBER, PRODUCTION)] == [late]


def test_letters_of_correction_are_filed_with_their_note_and_those_of_a_later_month_there(
    archive: Archive, shelf: Shelf
) -> None:
    shelf.put("2026-11", corrected_on=("2026-11-03", "2026-11-04"), cancelled_on="2026-11-05", state=State.CANCELLED)
    late = shelf.put("2026-10", corrected_on=("2026-10-30", "2026-11-02"))
    [filed] = archive.notes(NOVEMBER, PRODUCTION)
    kinds = [(event.count(b">110110<"), event.count(b">110111<")) for event in filed.events]
    assert kinds == [(2, 0), (2, 0), (0, 2)]
    [(found, event)] = archive.late_events(NOVEMBER, PRODUCTION)
    assert (found.chNFe, found.is_cancelled, b"<nSeqEvento>2<" in event) == (late, False, True)


def test_a_voiding_belongs_to_its_month_in_the_issuers_own_time_zone(
    archive: Archive, engine: Engine, store: Store
) -> None:
    with store.writing() as connection:
        connection.execute(update(SELLERS).values(issuer={"address": {"uf": "SP"}}))
        for number, moment in enumerate([
            datetime(2026, 11, 1, 2, tzinfo=UTC),  # still October in São Paulo
            datetime(2026, 11, 1, 4, tzinfo=UTC),
            datetime(2026, 12, 1, 2, tzinfo=UTC),
            datetime(2026, 12, 1, 4, tzinfo=UTC),
        ], 1):  # fmt: skip
            seal = store.vault.seal(b"<proof/>", "voiding", str(number))
            connection.execute(VOIDING.insert().values(
                id=str(number), seller_id=SELLER, cnpj=CNPJ, environment=1, series=1, year=2026, first=number, last=number,
                state=VoidingState.DONE, sealed_request=seal, sealed_proof=seal, made_at=moment, decided_at=moment,
            ))  # fmt: skip
    assert [filed.first for filed in archive.voidings(NOVEMBER, PRODUCTION)] == [2, 3]
    assert [filed.document for filed in archive.voidings(NOVEMBER, Which(seller_id=SELLER))] == [b"<proof/>"] * 2
    assert not list(archive.voidings(NOVEMBER, Which(environment=2)))
    assert not list(archive.voidings(NOVEMBER, Which(seller_id="ANOTHER")))


@one_database
def test_notes_that_sefaz_has_not_decided_make_a_month_incomplete(archive: Archive, shelf: Shelf, store: Store) -> None:
    shelf.put()
    shelf.put(state=State.GENERATED)
    with store.writing() as connection:
        connection.execute(
            update(NUMBER).where(NUMBER.c.number == 2).values(status=NumberStatus.RESERVED, access_key=None)
        )
    assert archive.undecided(NOVEMBER, PRODUCTION) == 1
    assert archive.undecided(Month(2026, 10), PRODUCTION) == 0


def test_a_page_begins_where_the_numbers_own_key_says(store: Store, clock: Clock) -> None:
    number = NUMBER.c
    of_series = (number.cnpj == CNPJ, number.environment == 1, number.series == 1, number.number > 77)
    plan = plan_of(store, module.page((*of_series, *module._in(NOVEMBER, PRODUCTION))))
    assert ("pk_number" if store.engine.dialect.name == "postgresql" else "sqlite_autoindex_number_1") in plan
    assert "TEMP B-TREE" not in plan
    assert "Sort" not in plan
