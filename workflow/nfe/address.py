"""A Brazilian address out of Amazon's free lines: street, number, complement, bairro, municipality.

Amazon writes `Rua da Consolação, 700` in one line. The number is what follows a comma or a `nº`, or a number at the
end that is not part of the street's name (`Rua 7`, `BR 101`, `Quadra 5`). No number is `S/N`, which SEFAZ takes.
The municipality is found by UF and name; the CEP decides where the two do not agree.
"""

import re
from typing import NamedTuple

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.tables import Municipality
from workflow.nfe.text import folded

NO_NUMBER = "S/N"

#: No line of an address is longer; the patterns below must not meet a book.
_LONGEST_LINE = 200

#: A house number: digits, perhaps a letter, a dash or a slash; never `2º`, never the 25 of `25 de Março`.
_NUMBER = (
    r"(?P<number>[0-9][0-9.]*(?:\s?[A-Za-z](?![\w]))?(?:[-/](?:[0-9]+[A-Za-z]?|[A-Za-z])(?!\w))?)"
    r"(?![\w]|[ºª°]|\s+de\s|\s*/\s*[0-9])"
)
_NONE = r"(?P<none>s\s?/\s?n[º°o.]*|sn|sem\s+n[uú]mero)(?!\w)"
_SIGN = r"(?:n\s?[º°]\.?|n\.|nr\.?|no\.|num\.?|n[uú]mero)"
_REST = r"(?P<rest>.*)$"

_AFTER_COMMA = re.compile(rf"^(?P<street>.*?\S)\s*,\s*(?:{_SIGN}\s*|n\s+)?(?:{_NUMBER}|{_NONE}){_REST}", re.IGNORECASE)
_AFTER_SIGN = re.compile(rf"^(?P<street>.*?\S)[\s-]+(?:(?:{_SIGN}\s*|n\s+){_NUMBER}|{_NONE}){_REST}", re.IGNORECASE)
_LEADING = re.compile(rf"^{_NUMBER}\s*,\s*(?P<street>[^0-9].*\S)$", re.IGNORECASE)
_AFTER_DASH = re.compile(rf"^(?P<street>.*?\S)\s+-\s+{_NUMBER}(?P<rest>(?:\s*[-,].*)?)$", re.IGNORECASE)
_BEFORE_UNIT = re.compile(
    rf"^(?P<street>.*[^\W\d]\S*)\s+{_NUMBER}\s+"
    r"(?P<rest>(?:ap(?:to?|artamento)?|casa|bloco|bl|sala|loja|conj(?:unto)?|cj|fundos|sobrado)\b.*)$",
    re.IGNORECASE,
)
_AT_END = re.compile(rf"^(?P<street>.*[^\W\d]\S*)\s+{_NUMBER}$", re.IGNORECASE)
_ALONE = re.compile(rf"^(?:{_SIGN}\s*)?(?:{_NUMBER}|{_NONE}){_REST}", re.IGNORECASE)

#: A number after one of these words is a name, not a house.
_NAMING = frozenset(
    {
        "R", "RUA", "AV", "AVENIDA", "TRAVESSA", "TV", "ESTRADA", "EST", "RODOVIA", "ROD", "ALAMEDA", "AL",
        "VIA", "VIELA", "PRACA", "LARGO", "BECO", "LINHA", "KM", "QUILOMETRO", "QUADRA", "QD", "Q", "LOTE",
        "LT", "BLOCO", "BL", "CASA", "APTO", "APT", "AP", "APARTAMENTO", "CONJUNTO", "CJ", "SALA", "LOJA",
        "BOX", "ANDAR", "SETOR", "ETAPA", "FASE", "GLEBA", "CHACARA", "SITIO", "BR", "SP", "MG", "RJ", "RS",
        "PR", "SC", "BA", "GO", "MT", "MS", "CE", "PE", "ES", "DF", "SQS", "SQN", "CLN", "CLS", "QI", "QL",
        "QE", "QNM", "QNN", "EQS", "EQN", "TORRE", "EDIFICIO", "ED", "GALPAO", "UNIDADE",
    }
)  # fmt: skip


