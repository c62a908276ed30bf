"""SEFAZ's services against a real HTTPS server that asks for the client certificate."""

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from lxml import etree

from workflow.clients.mutual_tls import mtls_session
from workflow.clients.sefaz import NOT_OFFERED, Endpoints, SefazClient
from workflow.errors import Invalid, LostAnswer, NfeError, RetryLater, SellerStopped
from workflow.nfe.protocol import parse_protocol

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


class Recorded(NamedTuple):
    """What a recorded answer says: asked by what, decided how, in which words, under which protocol."""

    operation: str
    cStat: str
    xMotivo: str
    nProt: str | None = None
    batch: str | None = None
    digVal: str | None = None


AUTHORISED, REGISTERED = "Autorizado o uso da NF-e", "Evento registrado e vinculado a NF-e"
VOIDED, DENIED = "Inutilização de número homologado", "Uso Denegado: Irregularidade fiscal do destinatário"
#: Every answer among the samples (SOAP 1.1 and 1.2, with and without envelope, of several programs).
RECORDED = {
    "OCA_retConsReciNFe_autorizada": Recorded(
        "receipt", "100", AUTHORISED, "423002202113232", "104", "IoYUWXt2fIiRXb7UYRgl77c6Zlk="
    ),
    "OCA_retConsReciNFe_uso_denegado": Recorded(
        "receipt",
        "303",
        "Uso Denegado: Destinatário não habilitado a operar na UF",
        "333230000396082",
        "104",
        "zwJzbq4FXks09tlHU1GEWRI7t/A=",
    ),
    "OCA_retConsSitNFe_autorizado": Recorded(
        "consult", "100", AUTHORISED, "126200000020426", digVal="YRn2TFuteCw8/KW0mwxQBQGurlI="
    ),
    "OCA_retConsSitNFe_cancelado": Recorded("consult", "101", "Cancelamento de NF-e homologado"),
    "OCA_retConsSitNFe_nao_consta_na_base": Recorded(
        "consult", "217", "Rejeicao: NF-e nao consta na base de dados da SEFAZ"
    ),
    "OCA_retConsSitNFe_uso_denegado": Recorded(
        "consult", "110", "Uso Denegado", "135180772366783", digVal="4A20WByjTePGOz+LoGy1uVk2gaY="
    ),
    "OCA_retConsStatServ_em_operacao": Recorded("service_status", "107", "Servico em Operacao"),
    "OCA_retEnvEvento_nfce_cancelamento": Recorded("send_event", "135", REGISTERED, "333230000396082", "128"),
    "OCA_retEnvEvento_nfe_cancelamento": Recorded("send_event", "135", REGISTERED, "141190000382704", "128"),
    "OCA_retEnviNFe_autorizada": Recorded(
        "authorize", "100", AUTHORISED, "333230000396082", "104", "zwJzbq4FXks09tlHU1GEWRI7t/A="
    ),
    "OCA_retEnviNFe_denegada": Recorded(
        "authorize", "302", DENIED, "333230000396082", "104", "zwJzbq4FXks09tlHU1GEWRI7t/A="
    ),
    "OCA_retEnviNFe_lote_recebido": Recorded("authorize", "103", "Lote recebido com sucesso", batch="103"),
    "OCA_retEnviNFe_rejeitada": Recorded("authorize", "225", "Rejeicao: Falha no Schema XML da NFe", batch="225"),
    "OCA_retEnviNFe_servico_paralizado": Recorded(
        "authorize", "108", "Serviço Paralisado Momentaneamente (curto prazo)", batch="108"
    ),
    "OCA_retInutNFe_nfce_inutilizacao": Recorded("void", "102", "Inutilizacao de numero homologado", "333230000396102"),
    "OCA_retInutNFe_nfe_inutilizacao": Recorded("void", "102", ""),
    "spednfe_exemplo_retorno_sucesso_envia_lote": Recorded(
        "authorize", "100", AUTHORISED, "143210000624926", "104", "aWpBMlDjIlWUn2ALNSdwzLi2ntE="
    ),
    "spednfe_res_inut": Recorded("void", "102", VOIDED, "135130006498891"),
    "spednfe_response_inut_cnpj": Recorded("void", "102", VOIDED, "152250025831513"),
    "spednfe_retConsStatServ": Recorded("service_status", "107", "Serviço em Operação"),
    "spednfe_retEnviNFe": Recorded(
        "authorize", "100", AUTHORISED, "143220000009921", "104", "aWpBMlDjIlWUn2ALNSdwzLi2ntE="
    ),
    "spednfe_retEnviNFe2": Recorded(
        "authorize", "100", AUTHORISED, "143220000009921", "104", "aWpBMlDjIlWUn2ALNSdwzLi2ntE=2"
    ),
}
#: The other samples are requests.
REQUESTS = {"spednfe_exemplo_xml_inutiliza", "spednfe_exemplo_xml_sefazCancela", "spednfe_req_envialote"}
needs_the_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason="the samples of SEFAZ's answers are not beside the repository"
)


