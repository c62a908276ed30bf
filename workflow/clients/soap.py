"""SOAP as SEFAZ speaks it: one message out, one element of the answer in.

Answers are found by local name, because some authorizers answer in SOAP 1.1. What decides nothing is an error that
says whether SEFAZ may have the message.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Any, Self
from urllib.parse import urlsplit

from jinja2 import Environment, FunctionLoader, StrictUndefined
from lxml import etree
from markupsafe import Markup

from workflow.clients.exchange import Answer, Request
from workflow.errors import Invalid, NfeError, RetryLater, SellerStopped
from workflow.nfe.schema import local_name
from workflow.privacy import discreet, one_line

#: No field of the layout that we read comes near it; xMotivo has 255 characters.
LONGEST_TEXT = 2000

_CSTAT = re.compile(r"[0-9]{3,4}")
_DECLARATION = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*\?>\s*)?")


class Part:
    """One element of an answer; a decision that is missing in it is an error of the request it answers."""

    def __init__(self, element: etree._Element, request: Request) -> None:
        self._element = element
        self._request = request

    def children(self, name: str) -> Iterator[Self]:
        """Its direct children of that local name."""
        return (type(self)(child, self._request) for child in self._element.iterchildren("{*}" + name))

    def child(self, name: str) -> Self | None:
        """The first of them."""
        return next(self.children(name), None)

    def inside(self, name: str) -> Self:
        """The first of them, without which nobody knows what was decided; raise LostAnswer or RetryLater."""
        found = self.child(name)
        if found is None:
            raise self._undecided(name)
        return found

    def text(self, *path: str) -> str | None:
        """The text of a direct child, or of one further down the path; None where it is missing or empty."""
        found = self._element.find("/".join("{*}" + name for name in path))
        return None if found is None else one_line(found.text or "")[:LONGEST_TEXT] or None

    def required(self, name: str) -> str:
        """The text of a direct child; raise LostAnswer or RetryLater where there is none."""
        found = self.text(name)
        if found is None:
            raise self._undecided(name)
        return found

    @property
    def cStat(self) -> str:
        """SEFAZ's code, 3 or 4 digits; raise LostAnswer or RetryLater where there is none."""
        found = self.required("cStat")
        if not _CSTAT.fullmatch(found):
            raise self._undecided("cStat")
        return found

    @property
    def xMotivo(self) -> str:
        """SEFAZ's reason in its words, but for private data (`workflow.privacy`); empty where there is none."""
        return discreet(self.text("xMotivo") or "")

    def xml(self) -> bytes:
        """The element alone, with the namespaces it uses and no others: the envelope's stay behind."""
        # Exclusive C14N of a sub-element is right only in a document of its own (lxml writes xmlns="" otherwise).
        try:
            alone = etree.fromstring(etree.tostring(self._element, with_tail=False), _parser())
            return etree.tostring(alone, method="c14n", exclusive=True, with_comments=False)
        except etree.LxmlError as error:  # namespaces that are no URIs
            raise self._undecided(local_name(self._element)) from error

    def _undecided(self, name: str) -> RetryLater:
        return self._request.lost("sefaz-garbled", f"{_host(self._request)} answered without {name}")


def judge(request: Request, answer: Answer) -> NfeError | None:
    """What a status other than 2xx means; a SOAP fault comes with 400 or 500."""
    status = answer.status
    if 200 <= status < 300:
        return None
    code, message = f"sefaz-http-{status}", f"{_host(request)} answered HTTP {status}"
    if status in (401, 403):
        # SVRS, RS and PE say so instead of ending the handshake (probe of 2026-09-25).
        return SellerStopped("sefaz-certificate-refused", f"{message}: it refused the client certificate; replace it")
    if status in (404, 405, 413, 415, 429):
        return RetryLater(code, f"{message}: nothing was processed")
    return request.lost(code, message)


def answer_in(body: bytes, expected: str, request: Request) -> Part:
    """The expected element of the answer; a SOAP fault, another document or no XML is no answer."""
    host = _host(request)
    try:
        root = etree.fromstring(body, _parser())
    except (etree.XMLSyntaxError, ValueError) as error:
        raise request.lost("sefaz-garbled", f"{host} answered something that is not XML") from error
    if root.getroottree().docinfo.internalDTD is not None:
        raise request.lost("sefaz-garbled", f"{host} answered with a DTD, which no SEFAZ sends")
    found = next(_named(root, expected), None)
    if found is not None:
        return Part(found, request)
    if next(_named(root, "Fault"), None) is not None:
        raise request.lost("sefaz-fault", f"{host} answered with a SOAP fault")
    raise request.lost("sefaz-garbled", f"{host} answered without {expected}")


def verbatim(document: bytes) -> Markup:
    """The signed bytes as text for the template, without BOM and XML declaration, which only open a file."""
    try:
        return Markup(_DECLARATION.sub(b"", document).decode())  # noqa: S704 - our own signed XML, never escaped
    except UnicodeDecodeError as error:
        raise Invalid("not-utf-8", "the signed document is not UTF-8; generate it again") from error


def envelope(template: str, service: str, **values: Any) -> bytes:
    """The message of `templates/soap` in its envelope; `service` is the web service's own name."""
    rendered = _templates().get_template(f"{template}.xml.j2").render(service=service, **values)
    return rendered.encode()


def _host(request: Request) -> str:
    return urlsplit(request.url).netloc


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def _named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    return (element for element in root.iter(etree.Element) if local_name(element) == name)


@lru_cache(maxsize=1)
def _templates() -> Environment:
    return Environment(loader=FunctionLoader(_source), autoescape=True, undefined=StrictUndefined)


def _source(name: str) -> str:
    return (files("templates") / "soap" / name).read_text(encoding="utf-8")
