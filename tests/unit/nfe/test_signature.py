from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe import schema
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.signature import DS, digest_value, sign, verify
from workflow.nfe.xml import Numbering, TemplateSet, render

SAMPLES = Path(__file__).parents[4] / "shared" / "nfe" / "samples"


@pytest.fixture
def unsigned(
    build: Callable[..., Invoice], detail: dict[str, Any], numbering: Numbering, templates: TemplateSet
) -> bytes:
    detail["BuyerName"] = "José & <Irmãos> \"Ltda\" 'x'"
    return render(build(detail), numbering, templates)


@pytest.fixture
def signed(unsigned: bytes, signing_key: SigningKey) -> bytes:
    return sign(unsigned, signing_key)


def test_an_independent_verifier_accepts_the_signature(signed: bytes, signing_key: SigningKey) -> None:
    root = etree.fromstring(signed)
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    pem = signing_key.certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    context.verify(root.find(f"{{{DS}}}Signature"))


def test_our_verifier_accepts_it_and_gives_the_certificate(signed: bytes, signing_key: SigningKey) -> None:
    assert verify(signed) == signing_key.certificate


def test_the_signed_document_is_valid_and_holds_the_unsigned_bytes(signed: bytes, unsigned: bytes) -> None:
    schema.validate(signed)
    assert signed.startswith(unsigned.removesuffix(b"</NFe>"))
    assert b"\n" not in signed


def test_the_same_document_and_key_give_the_same_bytes(unsigned: bytes, signing_key: SigningKey) -> None:
    assert sign(unsigned, signing_key) == sign(unsigned, signing_key)


def test_only_the_certificate_is_told_of_the_key(signed: bytes) -> None:
    assert signed.count(b"<X509Certificate>") == 1
    assert b"KeyValue" not in signed


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"<vNF>5129.99</vNF>", b"<vNF>5129.98</vNF>"),
        (b"</infNFe>", b" </infNFe>"),
        (b"<SignatureValue>", b"<SignatureValue>AAAA"),
        (b"rsa-sha1", b"rsa-sha256"),
        (b"<X509Certificate>", b"<X509Certificate>AAAA"),
    ],
)
def test_a_changed_document_is_refused(signed: bytes, before: bytes, after: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        verify(signed.replace(before, after))
    assert refused.value.code == "bad-signature"


def test_a_signature_over_another_element_is_refused(signed: bytes) -> None:
    # The signed infNFe moves aside and a forged one takes its place.
    root = etree.fromstring(signed)
    forged = etree.fromstring(etree.tostring(root[0]))
    forged.set("Id", "NFe" + "0" * 44)
    root.append(root[0])
    root.insert(0, forged)
    with pytest.raises(Invalid):
        verify(etree.tostring(root))


def test_an_unsigned_document_is_refused(unsigned: bytes) -> None:
    for question in (verify, digest_value):
        with pytest.raises(Invalid) as refused:
            question(unsigned)
        assert refused.value.code == "not-signed"


def test_a_document_without_an_id_cannot_be_signed(signing_key: SigningKey) -> None:
    with pytest.raises(Invalid):
        sign(b'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe/></NFe>', signing_key)


@pytest.mark.parametrize("pattern", ["15_*", "16_*", "17_*", "90_*"])
def test_signatures_made_by_others_are_accepted(pattern: str) -> None:
    found = list(SAMPLES.glob(pattern))
    if not found:
        pytest.skip("the public samples are not beside the repository")
    assert verify(found[0].read_bytes()).subject
