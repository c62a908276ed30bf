"""The tokens of the local Amazon: signed notes that carry their own grant.

They outlive a restart of the sandbox, as real tokens outlive a restart of one of Amazon's servers, and they hold
no secret: the refresh token appears only as a short digest.
"""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Literal, NamedTuple

#: Tokens are worth nothing outside the sandbox.
_KEY = b"local sandbox"
_PREFIXES = {"plain": "Atza|", "grantless": "Atza|", "restricted": "Atz.sprdt|"}


class Grant(NamedTuple):
    """What a token allows: for which application and seller; `resources` are a restricted one's `METHOD path`s and a
    grantless one's scope.
    """

    kind: Literal["plain", "grantless", "restricted"]
    client: str
    seller: str
    seller_id: str | None
    issued: float
    expires: float
    resources: tuple[str, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it is an ordinary access token of a seller."""
        return self.kind == "plain"


def digest(refresh_token: str) -> str:
    """A short name for an authorisation that tells nothing of the token."""
    return hashlib.sha256(refresh_token.encode()).hexdigest()[:16]


def issue(grant: Grant) -> str:
    """Write the grant as a token."""
    note = base64.urlsafe_b64encode(json.dumps(grant).encode()).decode()
    return f"{_PREFIXES[grant.kind]}{note}.{_seal(note)}"


def read(token: str) -> Grant | None:
    """The grant of a token, or None when the token was not issued here."""
    note, _, seal = token.partition("|")[2].partition(".")
    if not hmac.compare_digest(seal.encode(), _seal(note).encode()):
        return None
    try:
        fields = json.loads(base64.urlsafe_b64decode(note))
    except (binascii.Error, ValueError):
        return None
    *about, resources = fields
    return Grant(*about)._replace(resources=tuple(resources))


def _seal(note: str) -> str:
    return hmac.new(_KEY, note.encode(), hashlib.sha256).hexdigest()[:32]
