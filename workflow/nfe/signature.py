"""The signature: enveloped XML-DSig over the one child with an Id, RSA-SHA1.

signxml is the signer of record. A document that is canonical as it is written, which is what the templates give, has a
faster way: its digest is of a slice of its bytes, and the Signature is spliced into them. A key may go that way once a
sample, signed both ways, has the same bytes; and each document is read again, and must be in canonical form what was
signed. Whatever does not pass is signed by signxml.

SHA-1 and the 2001 canonicalisation are the authority's choice (MOC 7.0, 5.4): signxml refuses SHA-1 unless told.
`Signature` has its own unprefixed namespace and is the last child of the root. RSA PKCS #1 v1.5 is deterministic:
the same document and key give the same bytes.
"""

import re
from base64 import b64decode, b64encode
from dataclasses import replace
from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.x509 import Certificate, load_der_x509_certificate
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.signer import XMLSigner
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from workflow.errors import Invalid
from workflow.nfe.certificate import SigningKey
from workflow.nfe.schema import parsed

DS = "http://www.w3.org/2000/09/xmldsig#"
NFE = "http://www.portalfiscal.inf.br/nfe"

#: What may be signed, as the child of which root.
_SIGNED = ("infNFe", "infEvento", "infInut")
_CERTIFICATE = f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509Certificate"
_EXPECTED = SignatureConfiguration(
    location="./",
    signature_methods=frozenset({SignatureMethod.RSA_SHA1}),
    digest_algorithms=frozenset({DigestAlgorithm.SHA1}),
    default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0,
)

#: What the templates write: no prefix, and nothing in the root but what is signed.
_OUTLINE = re.compile(
    rb'<(?P<root>NFe|evento|inutNFe) xmlns="%b"(?: versao="[0-9.]+")?>'
    rb'<(?P<child>infNFe|infEvento|infInut) Id="(?P<Id>[0-9A-Za-z]+)"[^<>]*>' % NFE.encode()
)
#: In canonical form: no tag is empty.
_SIGNED_INFO = (
    b'<CanonicalizationMethod Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></CanonicalizationMethod>'
    b'<SignatureMethod Algorithm="http://www.w3.org/2000/09/xmldsig#rsa-sha1"></SignatureMethod>'
    b'<Reference URI="#%b"><Transforms>'
    b'<Transform Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"></Transform>'
    b'<Transform Algorithm="http://www.w3.org/TR/2001/REC-xml-c14n-20010315"></Transform>'
    b'</Transforms><DigestMethod Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"></DigestMethod>'
    b"<DigestValue>%b</DigestValue></Reference></SignedInfo>"
)
#: As it is written in a document.
_SIGNED_INFO_WRITTEN = re.sub(
    rb"></(?:CanonicalizationMethod|SignatureMethod|Transform|DigestMethod)>", b"/>", _SIGNED_INFO
)
_SIGNATURE = b'<Signature xmlns="%b"><SignedInfo>' % DS.encode()
_REST = (
    b"<SignatureValue>%b</SignatureValue>"
    b"<KeyInfo><X509Data><X509Certificate>%b</X509Certificate></X509Data></KeyInfo></Signature>"
)
_PADDING = PKCS1v15()
_SHA1 = SHA1()  # noqa: S303  # what SEFAZ takes

#: A document with what C14N escapes in a text, and what it leaves.
_SAMPLE = (
    f'<NFe xmlns="{NFE}"><infNFe Id="NFe35" versao="4.00"><det nItem="1"><xProd>'
    'Pão &amp; açúcar "1 &lt; 2", d\'Oeste &gt; €</xProd></det></infNFe></NFe>'
).encode()


class _Sha1Signer(XMLSigner):
    """A signer that takes SHA-1, and writes `Signature` without a prefix."""

    # Of an element inside a document lxml's C14N writes xmlns="" on each child: a wrong digest (rejection 297).
    excise_empty_xmlns_declarations = True

    def __init__(self) -> None:
        super().__init__(
            method=SignatureConstructionMethod.enveloped,
            signature_algorithm=SignatureMethod.RSA_SHA1,
            digest_algorithm=DigestAlgorithm.SHA1,
            c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
        )
        self.namespaces = {None: DS}  # type: ignore[dict-item]  # None is no prefix, says its own code

    def check_deprecated_methods(self) -> None:
        """SHA-1 is what SEFAZ takes."""


class _Verifier(XMLVerifier):
    """A verifier that canonicalises as the signer does."""

    excise_empty_xmlns_declarations = True


class Signed(NamedTuple):
    """A signed document: the final bytes, and the root that they were parsed to."""

    xml: bytes
    root: etree._Element


def sign(xml: bytes, key: SigningKey) -> bytes:
    """The document with its Signature, in one line, UTF-8, without declaration: the final bytes."""
    return signed(xml, key).xml


def signed(xml: bytes, key: SigningKey) -> Signed:
    """The same with its root, so that who goes on to check the document need not parse it once more."""
    found = _spliced(xml, key) if agrees_with_signxml(key) else None
    if found is not None:
        root = parsed(found.written)
        if len(root) == 2 and etree.tostring(root, method="c14n", with_comments=False) == found.canonical:
            return Signed(found.written, root)
    written = _by_signxml(xml, key)
    return Signed(written, parsed(written))


