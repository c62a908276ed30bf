"""What a shipment left: the NF-e as a picture beside its XML, and each document as a file. Each look is recorded."""

import base64
import io
from collections.abc import Iterator
from threading import Lock

from lxml import etree
from starlette.responses import Response

from workflow.audit import Action
from workflow.errors import Invalid
from workflow.models import DocumentKind
from workflow.nfe.schema import parsed
from workflow.papers import paper_of
from workflow.web.visit import Visit

#: Pixels for each of a PDF's 72 points an inch: a page is about as wide as a screen, and its smallest print readable.
SCALE = 1.75
#: PDFium is not made for several threads.
_PDFIUM = Lock()


def note(visit: Visit) -> Response:
    """The DANFE's pages as pictures, and the XML indented for reading."""
    shipment = visit.shipment()
    pdf, key = paper_of(visit.store, shipment.id)
    xml = _content(visit, shipment.id, DocumentKind.NFEPROC)
    visit.note(Action.SAW_DOCUMENT, shipment.id, "nfeproc, danfe")
    pictures = [base64.b64encode(picture).decode() for picture in _pictures(pdf)]
    return visit.show("note.html", shipment=shipment, key=key, pictures=pictures, xml=_indented(xml))


def danfe(visit: Visit) -> Response:
    """The page to print."""
    return _pdf(visit, label=False)


def label(visit: Visit) -> Response:
    """The parcel's label."""
    return _pdf(visit, label=True)


def file(visit: Visit) -> Response:
    """A document byte for byte."""
    shipment = visit.shipment()
    try:
        kind = DocumentKind(visit.params["kind"])
    except ValueError as error:
        raise Invalid("no-document", "there is no such kind of document") from error
    content = _content(visit, shipment.id, kind)
    visit.note(Action.SAW_DOCUMENT, shipment.id, kind)
    is_xml = content.lstrip()[:1] == b"<"
    name = f"{shipment.amazon_shipment_id}-{kind}.{'xml' if is_xml else 'json'}"
    return Response(
        content,
        media_type="application/xml" if is_xml else "application/json",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def _pdf(visit: Visit, *, label: bool) -> Response:
    shipment = visit.shipment()
    pdf, key = paper_of(visit.store, shipment.id, label=label)
    what = "etiqueta" if label else "danfe"
    visit.note(Action.SAW_DOCUMENT, shipment.id, what)
    named = {"content-disposition": f'inline; filename="{what.upper()}-{key}.pdf"'}
    return Response(pdf, media_type="application/pdf", headers=named)


def _content(visit: Visit, id: str, kind: DocumentKind) -> bytes:
    content = visit.store.document(id, kind)
    if content is None:
        raise Invalid("no-document", f"{id} has no {kind} document")
    return content


def _pictures(pdf: bytes) -> Iterator[bytes]:
    """Each page as PNG."""
    import pypdfium2  # with Pillow a fifth of a second, and seldom needed

    with _PDFIUM:
        document = pypdfium2.PdfDocument(pdf)
        try:
            for page in document:
                picture = io.BytesIO()
                page.render(scale=SCALE).to_pil().convert("L").save(picture, "PNG", optimize=True)
                yield picture.getvalue()
        finally:
            document.close()


def _indented(xml: bytes) -> str:
    """For reading only: the document's own bytes have no blanks to spare."""
    root = parsed(xml)
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")
