"""A seller whose file chooses the Delivery API: details by the old way, submission and verdict by the new one."""

import json

import pytest

from tests.acceptance.conftest import Installation, good, seller_toml
from workflow.states import State

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)


def test_a_seller_of_the_delivery_channel_is_accepted(installation: Installation) -> None:
    file = installation.folder.parent / "seller.toml"
    file.write_text(seller_toml(installation.sefaz) + '\nchannel = "delivery"\nprogram = "FbaOnSite"\n')
    installation.run("seller", "add", str(file))
    examples = good(2)
    with installation.up():
        installation.announce(*examples)
        assert installation.rest() == {example.shipment_id: State.ACCEPTED for example in examples}
    counts = installation.amazon.book.dump(requests=False)["counts"]
    assert counts["delivery.submitInvoice"] == len(examples)
    assert counts["delivery.getInvoiceStatus"] >= len(examples)
    assert counts["getShipmentDetails"] == len(examples)
    assert not {"submitInvoice", "getInvoiceStatus"} & set(counts)
    verdict = json.loads(installation.run("xml", examples[0].shipment_id, "--kind", "verdict"))
    assert verdict["invoiceStatus"] == "Accepted"
