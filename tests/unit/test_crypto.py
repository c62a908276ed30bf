"""What is sealed opens with its own keys and at its own place only, whichever version sealed it."""

from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from workflow.crypto import HEAD, NONCE, TAG, Vault, vault_of
from workflow.errors import Invalid, Misconfigured
from workflow.key_source import KEY_FILE, new_key
from workflow.settings import Settings

PLAIN = b'{"name": "Beltrano da Silva"}'
PLACE = ("document", "A1/FBA1", "details")
#: A key, what it sealed, and what that says: made once, for all versions to come.
KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
KEY_ID = "3e10434dea28e20e"
SEALED = "013e10434dea28e20e0176fa580dc57c86d96b97205ad8afad32b2e202c8b54dc7daa189ca5828a46596e6e8d51ab23d19133ee3fe185d389b03ab047415f2be232f"
TOKEN = "gAAAAABq_YbA3DIusKD7CfQLZ7aH4mrXXnb4SiUkoNgRD06kHSORsWkrF1bk2ATlw1g-Tj-nvvazOcpZ6-vgbPNizRg-xykAo5rXRdeLgwtP1qKsm0JI1YU="


def settings(folder: Path, key: str = "") -> Settings:
    return Settings(data_dir=folder, encryption_key=SecretStr(key))


def test_what_is_sealed_opens_and_shows_nothing() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(PLAIN, *PLACE)
    assert vault.open(sealed, *PLACE) == PLAIN
    assert b"Beltrano" not in sealed
    assert vault.seal(PLAIN, *PLACE) != sealed


@pytest.mark.parametrize("plain", [b"", bytes(range(256)), b"x" * 1_000_000], ids=["nothing", "any byte", "a megabyte"])
def test_any_bytes_come_back_as_they_were_and_little_larger(plain: bytes) -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(plain, *PLACE)
    assert vault.open(sealed, *PLACE) == plain
    assert len(sealed) == len(plain) + HEAD + NONCE + TAG


def test_what_this_version_sealed_opens_in_every_later_one() -> None:
    vault = Vault([KEY])
    assert vault.ids == [KEY_ID]
    assert vault.open(bytes.fromhex(SEALED), *PLACE) == PLAIN


def test_what_older_versions_sealed_opens_at_any_place() -> None:
    assert Vault([KEY]).open(TOKEN.encode(), *PLACE) == PLAIN
    assert Vault([new_key(), KEY]).open(TOKEN.encode(), "seller", "A1") == PLAIN
    with pytest.raises(Misconfigured, match="wrong-encryption-key"):
        Vault([new_key()]).open(TOKEN.encode(), *PLACE)


@pytest.mark.parametrize(
    "place", [("document", "A1/FBA1", "nfe"), ("document", "A1/FBA2", "details"), ("seller", "A1")]
)
def test_what_is_sealed_does_not_open_at_another_place(place: tuple[str, ...]) -> None:
    vault = Vault([new_key()])
    with pytest.raises(Invalid, match=f"damaged-data: stored data of {place[0]} was changed"):
        vault.open(vault.seal(PLAIN, *PLACE), *place)


def test_after_a_rotation_the_new_key_seals_and_both_open() -> None:
    old, new = new_key(), new_key()
    rotated = Vault([new, old])
    assert rotated.open(Vault([old]).seal(PLAIN, *PLACE), *PLACE) == PLAIN
    assert Vault([new]).open(rotated.seal(PLAIN, *PLACE), *PLACE) == PLAIN
    with pytest.raises(Misconfigured):
        Vault([old]).open(rotated.seal(PLAIN, *PLACE), *PLACE)


def test_another_key_is_told_as_such_with_what_to_do() -> None:
    theirs = Vault([new_key()])
    with pytest.raises(Misconfigured, match=rf"wrong-encryption-key.*{theirs.ids[0]}; put the old one behind the new"):
        Vault([new_key()]).open(theirs.seal(PLAIN, *PLACE), *PLACE)


@pytest.mark.parametrize("position", [0, HEAD, HEAD + NONCE, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    vault = Vault([new_key()])
    sealed = bytearray(vault.seal(PLAIN, *PLACE))
    sealed[position] ^= 1
    with pytest.raises(Invalid, match="damaged-data"):
        vault.open(bytes(sealed), *PLACE)


def test_what_was_cut_short_is_noticed_at_every_length() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(PLAIN, *PLACE)
    for length in range(len(sealed)):
        with pytest.raises(Invalid, match="damaged-data"):
            vault.open(sealed[:length], *PLACE)


@pytest.mark.parametrize("key", ["", "short", "ä" * 44, "A" * 43, f"{'A' * 43}=,", f"{'A' * 43}=\n{'A' * 43}="])
def test_a_key_that_is_none_is_named_and_not_shown(key: str) -> None:
    with pytest.raises(Misconfigured, match="bad-encryption-key: NFE_ENCRYPTION_KEY") as raised:
        Vault(key.split(","))
    assert key == "" or key not in str(raised.value)


def test_a_key_in_plain_base64_as_key_services_print_it_is_the_same_key() -> None:
    assert Vault(["_" * 42 + "8="]).ids == Vault([" " + "/" * 42 + "8=\n"]).ids


def test_the_id_of_a_key_is_no_part_of_it() -> None:
    vault, key = Vault([KEY]), Fernet(KEY)
    secret = key._signing_key + key._encryption_key
    assert bytes.fromhex(vault.ids[0]) not in secret


def test_a_key_that_came_later_is_learnt_when_something_was_sealed_with_it() -> None:
    old, new = new_key(), new_key()
    source = [old]
    vault = Vault(source, reread=lambda: source)
    sealed = Vault([new]).seal(PLAIN, *PLACE)
    source[:] = [new, old]
    assert vault.open(sealed, *PLACE) == PLAIN
    assert vault.ids == Vault([new, old]).ids
    assert Vault([new]).open(vault.seal(PLAIN, *PLACE), *PLACE) == PLAIN


def test_the_source_is_asked_seldom_for_a_key_that_nobody_has() -> None:
    asked = []
    key = new_key()
    vault = Vault([key], reread=lambda: asked.append(1) or [key])
    sealed = Vault([new_key()]).seal(PLAIN, *PLACE)
    for _ in range(3):
        with pytest.raises(Misconfigured):
            vault.open(sealed, *PLACE)
    assert len(asked) == 1


def test_several_keys_stand_with_commas_and_blanks_between(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    assert vault_of(settings(tmp_path, f"{new}, {old}")).ids == Vault([new, old]).ids


def test_the_embedded_installation_seals_with_the_key_of_its_file(tmp_path: Path) -> None:
    sealed = vault_of(settings(tmp_path)).seal(PLAIN, *PLACE)
    assert vault_of(settings(tmp_path)).open(sealed, *PLACE) == PLAIN
    assert Vault([(tmp_path / KEY_FILE).read_text().strip()]).open(sealed, *PLACE) == PLAIN
