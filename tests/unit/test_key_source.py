"""Keys come from one source, are their owner's alone, and are told to nobody."""

import shlex
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from workflow import key_source
from workflow.errors import Misconfigured
from workflow.key_source import KEY_FILE, new_key, source_of
from workflow.settings import Settings


def read(folder: Path, **settings: object) -> list[str]:
    return source_of(Settings(data_dir=folder, **settings)).read()


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_postgresql_without_a_key_is_refused_and_makes_none(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="NFE_ENCRYPTION_KEY is empty"):
        read(tmp_path, database_url="postgresql://h/x")
    assert list(tmp_path.iterdir()) == []


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="NFE_ENCRYPTION_KEY and NFE_ENCRYPTION_KEY_FILE are set"):
        read(tmp_path, encryption_key=SecretStr(new_key()), encryption_key_file=tmp_path / "keys")


def test_a_configured_key_makes_no_file(tmp_path: Path) -> None:
    key = new_key()
    assert read(tmp_path, encryption_key=SecretStr(key)) == [key]
    assert list(tmp_path.iterdir()) == []


# -- a file -------------------------------------------------------------------------------------------------


def test_a_file_holds_keys_newest_first_with_comments_between(tmp_path: Path) -> None:
    one, two, three = new_key(), new_key(), new_key()
    path = key_file(tmp_path, f"# of 2026-11\n{one}\n\n  # older, of 2025\n{two}, {three}\n")
    assert read(tmp_path, encryption_key_file=path) == [one, two, three]


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o620, 0o602, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    key = new_key()
    path = key_file(tmp_path, key, mode)
    with pytest.raises(Misconfigured, match=r"encryption-key-not-private: others may read .*chmod 600") as raised:
        read(tmp_path, encryption_key_file=path)
    assert key not in str(raised.value)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n"])
def test_a_file_without_a_key_is_named(tmp_path: Path, text: str) -> None:
    path = key_file(tmp_path, text)
    with pytest.raises(Misconfigured, match=f"no-encryption-key: {path} holds no key"):
        read(tmp_path, encryption_key_file=path)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"unreadable-encryption-key: .*No such file"):
        read(tmp_path, encryption_key_file=tmp_path / "nowhere")
    path = key_file(tmp_path, "")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(Misconfigured, match=r"unreadable-encryption-key: .*no text"):
        read(tmp_path, encryption_key_file=path)


def test_a_file_is_written_whole_for_its_owner_alone(tmp_path: Path) -> None:
    old, new = new_key(), new_key()
    path = key_file(tmp_path, old)
    key_source.write(path, [new, old])
    assert read(tmp_path, encryption_key_file=path) == [new, old]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


# -- a command ----------------------------------------------------------------------------------------------


def told(folder: Path, command: str) -> list[str]:
    return read(folder, encryption_key_command=SecretStr(command))


def test_a_command_prints_keys_as_a_key_service_does(tmp_path: Path) -> None:
    one, two = new_key(), new_key()
    assert told(tmp_path, f"printf '%s\\n%s\\n' {one} {two} | cat") == [one, two]


def test_a_command_gets_no_input_and_what_it_says_is_shown_to_nobody(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Misconfigured, match=r"encryption-key-command: .* ended with exit status 3") as raised:
        told(tmp_path, "cat; echo the-secret; echo the-secret >&2; exit 3")
    error: BaseException | None = raised.value
    while error is not None:
        assert "the-secret" not in repr(error)
        error = error.__cause__ or error.__context__
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("true", "no-encryption-key: NFE_ENCRYPTION_KEY_COMMAND holds no key"),
        ("no-such-program-here", "exit status 127"),
        (r"printf '\377\376'", "no text; let it print base64"),
    ],
)
def test_a_command_without_a_key_is_told(tmp_path: Path, command: str, says: str) -> None:
    with pytest.raises(Misconfigured, match=says):
        told(tmp_path, command)


def test_a_command_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_source, "COMMAND_TIMEOUT", 0.3)
    started = tmp_path / "pid"
    began = time.monotonic()
    with pytest.raises(Misconfigured, match="did not end within"):
        told(tmp_path, f"sh -c 'echo $$ > {shlex.quote(str(started))}; sleep 60' | cat")
    assert time.monotonic() - began < 30
    deadline = time.monotonic() + 10
    while _lives(int(started.read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _lives(pid: int) -> bool:
    """A zombie that its new parent has not asked for yet is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


# -- the embedded installation's own --------------------------------------------------------------------------


def test_the_embedded_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    keys = read(folder)
    assert read(folder) == keys
    assert [path.name for path in folder.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((folder / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_embedded_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(Misconfigured, match="encryption-key-not-private"):
        read(tmp_path)


def test_a_lost_file_is_not_made_anew_while_a_process_runs(tmp_path: Path) -> None:
    source = source_of(Settings(data_dir=tmp_path))
    source.read()
    (tmp_path / KEY_FILE).unlink()
    assert source.reread is not None
    with pytest.raises(Misconfigured, match="unreadable-encryption-key"):
        source.reread()
    assert list(tmp_path.iterdir()) == []


def test_threads_that_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = {tuple(found) for found in pool.map(lambda _: read(tmp_path), range(8))}
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_processes_that_ask_at_once_get_the_same_key(tmp_path: Path) -> None:
    """They wait for a common start, so that the time they take to import does not keep them apart."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from workflow.key_source import source_of\n"
        "from workflow.settings import Settings\n"
        "folder = Path(sys.argv[1])\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "source_of(Settings(data_dir=folder / 'data')).read()\n"
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
