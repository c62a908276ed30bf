"""A voiding fits the official schema, says its range in its Id, and is kept with SEFAZ's answer."""

from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.nfe import schema
from workflow.nfe.certificate import SigningKey
from workflow.nfe.signature import sign, verify
from workflow.nfe.voiding import render_voiding, splice_voiding
from workflow.nfe.xml import TemplateSet


def voiding(templates: TemplateSet, **changes: Any) -> bytes:
    return render_voiding(
        **{
            "uf": "SP",
            "cnpj": "99999999000191",
            "year": 2026,
            "serie": 1,
            "first": 7,
            "last": 9,
            "justification": "Pedidos cancelados antes da emissão",
            "tpAmb": 2,
            "templates": templates,
            **changes,
        }
    )


def answer(cStat: str = "102", nNFFin: int = 9) -> bytes:
    return (
        '<retInutNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><infInut><tpAmb>2</tpAmb>'
        f"<verAplic>SP_NFE</verAplic><cStat>{cStat}</cStat><xMotivo>Inutilizacao</xMotivo><cUF>35</cUF><ano>26</ano>"
        f"<CNPJ>99999999000191</CNPJ><mod>55</mod><serie>1</serie><nNFIni>7</nNFIni><nNFFin>{nNFFin}</nNFFin>"
        "<dhRecbto>2026-11-22T10:00:00-03:00</dhRecbto><nProt>135260000000003</nProt></infInut></retInutNFe>"
    ).encode()


def test_a_signed_voiding_is_valid_verifies_and_says_its_range(templates: TemplateSet, signing_key: SigningKey) -> None:
    signed = sign(voiding(templates), signing_key)
    schema.validate(signed, "inutNFe")
    assert verify(signed) == signing_key.certificate
    assert b'Id="ID35269999999900019155001000000007000000009"' in signed


def test_a_seller_with_letters_in_its_cnpj_can_void(templates: TemplateSet, signing_key: SigningKey) -> None:
    signed = sign(voiding(templates, cnpj="12ABC34501DE35", serie=889), signing_key)
    schema.validate(signed, "inutNFe")
    assert b'"ID352612ABC34501DE3555889000000007000000009"' in signed


def test_the_stored_request_stands_unchanged_in_a_valid_procinutnfe(
    templates: TemplateSet, signing_key: SigningKey
) -> None:
    signed = sign(voiding(templates), signing_key)
    proof = splice_voiding(signed, answer())
    assert signed in proof
    schema.validate(proof, "procInutNFe")


@pytest.mark.parametrize(
    ("told", "code"), [(answer("563"), "voiding-not-registered"), (answer(nNFFin=10), "voiding-other-range")]
)
def test_an_answer_to_anything_else_is_refused(templates: TemplateSet, told: bytes, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        splice_voiding(voiding(templates), told)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"first": 0}, "bad-range"),
        ({"first": 10}, "bad-range"),
        ({"last": 10_007}, "bad-range"),
        ({"first": 999_999_999, "last": 1_000_000_000}, "bad-range"),
        ({"justification": "curta"}, "bad-justification"),
    ],
)
def test_a_range_or_reason_that_sefaz_would_refuse_is_named_here(
    templates: TemplateSet, changes: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        voiding(templates, **changes)
    assert refused.value.code == code


def test_the_largest_range_is_valid(templates: TemplateSet, signing_key: SigningKey) -> None:
    schema.validate(sign(voiding(templates, last=10_006), signing_key), "inutNFe")
