"""SEFAZ's protocol, and the `nfeProc` made of the stored bytes and the protocol: spliced, never re-serialised."""

import re
from datetime import UTC, datetime
from typing import NamedTuple

from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE, digest_value

#: 100 authorised, 150 authorised after the deadline (MOC 7.0 Anexo I, 4.4), 120 authorised with a remark
#: (NT 2026.002 v1.11; announced for the NFC-e first).
AUTHORIZED = frozenset({"100", "120", "150"})

_DECLARATION = re.compile(rb"^\s*(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\?>\s*")


class Protocol(NamedTuple):
    """`infProt`: `nProt` is empty where nothing was authorised, `digVal` may be absent, `dhRecbto` is aware and UTC."""

    chNFe: str
    cStat: str
    xMotivo: str
    nProt: str
    digVal: str | None
    dhRecbto: datetime

    @property
    def is_authorized(self) -> bool:
        """Whether the NF-e is authorised."""
        return self.cStat in AUTHORIZED


def parse_protocol(protNFe: bytes) -> Protocol:
    """The fields of a protNFe; raise Invalid('bad-protocol') when it holds no infProt."""
    return _protocol(parsed(protNFe))


def protocol_of(nfeProc: bytes) -> Protocol:
    """The protocol inside a nfeProc; raise Invalid('bad-protocol')."""
    protNFe = parsed(nfeProc).find(f"{{{NFE}}}protNFe")
    if protNFe is None:
        raise Invalid("bad-protocol", "the document holds no protNFe")
    return _protocol(protNFe)


def _protocol(protNFe: etree._Element) -> Protocol:
    infProt = protNFe.find(f"{{{NFE}}}infProt")
    if infProt is None:
        raise Invalid("bad-protocol", "protNFe holds no infProt; ask SEFAZ by key")
    return Protocol(
        chNFe=_field(infProt, "chNFe") or "",
        cStat=_field(infProt, "cStat") or "",
        xMotivo=_field(infProt, "xMotivo") or "",
        nProt=_field(infProt, "nProt") or "",
        digVal=_field(infProt, "digVal"),
        dhRecbto=_moment(_field(infProt, "dhRecbto") or ""),
    )


def _field(infProt: etree._Element, name: str) -> str | None:
    return (infProt.findtext(f"{{{NFE}}}{name}") or "").strip() or None


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the second: its UTC would be in the year 0 or 10000
        raise Invalid("bad-protocol", "protNFe has no dhRecbto that is a moment; ask SEFAZ by key") from error


def chNFe_of(signed: bytes) -> str:
    """The access key in a document's Id; raise Invalid('not-an-nfe')."""
    infNFe = parsed(signed).find(f"{{{NFE}}}infNFe")
    Id = infNFe.get("Id") if infNFe is not None else None
    if not Id:
        raise Invalid("not-an-nfe", "the document holds no infNFe with an Id")
    return Id.removeprefix("NFe")


def splice(signed: bytes, protNFe: bytes, *, is_sole: bool = False) -> bytes:
    """The nfeProc of the stored bytes and their protocol.

    `is_sole` says that no other bytes have this key: then a protocol without digVal, which the schema lets a unit leave
    out, can be of these only. Raise Invalid: `protocol-not-authorized`, `protocol-other-key`, `protocol-no-digest`, or
    `protocol-other-digest` (SEFAZ authorised other bytes than ours).
    """
    protocol = parse_protocol(protNFe)
    if not protocol.is_authorized:
        raise Invalid("protocol-not-authorized", f"the protocol's cStat is {protocol.cStat}: not authorised")
    if protocol.chNFe != chNFe_of(signed):
        raise Invalid("protocol-other-key", f"the protocol is of {protocol.chNFe}, another NF-e")
    if protocol.digVal is None and not is_sole:
        why = "and several documents have its key: compare them with what SEFAZ's portal shows, then `nfe retry`"
        raise Invalid("protocol-no-digest", f"the protocol of {protocol.chNFe} has no digVal, {why}")
    if protocol.digVal not in (None, digest_value(signed)):
        raise Invalid(
            "protocol-other-digest",
            f"SEFAZ authorised other bytes for {protocol.chNFe} than any stored here; find who issued them (another "
            "program, an older database), have that note cancelled at SEFAZ, then `nfe retry`",
        )
    return joined("nfeProc", "4.00", signed, protNFe)


def joined(tag: str, version: str, *parts: bytes) -> bytes:
    """The parts, byte by byte but for their declarations, inside one element of the NF-e's namespace."""
    inside = b"".join(_DECLARATION.sub(b"", part).strip() for part in parts)
    opening = f'<?xml version="1.0" encoding="UTF-8"?><{tag} xmlns="{NFE}" versao="{version}">'
    return opening.encode() + inside + f"</{tag}>".encode()
