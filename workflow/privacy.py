"""What nobody may read in a reason, a log or Flower: known by its form, or by being a buyer's own.

SEFAZ and Amazon write texts of their own, and may quote in them what we sent or they hold. Such a text is shown, but
for the buyer's data and for secrets, which are starred out, and for what a terminal would take for orders.
"""

import html
import json
import re
import unicodedata
from collections.abc import Container, Iterable, Iterator
from typing import Any
from urllib.parse import unquote

STARS = "***"
#: A person reads it in a list; the whole is in the sealed document, where there is one.
LONGEST = 1000

#: E-mail, CPF, CNPJ, CEP, telephone; tokens and secrets of Login with Amazon.
_FORMS = re.compile(
    r"[^\s@]{1,64}@\S{1,255}"
    r"|(?<!\d)\d{3}\.?\d{3}\.?\d{3}-?\d{2}(?!\d)"
    r"|(?<!\d)\d{14}(?!\d)"
    r"|(?<!\w)[A-Z0-9]{2}\.[A-Z0-9]{3}\.[A-Z0-9]{3}/[A-Z0-9]{4}-\d{2}(?!\w)"
    r"|(?<!\d)\d{5}-\d{3}(?!\d)"
    r"|\+55[\s()\d-]{9,}\d"
    r"|(?<!\d)\(\d{2}\)\s?\d{4,5}-?\d{4}(?!\d)"
    r"|\bAtz\w*[.|]\S+"
    r"|\bamzn1\.oa2-cs\.\S+"
    r"|[\w+/=-]{80,}"  # whatever was packed into it
)

#: Fields of Amazon's details, at any depth below them, that are the buyer's; and fields that are so wherever they are.
_BUYERS = re.compile(r"Buyer|ShippingAddress|Recipient|Customer", re.IGNORECASE)
_ANYBODYS = re.compile(r"Phone|E-?mail|AuthorizationCode|Cpf", re.IGNORECASE)
#: Of these the place is no person's, the rest are words of the form.
_NOBODYS = frozenset({"City", "StateOrRegion", "CountryCode", "AddressType", "TaxingRegion"})
#: Words of names and addresses that say nothing of anybody.
_COMMON = frozenset(
    {
        "cpf", "cnpj", "rua", "avenida", "alameda", "travessa", "estrada", "rodovia", "praca", "largo", "quadra",
        "lote", "bloco", "casa", "apto", "apartamento", "sala", "andar", "conjunto", "numero", "jardim", "vila",
        "parque", "bairro", "centro", "dos", "das", "ltda", "eireli",
    }
)  # fmt: skip
_WORDS = re.compile(r"\w+")
_LETTERS = re.compile(r"[^\W\d_]+")
_DIVIDED = re.compile(r"\d(?:[\W_]{0,3}\d)*")
_TOKENS = re.compile(r"\w+(?:[@.+-]+\w+)*")
_STARRED = re.compile(r"\*\*\*(?:[\s*]+\*\*\*)+")
#: A reference to no character, which may have more digits than Python makes a number of.
_NOWHERE = re.compile(r"&#\d{8,};?")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
#: A shorter word or number may be any.
_SHORTEST = 3


def discreet(text: str, values: Iterable[str] = (), *, longest: int = LONGEST) -> str:
    """Somebody else's text for a person: one line, without the values, private forms and control characters.

    >>> discreet("Invalid\\n buyer MÁRIO DA SILVA, 123.456.789-09, see a@b.com", ["Mario da Silva"])
    'Invalid buyer *** DA ***, ***, see ***'
    """
    text = one_line(_decoded(_cut(text, 8 * LONGEST)))
    return _cut(masked(without(text, values)), longest)


def _cut(text: str, longest: int) -> str:
    """The text, cut between words: half a name would not be known for one."""
    return text if len(text) <= longest else text[: longest - 1].rpartition(" ")[0] + "…"


def _decoded(text: str) -> str:
    """A text that quotes what was escaped for a URL, for XML or for JSON, as it is read.

    >>> _decoded("Jos%C3%A9 &#233; Jos\\u00e9 &amp; 100 %")
    'José é José & 100 %'
    """
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), html.unescape(_NOWHERE.sub("\ufffd", unquote(text))))


def one_line(text: str) -> str:
    """The text with single blanks for white space, and nothing that a terminal, a log or a database takes for an order.

    >>> one_line("a\\tb\\x1b[31m\\u202ec\\x00")
    'a b[31mc'
    """
    # Not printable are controls, what hides or turns the direction, and halves of characters, which no UTF-8 can write.
    if not text.isprintable():
        text = "".join(" " if one.isspace() else one for one in text if one.isspace() or one.isprintable())
    return " ".join(text.split())


