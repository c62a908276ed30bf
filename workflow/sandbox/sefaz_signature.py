"""Verifies the enveloped signature of an NF-e, an event or a voiding, apart from the code that signs.

A counterpart must not share its signer's mistakes: this is lxml's C14N and cryptography's RSA, nothing else.
"""

import base64
import binascii
import copy
import hashlib
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from workflow.nfe.certificate import cnpj_of
from workflow.sandbox.certificates import Authority, is_issued_by
from workflow.sandbox.stat import Stat, stat

DSIG = "{http://www.w3.org/2000/09/xmldsig#}"


def digest_value(document: etree._Element) -> str:
    """The DigestValue written in the signature, empty where there is none."""
    return document.findtext(f".//{DSIG}DigestValue") or ""


def signer_stat(document: etree._Element, *, cnpj: str, now: datetime, trusted: Authority | None) -> Stat | None:
    """What is wrong with the certificate or the signature of `document`, None when nothing is.

    `document` stands alone; `cnpj` is the issuer's, of which only the root must be the signer's;
    `trusted` None leaves the chain unchecked.
    """
    certificate = _certificate(document.findtext(f".//{DSIG}X509Certificate") or "")
    if certificate is None:
        return stat("290")
    return _certificate_stat(certificate, now, trusted) or _signature_stat(document, certificate, cnpj)


def _certificate_stat(certificate: x509.Certificate, now: datetime, trusted: Authority | None) -> Stat | None:
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return stat("291")
    if cnpj_of(certificate) is None:
        return stat("292")
    if trusted is not None and not is_issued_by(certificate, trusted):
        return stat("293")
    return None


def _signature_stat(document: etree._Element, certificate: x509.Certificate, cnpj: str) -> Stat | None:
    signature = document.find(f"{DSIG}Signature")
    if signature is None:
        return stat("298")
    signed = document[0]
    reference = signature.find(f"{DSIG}SignedInfo/{DSIG}Reference")
    if reference is None or reference.get("URI") != f"#{signed.get('Id')}":
        return stat("298")
    if not (_digest_fits(signed, digest_value(document)) and _signed_by(signature, certificate)):
        return stat("297")
    # MOC 7.0 Anexo I, F03: only the first eight characters, so that a branch may sign for another.
    return stat("213") if (cnpj_of(certificate) or "")[:8] != cnpj[:8] else None


def _digest_fits(signed: etree._Element, written: str) -> bool:
    # C14N of a sub-element in place would write xmlns="" on its children.
    canonical = etree.tostring(copy.deepcopy(signed), method="c14n")
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode() == "".join(written.split())


def _signed_by(signature: etree._Element, certificate: x509.Certificate) -> bool:
    signed_info = signature.find(f"{DSIG}SignedInfo")
    key = certificate.public_key()
    if signed_info is None or not isinstance(key, rsa.RSAPublicKey):
        return False
    canonical = etree.tostring(copy.deepcopy(signed_info), method="c14n")
    try:
        value = base64.b64decode("".join((signature.findtext(f"{DSIG}SignatureValue") or "").split()))
        # NF-e prescribes rsa-sha1 (MOC 7.0, 3.3).
        key.verify(value, canonical, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303
    except (InvalidSignature, binascii.Error):
        return False
    return True


@lru_cache(maxsize=64)
def _certificate(text: str) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join(text.split())))
    except ValueError:
        return None
