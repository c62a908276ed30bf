from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe import schema, signature
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.signature import DS, NFE, agrees_with_signxml, digest_value, sign, verify
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


def verify_independently(signed: bytes, key: SigningKey) -> None:
    """Ask xmlsec, which raises an error where the signature is wrong."""
    root = etree.fromstring(signed)
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    pem = key.certificate.public_bytes(Encoding.PEM)
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatCertPem)
    context.verify(root.find(f"{{{DS}}}Signature"))


@pytest.fixture
def without_signxml(signing_key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on signxml is not there: what is signed all the same has gone the faster way."""
    assert agrees_with_signxml(signing_key)
    monkeypatch.delattr(signature, "_by_signxml")


def test_an_independent_verifier_accepts_the_signature(signed: bytes, signing_key: SigningKey) -> None:
    verify_independently(signed, signing_key)


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
        # What the signature's own schema refuses, and what is no document any more once it is taken out.
        (b"<SignatureValue>", b"<SignatureValue>{{7*7}}"),
        (b"<SignedInfo", b"<SignedInfo wrong='1'"),
        (b"<Transforms>", b"<Transforms>text"),
    ],
)
def test_a_changed_document_is_refused(signed: bytes, before: bytes, after: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        verify(signed.replace(before, after))
    assert refused.value.code == "bad-signature"


def test_a_certificate_of_a_key_that_nobody_knows_is_refused(signed: bytes, signing_key: SigningKey) -> None:
    der = signing_key.certificate.public_bytes(Encoding.DER)
    rsa, unknown = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01017f")
    other = b64encode(der.replace(rsa, unknown))
    begin, end = signed.index(b"<X509Certificate>") + len(b"<X509Certificate>"), signed.index(b"</X509Certificate>")
    with pytest.raises(Invalid, match="bad-signature"):
        verify(signed[:begin] + other + signed[end:])


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


@pytest.mark.usefixtures("without_signxml")
def test_what_the_templates_write_is_signed_without_signxml(unsigned: bytes, signing_key: SigningKey) -> None:
    found = signature.signed(unsigned, signing_key)
    assert etree.tostring(found.root, encoding="unicode").encode() == found.xml
    verify_independently(found.xml, signing_key)


def note(inside: str, *, outline: str = 'NFe xmlns="{NFE}"', child: str = 'infNFe Id="NFe1" versao="4.00"') -> bytes:
    """A document with something in it, as text."""
    tags = outline.format(NFE=NFE), child
    names = [tag.split()[0] for tag in tags]
    return f"<{tags[0]}><{tags[1]}>{inside}</{names[1]}></{names[0]}>".encode()


#: What XML can hold, with much of what is written otherwise in canonical form.
texts = st.text(st.sampled_from("&<>\"'\r\n\t]é😀") | st.characters(exclude_categories=["Cs", "Cc"]), max_size=60)


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=50)
@given(text=texts, quoted=texts)
def test_any_text_gets_the_bytes_that_signxml_gives_it(text: str, quoted: str, signing_key: SigningKey) -> None:
    escaped = [one.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for one in (text, quoted)]
    document = note(f"<x>{escaped[0]}</x><y z='{escaped[1].replace(chr(39), '&apos;')}'>.</y>")
    try:
        expected = signature._by_signxml(document, signing_key)
    except Invalid:  # Unicode has characters that XML has not
        with pytest.raises(Invalid):
            sign(document, signing_key)
        return
    assert sign(document, signing_key) == expected
    plain = note(f"<x>{escaped[0]}.</x>")
    assert sign(plain, signing_key) == signature._by_signxml(plain, signing_key)
    verify_independently(sign(plain, signing_key), signing_key)


@pytest.mark.parametrize(
    "document",
    [
        note("<x>a</x><!-- a comment -->"),
        note("<x><![CDATA[a & b]]></x>"),
        note("<x/>"),
        note("<x >a</x>"),
        note("<x>&#65; &quot;</x>"),
        note("<x>a\r\nb</x>"),
        note("<x b='1' a=\"2\">a</x>"),
        note("<x a='1'>a</x>"),
        note('<x xmlns="urn:x">a</x><y xmlns:z="urn:z"><z:y>a</z:y></y>'),
        note("<x>a</x>", child='infNFe versao="4.00" Id="NFe1"'),
        note("<x>a</x>", child='infNFe Id="NFe1" versao="4.00" xmlns:z="urn:z"'),
        note("<x>a</x>", outline='NFe xmlns="{NFE}" xmlns:z="urn:z"'),
        note("<x>a</x>", outline='z:NFe xmlns:z="urn:z" xmlns="{NFE}"'),
        note("<x>a</x>", outline='outro xmlns="{NFE}"'),
        note('<x>a</x></infNFe><infNFe Id="NFe2"><x>b</x>'),
        b'<?xml version="1.0"?>\n' + note("<x>a</x>"),
        note("<x>a</x>") + b"\n<!-- afterwards -->",
    ],
)
def test_a_document_that_is_not_canonical_is_signed_by_signxml(document: bytes, signing_key: SigningKey) -> None:
    signed = sign(document, signing_key)
    assert signed == signature._by_signxml(document, signing_key)
    verify_independently(signed, signing_key)


def test_a_key_whose_sample_comes_out_otherwise_is_left_to_signxml(
    unsigned: bytes, signing_key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = sign(unsigned, signing_key)
    monkeypatch.setattr(signature, "_SIGNED_INFO", signature._SIGNED_INFO.replace(b"Transforms>", b"Transform>"))
    another = replace(signing_key, cnpj="another for the memory of what was asked")
    assert not agrees_with_signxml(another)
    assert sign(unsigned, another) == expected
