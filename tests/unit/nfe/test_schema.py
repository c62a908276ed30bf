from importlib.util import find_spec
from pathlib import Path

import pytest

from workflow.errors import Invalid
from workflow.nfe import schema, signature
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.xml import Numbering, TemplateSet, render


@pytest.fixture
def signed(invoice: Invoice, numbering: Numbering, templates: TemplateSet, signing_key: SigningKey) -> bytes:
    return signature.sign(render(invoice, numbering, templates), signing_key)


def reason(xml: bytes, name: str = "nfe") -> str:
    with pytest.raises(Invalid) as refused:
        schema.validate(xml, name)
    return refused.value.message


def test_a_prefix_that_only_the_element_knows_does_not_keep_the_complaint_from_being_told(signed: bytes) -> None:
    assert reason(signed.replace(b"<dest>", b'<x:dest xmlns:x="http://x">').replace(b"</dest>", b"</x:dest>"))


@pytest.mark.parametrize("name", schema.FILES)
def test_every_schema_compiles_and_refuses_another_document(name: str) -> None:
    assert reason(b"<x/>", name)


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        (b"Fulano da Silva", b" Fulano da Silva", "dest/xNome"),
        (b"<CPF>11144477735</CPF>", b"<CPF>1114447773</CPF>", "dest/CPF"),
        (b"<vNF>5129.99</vNF>", b"<vNF>5129,99</vNF>", "total/ICMSTot/vNF"),
        (b"<CSOSN>102</CSOSN>", b"<CSOSN>Fulano</CSOSN>", "det[1]/imposto/ICMS/ICMSSN102/CSOSN"),
        (b"<indIEDest>9</indIEDest>", b"", "dest"),
        (b"<cPais>1058</cPais>", b"<Fulano>1058</Fulano>", "expected"),
    ],
)
def test_a_complaint_says_where_and_why_and_quotes_no_value(
    signed: bytes, before: bytes, after: bytes, where: str
) -> None:
    message = reason(signed.replace(before, after, 1))
    assert where in message
    assert "1114447773" not in message
    assert "da Silva" not in message


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<NFe>",
        b'<!DOCTYPE NFe [<!ENTITY x "y">]><NFe>&x;</NFe>',
        b'<!DOCTYPE NFe SYSTEM "http://localhost:9/x.dtd"><NFe/>',
    ],
)
def test_what_is_no_plain_xml_is_refused(xml: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        schema.validate(xml)
    assert refused.value.code == "not-xml"


@pytest.mark.parametrize("name", ["nfe_v4.00", "procNFe_v4.00", "leiauteNFe_v4.00", "tiposBasico_v4.00"])
def test_the_schema_of_the_nfe_is_the_official_one_unchanged(name: str) -> None:
    spec = find_spec("nfelib")
    assert spec is not None
    assert spec.origin is not None
    text = (Path(spec.origin).parent / "nfe/schemas/v4_0" / f"{name}.xsd").read_text(encoding="utf-8")
    assert not any(digits_only in text for digits_only, _ in schema._LETTERS_IN_CNPJ)
