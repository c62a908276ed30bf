"""An NF-e made again from its sale, where its bytes are lost and SEFAZ has its digest.

All but the second of its making is known: the sale, the number, the cNF. The digest tells which second it was, since
any other document has another digest; RSA PKCS #1 v1.5 then gives the same signature.
"""

from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from hashlib import sha1

from workflow.nfe import xml
from workflow.nfe.signature import digested

#: How far SEFAZ's clock may be behind ours (703), and how long a note may have waited to be sent.
AHEAD, BEFORE = timedelta(minutes=5), timedelta(days=2)
_OPEN, _CLOSE = b"<dhEmi>", b"</dhEmi>"

#: The unsigned NF-e as it is made at a moment; None where it cannot have been made then.
Render = Callable[[datetime], bytes | None]


def moment_of(render: Render, *, digVal: str, received: datetime, uf: str) -> datetime | None:
    """The dhEmi (aware) of the document that has the digest; None where none of the two days before has it.

    `received` is SEFAZ's dhRecbto. Documents of one day differ in dhEmi only.
    """
    days: dict[date, Callable[[str], str] | None] = {}
    for moment in _seconds(received.replace(microsecond=0)):
        day = xml.local_date(moment, uf)
        if day not in days:
            days[day] = _digests(render(moment))
        digest = days[day]
        if digest is not None and digest(xml.local_time(moment, uf)) == digVal:
            return moment
    return None


def _seconds(received: datetime) -> Iterator[datetime]:
    """Every second that may be it, the likely ones first: just before SEFAZ had it."""
    second = timedelta(seconds=1)
    yield from (received - count * second for count in range(int(BEFORE / second)))
    yield from (received + count * second for count in range(1, int(AHEAD / second)))


def _digests(document: bytes | None) -> Callable[[str], str] | None:
    """What gives the digest of a day's document by its dhEmi; only what stands behind that is hashed each time."""
    signed = None if document is None else digested(document)
    if signed is None:
        return None
    start = signed.index(_OPEN) + len(_OPEN)
    head, rest = sha1(signed[:start], usedforsecurity=False), signed[signed.index(_CLOSE, start) :]

    def digest(dhEmi: str) -> str:
        found = head.copy()
        found.update(dhEmi.encode() + rest)
        return b64encode(found.digest()).decode()

    return digest
