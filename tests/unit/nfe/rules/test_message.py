"""What SEFAZ asks before the rules: the message, its schema, its signature, whose certificate it is."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from lxml import etree

from tests.unit.nfe.rules.documents import NFE, changed, normal, simples
from workflow.nfe import rules, signature
from workflow.nfe.certificate import SigningKey, load_pfx
from workflow.nfe.protocol import joined

RECEIVED = datetime(2026, 11, 22, 13, 0, 30, tzinfo=UTC)


def codes(document: bytes, now: datetime | None = None) -> list[str]:
    return [breach.cStat for breach in rules.check(document, now=now).breaches]


def key_of(name: str) -> SigningKey:
    """A certificate of another holder, valid for ten days from the day of the examples."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(RECEIVED - timedelta(days=1))
        .not_valid_after(RECEIVED + timedelta(days=9))
        .sign(key, hashes.SHA256())
    )
    return load_pfx(
        pkcs12.serialize_key_and_certificates(b"x", key, certificate, None, BestAvailableEncryption(b"x")), "x"
    )


@pytest.fixture(scope="module")
def signed(signing_key: SigningKey) -> bytes:
    return signature.sign(simples(), signing_key)


def test_a_good_signed_document_gets_100(signed: bytes) -> None:
    verdict = rules.check(signed, now=RECEIVED)
    assert (verdict.cStat, verdict.is_good, verdict.breaches) == ("100", True, ())
    assert verdict.chNFe == "35261199999999000191550010000000011482109373"


def test_a_document_sent_late_gets_150(signed: bytes) -> None:
    verdict = rules.check(signed, now=RECEIVED + timedelta(days=8))
    assert (verdict.cStat, verdict.is_good) == ("150", True)
    assert verdict.xMotivo == "Autorizado o uso da NF-e, autorização fora de prazo"


def test_an_unsigned_document_fails_its_schema_first(signed: bytes) -> None:
    assert codes(simples()) == ["225", "298"]


def test_a_changed_document_does_not_fit_its_signature(signed: bytes) -> None:
    assert codes(changed(signed, {"ide/natOp": "Outra"})) == ["297"]


def test_one_changed_amount_breaks_signature_and_rules(signed: bytes) -> None:
    verdict = rules.check(changed(signed, {"total/ICMSTot/vNF": "999.00"}))
    assert verdict.cStat == "297"
    assert "610" in {breach.cStat for breach in verdict.breaches}


def test_a_signature_without_a_certificate_is_told(signed: bytes) -> None:
    root = etree.fromstring(signed)
    for data in root.iter(f"{{{signature.DS}}}X509Certificate"):
        data.text = None
    assert "290" in codes(etree.tostring(root))


def test_anothers_certificate_is_told(signed: bytes) -> None:
    assert codes(signature.sign(simples(), key_of("OUTRA EMPRESA:15436940000103"))) == ["213"]


def test_a_branchs_certificate_is_the_companys() -> None:
    assert codes(signature.sign(simples(), key_of("FILIAL:99999999000272"))) == []


def test_a_certificate_without_a_cnpj_is_told() -> None:
    assert codes(signature.sign(simples(), key_of("FULANO DE TAL"))) == ["292"]


def test_an_expired_certificate_is_told_where_the_time_is_known() -> None:
    late = signature.sign(simples(), key_of("EMPRESA:99999999000191"))
    assert codes(late) == []
    assert "291" in codes(late, RECEIVED + timedelta(days=20))


def received(signed: bytes, chNFe: str = "35261199999999000191550010000000011482109373", digVal: str = "") -> bytes:
    """The nfeProc of a document that SEFAZ received half a minute after its emission."""
    protNFe = (
        f'<protNFe xmlns="{NFE}" versao="4.00"><infProt><tpAmb>1</tpAmb><verAplic>x</verAplic><chNFe>{chNFe}</chNFe>'
        f"<dhRecbto>2026-11-22T10:00:30-03:00</dhRecbto><nProt>135260000000001</nProt>"
        f"<digVal>{digVal or signature.digest_value(signed)}</digVal><cStat>100</cStat><xMotivo>Autorizado</xMotivo>"
        f"</infProt></protNFe>"
    )
    return joined("nfeProc", "4.00", signed, protNFe.encode())


def test_a_document_that_SEFAZ_received_is_judged_by_that_moment(signed: bytes) -> None:
    assert codes(received(signed), RECEIVED + timedelta(days=400)) == []


def test_a_protocol_of_another_document_is_told(signed: bytes) -> None:
    other_key = rules.check(received(signed, chNFe="35261199999999000191550010000000021482109370"))
    other_bytes = rules.check(received(signed, digVal="MkZTgOE8CyY5b6Fu+KLVW389wa4="))
    assert [one.message for one in other_key.breaches] == ["chNFe is of another document"]
    assert [one.message for one in other_bytes.breaches] == ["digVal is of another document"]


def test_a_request_of_one_note_is_read(signed: bytes) -> None:
    around = f'<enviNFe xmlns="{NFE}" versao="4.00"><idLote>1</idLote><indSinc>1</indSinc>'
    assert codes(around.encode() + signed + b"</enviNFe>") == []


def test_blanks_between_tags_are_a_warning_for_each_uf_decides(signed: bytes) -> None:
    verdict = rules.check(signed.replace(b"<emit>", b"\n<emit>"))
    assert [(one.cStat, one.severity) for one in verdict.breaches if one.cStat == "588"] == [("588", "warning")]


def test_a_prefix_is_refused(signed: bytes) -> None:
    prefixed = signed.replace(b"<infIntermed>", f'<n:infIntermed xmlns:n="{NFE}">'.encode())
    assert codes(prefixed.replace(b"</infIntermed>", b"</n:infIntermed>"))[0] == "404"


def test_a_message_over_500_KB_is_refused(signed: bytes) -> None:
    filled = signed.replace(b"</infCpl>", b"x" * 520_000 + b"</infCpl>")
    assert codes(filled)[0] == "214"


def test_SEFAZ_answers_with_the_first_thing_it_asks(signing_key: SigningKey) -> None:
    broken = changed(normal(), {"dest/CPF": "11111111111", "det/prod/qCom": "2.0000"})
    verdict = rules.check(signature.sign(broken, signing_key))
    assert verdict.cStat == "237"
    assert verdict.xMotivo == "Rejeição: CPF do destinatário inválido"
    assert [breach.cStat for breach in verdict.breaches] == ["237", "629"]
