"""The real engine and the real stages against a world that fails at every call, searched for a way to break a promise.

Each step is something that may happen: a notification, a sweep, a worker that meets faults, dies or falls asleep past
its lease while others go on, an operator's order, time. After each step the rows, SEFAZ's book and Amazon's book must
agree; at the end the faults stop, an operator retries what waits, and every shipment must come to its end.

`make model` searches for minutes. A failure tells its seed and every step at once; `--model-seed` repeats it, and then
looks for fewer steps that fail too, which takes minutes.
"""

import random
import time
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.integration.model.fate import Clock
from tests.integration.model.kit import AMAZON, FrailStore, Kit, dumped, register_seller, sell_products
from tests.integration.model.machine import BEGIN, Model
from tests.integration.model.world import World
from workflow.crypto import Vault
from workflow.key_source import new_key
from workflow.migrations import upgrade
from workflow.nfe.certificate import SigningKey
from workflow.settings import Settings
from workflow.store import connect

#: Of the short search, which is part of `make test`, and of each round of a long one.
EXAMPLES, STEPS = 20, 40
#: Long searches, side by side.
SEARCHES = 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """As many as run side by side: each draws seeds of its own."""
    if "which" in metafunc.fixturenames:
        is_long = metafunc.config.getoption("model_minutes") and metafunc.config.getoption("model_seed") is None
        metafunc.parametrize("which", range(SEARCHES if is_long else 1))


@pytest.fixture
def silent() -> Iterator[None]:
    """No log: a search makes thousands of lines."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger("critical"), cache_logger_on_first_use=False
    )
    yield
    structlog.configure(**before)


@pytest.fixture
def model(signing_key: SigningKey, renewed_key: SigningKey) -> type[Model]:
    """The machine, with an installation to begin from."""
    vault, engine = Vault([new_key()]), connect("sqlite://")
    upgrade(engine)
    kit = Kit(Settings(amazon_url=AMAZON), FrailStore(engine, vault), World(Clock(BEGIN), []), signing_key)
    register_seller(kit)
    sell_products(kit)
    blank = dumped(engine)
    engine.dispose()
    return type("Model", (Model,), {"blank": blank, "vault": vault, "keys": (signing_key, renewed_key)})


def search(model: type[Model], given: int | None) -> None:
    """Search with a seed, which is told where a promise is broken."""
    chosen = random.SystemRandom().randrange(2**32) if given is None else given
    made = seed(chosen)(type("Model", (model,), {}))
    try:
        run_state_machine_as_test(
            made,
            settings=settings(
                max_examples=EXAMPLES,
                stateful_step_count=STEPS,
                deadline=None,
                print_blob=True,
                database=None,
                derandomize=False,
                report_multiple_bugs=False,
                phases=(Phase.generate,) if given is None else (Phase.generate, Phase.shrink),
                suppress_health_check=list(HealthCheck),
            ),
        )
    except BaseException as error:
        error.add_note(f"the same search again: make model ARGS=--model-seed={chosen}")
        raise


@pytest.mark.usefixtures("silent", "which")
def test_no_search_finds_a_lost_shipment_or_a_second_invoice(
    model: type[Model], request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    minutes, given = request.config.getoption("model_minutes"), request.config.getoption("model_seed")
    if minutes is None or given is not None:
        search(model, given)
        return
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        search(model, None)
    record_property("searched", f"{Model.counts['examples']} examples, {Model.counts['steps']} steps")
