"""SEFAZ's services against a real HTTPS server that asks for the client certificate."""

from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from workflow.clients.mutual_tls import mtls_session
from workflow.clients.sefaz import NOT_OFFERED, Endpoints, SefazClient
from workflow.errors import Invalid, LostAnswer, NfeError, RetryLater, SellerStopped

KEY = "35260811222333000181550010000000011123456789"
#: Bytes that any serialiser would change: quotes, an entity, an empty element written long, an accent, CRLF.
NFE = (
    f'<NFe xmlns="http://www.portalfiscal.inf.br/nfe"><infNFe versao="4.00" Id=\'NFe{KEY}\'>'
    "<xNome>Jos\u00e9 &#38; Filhos</xNome><vazio></vazio>\r\n</infNFe></NFe>"
).encode()
NS = "http://www.portalfiscal.inf.br/nfe"
SAMPLES = Path(__file__).parents[4] / "shared/nfe/samples/sefaz_responses"


@pytest.fixture
def sefaz(serve, authority):
    return serve(authority.context())


@pytest.fixture
def client(sefaz, authority):
    return _client(sefaz, authority)


def _client(server: Any, authority: Any, timeout: float = 5, **trust: Any) -> SefazClient:
    session = mtls_session(
        authority.client.key,
        authority.client.certificate,
        [authority.ca.certificate],
        **{"ca_file": authority.ca_file} | trust,
    )
    return SefazClient(http=session, endpoints=Endpoints.single(server.url), timeout=timeout)


def _soap(content: str, version: str = "http://www.w3.org/2003/05/soap-envelope") -> bytes:
    return (
        f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{version}" xmlns:xsi="urn:x"><s:Header/>'
        f'<s:Body><nfeResultMsg xmlns="urn:wsdl">{content}</nfeResultMsg></s:Body></s:Envelope>'
    ).encode()


def _protocol(cStat: str = "100") -> str:
    number = "<nProt>135260000000001</nProt><digVal>abc=</digVal>" if cStat == "100" else ""
    return (
        f'<protNFe versao="4.00"><infProt><tpAmb>2</tpAmb><chNFe>{KEY}</chNFe>'
        f"<dhRecbto>2026-08-01T10:00:00-03:00</dhRecbto>{number}<cStat>{cStat}</cStat>"
        f"<xMotivo>Motivo {cStat}</xMotivo></infProt></protNFe>"
    )


def _batch(cStat: str, inside: str = "") -> bytes:
    return _soap(
        f'<retEnviNFe xmlns="{NS}" versao="4.00"><cStat>{cStat}</cStat>'
        f"<xMotivo>Lote {cStat}</xMotivo>{inside}</retEnviNFe>"
    )


OPERATIONS = {
    "authorize": lambda client: client.authorize(NFE, uf="SP", tpAmb=2, idLote="1"),
    "send_event": lambda client: client.send_event(b"<evento/>", uf="SP", tpAmb=2, idLote="1"),
    "consult": lambda client: client.consult(KEY, uf="SP", tpAmb=2),
    "service_status": lambda client: client.service_status(uf="SP", tpAmb=2),
    "receipt": lambda client: client.receipt("351000000000001", uf="SP", tpAmb=2),
    "void": lambda client: client.void(b"<inutNFe/>", uf="SP", tpAmb=2),
    "taxpayer": lambda client: client.taxpayer(uf="SP", tpAmb=2, cnpj="11222333000181"),
}
EVERY = pytest.mark.parametrize("operation", OPERATIONS)
SENDS = ("authorize", "send_event", "void")


def _failure(client: SefazClient, operation: str = "authorize") -> NfeError:
    with pytest.raises(NfeError) as caught:
        OPERATIONS[operation](client)
    assert "Filhos" not in str(caught.value)
    return caught.value


def test_the_stored_bytes_travel_unchanged(sefaz, client):
    sefaz.answers(200, _batch("104", _protocol()))
    client.authorize(NFE, uf="SP", tpAmb=2, idLote="42")
    [seen] = sefaz.seen
    start = seen.body.index(b"<NFe ")
    assert seen.body[start : start + len(NFE)] == NFE
    assert seen.body.count(NFE) == 1
    message = etree.fromstring(seen.body)
    assert message.tag == "{http://www.w3.org/2003/05/soap-envelope}Envelope"
    assert (
        message.find(".//{*}nfeDadosMsg").tag == "{http://www.portalfiscal.inf.br/nfe/wsdl/NFeAutorizacao4}nfeDadosMsg"
    )
    assert message.find(f".//{{{NS}}}enviNFe").get("versao") == "4.00"
    assert [message.findtext(f".//{{{NS}}}{name}") for name in ("idLote", "indSinc")] == ["42", "1"]


