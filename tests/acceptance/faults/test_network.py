"""Connections that go dead both ways: to the database, to the broker, to Amazon, to SEFAZ, and to all of them."""

import time

import pytest

from tests.acceptance.faults.trial import Trial

ENDS = ("database", "broker", "amazon", "sefaz")
#: How long cables stay cut, in seconds: all of them in the long form, one alone longer than any of our time-outs.
SHORT, LONG, LONG_ALONE = 4.0, 60.0, 12.0


@pytest.mark.databases("postgresql")
@pytest.mark.each("ends", short=[ENDS], long=[*((end,) for end in ENDS), ENDS])
def test_connections_that_are_cut_both_ways_only_delay(trial: Trial, ends: tuple[str, ...], is_long: bool) -> None:
    trial.begin()
    trial.in_the_middle()
    cables = [trial.plant.cables[end] for end in ends]
    for cable in cables:
        cable.cut()
    time.sleep((LONG if len(ends) > 1 else LONG_ALONE) if is_long else SHORT)  # the fault itself: nothing passes
    for cable in cables:
        cable.mend()
    trial.count()
