"""A backup is taken while sales are made, more are made, everything dies, and the backup is restored.

Whoever starts the parts without a look at the README does no harm; whoever runs `nfe recover` as it says gets every
shipment to its end. With `--long-faults` on each database, with Redis as it was and empty.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from tests.acceptance.faults.plant import Plant, open_plant
from tests.acceptance.faults.trial import Tally, Trial, id_of
from workflow.catalog import SELLER_STOPPED
from workflow.sandbox.shipments import SELLER_ID, Example, notification
from workflow.states import State
from workflow.stops import UNKNOWN_NUMBERS

#: Database, and whether Redis is as it was. On SQLite, in one process, tests/unit/test_recovery.py has more.
SHORT = [("postgresql", False)]
LONG = [*SHORT, ("postgresql", True), ("sqlite", False), ("sqlite", True)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One of the four in the short form."""
    if "kind" in metafunc.fixturenames:
        chosen = LONG if metafunc.config.getoption("--long-faults") else SHORT
        ids = [f"{kind}-{'redis-kept' if redis else 'redis-empty'}" for kind, redis in chosen]
        metafunc.parametrize(("kind", "redis"), chosen, ids=ids)


@pytest.fixture
def plant(kind: str, tmp_path: Path) -> Iterator[Plant]:
    with open_plant(kind, tmp_path) as made:
        yield made


def test_a_restored_older_database_catches_up_and_issues_nothing_again(
    plant: Plant, redis: bool, tmp_path: Path
) -> None:
    told: list[Tally] = []
    trial = Trial(plant, count(7000), 3, keep=told.append)
    trial.begin()
    trial.rest()
    [cancelled, *_] = trial.batch

    # A backup in the middle of the second batch; a third one, a cancellation, and the end of everything.
    trial.announce(*trial.fresh(4))
    trial.wait_for_authorised(4)
    backup = back_up(plant, tmp_path)
    cancel(plant, cancelled)
    lost = trial.fresh(4)
    trial.announce(*lost)
    trial.wait_for_authorised(9)
    plant.kill("worker", "beat")
    plant.wait(lambda: plant.sefaz.book.dump(requests=False)["waiting"] == [])
    restore(plant, backup)
    if not redis:
        plant.valkey.client().flushall()
    issued, handed_in = len(plant.sefaz.book.by_key), files(plant)

    # Who starts the parts all the same: they stop the seller, and do nothing a second time.
    trial.announce(*lost[:1])
    plant.run_as_usual()
    plant.wait(lambda: stop(plant) == UNKNOWN_NUMBERS, "the stop")
    plant.wait(lambda: (row := trial.row(lost[0])) is not None and row.stop_code == SELLER_STOPPED, "its shipment's")
    assert (len(plant.sefaz.book.by_key), files(plant)) == (issued, handed_in)

    # As the README says.
    assert "notes found" in plant.run("recover", "--silence", "5")
    trial.announce(*lost)
    trial.count(cancelled=[cancelled])
    assert told == [Tally(11, 0, 0)]
    assert stop(plant) is None


def cancel(plant: Plant, example: Example) -> None:
    """Amazon cancels it, and so does SEFAZ; the message is deleted from the queue."""
    plant.tools().engine.receive(json.dumps(notification(example.details, "Cancelled")).encode())
    plant.wait(lambda: plant.tools().store.shipment(id_of(example)).state == State.CANCELLED, "the cancellation")


def stop(plant: Plant) -> str | None:
    """The seller's."""
    row = plant.tools().catalog.seller(SELLER_ID)
    assert row is not None
    return row.stop_code  # type: ignore[no-any-return]


def files(plant: Plant) -> dict[str, int]:
    """How many files Amazon got for each shipment."""
    shipments = plant.amazon.book.dump(requests=False)["shipments"]
    return {name: len(entry["submissions"]) for name, entry in shipments.items()}


def back_up(plant: Plant, folder: Path) -> Path:
    """While the parts are at work."""
    file = folder / "backup"
    if plant.postgresql is None:
        plant.run("backup", str(file))
    else:
        run(plant, "pg_dump", "--format=custom", f"--file={file}", "nfe")
    return file


def restore(plant: Plant, backup: Path) -> None:
    """Put the backup in the database's place."""
    plant.tools().store.engine.dispose()
    if plant.postgresql is None:
        database = Path(str(plant.tools().store.engine.url.database))
        for name in ("-wal", "-shm"):
            database.with_name(database.name + name).unlink(missing_ok=True)
        shutil.copy(backup, database)
        return
    admin = create_engine(plant.postgresql.url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("DROP DATABASE nfe WITH (FORCE)"))
        connection.execute(text("CREATE DATABASE nfe"))
    admin.dispose()
    run(plant, "pg_restore", "--dbname=nfe", "--exit-on-error", str(backup))


def run(plant: Plant, program: str, *arguments: str) -> None:
    """One of PostgreSQL's own programs, as the README names it."""
    assert plant.postgresql is not None
    where = make_url(plant.postgresql.url)
    reached = {"PGHOST": str(where.query["host"]), "PGUSER": where.username or ""}
    done = subprocess.run(
        [plant.postgresql.programs / program, *arguments], env=os.environ | reached, capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
