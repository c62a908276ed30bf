"""Voiding unused numbers at a local SEFAZ, on both databases: none that is ours to keep, each answer kept."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from lxml import etree
from sqlalchemy import insert, select, update

from tests.acceptance.conftest import seller_toml
from tests.unit.conftest import Clock
from workflow import seller_file
from workflow.errors import Invalid, NfeError, RetryLater, SellerStopped
from workflow.models import NumberStatus, VoidingState
from workflow.nfe import schema, signature
from workflow.numbers import NUMBER, SERIES
from workflow.sandbox.faults import Fault
from workflow.sandbox.sefaz_book import SefazBook, Voided
from workflow.sandbox.server import Started, start_sefaz
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_ID
from workflow.settings import Settings
from workflow.store import SHIPMENT, Store
from workflow.tools import Tools
from workflow.void_numbers import MAX_REFUSALS, Answered, void
from workflow.voidings import VOIDING, Made, Range, Unused, Voidings, grouped

OPERATION = "NFeInutilizacao4"
UNUSED, USED, RESERVED = NumberStatus.UNUSED, NumberStatus.USED, NumberStatus.RESERVED
VOIDED, PERSON = NumberStatus.VOIDED, NumberStatus.PERSON
#: Of the local SEFAZ, whose clock is this machine's.
YEAR = datetime.now(UTC).year


@dataclass
class Seller:
    """A seller with numbers, and the SEFAZ it voids them at."""

    tools: Tools
    sefaz: Started[SefazBook]
    clock: Clock
    voidings: Voidings
    told: list[Answered] = field(default_factory=list)

    def has(self, status: NumberStatus, *numbers: int, series: int = 1, **row: Any) -> None:
        """Give the seller numbers of a status, each of a cancelled shipment."""
        now = self.clock()
        key = {"cnpj": SELLER_CNPJ, "environment": 2, "series": series}
        of_shipment = {name: row.pop(name) for name in ("state", "turn") if name in row}
        with self.tools.store.writing() as connection:
            connection.execute(self.tools.store.insert(SERIES).values(**key, next_number=1000).on_conflict_do_nothing())
            for number in numbers:
                id = f"{SELLER_ID}/S{series}-{number}"
                shipment = {
                    "id": id, "seller_id": SELLER_ID, "amazon_shipment_id": id, "state": "CANCELLED",
                    "cancelling": False, "tries": 0, "crashes": 0, "turn": 1, "seq": 0, "created_at": now,
                    "updated_at": now,
                }  # fmt: skip
                connection.execute(insert(SHIPMENT).values(shipment | of_shipment))
                values = {"random_code": "12345670", "status": status, "reserved_at": now, "decided_at": now} | row
                connection.execute(insert(NUMBER).values(**key, number=number, shipment_id=id, turn=1, **values))

    def void(self, **how: Any) -> list[tuple[int, int, str, str]]:
        """Void; (first, last, fate, code) of each range."""
        self.told.clear()
        void(self.tools, SELLER_ID, tell=self.told.append, **how)
        return self.came()

    def came(self) -> list[tuple[int, int, str, str]]:
        return [(one.range.first, one.range.last, one.fate, one.code) for one in self.told]

    def fails(self, kind: type[NfeError], **how: Any) -> NfeError:
        with pytest.raises(kind) as caught:
            self.void(**how)
        return caught.value

    def statuses(self, series: int = 1) -> dict[int, str]:
        with self.tools.store.reading() as connection:
            rows = connection.execute(select(NUMBER.c.number, NUMBER.c.status).where(NUMBER.c.series == series))
            return {row.number: row.status for row in rows}

    def requests(self) -> list[Any]:
        with self.tools.store.reading() as connection:
            return list(connection.execute(select(VOIDING).order_by(VOIDING.c.made_at, VOIDING.c.first)).all())

    def at_sefaz(self) -> list[tuple[int, int, int]]:
        return [(entry.serie, entry.first, entry.last) for entry in self.sefaz.book.voided]

    def asked(self) -> int:
        return int(self.sefaz.book.dump(requests=False)["counts"].get(OPERATION, 0))

    def spoil(self, kind: Any, **more: Any) -> None:
        self.sefaz.book.faults.add(Fault(operation=OPERATION, kind=kind, **more))

    def somebody_voided(self, first: int, last: int) -> None:
        self.sefaz.book.void(Voided(SELLER_CNPJ, f"{YEAR % 100:02}", 1, first, last, "135260000000099"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the local SEFAZ keeps its certificates: made once."""
    return tmp_path_factory.mktemp("sandbox")


