"""Certificates for a local SEFAZ: an authority shaped like ICP-Brasil's, its server, and A1 certificates of sellers.

An A1 is a PFX with an RSA-2048 key. Its subject ends in `CN=RAZAO SOCIAL:CNPJ` and its subject alternative name
carries the CNPJ under 2.16.76.1.3.3 (DOC-ICP-04). Nothing made here is trusted anywhere else.
"""

import ipaddress
import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: DOC-ICP-04: the CNPJ of the legal person that holds the certificate.
CNPJ_OID = x509.ObjectIdentifier("2.16.76.1.3.3")

CA_FILE = "sandbox-ca.pem"
_CA_KEY_FILE = "sandbox-ca.key"
_SERVER_FILE = "sandbox-server.pem"

_AUTHORITY_LIFE = timedelta(days=3650)
_SERVER_LIFE = timedelta(days=365)
_A1_LIFE = timedelta(days=365)
_PRINTABLE_STRING = 0x13


class Authority(NamedTuple):
    """A certificate authority: what is trusted and what it signs with."""

    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    def pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def authority(folder: Path) -> Authority:
    """The authority kept in `folder`, made at the first call; its key file is readable by the owner only."""
    ca_file, key_file = folder / CA_FILE, folder / _CA_KEY_FILE
    if ca_file.exists() and key_file.exists():
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return Authority(x509.load_pem_x509_certificate(ca_file.read_bytes()), key)
    made = make_authority()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(key_file, _key_pem(made.key))
    write_private(ca_file, made.pem())
    return made


def make_authority(name: str = "AC SANDBOX SEM VALOR FISCAL") -> Authority:
    """A new self-signed authority."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = _name("ICP-Brasil de mentira", name)
    now = _now()
    certificate = (
        _builder(subject, subject, key.public_key(), now - timedelta(days=1), now + _AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def server_pem(issuer: Authority) -> bytes:
    """Key and certificate of a server on 127.0.0.1, ::1 and localhost, as one PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    names = x509.SubjectAlternativeName(
        [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
            x509.IPAddress(ipaddress.ip_address("::1")),
        ]
    )
    now = _now()
    certificate = _issue(
        issuer,
        _name("Sandbox", "localhost"),
        key.public_key(),
        (now - timedelta(days=1), now + _SERVER_LIFE),
        names,
        ExtendedKeyUsageOID.SERVER_AUTH,
    )
    return _key_pem(key) + certificate.public_bytes(serialization.Encoding.PEM) + issuer.pem()


def seller_pfx(
    issuer: Authority, *, cnpj: str, name: str, password: str, not_valid_after: datetime | None = None
) -> bytes:
    """An A1 certificate as PFX; give `not_valid_after` (aware, past) for an expired one."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    last = not_valid_after or _now() + _A1_LIFE
    common_name = f"{name.upper()[: 63 - len(cnpj)]}:{cnpj}"
    certificate = _issue(
        issuer,
        _name("ICP-Brasil de mentira", common_name),
        key.public_key(),
        (min(last - _A1_LIFE, _now() - timedelta(days=1)), last),
        x509.SubjectAlternativeName([x509.OtherName(CNPJ_OID, _printable(cnpj))]),
        ExtendedKeyUsageOID.CLIENT_AUTH,
    )
    protection = serialization.BestAvailableEncryption(password.encode())
    return pkcs12.serialize_key_and_certificates(
        common_name.encode(), key, certificate, [issuer.certificate], protection
    )


def demo_a1(folder: Path, *, cnpj: str, name: str, password: str) -> Path:
    """The PFX of a seller in `folder`, made at the first call; named after its CNPJ."""
    path = folder / f"a1-{cnpj}.pfx"
    if not path.exists():
        write_private(path, seller_pfx(authority(folder), cnpj=cnpj, name=name, password=password))
    return path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(content)


def server_context(folder: Path) -> tuple[Path, ssl.SSLContext, Authority]:
    """The CA file, a server context that demands a client certificate of that authority, and the authority.

    TLS 1.2 only, as every authoriser of November 2026.
    """
    issuer = authority(folder)
    server_file = folder / _SERVER_FILE
    write_private(server_file, server_pem(issuer))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(server_file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(folder / CA_FILE)
    return folder / CA_FILE, context, issuer


def is_issued_by(certificate: x509.Certificate, issuer: Authority) -> bool:
    """Whether the authority signed this certificate."""
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except Exception:  # cryptography raises ValueError, TypeError or InvalidSignature; all mean no
        return False
    return True


def _issue(
    issuer: Authority,
    subject: x509.Name,
    public_key: rsa.RSAPublicKey,
    validity: tuple[datetime, datetime],
    names: x509.SubjectAlternativeName,
    usage: x509.ObjectIdentifier,
) -> x509.Certificate:
    issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
    return (
        _builder(subject, issuer.certificate.subject, public_key, *validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(issued_by, critical=False)
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, public_key: rsa.RSAPublicKey, first: datetime, last: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _name(organization: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "BR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=not signs_certificates,
        key_encipherment=not signs_certificates,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _printable(text: str) -> bytes:
    return bytes([_PRINTABLE_STRING, len(text)]) + text.encode("ascii")


def _now() -> datetime:
    return datetime.now(UTC)
