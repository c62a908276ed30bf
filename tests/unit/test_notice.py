"""A database that is older than the world is noticed before it gives a number, or hands a file in, a second time."""

from collections.abc import Iterator

import pytest
from sqlalchemy import update

from tests.integration.desk import Desk, open_desk
from workflow import doctor, notice
from workflow.errors import SellerStopped
from workflow.notice import Watch
from workflow.numbers import NUMBER, SERIES
from workflow.sandbox.shipments import SELLER_ID
from workflow.soundings import sound
from workflow.states import State
from workflow.stops import UNKNOWN_NUMBERS


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk"), valkey) as opened:
        yield opened


@pytest.fixture
def desk(open_one: Desk) -> Iterator[Desk]:
    """A desk with an authorised note, and nothing wrong."""
    open_one.go_to(open_one.announce(), State.AUTHORIZED)
    yield open_one
    open_one.sefaz.book.change({"other_key": "562"})
    open_one.forget()
    go_on(open_one)


def next_number(desk: Desk) -> int:
    with desk.tools.store.reading() as connection:
        return int(connection.execute(SERIES.select()).one().next_number)


def go_on(desk: Desk) -> None:
    """Let the database know all that was given."""
    given = desk.tools.highest.get(*desk.tools.seller(SELLER_ID).series.key) or 0
    last = max(given, *(note.nNF for note in desk.sefaz.book.by_key.values()))
    rewind(desk, by=next_number(desk) - last - 1)


def rewind(desk: Desk, by: int = 1) -> None:
    """Let the database have given so many numbers fewer, as a restored one."""
    with desk.tools.store.writing() as connection:
        connection.execute(update(SERIES).values(next_number=SERIES.c.next_number - by))
        if by > 0:
            last = connection.execute(SERIES.select()).one().next_number
            connection.execute(NUMBER.delete().where(NUMBER.c.number >= last))


def stop(desk: Desk) -> str | None:
    row = desk.tools.catalog.seller(SELLER_ID)
    assert row is not None
    return row.stop_code  # type: ignore[no-any-return]


def test_a_number_is_known_to_redis_before_its_note_can_leave(desk: Desk) -> None:
    desk.go_to(desk.announce(), State.GENERATED)
    assert desk.tools.highest.get(*desk.tools.seller(SELLER_ID).series.key) == next_number(desk) - 1


def test_no_number_that_was_given_is_taken_again(desk: Desk) -> None:
    id = desk.go_to(desk.announce(), State.FETCHED)
    rewind(desk)
    before = next_number(desk)
    outcome = desk.go(id)
    assert (outcome.code, stop(desk)) == (UNKNOWN_NUMBERS, UNKNOWN_NUMBERS)
    assert (next_number(desk), desk.numbers(id)) == (before, [])


def test_a_seller_whose_database_is_behind_stops_before_any_stage_that_does_something(desk: Desk) -> None:
    Watch(desk.tools).over(SELLER_ID)
    rewind(desk)
    with pytest.raises(SellerStopped, match="nfe recover"):
        Watch(desk.tools).over(SELLER_ID)


def test_a_sweep_stops_it_too_and_the_doctor_tells(desk: Desk) -> None:
    Watch(desk.tools).over_all()
    assert stop(desk) is None
    rewind(desk)
    found = [one for one in doctor.examine(desk.tools) if "nfe recover" in one.message]
    assert [one.status for one in found] == ["failed"]
    Watch(desk.tools).over_all()
    assert stop(desk) == UNKNOWN_NUMBERS


def test_where_redis_has_forgotten_sefaz_is_asked_about_the_next_numbers_once(desk: Desk) -> None:
    desk.tools.redis.flushdb()
    before = desk.asked("NFeConsultaProtocolo4")
    Watch(desk.tools).over(SELLER_ID)
    Watch(desk.tools).over(SELLER_ID)
    assert desk.asked("NFeConsultaProtocolo4") == before + notice.DEPTH
    assert desk.tools.highest.get(*desk.tools.seller(SELLER_ID).series.key) == next_number(desk) - 1


@pytest.mark.parametrize("cStat", ["561", "562", "613"])
def test_a_number_that_sefaz_has_and_the_database_will_give_stops_the_seller(desk: Desk, cStat: str) -> None:
    desk.tools.redis.flushdb()
    desk.sefaz.book.change({"other_key": cStat})
    rewind(desk)
    with pytest.raises(SellerStopped, match="SEFAZ has it already"):
        Watch(desk.tools).over(SELLER_ID)


def test_a_free_number_in_between_hides_none(desk: Desk) -> None:
    """A note that SEFAZ refused leaves its number free there."""
    desk.go_to(desk.announce(), State.GENERATED)
    desk.go_to(desk.announce(), State.AUTHORIZED)
    desk.tools.redis.flushdb()
    rewind(desk, by=2)
    with pytest.raises(SellerStopped, match="SEFAZ has it already"):
        Watch(desk.tools).over(SELLER_ID)


def test_sefaz_names_the_key_that_has_a_number(desk: Desk) -> None:
    seller, last = desk.tools.seller(SELLER_ID), next_number(desk) - 1
    held = {note.nNF: key for key, note in desk.sefaz.book.by_key.items()}
    assert sound(desk.tools, seller, seller.series, last)[1:] == (True, held[last], "562")
    assert sound(desk.tools, seller, seller.series, last + 1)[1:] == (False, None, "217")
    desk.sefaz.book.change({"other_key": "613"})
    assert sound(desk.tools, seller, seller.series, last)[1:] == (True, None, "613")