@pytest.fixture
def seller(store: Store, folder: Path, tmp_path: Path, redis_client: redis.Redis) -> Iterator[Seller]:
    clock = Clock(datetime.now(UTC))
    store.set_clock(clock)
    with start_sefaz(folder) as sefaz:
        chosen = Settings(
            data_dir=tmp_path, sefaz_url=sefaz.url, sefaz_ca_file=Path(str(sefaz.announcement.ca_file)), sefaz_timeout=2
        )
        tools = Tools(chosen)
        tools.__dict__.update(store=store, redis=redis_client)
        (tmp_path / "seller.toml").write_text(seller_toml(sefaz))
        seller_file.register(tools, tmp_path / "seller.toml", actor="test")
        yield Seller(tools, sefaz, clock, Voidings(store))


def test_unused_numbers_are_voided_in_ranges_and_no_other(seller: Seller) -> None:
    seller.has(UNUSED, 3, 4, 5, 9)
    seller.has(USED, 1, 6)
    seller.has(RESERVED, 2, 8)
    assert seller.void() == [(3, 5, "voided", "102"), (9, 9, "voided", "102")]
    assert seller.at_sefaz() == [(1, 3, 5), (1, 9, 9)]
    assert seller.statuses() == {1: USED, 2: RESERVED, 3: VOIDED, 4: VOIDED, 5: VOIDED, 6: USED, 8: RESERVED, 9: VOIDED}
    assert seller.void() == []


def test_a_number_whose_shipment_goes_on_is_not_voided(seller: Seller) -> None:
    seller.has(UNUSED, 1, state="GENERATED")
    seller.has(UNUSED, 2, state="GENERATED", turn=2)  # it took another number
    assert seller.void() == [(2, 2, "voided", "102")]


