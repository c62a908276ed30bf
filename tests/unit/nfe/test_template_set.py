"""The packaged templates write canonical XML as they stand; a seller's own come out as canonical XML."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from tests.unit.nfe.test_signature import verify_independently
from workflow.errors import Invalid
from workflow.nfe import schema, template_set
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.signature import NFE, sign, verify
from workflow.nfe.tax_tables import situations
from workflow.nfe.template_set import TemplateSet
from workflow.nfe.xml import Numbering, render


@pytest.fixture
def own(tmp_path: Path) -> TemplateSet:
    """The templates of a seller who has replaced none: they are parsed and written anew."""
    return TemplateSet(tmp_path)


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=25)
@given(name=st.text(max_size=80), text=st.text(st.sampled_from("&<>\"' ;#{}ãé€😀"), max_size=80))
def test_whatever_the_texts_the_packaged_templates_write_what_a_parser_would(
    name: str,
    text: str,
    build: Callable[..., Invoice],
    detail: dict[str, Any],
    numbering: Numbering,
    templates: TemplateSet,
    own: TemplateSet,
) -> None:
    invoice = build(detail | {"BuyerName": f"A {name}"}, name=f"Loja {text}")
    invoice = replace(invoice, infCpl=f"x{text}", items=tuple(replace(one, title=text or "x") for one in invoice.items))
    assert render(invoice, numbering, templates) == render(invoice, numbering, own)


def test_a_page_holds_all_its_fragments() -> None:
    page = template_set._page("nfe.xml.j2") or ""
    assert page.count("{% include") == page.count("{% else %}{% include name %}{% endif %}") == 1
    fragments = {one.fragment for one in situations().values()} | {"icmsufdest.xml.j2", "is.xml.j2"}
    assert {name for name in fragments if f'name == "{name}" %}}' not in page} == set()


def test_a_tax_whose_fragment_is_missing_is_no_document(
    invoice: Invoice, numbering: Numbering, templates: TemplateSet
) -> None:
    (item,) = invoice.items
    taxes = tuple(replace(group, fragment="icms/none.xml.j2") for group in item.taxes)
    with pytest.raises(Invalid, match=r"no file icms/none\.xml\.j2"):
        render(replace(invoice, items=(replace(item, taxes=taxes),)), numbering, templates)


def test_a_field_that_is_missing_is_told_without_a_value(
    invoice: Invoice, numbering: Numbering, templates: TemplateSet
) -> None:
    (item,) = invoice.items
    taxes = tuple(replace(group, fields={}) for group in item.taxes)
    with pytest.raises(Invalid, match=r"template nfe\.xml\.j2: KeyError; mend the template"):
        render(replace(invoice, items=(replace(item, taxes=taxes),)), numbering, templates)


CARRIER = "<transp><modFrete>9</modFrete></transp>"


@pytest.mark.parametrize(
    ("fragment", "text"),
    [
        ("transp.xml.j2", f"<!-- none -->\n  {CARRIER} <?a b?>"),
        ("transp.xml.j2", "<transp >\r\n  <modFrete>&#57;</modFrete>\r\n</transp >"),
        ("transp.xml.j2", f'<transp xmlns:x="urn:x"><modFrete>9</modFrete></transp>{{# {CARRIER} #}}'),
        ("infAdic.xml.j2", '<infAdic><infCpl><![CDATA[a & b "c"]]></infCpl></infAdic>'),
        ("infAdic.xml.j2", "<infAdic><obsCont xCampo='a \"b\"'><xTexto>{{ issuer.name }}</xTexto></obsCont></infAdic>"),
        ("infAdic.xml.j2", '<infAdic><obsCont xCampo="{{ text }}"><xTexto>&#xe9;&gt;</xTexto></obsCont></infAdic>'),
        ("infAdic.xml.j2", "{% macro a() %}<infAdic><infCpl>{{ text }}</infCpl></infAdic>{% endmacro %}{{ a() }}"),
    ],
)
def test_a_sellers_template_of_any_writing_ends_rightly_signed(
    invoice: Invoice, numbering: Numbering, tmp_path: Path, signing_key: SigningKey, fragment: str, text: str
) -> None:
    (tmp_path / fragment).write_text("{% set text = '\"x\" & <y>' %}" + text)
    unsigned = render(invoice, numbering, TemplateSet(tmp_path))
    assert unsigned == etree.tostring(etree.fromstring(unsigned), method="c14n")
    signed = sign(unsigned, signing_key)
    schema.validate(signed)
    verify_independently(signed, signing_key)
    assert verify(signed) == signing_key.certificate


def test_a_page_of_the_seller_with_a_namespace_more_is_rightly_signed_too(
    invoice: Invoice, numbering: Numbering, tmp_path: Path, signing_key: SigningKey
) -> None:
    page = (template_set._packaged("nfe.xml.j2") or "").replace("<NFe ", '<NFe xmlns:x="urn:x" ')
    (tmp_path / "nfe.xml.j2").write_text(page)
    signed = sign(render(invoice, numbering, TemplateSet(tmp_path)), signing_key)
    assert signed.startswith(f'<NFe xmlns="{NFE}" xmlns:x="urn:x"><infNFe Id='.encode())
    verify_independently(signed, signing_key)
