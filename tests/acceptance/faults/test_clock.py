"""Workers whose clocks are wrong: the database's clock is what counts."""

from pathlib import Path

import pytest

from tests.acceptance.faults.trial import Trial

#: Debian's package `faketime` puts it there.
LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@pytest.mark.skipif(not LIBRARIES, reason="no libfaketime here; install the package faketime")
@pytest.mark.databases("postgresql")
@pytest.mark.each("offsets", short=[("+1h",)], long=[("+1h",), ("-1h",), ("+1h", "-1h")])
def test_workers_whose_clocks_are_an_hour_off_do_no_harm(trial: Trial, offsets: tuple[str, ...]) -> None:
    plant = trial.plant
    plant.run_as_usual()
    plant.kill("worker")
    for offset in offsets:
        wrong = {"LD_PRELOAD": LIBRARIES[0], "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": 1}
        plant.start("worker", **wrong)
    trial.announce(*trial.fresh(trial.size))
    trial.count()
    plant.kill("worker")
    doctor = plant.start("doctor", "doctor", **wrong)
    assert doctor.process.wait() == 1
    plant.wait(lambda: "3600.0 s from the database's" in doctor.log.read_text())