def test_each_series_is_asked_for_apart(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    seller.has(UNUSED, 2, series=7)
    assert [one.range.series for one in seller.told] == []
    seller.void()
    assert seller.at_sefaz() == [(1, 1, 1), (7, 2, 2)]


def test_what_is_fresh_waits_for_the_next_day(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    assert seller.void(rested=timedelta(days=1)) == []
    assert seller.voidings.sellers(before=seller.clock() - timedelta(days=1)) == []
    seller.clock.pass_(days=1)
    assert seller.voidings.sellers(before=seller.clock() - timedelta(days=1)) == [SELLER_ID]
    assert seller.void(rested=timedelta(days=1)) == [(1, 1, "voided", "102")]


def test_the_request_is_signed_and_its_proof_is_kept(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    seller.void(reason="Pedido cancelado pela Amazon")
    proof = seller.voidings.proof(SELLER_ID, 1, 1)
    assert proof is not None
    schema.validate(proof, "procInutNFe")
    assert signature.verify(proof)
    assert etree.fromstring(proof).findtext(".//{*}xJust") == "Pedido cancelado pela Amazon"
    (row,) = seller.requests()
    assert row.state == VoidingState.DONE
    assert b"inutNFe" not in row.sealed_request
    assert seller.tools.store.vault.open(row.sealed_request, "voiding", row.id) in proof


def test_a_reason_that_sefaz_would_not_take_asks_nothing(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    assert seller.fails(Invalid, reason="curto").code == "bad-reason"
    assert seller.asked() == 0


@pytest.mark.parametrize("kind", ["drop_after_processing", "status_after_processing", "garbage"])
def test_after_a_lost_answer_the_same_bytes_are_sent_and_563_is_done(seller: Seller, kind: str) -> None:
    seller.has(UNUSED, 1, 2)
    seller.spoil(kind)
    seller.fails(RetryLater)
    (before,) = seller.requests()
    assert before.state == VoidingState.OPEN
    assert seller.statuses() == {1: UNUSED, 2: UNUSED}
    assert seller.void(reason="Outro motivo que nao vale mais") == [(1, 2, "voided", "563")]
    (after,) = seller.requests()
    assert (after.id, after.sealed_request) == (before.id, before.sealed_request)
    assert seller.statuses() == {1: VOIDED, 2: VOIDED}
    assert seller.at_sefaz() == [(1, 1, 2)]
    assert seller.voidings.proof(SELLER_ID, 1, 2) == seller.tools.store.vault.open(
        before.sealed_request, "voiding", before.id
    )


def test_what_was_never_sent_is_sent_the_next_time(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    seller.spoil("drop_before")
    seller.fails(RetryLater)
    seller.has(UNUSED, 2)  # it does not enlarge the request that is open
    assert seller.void() == [(1, 1, "voided", "102"), (2, 2, "voided", "102")]


def test_a_number_that_an_nfe_holds_is_a_persons_and_the_others_go_on(seller: Seller) -> None:
    seller.has(UNUSED, *range(1, 9))
    seller.sefaz.book._by_number[SELLER_CNPJ, 1, 6] = "K" * 44
    seller.void()
    assert seller.statuses() == {number: PERSON if number == 6 else VOIDED for number in range(1, 9)}
    assert (6, 6, "person", "241") in seller.came()
    with seller.tools.store.reading() as connection:
        told = connection.execute(select(NUMBER.c.reason).where(NUMBER.c.number == 6)).scalar_one()
    assert told.startswith("241 ")
    assert seller.void() == []


def test_a_range_that_was_voided_in_part_is_split(seller: Seller) -> None:
    seller.has(UNUSED, *range(1, 9))
    seller.somebody_voided(3, 4)
    seller.void()
    assert set(seller.statuses().values()) == {VOIDED}
    assert seller.came()[0] == (1, 8, "split", "256")
    assert (3, 4, "voided", "563") in seller.came()


def test_a_number_inside_somebodys_range_counts_as_voided(seller: Seller) -> None:
    seller.has(UNUSED, 5)
    seller.somebody_voided(3, 7)
    assert seller.void() == [(5, 5, "voided", "256")]


def test_refusals_end_before_sefaz_blocks_and_each_run_gets_on(seller: Seller) -> None:
    seller.has(UNUSED, *range(1, 33))
    for number in range(1, 33):
        seller.sefaz.book._by_number[SELLER_CNPJ, 1, number] = "K" * 44
    left = len(seller.statuses())
    for _ in range(10):
        with suppress(RetryLater):
            seller.void()
        assert len(seller.told) <= MAX_REFUSALS
        now = list(seller.statuses().values()).count(UNUSED)
        assert now < left or now == 0
        left = now
    assert set(seller.statuses().values()) == {PERSON}


@pytest.mark.parametrize(("cStat", "blocked"), [("108", False), ("656", True)])
def test_a_sefaz_that_cannot_now_is_asked_again_with_the_same_bytes(seller: Seller, cStat: str, blocked: bool) -> None:
    seller.has(UNUSED, 1)
    if blocked:
        answered(seller, "656")
    else:
        seller.sefaz.book.change({"service": cStat})
    error = seller.fails(RetryLater)
    assert isinstance(error, RetryLater)
    assert error.code == cStat
    assert (error.after is not None) is blocked
    (row,) = seller.requests()
    assert row.state == VoidingState.OPEN


def answered(seller: Seller, cStat: str, xMotivo: str = "Rejeicao") -> None:
    """Let the client answer so, whatever SEFAZ would say."""
    from workflow.clients.sefaz import VoidResult

    client = seller.tools.seller(SELLER_ID).sefaz
    client.void = lambda *_, **__: VoidResult(cStat, xMotivo, None, None, b"<retInutNFe/>")  # type: ignore[method-assign]


def test_a_refusal_that_nobody_knows_is_a_persons_until_called_back(seller: Seller) -> None:
    seller.has(UNUSED, 1, 2)
    answered(seller, "999999")
    assert seller.void() == [(1, 2, "person", "999999")]
    assert seller.void() == []
    assert seller.voidings.recall(SELLER_ID) == 2
    del seller.tools.seller(SELLER_ID).sefaz.void  # type: ignore[attr-defined]
    assert seller.void() == [(1, 2, "voided", "102")]


def test_a_refused_certificate_leaves_the_numbers_to_be_voided(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    answered(seller, "203")
    assert seller.fails(SellerStopped).code == "203"
    assert seller.statuses() == {1: UNUSED}
    row = seller.tools.catalog.seller(SELLER_ID)
    assert row is not None
    assert row.stop_code is None
    assert [one.state for one in seller.requests()] == [VoidingState.REFUSED]


def test_an_answer_about_another_range_is_a_persons(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    from workflow.clients.sefaz import VoidResult

    other = (
        b'<retInutNFe xmlns="http://www.portalfiscal.inf.br/nfe"><infInut><cStat>102</cStat>'
        b"<nNFIni>7</nNFIni></infInut></retInutNFe>"
    )
    client = seller.tools.seller(SELLER_ID).sefaz
    client.void = lambda *_, **__: VoidResult("102", "ok", "1", None, other)  # type: ignore[method-assign]
    assert seller.void() == [(1, 1, "person", "102")]


def test_numbers_of_a_cnpj_that_is_no_longer_the_sellers_are_told_not_sent(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    with seller.tools.store.writing() as connection:
        connection.execute(insert(SERIES).values(cnpj="11222333000181", environment=2, series=1, next_number=2))
        connection.execute(update(NUMBER).values(cnpj="11222333000181"))
    assert seller.void() == [(1, 1, "skipped", "other-cnpj")]
    assert seller.asked() == 0


def test_only_one_voids_a_sellers_numbers_at_a_time(seller: Seller) -> None:
    seller.has(UNUSED, *range(1, 40, 2))
    barrier = threading.Barrier(3)

    def run(_: int) -> str:
        barrier.wait(10)
        try:
            void(seller.tools, SELLER_ID)
        except RetryLater as error:
            return error.code
        return "done"

    with ThreadPoolExecutor(3) as pool:
        ends = list(pool.map(run, range(3)))
    assert set(ends) <= {"done", "voiding-under-way"}
    assert "done" in ends
    assert set(seller.statuses().values()) == {VOIDED}
    assert seller.asked() == len(seller.at_sefaz()) == 20


def test_whoever_lost_the_lease_sends_nothing(seller: Seller) -> None:
    until = seller.voidings.take(SELLER_ID, lease=timedelta(minutes=3))
    assert until is not None
    assert seller.voidings.take(SELLER_ID, lease=timedelta(minutes=3)) is None
    seller.clock.pass_(minutes=4)
    assert seller.voidings.hold(SELLER_ID, until, lease=timedelta(minutes=3)) is None
    theirs = seller.voidings.take(SELLER_ID, lease=timedelta(minutes=3))
    assert theirs is not None
    seller.voidings.release(SELLER_ID, until)  # a late one frees nothing that is another's
    assert seller.voidings.take(SELLER_ID, lease=timedelta(minutes=3)) is None


def test_a_number_that_turns_out_used_is_in_no_request(seller: Seller) -> None:
    seller.has(UNUSED, 1)
    seller.has(USED, 2)
    wanted = Range(SELLER_CNPJ, 2, 1, YEAR, 1, 2)
    assert seller.voidings.make(SELLER_ID, wanted, b"x") is None
    assert isinstance(seller.voidings.make(SELLER_ID, wanted._replace(last=1), b"x"), Made)


def test_ranges_end_with_the_year_of_the_sellers_calendar_and_at_ten_thousand() -> None:
    old, new = datetime(2027, 1, 1, 2, 59, tzinfo=UTC), datetime(2027, 1, 1, 3, tzinfo=UTC)
    of = [Unused("1", 2, 1, 1, old), Unused("1", 2, 1, 2, new)]
    assert [(one.year, one.first, one.last) for one in grouped(of, "SP")] == [(2026, 1, 1), (2027, 2, 2)]
    many = [Unused("1", 2, 1, number, new) for number in range(1, 20_002)]
    sizes = [one.size for one in grouped(many, "SP")]
    assert sizes == [10_000, 10_000, 1]
    assert list(grouped([], "SP")) == []