def _answer_to(sefaz: Any, client: SefazClient, name: str) -> Any:
    sefaz.answers(200, (SAMPLES / f"{name}.xml").read_bytes())
    return OPERATIONS[RECORDED[name].operation](client)


@needs_the_samples
def test_every_recorded_answer_is_known():
    assert {path.stem for path in SAMPLES.iterdir()} == set(RECORDED) | REQUESTS


@needs_the_samples
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_answer_is_understood(sefaz, client, name):
    found, said = _answer_to(sefaz, client, name), RECORDED[name]
    assert (found.cStat, found.xMotivo) == (said.cStat, said.xMotivo)
    assert getattr(found, "nProt", None) == said.nProt
    assert getattr(found, "batch_cStat", None) == said.batch


@needs_the_samples
@pytest.mark.parametrize("name", [name for name, said in RECORDED.items() if said.digVal])
def test_a_recorded_protocol_stands_alone_and_tells_its_digest(sefaz, client, name):
    protNFe = _answer_to(sefaz, client, name).protNFe
    protocol = parse_protocol(protNFe)
    assert (protocol.nProt, protocol.digVal) == (RECORDED[name].nProt, RECORDED[name].digVal)
    root = etree.fromstring(protNFe)
    assert (root.tag, set(root.nsmap.values())) == (f"{{{NS}}}protNFe", {NS})
    assert b'xmlns=""' not in protNFe


UNDECIDED = [
    name
    for name, said in RECORDED.items()
    if said.operation in ("authorize", "consult", "receipt") and said.digVal is None
]


@needs_the_samples
@pytest.mark.parametrize("name", UNDECIDED)
def test_a_recorded_answer_without_a_protocol_has_none(sefaz, client, name):
    assert _answer_to(sefaz, client, name).protNFe is None


@needs_the_samples
@pytest.mark.parametrize("name", [name for name, said in RECORDED.items() if said.operation == "service_status"])
def test_a_recorded_state_of_the_service_tells_its_mean_time(sefaz, client, name):
    assert _answer_to(sefaz, client, name).tMed == 1


@needs_the_samples
@pytest.mark.parametrize("name", [name for name, said in RECORDED.items() if said.operation in ("send_event", "void")])
def test_a_recorded_receipt_of_an_order_stands_alone(sefaz, client, name):
    found = _answer_to(sefaz, client, name)
    kept = found.retEvento if RECORDED[name].operation == "send_event" else found.retInutNFe
    root = etree.fromstring(kept)
    assert root.tag in (f"{{{NS}}}retEvento", f"{{{NS}}}retInutNFe")
    assert b"soap" not in kept


def test_nobody_listening_is_simply_later(authority):
    endpoints = Endpoints.single("https://127.0.0.1:1")
    session = mtls_session(authority.client.key, authority.client.certificate, ca_file=authority.ca_file)
    client = SefazClient(http=session, endpoints=endpoints, timeout=5)
    error = _failure(client)
    assert type(error) is RetryLater
    assert error.code == "sefaz-unreachable"
