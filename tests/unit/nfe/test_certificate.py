from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, pkcs12

from workflow.errors import Invalid
from workflow.nfe.certificate import SigningKey, cnpj_of, load_pfx

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


def certified(key: Key, *names: x509.GeneralName, common_name: str = "LOJA") -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2030, 1, 1, tzinfo=UTC))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key, hashes.SHA256())


def code(pfx: bytes, password: str) -> str:
    with pytest.raises(Invalid) as refused:
        load_pfx(pfx, password)
    return refused.value.code


def test_a_pfx_gives_its_key_its_holder_and_its_end(signing_key: SigningKey) -> None:
    assert signing_key.cnpj == "99999999000191"
    assert signing_key.not_valid_after == datetime(2060, 1, 1, tzinfo=UTC)
    assert not signing_key.is_expired(signing_key.not_valid_after)
    assert signing_key.is_expired(signing_key.not_valid_after + timedelta(seconds=1))


def test_a_branch_may_use_the_head_offices_certificate(signing_key: SigningKey) -> None:
    assert signing_key.belongs_to("99999999000272")
    assert not signing_key.belongs_to("11222333000181")


def test_a_wrong_password_and_a_file_of_another_kind_are_told_apart(a1_pfx: bytes) -> None:
    assert code(a1_pfx, "wrong") == "wrong-password"
    assert code(a1_pfx, "") == "wrong-password"
    assert code(b"-----BEGIN CERTIFICATE-----", "secret") == "not-a-pfx"
    assert code(b"", "secret") == "not-a-pfx"


def test_a_pfx_without_a_password_opens_with_an_empty_one() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pfx = pkcs12.serialize_key_and_certificates(None, key, certified(key), None, NoEncryption())
    assert load_pfx(pfx, "").cnpj is None


def test_a_pfx_without_a_key_or_with_a_key_of_another_kind_is_refused() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    lock = BestAvailableEncryption(b"x")
    certificate = certified(key)
    assert code(pkcs12.serialize_key_and_certificates(None, None, None, [certificate], lock), "x") == "no-key"
    assert code(pkcs12.serialize_key_and_certificates(None, key, certificate, None, lock), "x") == "not-rsa"


def test_icp_brasils_alternative_name_goes_before_the_common_name() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    oid = x509.ObjectIdentifier("2.16.76.1.3.3")
    name = x509.OtherName(oid, b"\x13\x0e" + b"11222333000181")
    assert cnpj_of(certified(key, name, common_name="LOJA:99999999000191")) == "11222333000181"
    assert cnpj_of(certified(key, x509.DNSName("x"), common_name="LOJA:99999999000191")) == "99999999000191"
    assert cnpj_of(certified(key, common_name="LOJA")) is None


def test_a_printed_key_shows_no_secret(signing_key: SigningKey) -> None:
    assert repr(signing_key) == "SigningKey(cnpj='99999999000191')"