def test_a_bom_and_an_xml_declaration_stay_outside_the_envelope(sefaz, client):
    sefaz.answers(200, _batch("104", _protocol()))
    client.authorize(b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8"?>\n' + NFE, uf="SP", tpAmb=2, idLote="1")
    assert b"<indSinc>1</indSinc>" + NFE + b"</enviNFe>" in sefaz.seen[0].body


def test_bytes_that_are_not_utf_8_are_not_sent(sefaz, client):
    with pytest.raises(Invalid, match="not-utf-8"):
        client.authorize(b"<NFe>\xe9</NFe>", uf="SP", tpAmb=2, idLote="1")
    assert not sefaz.seen


@pytest.mark.parametrize(
    ("operation", "path", "method"),
    [
        ("authorize", "NFeAutorizacao4", "nfeAutorizacaoLote"),
        ("consult", "NFeConsultaProtocolo4", "nfeConsultaNF"),
        ("service_status", "NFeStatusServico4", "nfeStatusServicoNF"),
        ("send_event", "NFeRecepcaoEvento4", "nfeRecepcaoEvento"),
        ("receipt", "NFeRetAutorizacao4", "nfeRetAutorizacaoLote"),
        ("void", "NFeInutilizacao4", "nfeInutilizacaoNF"),
        ("taxpayer", "CadConsultaCadastro4", "consultaCadastro"),
    ],
)
def test_each_service_has_its_path_and_action(sefaz, client, operation, path, method):
    sefaz.answers(500)
    _failure(client, operation)
    [seen] = sefaz.seen
    action = f"http://www.portalfiscal.inf.br/nfe/wsdl/{path}/{method}"
    assert (seen.method, seen.path) == ("POST", f"/ws/{path}")
    assert seen.headers["content-type"] == f'application/soap+xml; charset=utf-8; action="{action}"'
    assert f'<nfeDadosMsg xmlns="http://www.portalfiscal.inf.br/nfe/wsdl/{path}">'.encode() in seen.body


def test_questions_say_what_they_ask(sefaz, client):
    sefaz.answers(500)
    _failure(client, "consult")
    _failure(client, "service_status")
    _failure(client, "receipt")
    _failure(client, "taxpayer")
    consult, status, receipt, taxpayer = (etree.fromstring(seen.body) for seen in sefaz.seen)
    assert [child.text for child in consult.find(f".//{{{NS}}}consSitNFe")] == ["2", "CONSULTAR", KEY]
    assert [child.text for child in status.find(f".//{{{NS}}}consStatServ")] == ["2", "35", "STATUS"]
    assert [child.text for child in receipt.find(f".//{{{NS}}}consReciNFe")] == ["2", "351000000000001"]
    assert taxpayer.find(f".//{{{NS}}}ConsCad").get("versao") == "2.00"
    assert [child.text for child in taxpayer.find(f".//{{{NS}}}infCons")] == ["CONS-CAD", "SP", "11222333000181"]


@pytest.mark.parametrize(("asked", "tag"), [({"cnpj": "1"}, "CNPJ"), ({"cpf": "1"}, "CPF"), ({"ie": "1"}, "IE")])
def test_the_register_is_asked_by_one_number(sefaz, client, asked, tag):
    sefaz.answers(500)
    with pytest.raises(RetryLater):
        client.taxpayer(uf="RS", tpAmb=2, **asked)
    assert f"<UF>RS</UF><{tag}>1</{tag}></infCons>".encode() in sefaz.seen[0].body


def test_the_register_of_mt_wants_its_message_wrapped_twice(sefaz, client):
    sefaz.answers(500)
    with pytest.raises(RetryLater):
        client.taxpayer(uf="MT", tpAmb=2, cnpj="1")
    assert (
        etree.fromstring(sefaz.seen[0].body).find(f".//{{*}}nfeDadosMsg/{{*}}nfeDadosMsg/{{{NS}}}ConsCad") is not None
    )


@pytest.mark.parametrize("asked", [{}, {"cnpj": "1", "ie": "1"}])
def test_the_register_is_asked_by_nothing_else(sefaz, client, asked):
    with pytest.raises(TypeError):
        client.taxpayer(uf="RS", tpAmb=2, **asked)
    assert not sefaz.seen


def test_a_uf_without_a_register_is_not_asked(authority):
    session = mtls_session(authority.client.key, authority.client.certificate, ca_file=authority.ca_file)
    client = SefazClient(http=session, endpoints=Endpoints.official(), timeout=1)
    found = client.taxpayer(uf="MA", tpAmb=2, cnpj="11222333000181")
    assert found == NOT_OFFERED
    assert not found.is_offered


@pytest.mark.parametrize("operation", ["authorize", "consult", "service_status", "receipt", "send_event"])
def test_a_contingency_has_its_own_address(sefaz, client, operation):
    sefaz.answers(500)
    arguments = {"authorize": (NFE,), "consult": (KEY,), "receipt": ("1",), "send_event": (b"<evento/>",)}
    batch = {"idLote": "1"} if operation in SENDS else {}
    with pytest.raises(RetryLater):
        getattr(client, operation)(*arguments.get(operation, ()), uf="SP", tpAmb=2, tpEmis=6, **batch)
    assert sefaz.seen[0].path.startswith("/svc/ws/NFe")


def test_a_voiding_travels_unchanged(sefaz, client):
    sefaz.answers(500)
    _failure(client, "void")
    assert b'wsdl/NFeInutilizacao4"><inutNFe/></nfeDadosMsg>' in sefaz.seen[0].body


def test_an_event_travels_unchanged(sefaz, client):
    sefaz.answers(500)
    _failure(client, "send_event")
    assert (
        b'<envEvento xmlns="http://www.portalfiscal.inf.br/nfe" versao="1.00"><idLote>1</idLote><evento/></envEvento>'
        in (sefaz.seen[0].body)
    )


@pytest.mark.parametrize(
    "version", ["http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"]
)
def test_an_authorisation_leaves_a_protocol_fit_to_splice(sefaz, client, version):
    body = _batch("104", _protocol()).replace(b"http://www.w3.org/2003/05/soap-envelope", version.encode())
    sefaz.answers(200, body)
    found = client.authorize(NFE, uf="SP", tpAmb=2, idLote="1")
    assert (found.cStat, found.xMotivo, found.batch_cStat, found.batch_xMotivo) == (
        "100",
        "Motivo 100",
        "104",
        "Lote 104",
    )
    assert (found.chNFe, found.nProt, found.dhRecbto) == (KEY, "135260000000001", "2026-08-01T10:00:00-03:00")
    expected = _protocol().replace("<protNFe ", f'<protNFe xmlns="{NS}" ')
    assert found.protNFe == expected.encode()


def test_a_refusal_keeps_sefazs_code_and_words(sefaz, client):
    sefaz.answers(200, _batch("104", _protocol("539")))
    found = client.authorize(NFE, uf="SP", tpAmb=2, idLote="1")
    assert (found.cStat, found.xMotivo, found.nProt) == ("539", "Motivo 539", None)
    assert found.protNFe


def test_a_refused_batch_has_no_protocol(sefaz, client):
    sefaz.answers(200, _batch("656"))
    found = client.authorize(NFE, uf="SP", tpAmb=2, idLote="1")
    assert (found.cStat, found.xMotivo, found.protNFe, found.chNFe) == ("656", "Lote 656", None, None)


def test_a_queued_batch_shows_its_receipt(sefaz, client):
    sefaz.answers(200, _batch("103", "<infRec><nRec>351000000000001</nRec><tMed>1</tMed></infRec>"))
    found = client.authorize(NFE, uf="SP", tpAmb=2, idLote="1")
    assert (found.cStat, found.nRec) == ("103", "351000000000001")


def test_a_query_brings_the_protocol_and_the_events(sefaz, client):
    event = '<procEventoNFe versao="1.00"><evento/><retEvento/></procEventoNFe>'
    sefaz.answers(
        200,
        _soap(
            f'<retConsSitNFe xmlns="{NS}" versao="4.00"><cStat>101</cStat><xMotivo>Cancelamento</xMotivo>'
            f"<chNFe>{KEY}</chNFe>{_protocol()}{event}{event}</retConsSitNFe>"
        ),
    )
    found = client.consult(KEY, uf="SP", tpAmb=2)
    assert (found.cStat, found.chNFe, found.nProt) == ("101", KEY, "135260000000001")
    assert found.protNFe.startswith(b'<protNFe xmlns="http://www.portalfiscal.inf.br/nfe" versao')
    assert len(found.events) == 2
    assert found.events[0].startswith(b'<procEventoNFe xmlns="http://www.portalfiscal.inf.br/nfe"')


def test_a_registered_event_brings_its_receipt(sefaz, client):
    sefaz.answers(
        200,
        _soap(
            f'<retEnvEvento xmlns="{NS}" versao="1.00"><cStat>128</cStat><xMotivo>Lote</xMotivo>'
            f'<retEvento versao="1.00"><infEvento><cStat>135</cStat><xMotivo>Vinculado</xMotivo><chNFe>{KEY}</chNFe>'
            "<dhRegEvento>2026-08-01T10:00:00-03:00</dhRegEvento><nProt>1</nProt></infEvento></retEvento></retEnvEvento>"
        ),
    )
    found = client.send_event(b"<evento/>", uf="SP", tpAmb=2, idLote="1")
    assert (found.cStat, found.nProt, found.batch_cStat, found.chNFe) == ("135", "1", "128", KEY)
    assert found.retEvento.startswith(
        b'<retEvento xmlns="http://www.portalfiscal.inf.br/nfe" versao="1.00"><infEvento>'
    )


def test_a_refused_batch_of_events_has_no_receipt(sefaz, client):
    sefaz.answers(
        200, _soap(f'<retEnvEvento xmlns="{NS}"><cStat>215</cStat><xMotivo>Falha no schema</xMotivo></retEnvEvento>')
    )
    found = client.send_event(b"<evento/>", uf="SP", tpAmb=2, idLote="1")
    assert (found.cStat, found.xMotivo, found.retEvento) == ("215", "Falha no schema", None)


def _receipt(cStat: str, inside: str = "") -> bytes:
    return _soap(
        f'<retConsReciNFe xmlns="{NS}" versao="4.00"><nRec>351000000000001</nRec><cStat>{cStat}</cStat>'
        f"<xMotivo>Lote {cStat}</xMotivo>{inside}</retConsReciNFe>"
    )


def test_a_receipt_leads_to_the_decision(sefaz, client):
    sefaz.answers(200, _receipt("105")).answers(200, _receipt("104", _protocol()))
    waiting, decided = (client.receipt("351000000000001", uf="SP", tpAmb=2) for _ in range(2))
    assert (waiting.cStat, waiting.protNFe, waiting.nRec) == ("105", None, "351000000000001")
    assert (decided.cStat, decided.batch_cStat, decided.chNFe) == ("100", "104", KEY)
    assert decided.protNFe.startswith(b'<protNFe xmlns="http://www.portalfiscal.inf.br/nfe"')


def test_the_register_tells_who_is_active_and_no_names(sefaz, client):
    def registered(ie: str, cSit: str) -> str:
        return (
            f"<infCad><IE>{ie}</IE><CNPJ>11222333000181</CNPJ><UF>SP</UF><cSit>{cSit}</cSit><xNome>Ana</xNome></infCad>"
        )

    sefaz.answers(
        200,
        _soap(
            f'<retConsCad xmlns="{NS}" versao="2.00"><infCons><cStat>112</cStat><xMotivo>Duas</xMotivo><UF>SP</UF>'
            f"{registered('110042490114', '1')}{registered('2', '0')}</infCons></retConsCad>"
        ),
    )
    found = client.taxpayer(uf="SP", tpAmb=2, cnpj="11222333000181")
    assert (found.cStat, found.xMotivo, len(found.registrations)) == ("112", "Duas", 2)
    assert [one.ie for one in found.active] == ["110042490114"]
    assert found.is_offered
    assert not found.is_unknown
    assert "Ana" not in repr(found)


def test_a_taxpayer_nobody_knows_is_told_apart(sefaz, client):
    told = "<infCons><cStat>259</cStat><xMotivo>CNPJ nao cadastrado</xMotivo></infCons>"
    sefaz.answers(200, _soap(f'<retConsCad xmlns="{NS}" versao="2.00">{told}</retConsCad>'))
    found = client.taxpayer(uf="SP", tpAmb=2, cnpj="11222333000181")
    assert (found.is_unknown, found.active) == (True, ())


FAULT = _soap("").replace(b"<nfeResultMsg", b"<s:Fault><s:Code/></s:Fault><nfeResultMsg")


@EVERY
@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, FAULT, "sefaz-fault"),
        (500, FAULT, "sefaz-http-500"),
        (503, b"<html>Service Unavailable</html>", "sefaz-http-503"),
        (302, b"", "sefaz-http-302"),
        (400, b"", "sefaz-http-400"),
        (200, b"", "sefaz-garbled"),
        (200, b"<html><p>Erro</html>", "sefaz-garbled"),
        (200, b"<html/>", "sefaz-garbled"),
        (200, b"\xff\xfe\x00", "sefaz-garbled"),
        (200, _soap('<outro xmlns="urn:x"/>'), "sefaz-garbled"),
        (200, b'<!DOCTYPE x [<!ENTITY a "b">]><retEnviNFe><cStat>104</cStat></retEnviNFe>', "sefaz-garbled"),
        (200, b"<retEnviNFe/>", "sefaz-garbled"),
        (200, b"<r><retEnvEvento/><retConsSitNFe/><retConsStatServ/></r>", "sefaz-garbled"),
        (200, _batch("104"), "sefaz-garbled"),
        (200, _batch("104", "<protNFe><infProt/></protNFe>"), "sefaz-garbled"),
    ],
)
def test_what_decides_nothing_is_lost_where_something_was_sent(sefaz, client, operation, status, body, code):
    sefaz.answers(status, body)
    error = _failure(client, operation)
    assert error.code == code
    assert isinstance(error, RetryLater)
    assert isinstance(error, LostAnswer) is (operation in SENDS)


