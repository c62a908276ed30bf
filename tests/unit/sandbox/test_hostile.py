"""The counterparts answer whatever comes with a status or a cStat, and are there afterwards."""

import time
from contextlib import suppress

import pytest
import requests
from lxml import etree

from tests.unit.sandbox.conftest import Draw, Partner, Seller, batch, decided
from workflow.sandbox.shipments import Example

SHIPMENTS = "/fba/outbound/brazil/v0/shipments"
IDS = (
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "a%0d%0ab", "'%3B DROP TABLE shipment%3B --", "%ff", "x" * 60_000,
    "%1b%5B31m", "%7B%7B7*7%7D%7D", "%e2%80%ae", "%F0%9F%8E%81",
)  # fmt: skip
BODIES = {
    "nested": b"[" * 200_000,
    "no UTF-8": b"\xff\xfe\x00",
    "NaN": b"NaN",
    "null": b"null",
    "a list": b"[1]",
    "a number without end": b"1" * 5000,
    "half a character": b'{"a": "\\ud800"}',
    "three million letters": b'{"a": "' + b"x" * 3_000_000 + b'"}',
    "nothing": b"",
}
POSTS = ("/tokens/2021-03-01/restrictedDataToken", f"{SHIPMENTS}/X/invoice", "/auth/o2/token", "/_control/faults",
         "/_control/settings", "/_control/shipments", "/_control/unknown")  # fmt: skip


@pytest.mark.parametrize("id", IDS, ids=lambda id: id[:20])
def test_a_hostile_id_is_refused_and_nothing_else_is_answered(partner: Partner, id: str) -> None:
    partner.is_judged = False  # a URL that is none is no call of the models
    token = partner.restricted()
    for path in (f"{SHIPMENTS}/{id}", f"{SHIPMENTS}/{id}/invoice/status"):
        answer = partner.call("GET", path, token)
        assert 400 <= answer.status_code < 500
        assert "BuyerName" not in answer.text


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_hostile_body_is_the_callers_mistake(partner: Partner, examples: list[Example], body: bytes) -> None:
    partner.is_judged = False
    token = partner.token()
    for path in POSTS:
        answer = partner.call("POST", path, token, data=body)
        assert answer.status_code < 500, (path, answer.text)
    assert partner.details(examples[0].shipment_id, partner.restricted()).status_code == 200


def test_a_body_beyond_the_limit_is_refused_before_it_is_read(partner: Partner, examples: list[Example]) -> None:
    partner.is_judged = False
    with suppress(requests.ConnectionError):  # it hangs up while we still send
        assert partner.call("POST", POSTS[0], partner.token(), data=b"x" * 20_000_000).status_code == 400
    assert partner.details(examples[0].shipment_id, partner.restricted()).status_code == 200


# -- SEFAZ ----------------------------------------------------------------------------------------------------

LOL = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE x [<!ENTITY l0 "lol">{LOL}]>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY l9 SYSTEM "file:///etc/passwd">]>'
ELSEWHERE = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/evil.dtd">'


@pytest.mark.parametrize("prologue", [BOMB, OUTSIDE, ELSEWHERE], ids=["bomb", "file", "address"])
def test_an_entity_is_neither_resolved_nor_fetched(seller: Seller, note: Draw, prologue: str) -> None:
    said = batch(note()).replace("<idLote>1", "<idLote>&l9;")
    wsdl = "http://www.portalfiscal.inf.br/nfe/wsdl/NFeAutorizacao4"
    body = f'<e><b><nfeDadosMsg xmlns="{wsdl}">{said}</nfeDadosMsg></b></e>'
    began = time.process_time()
    answer = seller.post("NFeAutorizacao4", prologue + body, wrapped=False)
    assert time.process_time() - began < 5
    result = next(etree.fromstring(answer.content).iter("{*}nfeResultMsg"))
    assert decided(result) in ("225", "243", "516")
    assert b"root:" not in answer.content
    assert seller.authorize(note()) == "100"


@pytest.mark.parametrize(
    "message",
    [
        "",
        "<",
        "\x00",
        "<a>" * 5000,
        f"<a>{'x' * 600_000}</a>",
        "<a " + " ".join(f'b{n}="1"' for n in range(50_000)) + "/>",
    ],
    ids=["nothing", "half", "NUL", "deep", "large", "wide"],
)
def test_a_hostile_message_gets_a_cStat(seller: Seller, note: Draw, message: str) -> None:
    for service in ("NFeAutorizacao4", "NFeConsultaProtocolo4", "NFeRecepcaoEvento4", "NFeInutilizacao4"):
        answer = seller.post(service, message, wrapped=False)
        assert answer.status_code == 200
        result = next(etree.fromstring(answer.content).iter("{*}nfeResultMsg"))
        assert decided(result) in ("214", "243", "516")
    assert seller.authorize(note()) == "100"


@pytest.mark.parametrize(
    "title", ["{{7*7}}", "]]&gt;", "&lt;script&gt;", "x" * 120, "=cmd|' /C calc'!A0", "'; DROP TABLE x;--"]
)
def test_a_hostile_title_is_kept_as_it_is(seller: Seller, note: Draw, title: str) -> None:
    text = etree.fromstring(f"<a>{title}</a>").text
    assert seller.authorize(note(xProd=str(text))) == "100"
