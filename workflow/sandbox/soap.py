"""SOAP, as far as SEFAZ uses it: one message in, one result out, found by local name whatever the version."""

from typing import Literal

from lxml import etree

from workflow.nfe.schema import local_name

Version = Literal["1.2", "1.1"]

_NAMESPACES = {
    "1.2": "http://www.w3.org/2003/05/soap-envelope",
    "1.1": "http://schemas.xmlsoap.org/soap/envelope/",
}
_TYPES = {"1.2": "application/soap+xml; charset=utf-8", "1.1": "text/xml; charset=utf-8"}
_WSDL = "http://www.portalfiscal.inf.br/nfe/wsdl/"


def parse(document: bytes) -> etree._Element:
    """The root of a document that comes from outside; raise XMLSyntaxError when it is malformed."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    return etree.fromstring(document, parser)


def message(envelope: etree._Element) -> etree._Element | None:
    """The one message in Body/nfeDadosMsg, standing alone; None when the envelope holds none.

    A unit's register wants it in two of them, one in the other.
    """
    for found in envelope.iter("{*}nfeDadosMsg"):
        for child in found.iterchildren(etree.Element):
            if local_name(child) != "nfeDadosMsg":
                return alone(child)
    return None


def alone(element: etree._Element) -> etree._Element:
    """The element as a document of its own, free of the namespaces of what stood around it.

    Without this the envelope's prefixes enter the inclusive C14N and every signature differs.
    """
    copy = parse(etree.tostring(element, with_tail=False))
    etree.cleanup_namespaces(copy)
    return copy


def envelope(result: str, service: str, version: Version) -> bytes:
    """Wrap a result in nfeResultMsg."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{_NAMESPACES[version]}"><soap:Body>'
        f'<nfeResultMsg xmlns="{_WSDL}{service}">{result}</nfeResultMsg>'
        "</soap:Body></soap:Envelope>"
    ).encode()


def content_type(version: Version) -> str:
    """The content type of an envelope."""
    return _TYPES[version]
