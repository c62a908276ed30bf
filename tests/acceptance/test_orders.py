"""What an operator orders after the fact: reissue, refetch, cancel; on the whole installation."""

import json
from dataclasses import replace

import pytest
from lxml import etree

from tests.acceptance.conftest import Installation, good
from workflow.sandbox.shipments import SELLER_ID, demo_shipments
from workflow.states import State

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
NAMESPACE = {"nfe": "http://www.portalfiscal.inf.br/nfe"}


def number_of(installation: Installation, shipment: str) -> str:
    """nNF of the shipment's newest nfeProc."""
    found = etree.fromstring(installation.run("xml", shipment).encode()).findtext(".//nfe:nNF", namespaces=NAMESPACE)
    assert found is not None
    return found


def test_a_reissue_cancels_the_note_and_makes_another_with_the_next_number(installation: Installation) -> None:
    example = replace(good(1)[0], outcome="errored_once")
    with installation.up():
        installation.announce(example)
        assert installation.rest() == {example.shipment_id: State.ERRORED}
        first = number_of(installation, example.shipment_id)
        installation.run("reissue", example.shipment_id, "--reason", "Cadastro do produto corrigido", "--yes")
        assert installation.rest() == {example.shipment_id: State.ACCEPTED}
    assert int(number_of(installation, example.shipment_id)) == int(first) + 1
    notes = {note["nNF"]: note["cancelled_at"] is not None for note in installation.authorised()}
    assert notes == {int(first): True, int(first) + 1: False}
    stages = [line["stage"] for line in json.loads(installation.run("history", example.shipment_id, "--json"))]
    assert stages.count("cancel") == 2
    assert stages.count("authorize") == 2


def test_a_mended_address_is_fetched_again_and_goes_through(installation: Installation) -> None:
    example = next(one for one in demo_shipments(12) if "municipality" in one.title)
    with installation.up():
        installation.announce(example)
        assert installation.rest() == {example.shipment_id: State.FETCHED}
        mended = json.loads(json.dumps(example.details))
        mended["ShippingAddress"] |= {"City": "São Paulo", "StateOrRegion": "SP", "PostalCode": "01310-100"}
        installation.amazon.book.add(example.shipment().model_copy(update={"details": mended}))
        assert "RECEIVED" in installation.run("retry", example.shipment_id, "--refetch")
        assert installation.rest() == {example.shipment_id: State.ACCEPTED}


def test_a_company_that_its_state_knows_as_a_contributor_gets_its_registration_in_the_note(
    installation: Installation,
) -> None:
    example = next(one for one in demo_shipments(12) if "company without" in one.title)
    cnpj = example.details["BuyerTaxInfo"]["TaxClassifications"][0]["Value"]
    uf = example.details["ShippingAddress"]["StateOrRegion"]
    installation.sefaz.book.lists()["taxpayers"]({"uf": uf, "ie": "123456789", "cnpj": cnpj})
    with installation.up():
        installation.announce(example)
        assert installation.rest() == {example.shipment_id: State.ACCEPTED}
    note = etree.fromstring(installation.run("xml", f"{SELLER_ID}/{example.shipment_id}").encode())
    assert note.findtext(".//nfe:dest/nfe:IE", namespaces=NAMESPACE) == "123456789"
    assert note.findtext(".//nfe:dest/nfe:indIEDest", namespaces=NAMESPACE) == "1"


def test_a_document_refused_three_times_is_not_sent_again_until_it_is_mended(installation: Installation) -> None:
    example = good(1)[0]
    buyer = example.details["BuyerTaxInfo"]["TaxClassifications"][0]["Value"]
    installation.sefaz.book.lists()["refusals"]({"match": buyer, "cStat": "237"})
    with installation.up():
        installation.announce(example)
        for _ in range(3):
            assert installation.rest() == {example.shipment_id: State.REJECTED}
            installation.run("retry", example.shipment_id)
        assert installation.rest() == {example.shipment_id: State.REJECTED}
        assert installation.rows()[0]["code"] == "equal-rejections"
    assert installation.sefaz.book.dump(requests=False)["counts"]["NFeAutorizacao4"] == 3
