"""Amazon's plan is used up and never broken, and one seller's burden is no other seller's wait."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.conftest import Installation, good, seller_toml
from workflow.sandbox.shipments import SELLER_ID, demo_shipments
from workflow.states import State
from workflow.store import SHIPMENT

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)

DETAILS = "getShipmentDetails"
OTHER = "A9ANOTHERSELLER"
#: Quicker than Amazon's, so that a test sees many permits.
RATE, BURST = 3.0, 15
#: Shipments of the seller whose burden it is: more than the workers look at before the other's one is accepted.
DUE = 1500


def within(seconds: float, answer: Callable[[], bool]) -> bool:
    """Whether the answer became yes in time."""
    end = time.monotonic() + seconds
    while not answer():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def calls(installation: Installation, operation: str = DETAILS, result: str = "200") -> list[float]:
    """When Amazon answered so, in Unix seconds."""
    requests = installation.amazon.book.dump()["requests"]
    return [call["at"] for call in requests if (call["operation"], call["result"]) == (operation, result)]


def throttled(installation: Installation) -> int:
    return int(sum(installation.amazon.book.dump(requests=False)["throttled"].values()))


@pytest.fixture
def limited(installation: Installation) -> Installation:
    """Eight processes, and an Amazon that keeps to a plan of its own."""
    installation.amazon.book.change({"rate": RATE, "burst": BURST})
    installation.environment |= {
        "NFE_AMAZON_RATE": str(RATE), "NFE_AMAZON_BURST": str(BURST), "NFE_CONCURRENCY": "8", "NFE_SWEEP_EVERY": "0.2",
        "NFE_LOG_LEVEL": "WARNING",
    }  # fmt: skip
    return installation


def test_eight_processes_keep_to_the_plan(limited: Installation) -> None:
    """By Amazon's own plan; how much of it is used up is measured by the benchmark of the limits."""
    rate, burst = 1.133, 25
    limited.amazon.book.change({"rate": rate, "burst": burst})
    limited.environment |= {"NFE_AMAZON_RATE": str(rate), "NFE_AMAZON_BURST": str(burst)}
    limited.announce(*good(burst + 8))
    with limited.up():
        assert set(limited.rest(120).values()) == {State.ACCEPTED}
    assert throttled(limited) == 0
    at = calls(limited)
    assert len(at) == burst + 8
    for first in range(len(at)):
        for last in range(first, len(at)):
            assert last - first + 1 <= burst + rate * (at[last] - at[first]) + 1


def test_a_rate_that_amazon_lowers_is_learnt_and_left_again(limited: Installation) -> None:
    """By the header of any answer, or by a 429 that comes all the same."""
    limited.announce(*good(40))
    with limited.up():
        assert within(60, lambda: len(calls(limited)) >= BURST + 3)
        limited.amazon.book.change({"rate": 1.0})
        lowered = time.time()
        assert within(60, lambda: sum(at > lowered for at in calls(limited)) >= 8)
        # At the old rate they would have come in less than three seconds.
        assert time.time() - lowered >= 4
        assert throttled(limited) <= 12, "it goes on asking too often"
        limited.amazon.book.change({"rate": RATE})
        assert set(limited.rest(120).values()) == {State.ACCEPTED}


def test_a_broker_that_forgets_everything_costs_one_burst_at_the_most(limited: Installation) -> None:
    limited.amazon.book.change({"rate_plan": False})  # it only counts
    limited.announce(*good(60))
    with limited.up():
        assert within(60, lambda: len(calls(limited)) >= BURST + 5)
        limited.tools().redis.flushall()
        assert set(limited.rest(120).values()) == {State.ACCEPTED}
    at = calls(limited)
    assert len(at) == 60
    for first in range(len(at)):
        for last in range(first, len(at)):
            # … and what a busy machine holds up between permit and call.
            assert last - first + 1 <= 2 * BURST + RATE * (at[last] - at[first] + 2)


def add_other_seller(installation: Installation, tmp_path: Path) -> None:
    """A second seller with the same goods."""
    (tmp_path / "other.toml").write_text(seller_toml(installation.sefaz).replace(SELLER_ID, OTHER))
    installation.run("seller", "add", str(tmp_path / "other.toml"))
    installation.run("products", "import", str(tmp_path / "products.csv"), "--seller", OTHER)


def untouched(installation: Installation) -> int:
    """Shipments of the first seller that no worker has looked at yet."""
    row = SHIPMENT.c
    with installation.tools().store.reading() as connection:
        query = SHIPMENT.select().where(row.seller_id == SELLER_ID, row.updated_at == row.created_at)
        return len(connection.execute(query).all())


@pytest.mark.parametrize("stopped", [False, True], ids=["busy", "stopped"])
def test_one_sellers_thousands_are_no_other_sellers_wait(
    installation: Installation, tmp_path: Path, stopped: bool
) -> None:
    """Whether its own plan holds them up or the seller is stopped, another's single shipment overtakes them."""
    add_other_seller(installation, tmp_path)
    installation.environment |= {"NFE_AMAZON_RATE": "1", "NFE_AMAZON_BURST": "1", "NFE_LOG_LEVEL": "WARNING"}
    installation.announce(*good(DUE))
    if stopped:
        installation.tools().catalog.stop_seller(SELLER_ID, "lwa-invalid-grant", "revoked")
    with installation.up():
        assert within(60, lambda: untouched(installation) < DUE), "nothing runs"
        (single,) = demo_shipments(1, OTHER, seed=99, only_good=True)
        installation.announce(single)
        store = installation.tools().store
        assert within(60, lambda: store.shipment(f"{OTHER}/{single.shipment_id}").state == State.ACCEPTED)
        assert untouched(installation) > 0, "it came after all of the other seller's"
