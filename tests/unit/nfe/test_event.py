from datetime import UTC, date, datetime

import pytest

from workflow.errors import Invalid
from workflow.nfe import schema
from workflow.nfe.access_key import access_key
from workflow.nfe.certificate import SigningKey
from workflow.nfe.event import render_cancellation, render_correction, splice_event
from workflow.nfe.signature import sign, verify
from workflow.nfe.xml import TemplateSet

KEY = "35261199999999000191550010000000011482109373"


def cancellation(
    templates: TemplateSet,
    justification: str = "Cancelado pelo comprador – Amazon",
    *,
    chNFe: str = KEY,
    cnpj: str = "99999999000191",
) -> bytes:
    return render_cancellation(
        chNFe=chNFe,
        nProt="135260000000001",
        justification=justification,
        dhEvento=datetime(2026, 11, 22, 15, 0, 0, 9, tzinfo=UTC),
        cnpj=cnpj,
        uf="SP",
        tpAmb=1,
        templates=templates,
    )


def retEvento(cStat: str = "135", chNFe: str = KEY) -> bytes:
    return (
        '<retEvento xmlns="http://www.portalfiscal.inf.br/nfe" versao="1.00"><infEvento><tpAmb>1</tpAmb>'
        f"<verAplic>SP_EVENTOS</verAplic><cOrgao>35</cOrgao><cStat>{cStat}</cStat><xMotivo>Evento registrado</xMotivo>"
        f"<chNFe>{chNFe}</chNFe><tpEvento>110111</tpEvento><xEvento>Cancelamento</xEvento><nSeqEvento>1</nSeqEvento>"
        "<dhRegEvento>2026-11-22T12:00:05-03:00</dhRegEvento><nProt>135260000000002</nProt></infEvento></retEvento>"
    ).encode()


def test_a_signed_cancellation_is_valid_and_verifies(templates: TemplateSet, signing_key: SigningKey) -> None:
    signed = sign(cancellation(templates), signing_key)
    schema.validate(signed, "eventoCancNFe")
    assert verify(signed) == signing_key.certificate
    assert b"<dhEvento>2026-11-22T12:00:00-03:00</dhEvento>" in signed
    assert b"comprador - Amazon" in signed


def test_a_seller_with_letters_in_its_cnpj_can_cancel(templates: TemplateSet, signing_key: SigningKey) -> None:
    cnpj = "12ABC34501DE35"
    key = access_key(cUF="35", issued_on=date(2026, 11, 22), cnpj=cnpj, serie=1, nNF=1, tpEmis=1, cNF="48210937")
    signed = sign(cancellation(templates, chNFe=key, cnpj=cnpj), signing_key)
    schema.validate(signed, "eventoCancNFe")
    schema.validate(splice_event(signed, retEvento(chNFe=key)), "procEventoCancNFe")
    schema.validate(
        b'<envEvento xmlns="http://www.portalfiscal.inf.br/nfe" versao="1.00"><idLote>1</idLote>'
        + signed
        + b"</envEvento>",
        "envEventoCancNFe",
    )


@pytest.mark.parametrize("reason", ["", "curto", "😀" * 20])
def test_a_reason_too_short_is_refused(templates: TemplateSet, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        cancellation(templates, reason)
    assert refused.value.code == "bad-justification"


def test_the_stored_event_stands_unchanged_in_a_valid_proceventonfe(
    templates: TemplateSet, signing_key: SigningKey
) -> None:
    signed = sign(cancellation(templates), signing_key)
    proof = splice_event(signed, retEvento())
    assert signed in proof
    schema.validate(proof, "procEventoCancNFe")


@pytest.mark.parametrize(
    ("answer", "code"),
    [(retEvento("218"), "event-not-registered"), (retEvento(chNFe="3" * 44), "event-other-key")],
)
def test_an_answer_to_anything_else_is_refused(
    templates: TemplateSet, signing_key: SigningKey, answer: bytes, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        splice_event(sign(cancellation(templates), signing_key), answer)
    assert refused.value.code == code


def correction(
    templates: TemplateSet, text: str = "Volume: leia-se 2 e não 1", nSeqEvento: int = 1, **changes: str
) -> bytes:
    return render_correction(
        chNFe=changes.get("chNFe", KEY),
        correction=text,
        nSeqEvento=nSeqEvento,
        dhEvento=datetime(2026, 11, 22, 15, 0, tzinfo=UTC),
        cnpj=changes.get("cnpj", "99999999000191"),
        uf="SP",
        tpAmb=1,
        templates=templates,
    )


def registered(nSeqEvento: int = 1, chNFe: str = KEY) -> bytes:
    about = f"<tpEvento>110110</tpEvento><xEvento>Carta de Correcao</xEvento><nSeqEvento>{nSeqEvento}</nSeqEvento>"
    before, after = retEvento(chNFe=chNFe).decode().split("<tpEvento>")
    return f"{before}{about}{after.partition('</nSeqEvento>')[2]}".encode()


@pytest.mark.parametrize(("cnpj", "nSeqEvento"), [("99999999000191", 1), ("99999999000191", 20), ("12ABC34501DE35", 2)])
def test_a_signed_correction_is_valid_verifies_and_is_kept_unchanged(
    templates: TemplateSet, signing_key: SigningKey, cnpj: str, nSeqEvento: int
) -> None:
    key = access_key(cUF="35", issued_on=date(2026, 11, 22), cnpj=cnpj, serie=1, nNF=1, tpEmis=1, cNF="48210937")
    signed = sign(correction(templates, nSeqEvento=nSeqEvento, chNFe=key, cnpj=cnpj), signing_key)
    schema.validate(signed, "CCe")
    assert verify(signed) == signing_key.certificate
    assert f'Id="ID110110{key}{nSeqEvento:02d}"'.encode() in signed
    proof = splice_event(signed, registered(nSeqEvento, key))
    assert signed in proof
    schema.validate(proof, "procCCeNFe")


@pytest.mark.parametrize("text", ["x" * 15, "é" * 1000, "x" * 2000])
def test_a_correction_has_fifteen_to_a_thousand_characters(
    templates: TemplateSet, signing_key: SigningKey, text: str
) -> None:
    schema.validate(sign(correction(templates, text), signing_key), "CCe")


@pytest.mark.parametrize(
    ("text", "nSeqEvento", "code"),
    [("curta", 1, "bad-correction"), ("x" * 20, 21, "too-many-corrections"), ("x" * 20, 0, "too-many-corrections")],
)
def test_a_correction_that_sefaz_would_refuse_is_named_here(
    templates: TemplateSet, text: str, nSeqEvento: int, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        correction(templates, text, nSeqEvento)
    assert refused.value.code == code


@pytest.mark.parametrize("answer", [registered(2), retEvento()])
def test_the_answer_to_another_event_of_the_same_note_is_refused(templates: TemplateSet, answer: bytes) -> None:
    with pytest.raises(Invalid, match="event-other-key"):
        splice_event(correction(templates), answer)
