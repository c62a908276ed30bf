"""Faults over real processes, with a real broker and a real database: the short form beside all tests, the long one by
`make faults`, which also writes the README's table from what it counted.

    --long-faults                  each kind of a fault by itself too, on both databases, with more shipments
    --fault-shipments N            shipments of each run
    --fault-runs N                 how often each is run
    --write-fault-table            put what was counted into the README
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.acceptance.faults import table
from tests.acceptance.faults.plant import Plant, open_plant
from tests.acceptance.faults.trial import Trial

#: Shipments of one run in the short form and in the long one.
SHORT, LONG = 6, 20

_seeds = count(1000)


def is_long(config: pytest.Config) -> bool:
    """Whether this is the long form."""
    return bool(config.getoption("--long-faults"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """All kinds of a fault at once on one database; in the long form also each by itself, on every database."""
    if "plant" not in metafunc.fixturenames:
        return
    databases = metafunc.definition.get_closest_marker("databases")
    kinds = databases.args if databases else ("sqlite", "postgresql")
    long = is_long(metafunc.config)
    metafunc.parametrize("plant", kinds if long else kinds[:1], indirect=True, scope="session")
    for each in metafunc.definition.iter_markers("each"):
        chosen = each.kwargs["long" if long else "short"]
        metafunc.parametrize(each.args[0], chosen, ids=[_name(one) for one in chosen])
    if "trial" in metafunc.fixturenames:
        metafunc.parametrize("run", range(metafunc.config.getoption("--fault-runs")))


def _name(of: tuple[object, ...]) -> str:
    """The id of a test that inflicts one kind of a fault, or all."""
    one = of[0]
    if len(of) > 1:
        return "all"
    return "-".join(one) if isinstance(one, tuple) else getattr(one, "__name__", str(one))


@pytest.fixture(scope="session")
def plant(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """A plant on the database, shared: a fault is to find one that other faults have befallen."""
    with open_plant(request.param, tmp_path_factory.mktemp("plant")) as made:
        yield made


@pytest.fixture
def run() -> int:
    """Which of its runs a fault is in."""
    return 0


@pytest.fixture(name="is_long")
def _is_long(pytestconfig: pytest.Config) -> bool:
    """Whether this is the long form."""
    return is_long(pytestconfig)


@pytest.fixture
def trial(request: pytest.FixtureRequest, plant: Plant, run: int) -> Trial:
    """A batch for this fault; what it counts is kept for the table."""
    size = request.config.getoption("--fault-shipments") or (LONG if is_long(request.config) else SHORT)
    keep = request.node.user_properties
    return Trial(plant, _seeds, size, keep=lambda tally: keep.append(("tally", tuple(tally))))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """The table, where it is asked for or the form is long."""
    writes = config.getoption("--write-fault-table")
    if not (writes or is_long(config)):
        return
    counted = table.sum_up(
        (one.location[2], dict(one.user_properties).get("tally", (0, 0, 0)))
        for outcome in ("passed", "failed", "error")
        for one in terminalreporter.getreports(outcome)
        if one.when == "call"
    )
    terminalreporter.write_line("")
    terminalreporter.write(table.render(counted))
    if not writes:
        return
    failed = [one for outcome in ("failed", "error") for one in terminalreporter.getreports(outcome)]
    missing = sorted(set(table.names()) - set(counted))
    if failed or missing:
        why = f"{len(failed)} failed, {', '.join(missing) or 'nothing'} not counted"
        terminalreporter.write_line(f"The README keeps its table: {why}.", red=True)
    else:
        table.put(counted)
