"""A seller's stop concerns the side whose code it has, and two stops do not hide each other."""

import doctest

import pytest

from workflow import stops
from workflow.nfe.reactions import Reaction
from workflow.nfe.tables import rows
from workflow.stops import BOTH, Side, Stop, sides_of

AMAZON, SEFAZ = frozenset({Side.AMAZON}), frozenset({Side.SEFAZ})


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(stops).failed == 0


@pytest.mark.parametrize(
    ("sides", "codes"),
    [
        (
            AMAZON,
            "lwa-invalid-grant lwa-invalid-client lwa-unauthorized-client amazon-unauthorized amazon-role-missing",
        ),
        (SEFAZ, "certificate-expired sefaz-certificate-refused sefaz-certificate-unusable 213 1115"),
        (BOTH, "unknown-seller removed bad-issuer"),
    ],
)
def test_a_code_tells_the_side(sides: frozenset[Side], codes: str) -> None:
    assert {code: sides_of(code) for code in codes.split()} == dict.fromkeys(codes.split(), sides)


def test_every_cstat_that_stops_a_seller_is_sefazs_side() -> None:
    stopping = {Reaction.SELLER_STOP, Reaction.OUR_BUG}
    codes = [row["cStat"] for row in rows("cstat_reactions.csv") if Reaction(row["reaction"]) in stopping]
    assert len(codes) > 50
    assert {sides_of(code) for code in codes} == {SEFAZ}


def test_a_later_stop_of_the_same_side_takes_the_place_of_the_earlier() -> None:
    assert Stop("213", "b").after(Stop("203", "a")) == Stop("213", "b")
    assert Stop("removed", "b").after(Stop("203", "a")) == Stop("removed", "b")


def test_a_stop_of_the_other_side_is_added() -> None:
    both = Stop("lwa-invalid-grant", "revoked").after(Stop("203", "not accredited"))
    assert both == Stop("203 lwa-invalid-grant", "not accredited; lwa-invalid-grant: revoked")
    assert both.sides == BOTH
    assert [both.code_on(side) for side in (Side.SEFAZ, Side.AMAZON, None)] == [
        "203",
        "lwa-invalid-grant",
        "203 lwa-invalid-grant",
    ]
    assert Stop("213", "again").after(both) == both


def test_what_is_not_stopped_goes_on() -> None:
    assert Stop("203", "a").code_on(Side.AMAZON) is None
    assert Stop("lwa-invalid-grant", "a").code_on(Side.SEFAZ) is None
