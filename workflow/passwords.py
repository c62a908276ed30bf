"""Passwords of people, kept as scrypt hashes: slow to guess, each with a salt of its own.

The parameters are written with the hash, so that they can grow; those below are OWASP's for 32 MB (Password Storage
Cheat Sheet, read on 2026-11-22). Few are computed at once: each holds its memory while it runs.
"""

import base64
import hashlib
import hmac
import secrets
from threading import BoundedSemaphore

from workflow.errors import Invalid

N, R, P = 2**15, 8, 3
#: NIST SP 800-63B: length is what counts; no rules about signs.
SHORTEST, LONGEST = 10, 256
#: OpenSSL's own limit is 32 MB and leaves no room for N = 2^15.
_MEMORY = 64 * 1024 * 1024
_AT_ONCE = BoundedSemaphore(2)


def hashed(password: str) -> str:
    """The password's hash with a fresh salt; raise Invalid('bad-password') for one too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Invalid("bad-password", f"a password has {SHORTEST} to {LONGEST} characters; choose another")
    salt = secrets.token_bytes(16)
    return f"scrypt${N}${R}${P}${_text(salt)}${_text(_scrypt(password, salt, N, R, P))}"


def fits(password: str, kept: str) -> bool:
    """Whether it is the password of that hash.

    >>> fits("correct horse", hashed("correct horse")), fits("wrong horse", hashed("correct horse"))
    (True, False)
    """
    _, n, r, p, salt, digest = kept.split("$")
    found = _scrypt(password[: LONGEST + 1], base64.b64decode(salt), int(n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(digest))


def drawn() -> str:
    """A random password: 96 bits that can be typed."""
    return "-".join(secrets.token_hex(3) for _ in range(4))


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    with _AT_ONCE:
        return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=_MEMORY, dklen=32)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
