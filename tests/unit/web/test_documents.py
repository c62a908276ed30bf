"""What a shipment left, as a picture and byte for byte; each look is written down."""

import base64
import io
import re

import pypdfium2
import pytest
from PIL import Image

from tests.unit.conftest import nfeproc
from tests.unit.web.conftest import Installed, Visitor
from workflow.models import DocumentKind


def test_the_danfe_is_a_picture_beside_its_xml(page: Installed, maria: Visitor) -> None:
    id = page.authorised()
    html = maria.get(f"/s/{id}/note").text
    found = re.search(r'src="data:image/png;base64,([^"]+)"', html)
    assert found is not None
    picture = Image.open(io.BytesIO(base64.b64decode(found[1])))
    assert picture.width > 1000
    assert len(picture.getcolors() or ()) > 10, "something is drawn"
    assert "&lt;nNF&gt;" in html
    assert page.said() == ["maria saw-document"]


def test_a_document_comes_byte_for_byte_as_a_file(page: Installed, maria: Visitor) -> None:
    id = page.authorised()
    answer = maria.get(f"/s/{id}/file/nfeproc")
    assert answer.content == nfeproc()
    assert answer.headers["content-type"] == "application/xml"
    assert answer.headers["content-disposition"] == 'attachment; filename="FBA1-nfeproc.xml"'
    assert maria.get(f"/s/{id}/file/details").headers["content-type"] == "application/json"
    assert page.said() == ["maria saw-document"] * 2


@pytest.mark.parametrize(("path", "millimetres"), [("danfe.pdf", 297), ("label.pdf", 150)])
def test_the_page_to_print_and_the_label_are_pdfs(page: Installed, maria: Visitor, path: str, millimetres: int) -> None:
    answer = maria.get(f"/s/{page.authorised()}/{path}")
    assert answer.headers["content-type"] == "application/pdf"
    with pypdfium2.PdfDocument(answer.content) as pdf:
        assert round(pdf[0].get_height() * 25.4 / 72) == millimetres


def test_what_is_not_there_is_a_page_that_says_so(page: Installed, maria: Visitor) -> None:
    id = page.receive()
    for path in ("note", "danfe.pdf", "file/verdict", "file/king"):
        answer = maria.get(f"/s/{id}/{path}")
        assert answer.status_code == 404, path
        assert "no-document" in answer.text
    assert page.said() == []
    assert set(DocumentKind) >= {"verdict"}
