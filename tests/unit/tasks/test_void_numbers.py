"""The daily tasks: what beat starts and when, and what Flower shows of their ends."""

# ruff: noqa: F811 - the fixtures are those of voiding itself

from datetime import timedelta
from pathlib import Path

import pytest
from celery.exceptions import Retry

from tasks import purge as purging
from tasks import void_numbers as voiding
from tasks.app import Stopped, app, schedule
from tests.unit.test_void_numbers import UNUSED, VOIDED, Seller, answered, folder, seller  # noqa: F401
from workflow.sandbox.shipments import SELLER_ID
from workflow.settings import Settings


@pytest.fixture
def scheduled(seller: Seller, monkeypatch: pytest.MonkeyPatch) -> Seller:
    for module in (voiding, purging):
        monkeypatch.setattr(module, "tools", lambda: seller.tools)
    return seller


def test_beat_starts_both_once_a_day_unless_switched_off() -> None:
    daily = schedule(Settings())
    assert {name: (found["schedule"].hour, found["schedule"].minute) for name, found in daily.items() if name in ("void_numbers", "purge")} == {
        "void_numbers": ({3}, {0}), "purge": ({4}, {0}),
    }  # fmt: skip
    off = schedule(Settings(void_numbers=False, purge_after=timedelta()))
    assert not {"void_numbers", "purge"} & set(off)


def test_every_task_of_the_schedule_is_registered() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in schedule(Settings()).values()} <= set(app.tasks)
    files = {path.stem for path in Path(voiding.__file__).parent.glob("*.py")}
    assert {name.removeprefix("tasks.") for name in app.conf.imports} <= files


def test_each_seller_with_rested_numbers_gets_a_task(scheduled: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[object] = []
    monkeypatch.setattr(voiding.void_numbers_of, "apply_async", lambda args, **_: started.append(args))
    scheduled.has(UNUSED, 1)
    assert voiding.void_numbers() == 0
    scheduled.clock.pass_(hours=25)
    assert voiding.void_numbers() == 1
    assert started == [(SELLER_ID,)]


def test_what_was_voided_is_told(scheduled: Seller) -> None:
    scheduled.has(UNUSED, 1, 2)
    assert voiding.void_numbers_of(SELLER_ID) == "nothing to void"
    scheduled.clock.pass_(hours=25)
    assert voiding.void_numbers_of(SELLER_ID) == "series 1, tpAmb 2: 1-2 voided 102"
    assert set(scheduled.statuses().values()) == {VOIDED}


def test_what_may_pass_shows_as_retry_and_the_next_day_goes_on(scheduled: Seller) -> None:
    scheduled.has(UNUSED, 1)
    scheduled.clock.pass_(hours=25)
    scheduled.spoil("drop_after_processing")
    with pytest.raises(Retry, match="sefaz-"):
        voiding.void_numbers_of(SELLER_ID)
    assert voiding.void_numbers_of(SELLER_ID).endswith("voided 563")


def test_what_a_person_must_mend_shows_as_failure(scheduled: Seller) -> None:
    scheduled.has(UNUSED, 1)
    scheduled.clock.pass_(hours=25)
    answered(scheduled, "203", "Emissor nao habilitado")
    with pytest.raises(Stopped, match="203"):
        voiding.void_numbers_of(SELLER_ID)


def test_the_purge_tells_what_it_removed(scheduled: Seller) -> None:
    assert purging.purge() == "0 shipments, 0 documents, 0 customer invoices"
