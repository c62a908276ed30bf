"""A UF's SEFAZ that is down, and the SVC that stands in for it."""

import json

import pytest
from lxml import etree

from tests.acceptance.conftest import Installation, good
from workflow.states import State

pytestmark = pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
NAMESPACE = {"nfe": "http://www.portalfiscal.inf.br/nfe"}


def test_notes_go_to_the_svc_only_while_it_stands_in_and_are_cancelled_there(installation: Installation) -> None:
    waiting, through, after = good(3)
    installation.environment |= {"NFE_CONTINGENCY_AFTER": "2", "NFE_BACKOFF_CAP": "PT0.5S"}
    book = installation.sefaz.book
    with installation.up():
        # Down, and nobody stands in: the note waits.
        book.change({"service": "108", "svc": "114"})
        installation.announce(waiting)
        with pytest.raises(AssertionError, match="still on their way"):
            installation.rest(8)
        assert installation.authorised() == []

        # The SVC stands in: the waiting note and the next one are made for it.
        book.change({"svc": "107"})
        installation.announce(through)
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
        for example in (waiting, through):
            note = etree.fromstring(installation.run("xml", example.shipment_id).encode())
            said = {tag: note.findtext(f".//nfe:ide/nfe:{tag}", namespaces=NAMESPACE) for tag in ("tpEmis", "xJust")}
            assert said == {"tpEmis": "6", "xJust": "SEFAZ autorizadora indisponivel; SVC ativada"}

        # A note of the SVC is cancelled there, also when the UF is back.
        book.change({"service": "107", "svc": "113"})
        installation.run("cancel", through.shipment_id, "--reason", "Pedido cancelado pelo comprador", "--yes")
        assert installation.rest()[through.shipment_id] == State.CANCELLED

        # The SVC takes no more: what was made for it is made anew for the UF.
        book.change({"svc": "114"})
        installation.announce(after)
        assert installation.rest(90)[after.shipment_id] == State.ACCEPTED
    note = etree.fromstring(installation.run("xml", after.shipment_id).encode())
    assert note.findtext(".//nfe:ide/nfe:tpEmis", namespaces=NAMESPACE) == "1"
    numbers = sorted(one["nNF"] for one in installation.authorised())
    assert numbers == [1, 2, 3]
    codes = [line["code"] for line in json.loads(installation.run("history", after.shipment_id, "--json"))]
    assert "114" in codes
