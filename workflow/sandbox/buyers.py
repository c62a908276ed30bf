"""Invented buyers: plausible names, CPF and CNPJ with right check digits, real municipalities as people write them.

Nobody here exists. The places are real, since an NF-e needs the IBGE code of a real municipality; their names come
as Amazon sends them: with accents, without, in capitals, the state by its letters or by its name.
"""

from random import Random
from typing import Any, NamedTuple

from workflow.nfe import tax_ids


class Place(NamedTuple):
    """A place as an address writes it."""

    uf: str
    city: str
    cep: str
    district: str
    street: str


PLACES = tuple(
    Place(*line.split("|"))
    for line in """
SP|São Paulo|01310-100|Bela Vista|Avenida Paulista
SP|CAMPINAS|13010-111|Centro|Rua Barão de Jaguara
RJ|Rio de Janeiro|20040-020|Centro|Avenida Rio Branco
MG|BELO HORIZONTE|30130-010|Centro|Rua da Bahia
BA|Salvador|40020-000|Pelourinho|Rua Chile
PR|Curitiba|80010-000|Centro|Rua XV de Novembro
SC|FLORIANOPOLIS|88010-000|Centro|Rua Felipe Schmidt
RS|Porto Alegre|90010-150|Centro Histórico|Rua dos Andradas
PE|RECIFE|50010-000|Santo Antônio|Rua Nova
CE|Fortaleza|60010-000|Centro|Avenida Duque de Caxias
DF|Brasília|70040-010|Asa Norte|Setor Bancário Norte Quadra 2
Goiás|Goiânia|74003-010|Setor Central|Avenida Goiás
ES|VITORIA|29010-000|Centro|Avenida Jerônimo Monteiro
AM|Manaus|69005-010|Centro|Avenida Eduardo Ribeiro
PA|BELEM|66010-000|Campina|Avenida Presidente Vargas
MT|Cuiabá|78005-000|Centro Norte|Rua Barão de Melgaço
MS|Campo Grande|79002-000|Centro|Avenida Afonso Pena
RN|MOSSORO|59600-000|Centro|Rua Coronel Gurgel
PB|João Pessoa|58010-000|Centro|Rua Duque de Caxias
AL|Maceió|57020-000|Centro|Rua do Comércio
SE|ARACAJU|49010-000|Centro|Rua João Pessoa
PI|Teresina|64000-000|Centro|Rua Álvaro Mendes
MA|SAO LUIS|65010-000|Centro|Rua Grande
TO|Palmas|77001-000|Plano Diretor Norte|Avenida Teotônio Segurado
RO|PORTO VELHO|76801-000|Centro|Avenida Sete de Setembro
AC|Rio Branco|69900-000|Centro|Rua Marechal Deodoro
AP|MACAPA|68900-000|Central|Rua Cândido Mendes
RR|Boa Vista|69301-000|Centro|Avenida Jaime Brasil
Minas Gerais|São João del Rei|36300-074|Centro|Rua Getúlio Vargas
SP|SANTA BARBARA D'OESTE|13450-000|Centro|Rua Dona Margarida
RS|Sant'Ana do Livramento|97573-000|Centro|Rua dos Andradas
SC|JARAGUA DO SUL|89251-000|Centro|Avenida Marechal Deodoro
""".strip().splitlines()
)

_FIRST = "Ana Beatriz Caio Célia Diego Édson Fátima Gustavo Helena Ítalo João Lúcia Márcio Natália Otávio Patrícia"
_LAST = "Almeida Araújo Barbosa Conceição D'Ávila Ferreira Gonçalves Lima Magalhães Nogueira Oliveira Peçanha"
_COMPLEMENTS = ("Apto 32", "Casa 2", "Bloco B Apto 104", "Fundos", None, None)


def name(rng: Random) -> str:
    """A first name and two family names."""
    first, (second, third) = rng.choice(_FIRST.split()), rng.sample(_LAST.split(), 2)
    return f"{first} {second} {third}"


def cpf(rng: Random) -> str:
    """A CPF with right check digits."""
    base = f"{rng.randrange(1, 999_999_999):09d}"
    for weights in (range(10, 1, -1), range(11, 1, -1)):
        total = sum(int(digit) * weight for digit, weight in zip(base, weights, strict=True))
        base += str(total * 10 % 11 % 10)
    assert tax_ids.is_cpf(base)
    return base


def cnpj(rng: Random) -> str:
    """A CNPJ of a head office with right check digits."""
    base = f"{rng.randrange(10_000_000, 99_999_999)}0001"
    for length in (12, 13):
        weights = [2 + place % 8 for place in range(length)]
        total = sum(int(digit) * weight for digit, weight in zip(reversed(base), weights, strict=True))
        base += str(total * 10 % 11 % 10)
    assert tax_ids.is_cnpj(base)
    return base


def address(rng: Random, place: Place, receiver: str) -> dict[str, Any]:
    """ShippingAddress; the bairro is in District, the number behind the comma of AddressLine1."""
    given: dict[str, Any] = {
        "Name": receiver,
        "AddressLine1": f"{place.street}, {rng.randrange(1, 3000)}",
        "City": place.city,
        "District": place.district,
        "StateOrRegion": place.uf,
        "PostalCode": place.cep,
        "CountryCode": "BR",
        "AddressType": "Residential",
    }
    complement = rng.choice(_COMPLEMENTS)
    return given if complement is None else {**given, "AddressLine2": complement}
