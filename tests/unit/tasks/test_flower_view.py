"""What Flower shows of a task, in a person's words."""

import doctest
from pathlib import Path
from types import SimpleNamespace

import flower
import pytest

from tasks import flower_view
from tasks.flower_view import told

ROOT = Path(flower.__file__).parent / "templates"


def a_task(args: str, exception: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(args=args, exception=exception, result=None)


def test_the_examples_hold() -> None:
    assert doctest.testmod(flower_view).failed == 0


@pytest.mark.parametrize("args", ["('A1SELLER/FBA1',)", "['A1SELLER/FBA1']"])
def test_an_argument_is_told_as_seller_and_shipment(args: str) -> None:
    assert told(a_task(args)).args == "seller A1SELLER, shipment FBA1"


@pytest.mark.parametrize("args", ["()", "('{\"NotificationType\": 1}',)", "('A/B', 'C/D')", ""])
def test_any_other_argument_stays_as_it_is(args: str) -> None:
    assert told(a_task(args)).args == args


@pytest.mark.parametrize(
    ("exception", "said"),
    [
        ("Stopped('REJECTED 232 Rejeição: IE')", "REJECTED 232 Rejeição: IE"),
        ('Stopped("FETCHED unknown-sku SKU isn\'t known")', "FETCHED unknown-sku SKU isn't known"),
        ("Waits('GENERATED 108 SEFAZ is paused, again in 3.0 s')", "GENERATED 108 SEFAZ is paused, again in 3.0 s"),
        ("Something else", "Something else"),
    ],
)
def test_what_stopped_a_task_stands_where_its_result_would(exception: str, said: str) -> None:
    assert told(a_task("()", exception)).result == said


def test_a_result_is_told_without_its_quotes() -> None:
    done = a_task("()")
    done.result = "'GENERATED'"
    assert told(done).result == "GENERATED"
    done.result = None
    assert told(done).result is None


@pytest.mark.parametrize("name", flower_view._PATCHES)
def test_flowers_pages_still_have_the_place_that_ours_goes_to(name: str) -> None:
    before, _ = flower_view._PATCHES[name]
    assert (ROOT / name).read_text(encoding="utf-8").count(before) == 1
