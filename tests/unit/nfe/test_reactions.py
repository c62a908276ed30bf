"""Every cStat leads to what the authority's rules say; what nobody knows leads to a person."""

import csv
from pathlib import Path

import pytest

from workflow.nfe.reactions import Reaction, key_in, reaction
from workflow.nfe.tables import rows

KEY = "35260811222333000181550010000000011123456789"
FACTS = Path(__file__).parents[4] / "shared/nfe"


@pytest.mark.parametrize(
    ("reply", "cStats"),
    [
        (Reaction.DONE, "100 150 120"),
        (Reaction.ASK_BY_KEY, "204 218 106 104"),
        (Reaction.WAIT, "103 105 108 109 999 635 286 296"),
        (Reaction.REJECTED_FIX, "208 232 237 302 610 897 225"),
        (Reaction.NUMBER_BURNT, "206 205 110 256 563"),
        (Reaction.NUMBER_TAKEN, "539 216 561 562 613"),
        (Reaction.SELLER_STOP, "203 781 178 179 180 280 281 290 291 213"),
        (Reaction.OUR_BUG, "452 764 404 588 502 252"),
        (Reaction.BLOCKED, "656"),
        (Reaction.LEAVE_SVC, "113 114"),
        (Reaction.CANCELLED, "101 151"),
    ],
)
def test_an_authorisation_is_judged_as_the_rules_say(reply: Reaction, cStats: str) -> None:
    assert {cStat: reaction(cStat) for cStat in cStats.split()} == dict.fromkeys(cStats.split(), reply)


@pytest.mark.parametrize(
    ("cStat", "service", "reply"),
    [
        ("217", "consulta", Reaction.RESEND),
        ("100", "consulta", Reaction.DONE),
        ("101", "consulta", Reaction.CANCELLED),
        ("155", "consulta", Reaction.CANCELLED),
        ("302", "consulta", Reaction.NUMBER_BURNT),
        ("613", "consulta", Reaction.NUMBER_TAKEN),
        ("236", "consulta", Reaction.PERSON),
        ("135", "evento", Reaction.DONE),
        ("136", "evento", Reaction.DONE),
        ("155", "evento", Reaction.DONE),
        ("573", "evento", Reaction.ASK_BY_KEY),
        ("420", "evento", Reaction.ASK_BY_KEY),
        ("218", "evento", Reaction.ASK_BY_KEY),
        ("501", "evento", Reaction.PERSON),
        ("690", "evento", Reaction.PERSON),
        ("594", "evento", Reaction.PERSON),
        ("102", "inutilizacao", Reaction.DONE),
        ("563", "inutilizacao", Reaction.DONE),
        ("256", "inutilizacao", Reaction.NUMBER_BURNT),
        ("241", "inutilizacao", Reaction.NUMBER_TAKEN),
        ("266", "inutilizacao", Reaction.PERSON),
        ("656", "evento", Reaction.BLOCKED),
        ("291", "inutilizacao", Reaction.SELLER_STOP),
    ],
)
def test_the_same_code_means_what_its_service_says(cStat: str, service: str, reply: Reaction) -> None:
    assert reaction(cStat, service) is reply  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cStat", "reply"),
    [("866", "rejected-fix"), ("321", "rejected-fix"), ("1026", "rejected-fix"), ("199", "person"), ("", "person")],
)
def test_an_unknown_rejection_leaves_the_number_free_and_anything_else_a_person(cStat: str, reply: str) -> None:
    assert reaction(cStat) == reply
    assert reaction(cStat, "consulta") is reaction(cStat, "evento") is Reaction.PERSON


def test_every_row_is_a_reaction_with_its_source_and_none_repeats_another() -> None:
    table = list(rows("cstat_reactions.csv"))
    found = {(row["cStat"], row["service"]): Reaction(row["reaction"]) for row in table}
    assert len(found) == len(table)
    assert all(row["source"] for row in table)
    assert {row["service"] for row in table} <= {"", "consulta", "evento", "inutilizacao"}
    for (cStat, service), known in found.items():
        assert not service or found.get((cStat, "")) is not known


def test_no_code_that_was_looked_up_is_missing() -> None:
    if not (FACTS / "cstat_reactions.csv").is_file():
        pytest.skip("the collected facts are not beside the repository")
    with (FACTS / "cstat_reactions.csv").open(encoding="utf-8") as file:
        collected = {row["cStat"] for row in csv.DictReader(file)}
    assert collected <= {row["cStat"] for row in rows("cstat_reactions.csv")}


@pytest.mark.parametrize(
    ("xMotivo", "key"),
    [
        # MOC 7.0 Anexo I, 4.4, with the nines filled in: 539, and 562, which ends before its bracket does.
        (f"Rejeição: Duplicidade de NF-e com diferença na Chave de Acesso [chNFe: {KEY}][nRec:999999999999999]", KEY),
        (f"Rejeição: Código Numérico informado na Chave de Acesso difere do Código Numérico da NF-e [chNFe:{KEY}", KEY),
        ("Rejeicao: Duplicidade [chNFe:3526" + "12ABC34501DE35" + KEY[18:] + "]", "352612ABC34501DE35" + KEY[18:]),
        (f"Rejeição: Duplicidade de NF-e [nRec:{KEY}]", None),
        (f"Rejeição: Duplicidade de NF-e [chNFe:{KEY}1]", None),
        ("Rejeição: Duplicidade de NF-e com diferença na Chave de Acesso", None),
    ],
)
def test_the_key_of_the_other_note_is_read_from_the_reason(xMotivo: str, key: str | None) -> None:
    assert key_in(xMotivo) == key
