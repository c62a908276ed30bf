"""What went wrong, said as what must happen next.

Every error that a stage may raise is one of four kinds: a person must mend it (`Invalid`), try again later
(`RetryLater`), the other side said no (`Refused`), or this seller cannot work at all (`SellerStopped`).
A code is stable and short: ours in kebab-case (`unknown-sku`), an authority's verbatim (`225`).
A message is one line: what, which, how to mend; never a buyer's name, CPF, address, nor a token.
"""

from datetime import timedelta
from typing import Self


class NfeError(Exception):
    """The base of every error we raise on purpose: a stable code and one line for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def reworded(self, code: str, message: str) -> Self:
        """The same error in other words, whatever its kind is made from."""
        said = type(self).__new__(type(self))
        vars(said).update(vars(self) | {"code": code, "message": message})
        said.args = (code, message)
        return said


class Misconfigured(NfeError):
    """The installation cannot start: a setting is missing or wrong."""


class Away(Misconfigured):
    """The installation cannot start yet: what it needs is away, and may come."""


class Invalid(NfeError):
    """Invalid here: trying again changes nothing until a person mends the data."""


class Refused(NfeError):
    """The other side refused; the code and the reason are its own. `answer` is its whole answer, to be sealed."""

    def __init__(self, code: str, message: str, *, answer: bytes = b"") -> None:
        super().__init__(code, message)
        self.answer = answer


class SellerStopped(NfeError):
    """Nothing of this seller can be done until a person mends it (certificate, credentials, registration)."""


class RetryLater(NfeError):
    """The other side cannot now; `after` is when to ask again, or None for the engine's backoff.

    `counts` is False where nobody failed (a permit that is not free yet): the try is given back. `told` says whether
    the history gets a line; by default it does where the try counts.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        after: timedelta | None = None,
        counts: bool = True,
        told: bool | None = None,
    ) -> None:
        super().__init__(code, message)
        self.after = after
        self.counts = counts
        self.told = counts if told is None else told


class LostAnswer(RetryLater):
    """The request may have been processed, but no usable answer came: ask before sending again."""
