"""SEFAZ's protocol, and the `nfeProc` made of the stored bytes and the protocol: spliced, never re-serialised."""

import re
from typing import NamedTuple

from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE, digest_value

#: 100 authorised, 150 authorised after the deadline (MOC 7.0 Anexo I, 4.4).
AUTHORIZED = frozenset({"100", "150"})

_DECLARATION = re.compile(rb"^\s*(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\?>\s*")


class Protocol(NamedTuple):
    """`infProt`: `nProt` and `digVal` may be absent, `dhRecbto` is SEFAZ's own text with its offset."""

    chNFe: str
    cStat: str
    xMotivo: str
    nProt: str | None
    digVal: str | None
    dhRecbto: str

    @property
    def is_authorized(self) -> bool:
        """Whether the NF-e is authorised."""
        return self.cStat in AUTHORIZED


def parse_protocol(protNFe: bytes) -> Protocol:
    """The fields of a protNFe; raise Invalid('bad-protocol') when it holds no infProt."""
    root = parsed(protNFe)
    infProt = root.find(f"{{{NFE}}}infProt")
    if infProt is None:
        raise Invalid("bad-protocol", "protNFe holds no infProt; ask SEFAZ by key")
    return Protocol(
        chNFe=_field(infProt, "chNFe") or "",
        cStat=_field(infProt, "cStat") or "",
        xMotivo=_field(infProt, "xMotivo") or "",
        nProt=_field(infProt, "nProt"),
        digVal=_field(infProt, "digVal"),
        dhRecbto=_field(infProt, "dhRecbto") or "",
    )


def _field(infProt: etree._Element, name: str) -> str | None:
    return (infProt.findtext(f"{{{NFE}}}{name}") or "").strip() or None


def chNFe_in(signed: bytes) -> str:
    """The access key in a document's Id; raise Invalid('not-an-nfe')."""
    infNFe = parsed(signed).find(f"{{{NFE}}}infNFe")
    Id = infNFe.get("Id") if infNFe is not None else None
    if not Id:
        raise Invalid("not-an-nfe", "the document holds no infNFe with an Id")
    return Id.removeprefix("NFe")


def splice(signed: bytes, protNFe: bytes) -> bytes:
    """The nfeProc of the stored bytes and their protocol.

    Raise Invalid: `protocol-not-authorized`, `protocol-other-key`, `protocol-no-digest` (ask by key, where SEFAZ may
    give it) or `protocol-other-digest` (SEFAZ authorised other bytes than ours).
    """
    protocol = parse_protocol(protNFe)
    if not protocol.is_authorized:
        raise Invalid("protocol-not-authorized", f"the protocol's cStat is {protocol.cStat}: not authorised")
    if protocol.chNFe != chNFe_in(signed):
        raise Invalid("protocol-other-key", f"the protocol is of {protocol.chNFe}, another NF-e")
    if protocol.digVal is None:
        raise Invalid("protocol-no-digest", f"the protocol of {protocol.chNFe} has no digVal; ask SEFAZ by key")
    if protocol.digVal != digest_value(signed):
        raise Invalid(
            "protocol-other-digest", f"SEFAZ authorised other bytes for {protocol.chNFe} than the stored ones"
        )
    return joined("nfeProc", "4.00", signed, protNFe)


def joined(tag: str, version: str, *parts: bytes) -> bytes:
    """The parts, byte by byte but for their declarations, inside one element of the NF-e's namespace."""
    inside = b"".join(_DECLARATION.sub(b"", part).strip() for part in parts)
    opening = f'<?xml version="1.0" encoding="UTF-8"?><{tag} xmlns="{NFE}" versao="{version}">'
    return opening.encode() + inside + f"</{tag}>".encode()
