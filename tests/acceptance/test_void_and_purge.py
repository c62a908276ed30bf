"""Numbers and personal data by the `nfe` command against the local SEFAZ: an answer lost on the way, and the end."""

import json

import pytest

from tests.acceptance.conftest import Installation, good
from workflow.nfe import schema
from workflow.sandbox.faults import Fault
from workflow.sandbox.shipments import SELLER_ID, demo_shipments

pytestmark = pytest.mark.slow


def test_a_cancelled_number_is_voided_once_although_the_answer_is_lost_and_what_has_served_is_purged(
    installation: Installation,
) -> None:
    refused = next(one for one in demo_shipments(25) if one.refusal is not None)
    accepted = good(2)
    with installation.up():
        installation.announce(*accepted, refused)
        assert installation.rest()[refused.shipment_id] == "REJECTED"
        installation.run("cancel", refused.shipment_id, "--reason", "Recusada pela SEFAZ, nao sera emitida", "--yes")
        assert installation.rest()[refused.shipment_id] == "CANCELLED"
        (unused,) = listed(installation, "unused")

        installation.sefaz.book.faults.add(Fault(operation="NFeInutilizacao4", kind="drop_after_processing"))
        installation.run("numbers", "void", status=1)
        assert [row["number"] for row in listed(installation, "unused")] == [unused["number"]]
        said = installation.run("numbers", "void")
        assert "voided: 563" in said
        assert installation.run("numbers", "void") == ""

    assert [(entry.first, entry.last) for entry in installation.sefaz.book.voided] == [(unused["number"],) * 2]
    found = json.loads(installation.run("numbers", "list", "--json"))
    assert sorted(row["status"] for row in found["numbers"]) == ["used", "used", "voided"]
    assert [series["missing"] for series in found["series"]] == [0]
    proof = installation.run("numbers", "proof", str(unused["number"]), "--seller", SELLER_ID)
    schema.validate(proof.encode(), "inutNFe")  # SEFAZ gave no protocol the second time: our signed request

    assert "purged 3 shipments" in installation.run("purge", "--older-than-days", "0")
    for example in accepted:
        schema.validate(installation.run("xml", example.shipment_id).encode(), "procNFe")
        installation.run("xml", example.shipment_id, "--kind", "details", status=1)
        kinds = {
            row["kind"] for row in json.loads(installation.run("show", example.shipment_id, "--json"))["documents"]
        }
        assert kinds == {"nfeproc"}


def listed(installation: Installation, status: str) -> list[dict[str, object]]:
    """The numbers of a status."""
    found = json.loads(installation.run("numbers", "list", "--status", status, "--json"))
    return list(found["numbers"])
