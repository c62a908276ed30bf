import io
import warnings
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from tests.unit.nfe.conftest import DETAIL, Build
from workflow.errors import Invalid
from workflow.nfe.danfe import NEW_FORM, danfe, label
from workflow.nfe.invoice import Invoice
from workflow.nfe.protocol import chNFe_of, joined
from workflow.nfe.xml import Numbering, TemplateSet, render

OLD_DAY = date(2026, 11, 30)
#: Only the form of the new note has this heading.
NEW_HEADING = "TOTAL DO IBS / CBS / IS"

Draw = Callable[..., bytes]


def nfeProc(invoice: Invoice, numbering: Numbering, templates: TemplateSet, *, cStat: str = "100") -> bytes:
    nfe = render(invoice, numbering, templates)
    protNFe = (
        '<protNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><infProt><tpAmb>1</tpAmb>'
        f"<verAplic>SP_NFE</verAplic><chNFe>{chNFe_of(nfe)}</chNFe><dhRecbto>2026-11-22T10:00:05-03:00</dhRecbto>"
        f"<nProt>135260000000001</nProt><cStat>{cStat}</cStat><xMotivo>Autorizado</xMotivo></infProt></protNFe>"
    )
    return joined("nfeProc", "4.00", nfe, protNFe.encode())


@pytest.fixture
def document(invoice: Invoice, numbering: Numbering, templates: TemplateSet) -> bytes:
    return nfeProc(invoice, numbering, templates)


