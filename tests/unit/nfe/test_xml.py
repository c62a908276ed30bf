from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe import schema
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.signature import sign
from workflow.nfe.xml import Numbering, TemplateSet, chNFe_of, render

NFE = "{http://www.portalfiscal.inf.br/nfe}"


def test_the_bytes_are_one_line_without_declaration_blanks_or_prefixes(
    invoice: Invoice, numbering: Numbering, templates: TemplateSet
) -> None:
    document = render(invoice, numbering, templates)
    assert document.startswith(b'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe Id="NFe35')
    assert b"\n" not in document
    assert b"> <" not in document
    assert "Consolação".encode() in document
    assert not any(element.prefix for element in etree.fromstring(document).iter())


def test_the_same_values_give_the_same_bytes(invoice: Invoice, numbering: Numbering) -> None:
    assert render(invoice, numbering, TemplateSet()) == render(invoice, numbering, TemplateSet())


def test_the_key_takes_its_month_from_the_sellers_local_date(invoice: Invoice) -> None:
    first_hour_of_december_in_london = datetime(2026, 12, 1, 1, 0, tzinfo=UTC)
    key = chNFe_of(invoice, Numbering(nNF=1, cNF="48210937", dhEmi=first_hour_of_december_in_london))
    assert key[2:6] == "2611"


def test_any_offset_of_the_moment_gives_the_same_document(invoice: Invoice, templates: TemplateSet) -> None:
    moment = datetime(2026, 11, 22, 13, 0, tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(hours=9)))
    assert render(invoice, Numbering(1, "48210937", moment), templates) == render(
        invoice, Numbering(1, "48210937", elsewhere), templates
    )


def test_a_buyers_text_cannot_become_markup(
    build: Callable[..., Invoice], detail: dict[str, Any], numbering: Numbering, templates: TemplateSet
) -> None:
    name = "</xNome><CRT>3</CRT>{{ issuer }}&amp;<![CDATA["
    detail["BuyerName"] = name
    root = etree.fromstring(render(build(detail), numbering, templates))
    assert root.findtext(f"{NFE}infNFe/{NFE}dest/{NFE}xNome") == name


def test_a_sellers_folder_replaces_any_fragment(invoice: Invoice, numbering: Numbering, tmp_path: Path) -> None:
    (tmp_path / "transp.xml.j2").write_text("<transp><modFrete>9</modFrete></transp>")
    assert b"<modFrete>9</modFrete>" in render(invoice, numbering, TemplateSet(tmp_path))


@pytest.mark.parametrize(
    "fragment",
    [
        "<transp>{{ unknown }}</transp>",
        "<transp>{{ invoice.__class__.__mro__ }}</transp>",
        "<transp>{{ invoice.dest.name.x }}</transp>",
        "<transp>{% if %}</transp>",
        "<transp>",
        "<transp>&xxe;</transp>",
        "{% include 'missing.xml.j2' %}",
        "{% include '../pyproject.toml' %}",
        "<transp>{{ invoice.dest.name | money }}</transp>",
    ],
)
def test_a_broken_template_is_named_and_no_buyer_is(
    invoice: Invoice, numbering: Numbering, tmp_path: Path, fragment: str
) -> None:
    (tmp_path / "transp.xml.j2").write_text(fragment)
    with pytest.raises(Invalid) as refused:
        render(invoice, numbering, TemplateSet(tmp_path))
    assert refused.value.code == "bad-template"
    assert "Fulano" not in str(refused.value)


@pytest.mark.parametrize("tpEmis", [6, 7])
def test_a_note_in_contingency_says_since_when_and_why(
    invoice: Invoice, numbering: Numbering, templates: TemplateSet, signing_key: SigningKey, tpEmis: int
) -> None:
    since = datetime(2026, 11, 22, 15, 30, 0, 9, tzinfo=UTC)
    own = replace(numbering, tpEmis=tpEmis, dhCont=since, xJust="SEFAZ de origem fora de operação – SVC ativada")
    document = render(invoice, own, templates)
    assert b"<dhCont>2026-11-22T12:30:00-03:00</dhCont><xJust>SEFAZ de origem fora de opera" in document
    assert chNFe_of(invoice, own)[34] == str(tpEmis)
    assert chNFe_of(invoice, own) != chNFe_of(invoice, numbering)
    schema.validate(sign(document, signing_key))


@pytest.mark.parametrize(("dhCont", "xJust"), [(None, "x" * 15), (datetime(2026, 11, 22, tzinfo=UTC), "curta")])
def test_a_contingency_without_its_reason_is_named(
    invoice: Invoice, numbering: Numbering, templates: TemplateSet, dhCont: datetime | None, xJust: str
) -> None:
    with pytest.raises(Invalid, match="bad-contingency"):
        render(invoice, replace(numbering, tpEmis=6, dhCont=dhCont, xJust=xJust), templates)


def test_a_normal_note_never_names_a_contingency(
    invoice: Invoice, numbering: Numbering, templates: TemplateSet
) -> None:
    own = replace(numbering, dhCont=datetime(2026, 11, 22, tzinfo=UTC), xJust="Uma razao que ninguem precisa")
    assert render(invoice, own, templates) == render(invoice, numbering, templates)