@lru_cache(maxsize=1024)
def agrees_with_signxml(key: SigningKey) -> bool:
    """Whether a sample gets the same bytes from signxml and from the faster way; asked once per process and key."""
    found = _spliced(_SAMPLE, key)
    return found is not None and found.written == _by_signxml(_SAMPLE, key)


class _Spliced(NamedTuple):
    """A document with its Signature: as it is written, and what it must be in canonical form."""

    written: bytes
    canonical: bytes


def digested(xml: bytes) -> bytes | None:
    """The bytes whose SHA-1 is DigestValue, of an unsigned document that is canonical; None at another outline."""
    outline = _OUTLINE.match(xml)
    if outline is None or not xml.endswith(b"</%b></%b>" % (outline["child"], outline["root"])):
        return None
    # Alone, the child states the namespace that it has from its parent: so C14N writes it, and so it is signed.
    stated = b'<%b xmlns="%b"' % (outline["child"], NFE.encode())
    return stated + xml[outline.end("child") : len(xml) - len(b"</%b>" % outline["root"])]


def _spliced(xml: bytes, key: SigningKey) -> _Spliced | None:
    """The document signed as if it were canonical, which is yet to be proven; None where its outline is another."""
    outline = _OUTLINE.match(xml)
    canonical = digested(xml)
    if outline is None or canonical is None:
        return None
    end = len(xml) - len(b"</%b>" % outline["root"])
    stated = outline["Id"], b64encode(sha1(canonical, usedforsecurity=False).digest())
    signed_info = _SIGNED_INFO % stated
    value = b64encode(key.private_key.sign(b'<SignedInfo xmlns="%b">%b' % (DS.encode(), signed_info), _PADDING, _SHA1))
    rest = _REST % (value, key.certificate_text.encode())
    start, last = xml[:end] + _SIGNATURE, rest + xml[end:]
    return _Spliced(written=start + _SIGNED_INFO_WRITTEN % stated + last, canonical=start + signed_info + last)


def _by_signxml(xml: bytes, key: SigningKey) -> bytes:
    root = parsed(xml)
    document = _Sha1Signer().sign(
        root,
        key=key.private_key,
        # Handed over as an element: given a certificate, signxml wraps its text in lines and parses it each time.
        key_info=_key_info(key),
        reference_uri=f"#{_signed_child(root).get('Id')}",
    )
    # In memory the Signature has no namespace yet: only its text has, so that nothing may read it before.
    return etree.tostring(document, encoding="unicode").encode()


def verify(xml: bytes) -> Certificate:
    """The certificate in the signature, once the signature is proven over the whole document.

    Takes an NFe, an event or a voiding, alone or inside its proc. Whom the certificate belongs to, who issued it and
    whether it is in time is the caller's to judge. Raise Invalid('bad-signature') or Invalid('not-signed').
    """
    root = _signed_root(parsed(xml))
    signature = root.find(f"{{{DS}}}Signature")
    embedded = signature.find(_CERTIFICATE) if signature is not None else None
    if signature is None or embedded is None or not embedded.text:
        raise Invalid("not-signed", "the document has no Signature with a certificate in it")
    try:
        certificate = load_der_x509_certificate(b64decode(embedded.text))
        # Its dates are the caller's to judge: there is no clock here.
        config = replace(_EXPECTED, verification_time=certificate.not_valid_before_utc)
        verified = _Verifier().verify(root, x509_cert=certificate, expect_config=config)
    except (SignXMLException, ValueError, etree.LxmlError, UnsupportedAlgorithm) as error:
        raise Invalid("bad-signature", "the signature does not fit the document (SEFAZ: 297)") from error
    if (
        not isinstance(verified, VerifyResult)
        or verified.signed_xml is None
        or verified.signed_xml.get("Id") != _signed_child(root).get("Id")
    ):
        raise Invalid("bad-signature", "the signature covers another element (SEFAZ: 298)")
    return certificate


def digest_value(xml: bytes) -> str:
    """DigestValue as it stands in the document's signature; raise Invalid('not-signed')."""
    found = _signed_root(parsed(xml)).findtext(
        f"{{{DS}}}Signature/{{{DS}}}SignedInfo/{{{DS}}}Reference/{{{DS}}}DigestValue"
    )
    if not found:
        raise Invalid("not-signed", "the document has no DigestValue")
    return found.strip()


def _key_info(key: SigningKey) -> etree._Element:
    # Without a namespace in memory, like all that signxml puts into an unprefixed Signature.
    info = etree.Element("KeyInfo")
    data = etree.SubElement(info, "X509Data")
    etree.SubElement(data, "X509Certificate").text = key.certificate_text
    return info


def _signed_root(root: etree._Element) -> etree._Element:
    """The root itself, or its first child that holds what is signed (NFe in nfeProc)."""
    candidates: list[etree._Element] = [root, *root]
    for candidate in candidates:
        if any(candidate.find(f"{{{NFE}}}{name}") is not None for name in _SIGNED):
            return candidate
    raise Invalid("not-signed", "the document has no infNFe, infEvento or infInut")


def _signed_child(root: etree._Element) -> etree._Element:
    for name in _SIGNED:
        child = root.find(f"{{{NFE}}}{name}")
        if child is not None and child.get("Id"):
            return child
    raise Invalid("not-signed", "the document has no infNFe, infEvento or infInut with an Id")
