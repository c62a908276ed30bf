"""The official XSD, from the package nfelib: compiled once per process, its complaints told without values."""

import re
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lxml import etree

from workflow.errors import Invalid

_NFE = "nfe/schemas/v4_0"
_CANCELLATION = "nfe_evento_cancel/schemas/v1_0"
_CORRECTION = "nfe_evento_cce/schemas/v1_0"

#: Every schema by the name that callers use: the file's name without its version.
FILES = {
    "nfe": f"{_NFE}/nfe_v4.00.xsd",
    "procNFe": f"{_NFE}/procNFe_v4.00.xsd",
    "enviNFe": f"{_NFE}/enviNFe_v4.00.xsd",
    "retEnviNFe": f"{_NFE}/retEnviNFe_v4.00.xsd",
    "consReciNFe": f"{_NFE}/consReciNFe_v4.00.xsd",
    "retConsReciNFe": f"{_NFE}/retConsReciNFe_v4.00.xsd",
    "consSitNFe": f"{_NFE}/consSitNFe_v4.00.xsd",
    "retConsSitNFe": f"{_NFE}/retConsSitNFe_v4.00.xsd",
    "consStatServ": f"{_NFE}/consStatServ_v4.00.xsd",
    "retConsStatServ": f"{_NFE}/retConsStatServ_v4.00.xsd",
    "inutNFe": f"{_NFE}/inutNFe_v4.00.xsd",
    "retInutNFe": f"{_NFE}/retInutNFe_v4.00.xsd",
    "procInutNFe": f"{_NFE}/procInutNFe_v4.00.xsd",
    "eventoCancNFe": f"{_CANCELLATION}/eventoCancNFe_v1.00.xsd",
    "envEventoCancNFe": f"{_CANCELLATION}/envEventoCancNFe_v1.00.xsd",
    "retEnvEventoCancNFe": f"{_CANCELLATION}/retEnvEventoCancNFe_v1.00.xsd",
    "procEventoCancNFe": f"{_CANCELLATION}/procEventoCancNFe_v1.00.xsd",
    "CCe": f"{_CORRECTION}/CCe_v1.00.xsd",
    "envCCe": f"{_CORRECTION}/envCCe_v1.00.xsd",
    "retEnvCCe": f"{_CORRECTION}/retEnvCCe_v1.00.xsd",
    "procCCeNFe": f"{_CORRECTION}/procCCeNFe_v1.00.xsd",
}

#: The package's schemas of events and voidings are older than the CNPJ with letters (IN RFB 2.229/2024): the same
#: patterns as its NF-e schema has, in the place of the digits-only ones. The NF-e's own files have none of these.
_LETTERS_IN_CNPJ = (
    ('"ID[0-9]{41}"', '"ID[0-9]{4}[0-9A-Z]{12}[0-9]{25}"'),
    ('"ID[0-9]{52}"', '"ID[0-9]{12}[0-9A-Z]{12}[0-9]{28}"'),
    (r"([\d]{14})([\d]{5})", r"([0-9A-Z]{12}[0-9]{2})([\d]{5})"),
    ('"[0-9]{44}"', '"[0-9]{6}[0-9A-Z]{12}[0-9]{26}"'),
    ('"[0-9]{14}"', '"[0-9A-Z]{12}[0-9]{2}"'),
    ('"[0-9]{0}|[0-9]{14}"', '"[0-9]{0}|[0-9A-Z]{12}[0-9]{2}"'),
)

_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)

#: Enough to mend a document by; the rest mostly follows from the first.
_SHOWN = 5
_NAMESPACE = re.compile(r"\{[^}]*\}")
_FACET = re.compile(r"\[facet '(\w+)'\]")


def validate(document: bytes | etree._Element, schema: str = "nfe") -> None:
    """Raise Invalid('schema') with the first complaints: where and why, never the value."""
    document = parsed(document)
    compiled = _compiled(schema)
    if not compiled.validate(document):
        # lxml-stubs does not know that a log is a sequence.
        log: Iterable[etree._LogEntry] = compiled.error_log  # type: ignore[assignment]
        found = list(dict.fromkeys(_complaint(document, error) for error in log))
        raise Invalid("schema", f"{schema}: " + "; ".join(found[:_SHOWN]))


def parsed(document: bytes | etree._Element) -> etree._Element:
    """The document's root, no entity resolved, nothing fetched; raise Invalid('not-xml').

    Whoever has parsed a document already hands the root on: it is its own.
    """
    if not isinstance(document, bytes):
        return document
    try:
        root = etree.fromstring(document, _PARSER)
    except etree.XMLSyntaxError as error:
        raise Invalid("not-xml", f"not well-formed XML near line {error.lineno}") from error
    if root.getroottree().docinfo.doctype:  # type: ignore[union-attr]  # lxml-stubs lacks it
        raise Invalid("not-xml", "a document type declaration is not allowed")
    return root


def local_name(element: etree._Element) -> str:
    """Its name alone. lxml's QName fails where the prefix was never declared, which its parser lets pass."""
    return str(element.tag).rpartition("}")[2].rpartition(":")[2]


def compile_all() -> None:
    """Compile every schema now; a missing or broken file raises OSError or XMLSchemaParseError."""
    for schema in FILES:
        _compiled(schema)


@cache
def _compiled(schema: str) -> etree.XMLSchema:
    # find_spec and not resources.files: importing nfelib would load all its bindings.
    spec = find_spec("nfelib")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    parser = etree.XMLParser(resolve_entities=False, no_network=True)
    parser.resolvers.add(_Resolver())
    return etree.XMLSchema(etree.parse(str(Path(spec.submodule_search_locations[0]) / FILES[schema]), parser))


class _Resolver(etree.Resolver):
    """Reads a schema, and what it includes, with letters allowed in a CNPJ."""

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override]  # lxml passes three
        """The text of the file, patched."""
        text = Path(system_url).read_text(encoding="utf-8")
        for digits_only, with_letters in _LETTERS_IN_CNPJ:
            text = text.replace(digits_only, with_letters)
        return self.resolve_string(text.encode(), context, base_url=system_url)


def _complaint(document: etree._Element, error: etree._LogEntry) -> str:
    where = _place(document, error.path) if error.path else f"line {error.line}"
    facet = _FACET.search(error.message)
    if facet:
        return f"{where}: breaks the schema's {facet[1]}"
    if error.message.rstrip().endswith("."):
        # The two kinds that name elements only: not expected here, missing children.
        expected = re.search(r"Expected is (?:one of )?\((.*)\)", _NAMESPACE.sub("", error.message))
        if "not expected" in error.message or "Missing child" in error.message:
            return f"{where}: " + (f"expected {expected[1].strip()}" if expected else "not expected here")
    return f"{where}: not a value of the schema's type"


def _place(document: etree._Element, path: str) -> str:
    """The element's path by local names, `det[2]/prod/xProd`, from libxml2's path of positions."""
    try:
        found = document.getroottree().xpath(path)
    except etree.XPathEvalError:  # libxml2 writes prefixes into it that only the element knows
        found = []
    element = found[0] if isinstance(found, list) and found else document
    assert isinstance(element, etree._Element)
    line = [element, *element.iterancestors()]
    names = [f"{local_name(one)}{_item(one)}" for one in reversed(line)]
    return "/".join(names[2:] or names)


def _item(element: etree._Element) -> str:
    return f"[{element.get('nItem')}]" if element.get("nItem") else ""