@EVERY
@pytest.mark.parametrize("fault", ["hangs", "drops", "resets", "truncates"])
def test_a_broken_answer_is_lost_where_something_was_sent(sefaz, authority, operation, fault):
    getattr(sefaz, fault)()
    error = _failure(_client(sefaz, authority, timeout=0.5), operation)
    assert error.code in ("sefaz-timeout", "sefaz-connection-lost", "sefaz-tls")
    assert isinstance(error, LostAnswer) is (operation in SENDS)
    assert len(sefaz.seen) == 1


@pytest.mark.parametrize("status", [404, 405, 413, 415, 429])
def test_a_request_turned_away_at_the_door_was_not_processed(sefaz, client, status):
    sefaz.answers(status)
    error = _failure(client)
    assert type(error) is RetryLater
    assert error.code == f"sefaz-http-{status}"


@EVERY
def test_http_403_is_the_certificate(sefaz, client, operation):
    sefaz.answers(403, b"<html>403 - Forbidden</html>")
    error = _failure(client, operation)
    assert isinstance(error, SellerStopped)
    assert error.code == "sefaz-certificate-refused"


def test_an_external_entity_is_never_opened(sefaz, client, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("135")
    sefaz.answers(
        200,
        f'<!DOCTYPE r [<!ENTITY x SYSTEM "{secret.as_uri()}">]><retEnviNFe><cStat>&x;</cStat></retEnviNFe>',
    )
    assert _failure(client).code == "sefaz-garbled"


def test_one_connection_serves_many_requests(serve, authority):
    ports = set()
    server = serve(authority.context())

    def reply(handler: Any) -> None:
        ports.add(handler.client_address[1])
        body = _batch("104", _protocol())
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.does(reply)
    client = _client(server, authority)
    for _ in range(5):
        client.authorize(NFE, uf="SP", tpAmb=2, idLote="1")
    assert len(ports) == 1


def _sample(server: Any, name: str) -> None:
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip("the samples of SEFAZ's answers are not beside the repository")
    server.answers(200, path.read_bytes())


@pytest.mark.parametrize(
    ("name", "cStat", "batch", "nProt"),
    [
        ("OCA_retEnviNFe_autorizada.xml", "100", "104", "333230000396082"),
        ("OCA_retEnviNFe_denegada.xml", "302", "104", "333230000396082"),
        ("OCA_retEnviNFe_lote_recebido.xml", "103", "103", None),
        ("OCA_retEnviNFe_rejeitada.xml", "225", "225", None),
        ("OCA_retEnviNFe_servico_paralizado.xml", "108", "108", None),
        ("spednfe_exemplo_retorno_sucesso_envia_lote.xml", "100", "104", "143210000624926"),
        ("spednfe_retEnviNFe.xml", "100", "104", "143220000009921"),
        ("spednfe_retEnviNFe2.xml", "100", "104", "143220000009921"),
    ],
)
def test_recorded_authorisations_are_understood(sefaz, client, name, cStat, batch, nProt):
    _sample(sefaz, name)
    found = client.authorize(NFE, uf="RS", tpAmb=2, idLote="1")
    assert (found.cStat, found.batch_cStat, found.nProt) == (cStat, batch, nProt)
    assert bool(found.protNFe) is (batch == "104")
    if found.protNFe:
        protocol = etree.fromstring(found.protNFe)
        assert protocol.tag == f"{{{NS}}}protNFe"
        assert set(protocol.nsmap.values()) == {NS}
        assert b'xmlns=""' not in found.protNFe


@pytest.mark.parametrize(
    ("name", "cStat", "has_protocol"),
    [
        ("OCA_retConsSitNFe_autorizado.xml", "100", True),
        ("OCA_retConsSitNFe_cancelado.xml", "101", False),
        ("OCA_retConsSitNFe_nao_consta_na_base.xml", "217", False),
        ("OCA_retConsSitNFe_uso_denegado.xml", "110", True),
    ],
)
def test_recorded_queries_are_understood(sefaz, client, name, cStat, has_protocol):
    _sample(sefaz, name)
    found = client.consult(KEY, uf="PE", tpAmb=2)
    assert found.cStat == cStat
    assert found.xMotivo
    assert bool(found.protNFe) is has_protocol


@pytest.mark.parametrize(
    ("name", "cStat", "nProt"),
    [
        ("OCA_retConsReciNFe_autorizada.xml", "100", "423002202113232"),
        ("OCA_retConsReciNFe_uso_denegado.xml", "303", "333230000396082"),
    ],
)
def test_recorded_receipts_are_understood(sefaz, client, name, cStat, nProt):
    _sample(sefaz, name)
    found = client.receipt("423002202113232", uf="SC", tpAmb=2)
    assert (found.cStat, found.batch_cStat) == (cStat, "104")
    assert found.nProt == nProt
    assert found.protNFe


@pytest.mark.parametrize(
    ("name", "nProt"),
    [
        ("OCA_retInutNFe_nfe_inutilizacao.xml", None),
        ("spednfe_res_inut.xml", "135130006498891"),
        ("spednfe_response_inut_cnpj.xml", "152250025831513"),
    ],
)
def test_recorded_voidings_are_understood(sefaz, client, name, nProt):
    _sample(sefaz, name)
    found = client.void(b"<inutNFe/>", uf="GO", tpAmb=2)
    assert (found.cStat, found.nProt) == ("102", nProt)
    assert etree.fromstring(found.retInutNFe).tag == f"{{{NS}}}retInutNFe"
    assert b"soap" not in found.retInutNFe


@pytest.mark.parametrize("name", ["OCA_retConsStatServ_em_operacao.xml", "spednfe_retConsStatServ.xml"])
def test_recorded_service_states_are_understood(sefaz, client, name):
    _sample(sefaz, name)
    found = client.service_status(uf="SC", tpAmb=2)
    assert (found.cStat, found.tMed) == ("107", 1)


@pytest.mark.parametrize("name", ["OCA_retEnvEvento_nfe_cancelamento.xml", "OCA_retEnvEvento_nfce_cancelamento.xml"])
def test_recorded_cancellations_are_understood(sefaz, client, name):
    _sample(sefaz, name)
    found = client.send_event(b"<evento/>", uf="SC", tpAmb=2, idLote="1")
    assert (found.cStat, found.batch_cStat) == ("135", "128")
    assert etree.fromstring(found.retEvento).tag == f"{{{NS}}}retEvento"


def test_nobody_listening_is_simply_later(authority):
    endpoints = Endpoints.single("https://127.0.0.1:1")
    session = mtls_session(authority.client.key, authority.client.certificate, ca_file=authority.ca_file)
    client = SefazClient(http=session, endpoints=endpoints, timeout=5)
    error = _failure(client)
    assert type(error) is RetryLater
    assert error.code == "sefaz-unreachable"
