"""One message to the local SEFAZ, as its services see it."""

from typing import NamedTuple

from lxml import etree

NFE = "{http://www.portalfiscal.inf.br/nfe}"

#: The unit of an answer whose request names none.
SOME_UF = "35"


class Request(NamedTuple):
    """One message: its root standing alone, who transmits it, what it is about, where it came in.

    `operation` is the service's name, behind `svc/` at the contingency.
    """

    message: etree._Element
    transmitter: str
    names: frozenset[str]
    operation: str
    at_svc: bool

    def text(self, tag: str) -> str:
        """The text of the first element of that tag."""
        return self.message.findtext(f".//{NFE}{tag}") or ""


def uf_of(request: Request) -> str:
    """The unit an answer is to name."""
    return request.text("cUF") or request.text("cOrgao") or request.text("chNFe")[:2] or SOME_UF
