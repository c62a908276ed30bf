"""Spoils an input: its bytes, or, where it is JSON or XML, one of its parts; the same seed spoils it in the same way."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

from lxml import etree

#: What people, programs and attackers write where something else belongs.
HOSTILE: tuple[str, ...] = (
    "", " ", "\x00", "\x1b[31m", "\u202e", "\ud800", "\ufeff", "\u2028", "\n", "a\r\nb", "\x85",
    "{{7*7}}", "{% for a in range(9) %}", "{{ ''.__class__ }}", "]]>", "<![CDATA[", "<!--", "&amp;", "&lol;", "<x/>",
    "'; DROP TABLE shipment; --", "../../etc/passwd", "%2e%2e%2f", "..", ".", "/", "\\", "=cmd|' /C calc'!A0",
    "0", "-1", "1e999999", "-0.0", "NaN", "Infinity", "1" * 5000, "9" * 40, "0.1" + "0" * 50 + "1", "1,5", "٣٤",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "x" * 10_000, "é" * 300, "🎁" * 70, "İ", "ﬁ",
    "null", "true", "[]", "{}", "12345678909", "99.999.999/0001-91", "Z", "AC", "EX", "BR",
)  # fmt: skip
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    10**400,
    1.5,
    1e308,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"a": {}}},
)


def mutated(data: bytes, seed: int) -> bytes:
    """The input, spoilt in one to four places."""
    rng = Random(seed)
    for _ in range(rng.randint(1, 4)):
        data = rng.choice(_WAYS)(data, rng)
    return data


def _bytes(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    to = min(len(data), at + rng.choice((0, 1, 1, 2, 8, 64)))
    new = rng.choice(
        (b"", bytes([rng.randrange(256)]), data[at:to] * 2, rng.choice(HOSTILE).encode("utf-8", "surrogatepass"))
    )
    return data[:at] + new + data[to:]


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data


def _json(data: bytes, rng: Random) -> bytes:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return _bytes(data, rng)
    places: list[tuple[Any, Any]] = []
    _collect(found, places)
    if not places:
        return json.dumps(rng.choice(ODD)).encode()
    inside, key = rng.choice(places)
    way = rng.randrange(5)
    if way == 0 and isinstance(inside, dict):
        del inside[key]
    elif way == 1:
        inside[key] = [inside[key]] * rng.choice((1, 2, 50))
    elif way == 2:
        inside[key] = rng.choice(ODD)
    elif way == 3:
        inside[key] = rng.choice(places)[0] if rng.random() < 0.1 else {rng.choice(HOSTILE): inside[key]}
    else:
        inside[key] = rng.choice(HOSTILE)
    try:
        return json.dumps(found, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):  # it holds itself now
        return b"[" * 2000


def _collect(found: Any, places: list[tuple[Any, Any]]) -> None:
    entries = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    for key, value in list(entries):
        places.append((found, key))
        _collect(value, places)


def _xml(data: bytes, rng: Random) -> bytes:
    try:
        root = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return _bytes(data, rng)
    elements = [one for one in root.iter() if isinstance(one.tag, str)]
    chosen = rng.choice(elements)
    text = rng.choice(HOSTILE)
    above = chosen.getparent()
    try:
        way = rng.randrange(6)
        if way == 0:
            chosen.text = text
        elif way == 1:
            chosen.set(rng.choice(("Id", "versao", "nItem", "x")), text)
        elif way == 2 and above is not None:
            above.remove(chosen)
        elif way == 3 and above is not None:
            above.append(etree.fromstring(etree.tostring(chosen, with_tail=False)))
        elif way == 4:
            chosen.tag = etree.QName(chosen).localname
        else:
            chosen.tail = text
    except (ValueError, etree.XMLSyntaxError):  # not every text may be in XML, not every part stands alone
        return data
    written = etree.tostring(root)
    return _with_entities(written, rng) if rng.random() < 0.1 else written


def _with_entities(document: bytes, rng: Random) -> bytes:
    bomb = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 9))
    outside = rng.choice(
        (
            b'<!ENTITY l9 SYSTEM "file:///etc/hostname">',
            b'<!ENTITY l9 "&l8;">',
            b'<!ENTITY l9 PUBLIC "a" "http://127.0.0.1:9/">',
        )
    )
    at = document.find(b">", len(document) // 2) + 1
    return b'<!DOCTYPE x [<!ENTITY l0 "ha">' + bomb + outside + b"]>" + document[:at] + b"&l9;" + document[at:]


_WAYS: tuple[Callable[[bytes, Random], bytes], ...] = (_bytes, _cut, _json, _json, _xml, _xml)
