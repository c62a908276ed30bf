"""What is sealed opens with its own keys only, and the embedded key is made once."""

import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from workflow.crypto import KEY_FILE, Vault, new_key, vault_of
from workflow.errors import Misconfigured
from workflow.settings import Settings

PLAIN = b'{"name": "Beltrano da Silva"}'


def settings(folder: Path, key: str = "", database_url: str = "") -> Settings:
    return Settings(data_dir=folder, encryption_key=SecretStr(key), database_url=database_url)


def test_what_is_sealed_opens_and_shows_nothing() -> None:
    vault = Vault([new_key()])
    sealed = vault.seal(PLAIN)
    assert vault.open(sealed) == PLAIN
    assert b"Beltrano" not in sealed
    assert vault.seal(PLAIN) != sealed


@pytest.mark.parametrize("plain", [b"", bytes(range(256)), b"x" * 1_000_000], ids=["nothing", "any byte", "a megabyte"])
def test_any_bytes_come_back_as_they_were(plain: bytes) -> None:
    vault = Vault([new_key()])
    assert vault.open(vault.seal(plain)) == plain


def test_after_a_rotation_the_new_key_seals_and_both_open() -> None:
    old, new = new_key(), new_key()
    rotated = Vault([new, old])
    assert rotated.open(Vault([old]).seal(PLAIN)) == PLAIN
    assert Vault([new]).open(rotated.seal(PLAIN)) == PLAIN
    with pytest.raises(Misconfigured):
        Vault([old]).open(rotated.seal(PLAIN))


def test_another_key_is_told_as_such_with_what_to_do() -> None:
    sealed = Vault([new_key()]).seal(PLAIN)
    with pytest.raises(Misconfigured, match=r"wrong-encryption-key.*put the old one behind the new"):
        Vault([new_key()]).open(sealed)


@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_changed_byte_is_noticed(position: int) -> None:
    vault = Vault([new_key()])
    sealed = bytearray(vault.seal(PLAIN))
    sealed[position] ^= 1
    with pytest.raises(Misconfigured):
        vault.open(bytes(sealed))


@pytest.mark.parametrize("key", ["", "short", "ä" * 44, "A" * 43, f"{'A' * 43}=,"])
def test_a_key_that_is_none_is_named_and_not_shown(key: str) -> None:
    with pytest.raises(Misconfigured, match="bad-encryption-key: NFE_ENCRYPTION_KEY") as raised:
        Vault(key.split(","))
    assert key == "" or key not in str(raised.value)


def test_several_keys_stand_with_commas_and_blanks_between(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    assert vault_of(settings(tmp_path, f"{new}, {old}")).open(Vault([old]).seal(PLAIN)) == PLAIN


def test_postgresql_without_a_key_is_refused_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="NFE_ENCRYPTION_KEY is empty"):
        vault_of(settings(tmp_path, database_url="postgresql://h/x"))
    assert list(tmp_path.iterdir()) == []


def test_the_embedded_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    sealed = vault_of(settings(folder)).seal(PLAIN)
    assert vault_of(settings(folder)).open(sealed) == PLAIN
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_configured_key_makes_no_file(tmp_path: Path) -> None:
    vault_of(settings(tmp_path, new_key()))
    assert list(tmp_path.iterdir()) == []


def test_threads_that_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        vaults = list(pool.map(lambda _: vault_of(settings(tmp_path)), range(8)))
    assert {vault.open(vaults[0].seal(PLAIN)) for vault in vaults} == {PLAIN}
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_processes_that_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    """They wait for a common start, so that the time they take to import does not keep them apart."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from workflow.crypto import vault_of\n"
        "from workflow.settings import Settings\n"
        "folder = Path(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "vault_of(Settings(data_dir=folder / 'data'))\n"
        "print((folder / 'data' / 'encryption.key').read_text(), flush=True)\n"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    keys = {process.communicate(timeout=30)[0].strip() for process in processes}
    assert len(keys) == 1
    assert len(keys.pop()) == 44
    assert [path.name for path in (tmp_path / "data").iterdir()] == [KEY_FILE]
