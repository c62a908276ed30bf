"""The second of a note's making is found by its digest, and by no other."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from workflow.nfe import signature
from workflow.nfe.certificate import SigningKey
from workflow.nfe.rebuild import AHEAD, BEFORE, moment_of
from workflow.nfe.xml import local_time

RECEIVED = datetime(2026, 11, 22, 3, 0, 30, tzinfo=UTC)  # half a minute after midnight in Brasília


def made_at(moment: datetime) -> bytes:
    day = local_time(moment, "SP")[:10]
    return (
        '<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe Id="NFe35" versao="4.00">'
        f"<dhEmi>{local_time(moment, 'SP')}</dhEmi><xProd>taxes of {day}</xProd></infNFe></NFe>"
    ).encode()


@pytest.mark.parametrize(
    "before",
    [timedelta(), timedelta(seconds=1), timedelta(minutes=2), timedelta(hours=47), -timedelta(minutes=4)],
)
def test_the_moment_is_found_whatever_day_it_was(before: timedelta, signing_key: SigningKey) -> None:
    moment = RECEIVED - before
    digVal = signature.digest_value(signature.sign(made_at(moment), signing_key))
    assert moment_of(made_at, digVal=digVal, received=RECEIVED, uf="SP") == moment


@pytest.mark.parametrize("before", [BEFORE + timedelta(minutes=1), -AHEAD - timedelta(minutes=1)])
def test_what_is_too_far_away_is_not_looked_for(before: timedelta, signing_key: SigningKey) -> None:
    digVal = signature.digest_value(signature.sign(made_at(RECEIVED - before), signing_key))
    assert moment_of(made_at, digVal=digVal, received=RECEIVED, uf="SP") is None


def test_another_document_has_no_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflow.nfe.rebuild.BEFORE", timedelta(minutes=1))
    asked: list[Any] = []

    def other(moment: datetime) -> bytes | None:
        asked.append(moment)
        return None

    assert moment_of(other, digVal="x", received=RECEIVED, uf="SP") is None
    assert len(asked) == 2  # each day is rendered once
