"""Text made fit for the XSD's TString: only U+0020..U+00FF, no edge space, no double space, no control.

Accents stay (SEFAZ takes Latin-1); what Latin-1 cannot write is replaced where there is a plain form
(quotes, dashes, ellipsis, the base letter under a foreign accent) and dropped where there is none (emoji).
The cut comes before the strip: a cut may leave a space at the edge.
"""

import re
import unicodedata

#: What has a plain form that Unicode's own decompositions do not give.
_PLAIN = str.maketrans(
    {
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "′": "'", "“": '"', "”": '"', "„": '"', "‟": '"', "″": '"',
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "•": "-", "⁄": "/",
        "€": "EUR", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ı": "i",
        "\u00a0": " ", "\u00ad": None, "\u200b": None, "\u200c": None, "\u200d": None, "\ufeff": None,
    }
)  # fmt: skip

_LATIN_1 = re.compile(r"[ -~\u00a1-ÿ]*")
_BLANKS = re.compile(r"\s+")
_NOT_ALPHANUMERIC = re.compile(r"[^A-Z0-9]+")


def fit(text: str, length: int) -> str:
    """The text as TString of at most `length` characters; may be empty when nothing of it can be written.

    >>> fit('  “Pão de açúcar” – 1 kg… 🎁\\n', 60)
    '"Pão de açúcar" - 1 kg...'
    >>> fit('abc def', 4)
    'abc'
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()[:length].strip()
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    if not _LATIN_1.fullmatch(text):
        text = "".join(map(_latin_1, text))
    return _BLANKS.sub(" ", text).strip()[:length].strip()


def _latin_1(character: str) -> str:
    if _LATIN_1.fullmatch(character):
        return character
    if character.isspace() or unicodedata.category(character) == "Cc":
        return " "
    decomposed = unicodedata.normalize("NFKD", character).translate(_PLAIN)
    return "".join(part for part in decomposed if _LATIN_1.fullmatch(part))


def folded(text: str) -> str:
    """A name for comparing: accents, case, spaces and punctuation ignored.

    >>> folded("Santa Bárbara d'Oeste")
    'SANTABARBARADOESTE'
    """
    decomposed = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NOT_ALPHANUMERIC.sub("", decomposed.upper())


def digits(text: str | None) -> str:
    """Only the ASCII digits of a text.

    >>> digits('01310-100')
    '01310100'
    """
    return "".join(character for character in text or "" if character in "0123456789")
