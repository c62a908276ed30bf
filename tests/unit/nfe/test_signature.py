import pytest
import xmlsec
from lxml import etree

from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.schema import validate
from workflow.nfe.signature import DS, sign, verify
from workflow.nfe.xml import Numbering, TemplateSet, render


@pytest.fixture
def unsigned(invoice: Invoice, numbering: Numbering, templates: TemplateSet) -> bytes:
    return render(invoice, numbering, templates)


@pytest.fixture
def signed(unsigned: bytes, signing_key: SigningKey) -> bytes:
    return sign(unsigned, signing_key)


def test_a_signed_nfe_is_valid_by_the_official_schema(signed: bytes) -> None:
    validate(signed)


def test_an_independent_verifier_accepts_the_signature(signed: bytes, signing_key: SigningKey) -> None:
    root = etree.fromstring(signed)
    signature = root.find(f"{{{DS}}}Signature")
    xmlsec.tree.add_ids(root, ["Id"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(
        signing_key.certificate.public_bytes(xmlsec_encoding()), xmlsec.constants.KeyDataFormatCertPem
    )
    context.verify(signature)


def xmlsec_encoding():
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.PEM


def test_our_verifier_accepts_it_and_gives_the_certificate(signed: bytes, signing_key: SigningKey) -> None:
    assert verify(signed) == signing_key.certificate