def pages(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as opened:
        return [page.get_textpage().get_text_bounded() for page in opened]


def bar_codes(pdf: bytes, dpi: int) -> list[str]:
    """What a scanner reads from each page, printed at so many dots per inch."""
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as opened:
        images = [page.render(scale=dpi / 72).to_pil() for page in opened]
    return [code.text for image in images for code in zxingcpp.read_barcodes(image)]


def many(count: int) -> dict[str, Any]:
    detail = deepcopy(DETAIL)
    detail["ShipmentItems"] = [detail["ShipmentItems"][0] | {"OrderItemId": str(10**13 + n)} for n in range(count)]
    del detail["Payments"]
    return detail


@pytest.mark.parametrize("draw", [danfe, label])
def test_the_same_document_gives_the_same_bytes(draw: Draw, document: bytes) -> None:
    assert draw(document) == draw(document)
    assert draw(document).startswith(b"%PDF-")


def test_the_form_changes_on_the_day_of_the_note(document: bytes) -> None:
    assert NEW_HEADING not in pages(danfe(document, on=OLD_DAY))[0]
    assert NEW_HEADING in pages(danfe(document, on=NEW_FORM))[0]


@pytest.mark.parametrize(
    ("dhEmi", "is_new"),
    [("2026-11-30T23:59:59-03:00", False), ("2026-12-01T00:00:00-03:00", True), ("2026-11-30T23:30:00-05:00", False)],
)
def test_without_a_day_the_issuers_own_date_decides(document: bytes, dhEmi: str, is_new: bool) -> None:
    before, after = document.split(b"<dhEmi>")[0], document.split(b"</dhEmi>")[1]
    redated = before + f"<dhEmi>{dhEmi}</dhEmi>".encode() + after
    assert (NEW_HEADING in pages(danfe(redated))[0]) is is_new


@pytest.mark.parametrize("on", [OLD_DAY, NEW_FORM])
@pytest.mark.parametrize("cnpj", ["99999999000191", "12ABC34501DE35"])
def test_the_bar_code_is_the_access_key_with_or_without_letters(
    on: date, cnpj: str, build: Build, numbering: Numbering, templates: TemplateSet
) -> None:
    document = nfeProc(build(DETAIL, cnpj=cnpj), numbering, templates)
    assert cnpj in chNFe_of_proc(document)
    assert bar_codes(danfe(document, on=on), 300) == [chNFe_of_proc(document)]
    # Thermal printers of labels have 203 dots per inch.
    assert bar_codes(label(document), 203) == [chNFe_of_proc(document)]


def chNFe_of_proc(document: bytes) -> str:
    return document.split(b'Id="NFe')[1][:44].decode()


@pytest.mark.parametrize("on", [OLD_DAY, NEW_FORM])
def test_no_item_is_lost_over_several_pages(
    on: date, build: Build, numbering: Numbering, templates: TemplateSet
) -> None:
    document = nfeProc(build(many(60)), numbering, templates)
    pdf = danfe(document, on=on)
    found = pages(pdf)
    assert len(found) >= 2
    assert "".join(found).count("SKU-1") == 60
    assert bar_codes(pdf, 300) == [chNFe_of_proc(document)] * len(found)


@pytest.mark.parametrize("draw", [danfe, label])
def test_production_and_authorised_bears_no_mark(draw: Draw, document: bytes) -> None:
    text = "".join(pages(draw(document)))
    assert "SEM VALOR" not in text
    assert "CANCELADA" not in text
    assert "135260000000001" in text


@pytest.mark.parametrize("draw", [danfe, label])
def test_homologation_is_marked(draw: Draw, build: Build, numbering: Numbering, templates: TemplateSet) -> None:
    document = nfeProc(build(DETAIL, tpAmb=2), numbering, templates)
    assert "SEM VALOR FISCAL" in "".join(pages(draw(document)))


@pytest.mark.parametrize("draw", [danfe, label])
def test_what_is_not_authorised_is_marked_and_shows_no_protocol(
    draw: Draw, invoice: Invoice, numbering: Numbering, templates: TemplateSet
) -> None:
    unsent = render(invoice, numbering, templates)
    refused = nfeProc(invoice, numbering, templates, cStat="225")
    for document in (unsent, refused):
        text = "".join(pages(draw(document)))
        assert "SEM VALOR FISCAL" in text
        assert "135260000000001" not in text


@pytest.mark.parametrize("draw", [danfe, label])
def test_cancelled_is_marked(draw: Draw, document: bytes) -> None:
    assert "CANCELADA" in "".join(pages(draw(document, cancelled=True)))


def test_the_label_is_one_page_of_100_by_150_mm(build: Build, numbering: Numbering, templates: TemplateSet) -> None:
    pdf = label(nfeProc(build(many(60)), numbering, templates))
    with pypdfium2.PdfDocument(io.BytesIO(pdf)) as opened:
        assert len(opened) == 1
        assert [round(points / 72 * 25.4) for points in opened[0].get_size()] == [100, 150]


def test_amounts_show_the_decimals_that_the_document_has(
    build: Build, numbering: Numbering, templates: TemplateSet
) -> None:
    text = pages(danfe(nfeProc(build(DETAIL), numbering, templates), on=OLD_DAY))[0]
    assert "2.549,995" in text  # 5099.99 for two
    assert "2,0000" not in text


def test_the_rest_of_a_long_address_stands_apart_from_the_text_before_it(
    build: Build, numbering: Numbering, templates: TemplateSet
) -> None:
    detail = deepcopy(DETAIL)
    detail["ShippingAddress"] |= {
        "AddressLine1": "Rua Professora Doutora Maria da Conceição Aparecida, 12345",
        "AddressLine2": "Bloco B, Apartamento 1204, Condomínio Residencial Flores",
    }
    text = pages(danfe(nfeProc(build(detail), numbering, templates)))[0]
    assert ". Complemento do destinatário" in text


@pytest.mark.parametrize("draw", [danfe, label])
def test_drawing_warns_of_nothing(draw: Draw, document: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        draw(document)


@pytest.mark.parametrize(
    "content", [b"<x/>", b"no xml", b'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe/></NFe>']
)
@pytest.mark.parametrize("draw", [danfe, label])
def test_what_is_no_nfe_is_refused(draw: Draw, content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        draw(content)
    assert refused.value.code in ("not-an-nfe", "not-xml")
