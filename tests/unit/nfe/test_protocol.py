from datetime import UTC, datetime

import pytest

from workflow.errors import Invalid
from workflow.nfe import schema
from workflow.nfe.certificate import SigningKey
from workflow.nfe.invoice import Invoice
from workflow.nfe.protocol import chNFe_of, parse_protocol, protocol_of, splice
from workflow.nfe.signature import digest_value, sign, verify
from workflow.nfe.xml import Numbering, TemplateSet, render


@pytest.fixture
def signed(invoice: Invoice, numbering: Numbering, templates: TemplateSet, signing_key: SigningKey) -> bytes:
    return sign(render(invoice, numbering, templates), signing_key)


def protNFe(chNFe: str, digVal: str | None, *, cStat: str = "100", declaration: bool = True) -> bytes:
    digest = f"<digVal>{digVal}</digVal>" if digVal else ""
    return (
        ('<?xml version="1.0" encoding="utf-8"?>\n' if declaration else "")
        + '<protNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao="4.00"><infProt><tpAmb>1</tpAmb>'
        + f"<verAplic>SP_NFE</verAplic><chNFe>{chNFe}</chNFe><dhRecbto>2026-11-22T10:00:05-03:00</dhRecbto>"
        + f"<nProt>135260000000001</nProt>{digest}<cStat>{cStat}</cStat><xMotivo>Autorizado</xMotivo></infProt></protNFe>"
    ).encode()


def test_the_fields_of_a_protocol() -> None:
    protocol = parse_protocol(protNFe("3" * 44, "abc="))
    assert protocol.dhRecbto == datetime(2026, 11, 22, 13, 0, 5, tzinfo=UTC)
    assert (protocol.chNFe, protocol.nProt, protocol.digVal) == ("3" * 44, "135260000000001", "abc=")
    assert protocol.is_authorized


@pytest.mark.parametrize("declaration", [True, False])
def test_the_stored_bytes_stand_unchanged_in_a_valid_nfeproc(signed: bytes, declaration: bool) -> None:
    given = protNFe(chNFe_of(signed), digest_value(signed), declaration=declaration)
    nfeProc = splice(signed, given)
    assert signed in nfeProc
    assert nfeProc.count(b"<?xml") == 1
    schema.validate(nfeProc, "procNFe")
    assert verify(nfeProc)
    assert protocol_of(nfeProc) == parse_protocol(given)


@pytest.mark.parametrize("cStat", ["100", "120", "150"])
def test_each_way_of_being_authorised_makes_a_valid_nfeproc(signed: bytes, cStat: str) -> None:
    given = protNFe(chNFe_of(signed), digest_value(signed), cStat=cStat)
    schema.validate(splice(signed, given), "procNFe")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chNFe": "3" * 44}, "protocol-other-key"),
        ({"digVal": "AAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "protocol-other-digest"),
        ({"digVal": None}, "protocol-no-digest"),
        ({"cStat": "225"}, "protocol-not-authorized"),
    ],
)
def test_a_protocol_of_anything_else_is_refused(signed: bytes, changes: dict[str, str | None], code: str) -> None:
    fields = {"chNFe": chNFe_of(signed), "digVal": digest_value(signed)} | changes
    with pytest.raises(Invalid) as refused:
        splice(signed, protNFe(**fields))  # type: ignore[arg-type]
    assert refused.value.code == code


@pytest.mark.parametrize("xml", [b"<x/>", b'<protNFe xmlns="http://www.portalfiscal.inf.br/nfe"><infProt/></protNFe>'])
def test_what_is_no_protocol_is_refused(xml: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        parse_protocol(xml)
    assert refused.value.code == "bad-protocol"
