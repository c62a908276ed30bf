"""The seller's A1 certificate: bytes of a PFX in, a parsed key out, so that no document pays for parsing it again."""

import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from workflow.errors import Invalid
from workflow.nfe.tax_ids import is_cnpj

#: ICP-Brasil, DOC-ICP-04: the holder's CNPJ among the subject's alternative names.
_CNPJ_OID = x509.ObjectIdentifier("2.16.76.1.3.3")
#: A PFX is an ASN.1 sequence that begins with version 3 (RFC 7292).
_PFX_HEADER = re.compile(rb"0(?:[\x00-\x7f]|\x81.|\x82..|\x83...|\x84....|\x80)\x02\x01\x03", re.DOTALL)
_SMALLEST_KEY = 2048


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with its certificate; `cnpj` is the holder's, or None where the certificate names none."""

    private_key: RSAPrivateKey = field(repr=False)
    certificate: x509.Certificate = field(repr=False, compare=False)
    chain: tuple[x509.Certificate, ...] = field(repr=False, compare=False)
    cnpj: str | None
    #: The certificate as a signature holds it: Base64 of the DER, in one line.
    certificate_text: str = field(repr=False)

    @property
    def not_valid_after(self) -> datetime:
        """The last moment of the certificate, UTC."""
        return self.certificate.not_valid_after_utc

    def is_expired(self, now: datetime) -> bool:
        """Whether the certificate is past its end at an aware moment."""
        return now > self.not_valid_after

    def belongs_to(self, cnpj: str) -> bool:
        """Whether the holder is the company of this CNPJ: the first eight are equal (rejection 213)."""
        return self.cnpj is not None and self.cnpj[:8] == cnpj[:8]


def load_pfx(pfx: bytes, password: str) -> SigningKey:
    """The key of a PFX; raise Invalid: `not-a-pfx`, `wrong-password`, `no-key` or `not-rsa`."""
    if not _PFX_HEADER.match(pfx):
        raise Invalid("not-a-pfx", "the certificate file is not a PFX (PKCS #12); give the A1 file itself")
    try:
        key, certificate, chain = pkcs12.load_key_and_certificates(pfx, password.encode() or None)
    except ValueError as error:
        raise Invalid("wrong-password", "the password does not open the PFX, or the file is damaged") from error
    if key is None or certificate is None:
        raise Invalid("no-key", "the PFX holds no private key with its certificate; export it with the key")
    if not isinstance(key, RSAPrivateKey) or key.key_size < _SMALLEST_KEY:
        raise Invalid("not-rsa", f"the PFX's key is not RSA of {_SMALLEST_KEY} bits or more")
    text = b64encode(certificate.public_bytes(Encoding.DER)).decode()
    return SigningKey(key, certificate, tuple(chain), cnpj_of(certificate), text)


def cnpj_of(certificate: x509.Certificate) -> str | None:
    """The CNPJ a certificate names: ICP-Brasil's alternative name, else the end of the common name."""
    return _cnpj_in_alternative_names(certificate) or _cnpj_in_common_name(certificate)


def _cnpj_in_alternative_names(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):  # the latter where its extensions are no DER
        return None
    for name in names.get_values_for_type(x509.OtherName):
        # The value is a short DER string: a tag, a length, the characters.
        text = name.value[2:].decode("latin-1").strip()
        if name.type_id == _CNPJ_OID and is_cnpj(text):
            return text
    return None


def _cnpj_in_common_name(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    except ValueError:  # a subject that is no DER
        return None
    for attribute in names:
        text = str(attribute.value).rpartition(":")[2].strip()
        if is_cnpj(text):
            return text
    return None
