"""Fields encrypted at rest: buyers' data, documents, and sellers' secrets.

AES-256-GCM by the `cryptography` package, with rotation: the first key seals, all of them open. What is sealed tells
with which key, and is bound to its place (table, row): elsewhere, or with a byte changed, it does not open. What older
versions sealed (Fernet: AES-128-CBC with HMAC-SHA-256) opens with the same keys.

    version (1 byte: 1) | key id (8) | nonce (12) | ciphertext and tag (16)

The nonce is random, which NIST SP 800-38D (8.3) allows 2³² times per key: half a billion shipments.
"""

import base64
import os
import re
import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from workflow.errors import Invalid, Misconfigured
from workflow.key_source import source_of
from workflow.settings import Settings

VERSION = b"\x01"
#: Lengths in bytes.
KEY_ID, NONCE, TAG = 8, 12, 16
#: What is sealed begins with version and key id.
HEAD = len(VERSION) + KEY_ID
#: The first byte of a Fernet token, which is base64.
FERNET = b"g"
#: Seconds between two looks at the keys' source for a key that is not known.
REREAD_AFTER = 30.0

#: As `nfe doctor --new-key` makes them, or as a key service gives them: AWS KMS writes + and / for - and _.
_KEY = re.compile(r"[A-Za-z0-9_-]{43}=")


class Key(NamedTuple):
    """One of the installation's keys; `head` begins what it seals."""

    head: bytes
    cipher: AESGCM
    fernet: Fernet

    @classmethod
    def of(cls, text: str) -> "Key":
        """The key of its text; raise Misconfigured, which does not show it."""
        text = text.strip().translate(str.maketrans("+/", "-_"))
        if not _KEY.fullmatch(text):
            raise Misconfigured(
                "bad-encryption-key",
                "NFE_ENCRYPTION_KEY: each key is 32 bytes in URL-safe base64; make one with `nfe doctor --new-key`",
            )
        secret = base64.urlsafe_b64decode(text)
        head = VERSION + _derived(secret, "key id", KEY_ID)
        return cls(head, AESGCM(_derived(secret, "AES-256-GCM", 32)), Fernet(text))

    @property
    def id(self) -> str:
        """What people call it: 16 hexadecimal digits that tell nothing of the key."""
        return self.head[len(VERSION) :].hex()


def _derived(secret: bytes, purpose: str, length: int) -> bytes:
    # Fernet used both halves of the secret as they are: another cipher takes keys of its own.
    return HKDF(SHA256(), length, salt=None, info=f"nfe-workflow {purpose}".encode()).derive(secret)


class Keyring:
    """The keys, newest first."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.keys = [Key.of(text) for text in texts]
        self.newest = self.keys[0]
        self.by_head = {key.head: key for key in self.keys}

    @cached_property
    def fernet(self) -> MultiFernet:
        """What opens the tokens of older versions."""
        return MultiFernet([key.fernet for key in self.keys])


class Vault:
    """Seals and opens bytes with the installation's keys.

    `reread` gives the keys anew: it is asked when something was sealed with a key that is not known, so that a process
    learns of a rotation by itself.
    """

    def __init__(self, keys: Sequence[str], *, reread: Callable[[], Sequence[str]] | None = None) -> None:
        self._ring = Keyring(keys)
        self._reread = reread
        self._read_at = -REREAD_AFTER

    @property
    def ids(self) -> list[str]:
        """The keys' ids, newest first."""
        return [key.id for key in self._ring.keys]

    @property
    def head(self) -> bytes:
        """What begins all that is sealed from now on."""
        return self._ring.newest.head

    def seal(self, plain: bytes, table: str, *row: str) -> bytes:
        """Encrypt with the newest key, for this row of this table only."""
        head, cipher, _ = self._ring.newest
        nonce = os.urandom(NONCE)
        return b"".join((head, nonce, cipher.encrypt(nonce, plain, _bound(head, table, row))))

    def open(self, sealed: bytes, table: str, *row: str) -> bytes:
        """Decrypt with whichever key fits.

        Raise Misconfigured where none does, Invalid('damaged-data') where the bytes are not what was sealed there.
        """
        if sealed.startswith(FERNET):
            return self._open_token(sealed)
        head, start = sealed[:HEAD], HEAD + NONCE
        if not head.startswith(VERSION) or len(sealed) < start + TAG:
            raise _damaged(table)
        key = self._ring.by_head.get(head) or self._reread_for(head)
        try:
            return key.cipher.decrypt(sealed[HEAD:start], sealed[start:], _bound(head, table, row))
        except InvalidTag as error:
            raise _damaged(table) from error

    def _reread_for(self, head: bytes) -> Key:
        """The key of that head, from the source if it is there by now."""
        now = time.monotonic()
        if self._reread is not None and now - self._read_at > REREAD_AFTER:
            self._read_at = now
            self._ring = Keyring(self._reread())
        key = self._ring.by_head.get(head)
        if key is None:
            raise _unknown(f"key {head[len(VERSION) :].hex()}")
        return key

    def _open_token(self, token: bytes) -> bytes:
        try:
            return self._ring.fernet.decrypt(token)
        except InvalidToken as error:
            raise _unknown("another key") from error


def _bound(head: bytes, table: str, row: Sequence[str]) -> bytes:
    return head + "\0".join((table, *row)).encode()


def _unknown(key: str) -> Misconfigured:
    return Misconfigured(
        "wrong-encryption-key",
        f"the stored data was sealed with {key}; put the old one behind the new in NFE_ENCRYPTION_KEY",
    )


def _damaged(table: str) -> Invalid:
    return Invalid("damaged-data", f"stored data of {table} was changed outside this program; restore it from a backup")


def vault_of(settings: Settings) -> Vault:
    """The vault of this installation."""
    source = source_of(settings)
    return Vault(source.read(), reread=source.reread)
