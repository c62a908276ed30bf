"""The barrier before SEFAZ, with a real Valkey and a client that answers as told."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import redis

from workflow.clients.barrier import MisuseBarrier
from workflow.clients.sefaz_guard import GuardedSefaz
from workflow.clients.sefaz_results import Authorization, Consultation
from workflow.errors import Invalid, RetryLater

NOTE = b'<NFe><infNFe Id="NFe%s"><cNF>%s</cNF><xProd>Mug</xProd></infNFe></NFe>'
PLACE: dict[str, Any] = {"uf": "SP", "tpAmb": 2}


@dataclass
class Client:
    """Answers with one cStat, and counts."""

    cStat: str = "100"
    asked: list[str] = field(default_factory=list)

    def authorize(self, nfe: bytes, **place: Any) -> Authorization:
        self.asked.append("authorize")
        return Authorization(self.cStat, "told", None, None, None, None, "104", "", None, None)

    def consult(self, chNFe: str, **place: Any) -> Consultation:
        self.asked.append("consult")
        return Consultation(self.cStat, "told", None, None, None, ())


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def sefaz(client: Client, valkey: redis.Redis) -> GuardedSefaz:
    barrier = MisuseBarrier(valkey, blocked_for=timedelta(seconds=30))
    return GuardedSefaz(client, barrier, cnpj="99999999000191")  # type: ignore[arg-type]  # answers as told


def note(key: bytes = b"1" * 44, cNF: bytes = b"11") -> bytes:
    return NOTE % (key, cNF)


def test_after_a_656_the_service_is_left_alone_until_the_block_ends(client: Client, sefaz: GuardedSefaz) -> None:
    client.cStat = "656"
    with pytest.raises(RetryLater, match="656") as told:
        sefaz.authorize(note(), idLote="1", **PLACE)
    assert told.value.after == timedelta(seconds=30)
    with pytest.raises(RetryLater, match="misuse-blocked") as refused:
        sefaz.authorize(note(), idLote="1", **PLACE)
    assert refused.value.after is not None
    assert client.asked == ["authorize"]


def test_a_block_of_one_service_leaves_the_others(client: Client, sefaz: GuardedSefaz) -> None:
    client.cStat = "656"
    with pytest.raises(RetryLater):
        sefaz.authorize(note(), idLote="1", **PLACE)
    client.cStat = "217"
    assert sefaz.consult("1" * 44, **PLACE).cStat == "217"


def test_an_unmended_document_is_not_sent_a_fourth_time(client: Client, sefaz: GuardedSefaz) -> None:
    client.cStat = "237"
    for place in range(3):  # a retry draws a new key each time: it is the same document
        sefaz.authorize(note(str(place).encode() * 44, str(place).encode()), idLote="1", **PLACE)
    with pytest.raises(Invalid, match="equal-rejections"):
        sefaz.authorize(note(), idLote="1", **PLACE)
    mended = note().replace(b"Mug", b"Cup")
    assert sefaz.authorize(mended, idLote="1", **PLACE).cStat == "237"
    assert len(client.asked) == 4


def test_the_eleventh_question_about_a_key_waits_for_the_hour(client: Client, sefaz: GuardedSefaz) -> None:
    for _ in range(10):
        sefaz.consult("2" * 44, **PLACE)
    with pytest.raises(RetryLater, match="misuse-limit"):
        sefaz.consult("2" * 44, **PLACE)
    assert sefaz.consult("3" * 44, **PLACE).cStat == "100"
