"""Where the encryption keys come from: a variable, a file, a command, or the embedded installation's own file.

The keys live apart from the database. A source holds one key or several, newest first, with commas, blanks or lines
between; a line that begins with # is a comment. A file of keys is its owner's alone. The command is for key services
(AWS KMS, Vault, gcloud) and whatever else can print a key: each process asks it once when it starts.
"""

import base64
import os
import secrets
import signal
import stat
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from workflow.errors import Misconfigured
from workflow.settings import Settings

KEY_FILE = "encryption.key"
#: Seconds that the command may take: no part starts before it has answered.
COMMAND_TIMEOUT = 30.0


class KeySource(NamedTuple):
    """A source by the name of its setting, or of its file; `path` is the file that a new key can be written into."""

    name: str
    read: Callable[[], list[str]]
    #: Asks again while a process runs; None where the answer cannot change.
    reread: Callable[[], list[str]] | None = None
    path: Path | None = None


def new_key() -> str:
    """A fresh key: 32 bytes as 44 characters of URL-safe base64."""
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


def source_of(settings: Settings) -> KeySource:
    """The source in force; raise Misconfigured where several are set, or none and the database is not our own."""
    text = settings.encryption_key.get_secret_value()
    command = settings.encryption_key_command.get_secret_value()
    file = settings.encryption_key_file
    found = []
    if text:
        found.append(KeySource("NFE_ENCRYPTION_KEY", partial(_listed, text)))
    if file is not None:
        found.append(KeySource("NFE_ENCRYPTION_KEY_FILE", read := partial(_filed, file), read, file))
    if command:
        found.append(KeySource("NFE_ENCRYPTION_KEY_COMMAND", ask := partial(_told, command), ask))
    if len(found) > 1:
        names = " and ".join(source.name for source in found)
        raise Misconfigured("two-encryption-keys", f"{names} are set; keep one of them")
    return found[0] if found else _own(settings)


def _own(settings: Settings) -> KeySource:
    if settings.database_url:
        raise Misconfigured(
            "no-encryption-key",
            "NFE_ENCRYPTION_KEY is empty; set it (or the secrets file nfe_encryption_key) when NFE_DATABASE_URL is set",
        )
    path = settings.data_dir / KEY_FILE
    return KeySource(str(path), partial(_made, path), partial(_filed, path), path)


def _listed(text: str) -> list[str]:
    return text.split(",")


def _lines(text: str, name: str) -> list[str]:
    told = " ".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    keys = told.replace(",", " ").split()
    if not keys:
        raise Misconfigured("no-encryption-key", f"{name} holds no key; make one with `nfe doctor --new-key`")
    return keys


def _filed(path: Path) -> list[str]:
    """The keys of a file that only its owner can read."""
    try:
        with path.open(encoding="utf-8") as file:
            _check_private(path, os.fstat(file.fileno()))
            return _lines(file.read(), str(path))
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise Misconfigured("unreadable-encryption-key", f"{path}: {why}; see NFE_ENCRYPTION_KEY_FILE") from error


def _check_private(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in (os.getuid(), 0) or stat.S_IMODE(found.st_mode) & 0o077:
        raise Misconfigured(
            "encryption-key-not-private", f"others may read {path}; chmod 600 it, and rotate the key if somebody did"
        )


def _told(command: str) -> list[str]:
    """The keys that the command prints; what it says otherwise is shown to nobody, since it may quote them."""
    process = subprocess.Popen(  # noqa: S602 - a setting of the operator's, who may want a pipe in it
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with process:
        try:
            output, _ = process.communicate(timeout=COMMAND_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with all that it started, which would hold the pipe open
            raise _no_answer(f"did not end within {COMMAND_TIMEOUT:.0f} s") from None
    if process.returncode:
        raise _no_answer(f"ended with exit status {process.returncode}")
    try:
        return _lines(output.decode(), "NFE_ENCRYPTION_KEY_COMMAND")
    except UnicodeDecodeError:
        raise _no_answer("printed bytes that are no text; let it print base64") from None


def _no_answer(why: str) -> Misconfigured:
    return Misconfigured("encryption-key-command", f"NFE_ENCRYPTION_KEY_COMMAND {why}; run it by hand to see why")


def _made(path: Path) -> list[str]:
    """The data folder's own keys, the first made by the first process that asks."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        draft = _draft(path, [new_key()])
        try:
            os.link(draft, path)  # a process that reads it never sees half a key
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            draft.unlink()
    return _filed(path)


def write(path: Path, keys: list[str]) -> None:
    """Put these keys, newest first, in the place of the file's, whole or not at all."""
    draft = _draft(path, keys)
    try:
        draft.replace(path)
    except OSError:
        draft.unlink()
        raise


def _draft(path: Path, keys: list[str]) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    with os.fdopen(descriptor, "w") as file:
        file.write("".join(f"{key}\n" for key in keys))
        file.flush()
        os.fsync(descriptor)  # a key that seals must not be lost with the power
    return Path(name)