def masked(text: str) -> str:
    """The text with what has a private form starred out."""
    return _FORMS.sub(STARS, text)


def only(text: str, words: Container[str]) -> str:
    """The text with every word that is none of these, in small letters, starred out; numbers of two digits may stay.

    >>> only("Invalid buyer Maria da Silva, line 12 is invalid.", {"invalid", "buyer", "line", "is"})
    'Invalid buyer ***, line 12 is invalid.'
    """
    starred = _TOKENS.sub(lambda found: found[0] if _is_plain(found[0], words) else STARS, text)
    return _STARRED.sub(STARS, starred)


def _is_plain(word: str, words: Container[str]) -> bool:
    return word.lower() in words or (word.isdecimal() and len(word) < _SHORTEST)


def without(text: str, values: Iterable[str]) -> str:
    """The text with every word and number of the values starred out, in any case, with accents or without.

    >>> without("RUA TANGARÁ 77341, fone 11 98765-4321", ["Rua Tangara, 77341", "(11) 98765-4321"])
    'RUA *** ***, fone ***'
    """
    words, numbers = _sought(values)
    parts = [_folded(character) for character in text]
    origin = [place for place, part in enumerate(parts) for _ in part]
    folded = "".join(parts)
    found = sorted({*_words_in(folded, words), *_numbers_in(folded, numbers)})
    return _starred(text, [(origin[start], origin[end - 1] + 1) for start, end in found])


def _folded(text: str) -> str:
    """Small letters without accents: as SEFAZ has them, and as most who quote them write them."""
    return "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one)).casefold()


def _starred(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts, last = [], 0
    for start, end in spans:
        if start >= last:
            parts += [text[last:start], STARS]
        last = max(last, end)
    return "".join([*parts, text[last:]])


def _sought(values: Iterable[str]) -> tuple[set[str], set[str]]:
    """The words that are private each by itself, and the numbers, which may be divided in any way."""
    words: set[str] = set()
    numbers: set[str] = set()
    for value in map(_folded, values):
        digits = re.sub(r"\D", "", value)
        if len(digits) >= 2 * _SHORTEST and not _LETTERS.search(value):
            numbers |= {digits, digits.removeprefix("55")}  # the country's code, which not everybody writes
        else:
            words.update(_WORDS.findall(value.partition("@")[0]))  # an address's host is no person's
    return {word for word in words if len(word) >= _SHORTEST and word not in _COMMON}, numbers


def _words_in(folded: str, words: set[str]) -> Iterator[tuple[int, int]]:
    """Where the words are: alone, or with nothing but figures beside them (%20Maria)."""
    found = list(_WORDS.finditer(folded))
    for one in found:
        if one[0] in words or (one is found[-1] and _is_cut(one[0], words)):
            yield one.span()
            continue
        for letters in _LETTERS.finditer(folded, *one.span()):
            if letters[0] in words:
                yield letters.span()


def _is_cut(last: str, words: set[str]) -> bool:
    """Whether it begins one of the words: SEFAZ cuts a text at 255 characters, be it in the middle of a name."""
    return len(last) >= _SHORTEST and any(word.startswith(last) for word in words)


def _numbers_in(folded: str, numbers: set[str]) -> Iterator[tuple[int, int]]:
    """Where the numbers are, whatever divides them."""
    for one in _DIVIDED.finditer(folded) if numbers else ():
        places = [place for place in range(*one.span()) if folded[place].isdecimal()]
        digits = "".join(folded[place] for place in places)
        for number in numbers:
            at = digits.find(number)
            while at >= 0:
                yield places[at], places[at + len(number) - 1] + 1
                at = digits.find(number, at + len(number))


def values_of(details: bytes) -> list[str]:
    """The buyer's own data in Amazon's shipment details; none where these are no JSON."""
    try:
        return list(dict.fromkeys(_private(json.loads(details), is_buyers=False)))
    except (ValueError, RecursionError):
        return []


def _private(found: Any, *, is_buyers: bool) -> Iterator[str]:
    if isinstance(found, dict):
        is_classification = "Value" in found
        for name, value in found.items():
            if name not in _NOBODYS and not (is_classification and name == "Name"):
                is_private = is_buyers or _BUYERS.search(name) or _ANYBODYS.search(name)
                yield from _private(value, is_buyers=bool(is_private))
    elif isinstance(found, list):
        for value in found:
            yield from _private(value, is_buyers=is_buyers)
    elif is_buyers and isinstance(found, (str, int)) and not isinstance(found, bool):
        yield str(found)
