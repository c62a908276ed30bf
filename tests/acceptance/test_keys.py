"""A rotation under a running installation: no shipment notices, and the old key opens nothing afterwards."""

import json
from dataclasses import replace

import pytest

from tests.acceptance.conftest import Installation, good
from workflow import key_book
from workflow.crypto import Vault
from workflow.key_source import KEY_FILE
from workflow.states import State


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the unit's tests have both databases
def test_keys_are_rotated_and_all_is_sealed_anew_while_the_parts_run(installation: Installation) -> None:
    file = installation.folder / KEY_FILE
    old = file.read_text().strip()
    examples = good(6)
    with installation.up():
        installation.announce(*examples[:2])
        installation.rest()
        installation.announce(*examples[2:4])
        assert "new key" in installation.run("keys", "rotate")
        # The workers still have the old key only: they meet what is sealed anew, and learn the new one.
        assert key_book.reseal(replace(installation, _tools=None).tools().store).failed == {}
        installation.announce(*examples[4:])
        assert set(installation.rest(90).values()) == {State.ACCEPTED}
    assert "the older keys seal nothing any more" in installation.run("keys", "reseal")
    new, kept = file.read_text().split()
    assert kept == old
    file.write_text(new)
    (listed,) = json.loads(installation.run("keys", "list", "--json"))
    assert listed["key"] == Vault([new]).ids[0]
    assert listed["sealed"] > 4 * len(examples)
    for example in examples[::2]:
        assert "<nfeProc" in installation.run("xml", example.shipment_id)