class Lines(NamedTuple):
    """The parts of an address's free lines."""

    street: str
    number: str
    complement: str | None


def parse_lines(line_1: str, *others: str | None) -> Lines:
    """Street, number and complement out of line 1 and what the other lines add.

    >>> parse_lines('Rua da Consolação, 700', 'Apto 32')
    Lines(street='Rua da Consolação', number='700', complement='Apto 32')
    >>> parse_lines('Av. Brasil nº 1500-B - fundos')
    Lines(street='Av. Brasil', number='1500-B', complement='fundos')
    >>> parse_lines('Rua 25 de Março 1000', None).number, parse_lines('Rua 15 de Novembro', None).number
    ('1000', 'S/N')
    """
    line_1 = _tidy(line_1)
    extra = [_tidy(other) for other in others if other and _tidy(other)]
    found = _number_in(line_1)
    if found is None and extra and (alone := _ALONE.match(extra[0])):
        found = (line_1, _number_of(alone), "")
        extra[0] = _tidy(alone["rest"])
    street, number, rest = found or (line_1, NO_NUMBER, "")
    complement = ", ".join(part for part in (_tidy(rest), *extra) if part)
    return Lines(street, number, complement or None)


def _number_in(line: str) -> tuple[str, str, str] | None:
    for pattern in (_AFTER_COMMA, _AFTER_SIGN, _LEADING, _AFTER_DASH, _BEFORE_UNIT, _AT_END):
        match = pattern.match(line)
        if match and not (pattern in (_BEFORE_UNIT, _AT_END) and _is_naming(match["street"])):
            return _tidy(match["street"]), _number_of(match), match.groupdict().get("rest") or ""
    return None


def _number_of(match: re.Match[str]) -> str:
    return (match.groupdict().get("number") or NO_NUMBER).strip().upper()


def _is_naming(street: str) -> bool:
    return folded(street.split()[-1]) in _NAMING


def _tidy(text: str) -> str:
    return " ".join(text[:_LONGEST_LINE].split()).strip(" ,;-")


def uf_of(state: str | None) -> str | None:
    """The two letters of a state given by letters or name, or None.

    >>> uf_of('São Paulo'), uf_of('BR-sp'), uf_of('Ontario')
    ('SP', 'SP', None)
    """
    return tables.uf_names().get(folded((state or "").upper().removeprefix("BR-")))


def municipality(uf: str | None, city: str, cep: str) -> tuple[Municipality, tuple[str, ...]]:
    """The municipality by UF and name, with warnings; the UF of the CEP (eight digits) breaks ties.

    Raise Invalid('unknown-municipality') when neither the stated UF nor the CEP's has one of that name.

    >>> municipality('SP', "SANTA BARBARA DOESTE", '13450000')
    (Municipality(code='3545803', name="Santa Bárbara d'Oeste", uf='SP'), ())
    """
    cep_uf = tables.uf_of_cep(cep)
    for candidate in (uf, cep_uf):
        place = _named(candidate, city)
        if place is not None:
            return place, tuple(_doubts(place.uf, uf, cep_uf))
    raise Invalid(
        "unknown-municipality",
        "ShippingAddress.City is no municipality of ShippingAddress.StateOrRegion nor of the UF of "
        "ShippingAddress.PostalCode; have the address mended at Amazon, then retry",
    )


def _named(uf: str | None, city: str) -> Municipality | None:
    if uf is None:
        return None
    table = tables.municipalities()
    found = table.get((uf, folded(city)))
    if found is None:
        without_state = re.sub(rf"[\s,/(-]+{uf}\)?\s*$", "", city, flags=re.IGNORECASE)
        found = table.get((uf, folded(without_state)))
    return found


def _doubts(used: str, stated: str | None, cep_uf: str | None) -> list[str]:
    doubts = []
    if used != stated:
        doubts.append(
            "ShippingAddress.StateOrRegion does not hold ShippingAddress.City: the UF is taken from PostalCode"
        )
    if used != cep_uf:
        doubts.append("ShippingAddress.PostalCode lies outside the CEP ranges of ShippingAddress.StateOrRegion")
    return doubts
