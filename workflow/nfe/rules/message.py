"""The message before its rules: size, prefixes, blanks, schema, signature and its certificate.

SEFAZ asks these first, in this order.
"""

from collections.abc import Iterator

from cryptography.x509 import Certificate
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe import schema, signature
from workflow.nfe.certificate import cnpj_of
from workflow.nfe.rules.note import NFE, Note
from workflow.nfe.rules.rulebook import Breach, text

#: MOC 7.0 Anexo I, B01: bytes of a request.
_LARGEST = 500 * 1024
_SCHEMAS = {"NFe": "nfe", "nfeProc": "procNFe", "enviNFe": "enviNFe"}


def _error(cStat: str, field: str, place: str, message: str) -> Breach:
    return Breach(cStat, text(cStat), field, place, "error", message)


def message_breaches(xml: bytes, root: etree._Element) -> Iterator[Breach]:
    """Size, prefixes, blanks between tags, schema; `root` is the document's NFe."""
    if len(xml) > _LARGEST:
        yield _error("214", "B01", "", f"{len(xml)} bytes, {_LARGEST} are allowed")
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    prefixed = next((element for element in elements if element.prefix), None)
    if prefixed is not None:
        name = schema.local_name(prefixed)
        yield _error("404", "D02", name, f"{name} has the prefix {prefixed.prefix}")
    blank = next((element for element in elements if _has_blanks(element)), None)
    if blank is not None:
        # "Facultativa": each UF decides whether it looks.
        name = schema.local_name(blank)
        yield Breach("588", text("588"), "D01e", name, "warning", f"blanks between the tags of {name}")
    yield from _schema_breaches(xml, root)


def _has_blanks(element: etree._Element) -> bool:
    """Whether an element of elements has text between them."""
    return len(element) > 0 and any(
        piece and not piece.strip() for piece in (element.text, *(child.tail for child in element))
    )


def _schema_breaches(xml: bytes, root: etree._Element) -> Iterator[Breach]:
    above = root.getparent()
    outer = root if above is None else above
    try:
        schema.validate(xml, _SCHEMAS.get(schema.local_name(outer), "nfe"))
    except Invalid as error:
        yield _error("225", "D01", "", error.message)


def signature_breaches(root: etree._Element, note: Note) -> Iterator[Breach]:
    """The signature, and whether its certificate is the issuer's and was in time."""
    try:
        certificate = signature.verify(etree.tostring(root, with_tail=False))
    except Invalid as error:
        is_absent = root.find(f"{{{signature.DS}}}Signature") is None
        if is_absent:
            yield _error("298", "F01", "Signature", "the document is not signed")
        elif error.code == "not-signed":
            yield _error("290", "E01", "Signature", "the signature holds no certificate")
        else:
            yield _error("297", "F02", "Signature", error.message)
        return
    yield from _certificate_breaches(certificate, note)


def _certificate_breaches(certificate: Certificate, note: Note) -> Iterator[Breach]:
    if note.now is not None and not certificate.not_valid_before_utc <= note.now <= certificate.not_valid_after_utc:
        until = certificate.not_valid_after_utc.date()
        yield _error("291", "E02", "Signature", f"the certificate is valid until {until}, not at the time of sending")
    holder, issuer = cnpj_of(certificate), note.value("emit/CNPJ")
    if holder is None:
        # A person's certificate is read by nobody here: an issuer with a CPF is not judged.
        if issuer:
            yield _error("292", "E03", "Signature", "the certificate names no CNPJ")
    elif issuer and holder[:8] != issuer[:8]:
        yield _error("213", "F03", "Signature", f"the certificate is of {holder}, the issuer is {issuer}")


def protocol_breaches(root: etree._Element, note: Note) -> Iterator[Breach]:
    """Where the document lies in a nfeProc: whether its protocol is of this key and of these bytes."""
    proc = root.getparent()
    infProt = None if proc is None else proc.find(f"{{{NFE}}}protNFe/{{{NFE}}}infProt")
    if infProt is None:
        return
    written = root.findtext(f".//{{{signature.DS}}}DigestValue") or ""
    for tag, own in (("chNFe", note.Id), ("digVal", written.strip())):
        stated = (infProt.findtext(f"{{{NFE}}}{tag}") or "").strip()
        if stated and stated != own:
            yield Breach("", "", "PR03", "protNFe", "warning", f"{tag} is of another document")
