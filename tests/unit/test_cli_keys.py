"""`nfe keys`: a rotation from its first command to the old key's end, and what the doctor says on the way."""

# ruff: noqa: F811 - the fixtures are those of the other commands

import stat
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file, shipment, store  # noqa: F401
from workflow import doctor
from workflow.crypto import Vault
from workflow.key_book import KEY
from workflow.key_source import KEY_FILE, new_key
from workflow.models import DocumentKind
from workflow.settings import load
from workflow.store import DOCUMENT, Store
from workflow.tools import Tools


def said(nfe: Nfe) -> tuple[str, str]:
    """The doctor's word on encryption."""
    (found,) = [one for one in doctor.examine(Tools(load())) if one.check == "encryption"]
    return found.status, found.message


def keys(tmp_path: Path) -> list[str]:
    return (tmp_path / "data" / KEY_FILE).read_text().split()


def test_a_rotation_from_its_first_command_to_the_old_keys_end(nfe: Nfe, shipment: str, tmp_path: Path) -> None:
    (old,) = keys(tmp_path)
    was = Vault([old]).ids[0]
    assert said(nfe) == (
        "ok",
        f"key {was} of {tmp_path / 'data' / KEY_FILE}, in use for 0 days; nothing is under an older key",
    )
    rotated = nfe("keys", "rotate")
    new = keys(tmp_path)[0]
    now = Vault([new]).ids[0]
    assert rotated.lines == [f"{tmp_path / 'data' / KEY_FILE}: new key {now}; back the file up, then: nfe keys reseal"]
    assert keys(tmp_path) == [new, old]
    assert stat.S_IMODE((tmp_path / "data" / KEY_FILE).stat().st_mode) == 0o600
    status, message = said(nfe)
    assert (status, message.partition("; ")[2]) == ("warning", "3 stored fields are under older keys: nfe keys reseal")

    assert nfe("keys", "reseal", "--dry-run").lines == ["3 stored fields would be sealed anew"]
    assert [(row["key"], row["sealed"]) for row in nfe("keys", "list", "--json").json()] == [(now, 0), (was, 3)]
    assert nfe("keys", "reseal").lines == [
        f"3 stored fields sealed anew with key {now}",
        "the older keys seal nothing any more: they can go once every part was restarted",
    ]
    assert [(row["key"], row["sealed"]) for row in nfe("keys", "list", "--json").json()] == [(now, 3), (was, 0)]
    (tmp_path / "data" / KEY_FILE).write_text(new)
    assert nfe("xml", shipment, "--kind", "notification").code == 0
    assert said(nfe)[0] == "ok"
    assert nfe("keys", "reseal").lines == [f"0 stored fields sealed anew with key {now}"]


def test_a_key_that_is_missing_is_named(nfe: Nfe, shipment: str, store: Store, tmp_path: Path) -> None:
    lost = Vault([new_key()])
    with store.writing() as connection:
        connection.execute(
            update(DOCUMENT).values(sealed=lost.seal(b"x", "document", shipment, DocumentKind.NOTIFICATION))
        )
    found = {one.message: one.status for one in doctor.examine(Tools(load())) if one.check == "encryption"}
    assert found[f"key {lost.ids[0]} sealed what is stored, and is not configured; put it back"] == "failed"
    listed = nfe("keys", "list", "--json")
    assert (listed.code, listed.json()[-1]) == (
        1,
        {"key": lost.ids[0], "since": None, "sealed": 1, "configured": False},
    )
    resealed = nfe("keys", "reseal")
    assert resealed.code == 1
    assert "1 of document: wrong-encryption-key" in resealed.err


def test_the_doctor_asks_for_another_key_after_a_year(nfe: Nfe, seller: str, store: Store) -> None:
    with store.writing() as connection:
        connection.execute(update(KEY).values(first_used_at=store.now() - timedelta(days=366)))
    status, message = said(nfe)
    assert status == "warning"
    assert message.endswith("in use for 366 days; rotate it: nfe keys rotate")


def test_a_key_of_the_environment_is_its_owners_to_change(
    nfe: Nfe, seller: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFE_ENCRYPTION_KEY", keys(tmp_path)[0])
    nfe("keys", "rotate").failed("key-is-not-ours", "come from NFE_ENCRYPTION_KEY")


def test_keys_of_a_file_and_of_a_command_serve_as_those_of_a_variable(
    nfe: Nfe, shipment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "keys"
    path.write_text(keys(tmp_path)[0])
    path.chmod(0o600)
    monkeypatch.setenv("NFE_ENCRYPTION_KEY_FILE", str(path))
    assert nfe("xml", shipment, "--kind", "notification").code == 0
    assert nfe("keys", "rotate").lines[0].startswith(f"{path}: new key ")
    monkeypatch.delenv("NFE_ENCRYPTION_KEY_FILE")
    monkeypatch.setenv("NFE_ENCRYPTION_KEY_COMMAND", f"cat {path}")
    assert nfe("keys", "reseal").code == 0
    assert nfe("xml", shipment, "--kind", "notification").code == 0
