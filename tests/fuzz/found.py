"""Inputs that once ended in an error without a name, or did not end: kept for ever, as small as they can be."""

from functools import cache
from pathlib import Path

_DOCUMENT = Path(__file__).parents[1] / "golden" / "expected" / "01-in-state.xml"


@cache
def _signed(old: bytes, new: bytes) -> bytes:
    """An NF-e with a mistake in its text."""
    text = _DOCUMENT.read_bytes()
    assert old in text
    return text.replace(old, new, 1)


def _answer(inside: bytes, namespace: bytes = b"http://www.portalfiscal.inf.br/nfe") -> bytes:
    element = b'<retInutNFe xmlns="' + namespace + b'" xmlns:s="http://x/&#133;">' + inside + b"</retInutNFe>"
    return b'<e xmlns:t="ht-0.0">' + element + b"</e>"


#: By target.
FOUND: dict[str, tuple[bytes, ...]] = {
    "details": (
        b"[" * 2000,
        b'{"payload": {"a": 1e99999999999999999999}}',
    ),
    "soap_answer": (
        _answer(b"<infInut><cStat>102</cStat></infInut>"),
        b"<never:declared/>",
        _answer(b"<infInut><cStat>102</cStat></infInut>", b"ht-0.0.portalfiscal.inf.br/nfe"),
        b'<nfeProc xmlns="http://www.portalfiscal.inf.br/nfe"><protNFe><infProt>'
        b"<dhRecbto>0001-01-01T00:00:00+14:00</dhRecbto></infProt></protNFe></nfeProc>",
    ),
    "products_toml": (b"a = " + b"1" * 5000, b"a = " + b"[" * 2000),
    "seller_toml": (b"a = " + b"1" * 5000, b"a = " + b"[" * 2000),
    "checked": (b"<never:declared/>", b'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><x:y/></NFe>'),
    "seller_text": (
        "{{ [1, ٣] }}".encode(),
        b"{{ SellerId.upper }}",
        b"{{ 1e999999 }}",
        b"{{ '%s' % SellerId.__class__ }}",
    ),
    "quoted": (b"&#" + b"9" * 5000 + b";",),
}
