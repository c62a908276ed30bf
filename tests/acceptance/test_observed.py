"""What a running installation tells of itself: its log as JSON, bound to shipment and task."""

import json
from typing import Any

import pytest

from tests.acceptance.conftest import Installation
from workflow.sandbox.shipments import SELLER_ID, Example, demo_shipments
from workflow.states import Stage

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the database has no part in this


def private(example: Example) -> list[str]:
    """What nobody but the buyer may read anywhere."""
    address, buyer = example.details["ShippingAddress"], example.details
    lines = [address.get("AddressLine1"), address.get("AddressLine2"), address.get("Phone")]
    ids = [one["Value"] for one in buyer["BuyerTaxInfo"]["TaxClassifications"]]
    return [text for text in (buyer["BuyerName"], *lines, *ids) if text]


def logged(installation: Installation) -> list[dict[str, Any]]:
    """Each line of the log but Valkey's own; one that is no JSON fails."""
    lines = (installation.folder / "up.log").read_text().splitlines()
    return [json.loads(line) for line in lines if not line.startswith("valkey ")]


def test_each_line_of_a_workers_log_is_json_with_its_shipment_and_nothing_of_the_buyer(
    installation: Installation,
) -> None:
    examples = demo_shipments(8)
    installation.environment |= {"NFE_LOG_FORMAT": "json", "NFE_LOG_LEVEL": "DEBUG"}
    with installation.up() as process:
        installation.announce(*examples)
        installation.rest(60)
        process.terminate()
        assert process.wait(60) == 0
    lines = logged(installation)
    settled = [line for line in lines if line["event"] == "settled"]
    assert {line["stage"] for line in settled} > {Stage.FETCH, Stage.GENERATE, Stage.AUTHORIZE, Stage.SUBMIT}
    for line in settled:
        assert line["task_id"]
        assert line["task"] == line["stage"]
        assert (line["seller"], line["shipment"].split("/")[0]) == (SELLER_ID, SELLER_ID)
    everything = json.dumps(lines, ensure_ascii=False)
    assert not [text for example in examples for text in private(example) if text in everything]
