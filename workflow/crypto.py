"""Fields encrypted at rest: buyers' data, documents, and sellers' secrets.

Fernet (AES-128-CBC with HMAC-SHA-256) by the `cryptography` package, with rotation: the first key seals, all of
them open. The keys live apart from the database: in the environment, in a secrets file, or, embedded, in a file
of the data folder that only its owner can read.
"""

import os
import tempfile
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from workflow.errors import Misconfigured
from workflow.settings import Settings

KEY_FILE = "encryption.key"


class Vault:
    """Seals and opens bytes with the installation's keys."""

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key.strip()) for key in keys])
        except ValueError as error:
            raise Misconfigured(
                "bad-encryption-key",
                "NFE_ENCRYPTION_KEY: each key is 32 bytes in URL-safe base64; make one with `nfe doctor --new-key`",
            ) from error

    def seal(self, plain: bytes) -> bytes:
        """Encrypt with the newest key."""
        return self._fernet.encrypt(plain)

    def open(self, sealed: bytes) -> bytes:
        """Decrypt with whichever key fits; raise Misconfigured when none does."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise Misconfigured(
                "wrong-encryption-key",
                "the stored data was sealed with another key; put the old one behind the new in NFE_ENCRYPTION_KEY",
            ) from error


def new_key() -> str:
    """A fresh key, 44 characters of URL-safe base64."""
    return Fernet.generate_key().decode()


def vault_of(settings: Settings) -> Vault:
    """The vault of this installation; only the embedded database may make a key of its own."""
    configured = settings.encryption_key.get_secret_value()
    if configured:
        return Vault(configured.split(","))
    if settings.database_url:
        raise Misconfigured(
            "no-encryption-key",
            "NFE_ENCRYPTION_KEY is empty; set it (or the secrets file nfe_encryption_key) when NFE_DATABASE_URL is set",
        )
    return Vault([_own_key(settings.data_dir)])


def _own_key(folder: Path) -> str:
    """Read the data folder's key, made by the first process that asks."""
    path = folder / KEY_FILE
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Written apart and linked into place: a process that reads it never sees half a key.
        descriptor, name = tempfile.mkstemp(prefix=f".{KEY_FILE}.", dir=folder)  # mode 0600
        draft = Path(name)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_key())
        try:
            os.link(draft, path)
        except FileExistsError:
            pass  # another process was first: its key counts
        finally:
            draft.unlink()
    return path.read_text()
