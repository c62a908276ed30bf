"""Every UF has an address for every service the workflow uses, in both environments."""

from urllib.parse import urlsplit

import pytest

from workflow.clients.sefaz_endpoints import SERVICES, Endpoints
from workflow.errors import Misconfigured

OFFICIAL = Endpoints.official()


def test_there_are_27_ufs_with_their_codes():
    assert len(OFFICIAL.authorizers) == len(OFFICIAL.codes) == 27
    assert len(set(OFFICIAL.codes.values())) == 27
    assert (OFFICIAL.code("SP"), OFFICIAL.code("MA")) == ("35", "21")


@pytest.mark.parametrize("uf", OFFICIAL.authorizers)
@pytest.mark.parametrize("tpAmb", [1, 2])
def test_every_uf_has_the_services_we_use(uf, tpAmb):
    for service in ("autorizacao", "consulta", "status", "evento", "inutilizacao"):
        parts = urlsplit(OFFICIAL.url(service, uf=uf, tpAmb=tpAmb))
        assert parts.scheme == "https"
        assert parts.hostname.endswith(".gov.br")


def test_no_address_serves_both_environments():
    by_environment = [
        {url for (_, environment, _), url in OFFICIAL.urls.items() if environment == name}
        for name in ("producao", "homologacao")
    ]
    assert not by_environment[0] & by_environment[1]


def test_ufs_without_a_service_of_their_own_share_one():
    # Portal da NF-e, 2026-09-25: only MA uses the SVAN; some libraries still say so of PA or PI.
    by_authorizer = {}
    for uf, authorizer in OFFICIAL.authorizers.items():
        by_authorizer.setdefault(authorizer, set()).add(uf)
    assert by_authorizer["SVAN"] == {"MA"}
    assert by_authorizer["SVRS"] == {
        "AC",
        "AL",
        "AP",
        "CE",
        "DF",
        "ES",
        "PA",
        "PB",
        "PI",
        "RJ",
        "RN",
        "RO",
        "RR",
        "SC",
        "SE",
        "TO",
    }
    assert {uf for uf, own in OFFICIAL.authorizers.items() if uf == own} == {
        "AM",
        "BA",
        "GO",
        "MG",
        "MS",
        "MT",
        "PE",
        "PR",
        "RS",
        "SP",
    }


def test_the_tables_name_only_known_services():
    assert {service for _, _, service in OFFICIAL.urls} == set(SERVICES)


def test_one_server_may_stand_for_all():
    endpoints = Endpoints.single("https://127.0.0.1:8443/")
    assert endpoints.url("autorizacao", uf="SP", tpAmb=2) == "https://127.0.0.1:8443/ws/NFeAutorizacao4"
    assert endpoints.url("evento", uf="MA", tpAmb=1) == "https://127.0.0.1:8443/ws/NFeRecepcaoEvento4"
    assert (
        endpoints.url("consulta", uf="SP", tpAmb=2, tpEmis=6) == "https://127.0.0.1:8443/svc/ws/NFeConsultaProtocolo4"
    )
    assert endpoints.code("RS") == "43"


@pytest.mark.parametrize("base_url", ["", "http://127.0.0.1", "127.0.0.1:8443", "https://"])
def test_only_https_will_do(base_url):
    with pytest.raises(Misconfigured, match="NFE_SEFAZ_URL"):
        Endpoints.single(base_url)


@pytest.mark.parametrize(("uf", "tpAmb"), [("XX", 1), ("SP", 3)])
def test_what_is_in_no_table_is_named(uf, tpAmb):
    with pytest.raises(Misconfigured, match=f"UF {uf} and tpAmb {tpAmb}"):
        OFFICIAL.url("autorizacao", uf=uf, tpAmb=tpAmb)


def test_an_unknown_uf_has_no_code():
    with pytest.raises(Misconfigured, match="XX"):
        OFFICIAL.code("XX")


@pytest.mark.parametrize("uf", OFFICIAL.authorizers)
@pytest.mark.parametrize("tpAmb", [1, 2])
def test_every_uf_has_a_contingency_that_is_not_its_own_authorizer(uf, tpAmb):
    tpEmis = OFFICIAL.svc_of(uf, tpAmb)
    host = urlsplit(OFFICIAL.url("autorizacao", uf=uf, tpAmb=tpAmb, tpEmis=tpEmis)).hostname
    assert ("svrs" in host) is (tpEmis == 7)
    # The table's one exception is PI's homologation.
    is_same = host == urlsplit(OFFICIAL.url("autorizacao", uf=uf, tpAmb=tpAmb)).hostname
    assert is_same is ((uf, tpAmb) == ("PI", 2))
    for service in ("retautorizacao", "consulta", "status", "evento"):
        assert urlsplit(OFFICIAL.url(service, uf=uf, tpAmb=tpAmb, tpEmis=tpEmis)).hostname == host


def test_the_contingency_is_the_tables_also_where_the_environments_differ():
    assert {uf for uf in OFFICIAL.authorizers if OFFICIAL.svc_of(uf) == 7} == {
        "AM",
        "BA",
        "GO",
        "MA",
        "MS",
        "MT",
        "PE",
        "PR",
    }
    assert (OFFICIAL.svc_of("PI"), OFFICIAL.svc_of("PI", 2)) == (6, 7)


@pytest.mark.parametrize("endpoints", [OFFICIAL, Endpoints.single("https://127.0.0.1")])
def test_a_contingency_stands_in_only_for_its_own_ufs_and_services(endpoints):
    for service, uf, tpEmis in (("autorizacao", "SP", 7), ("inutilizacao", "SP", 6), ("cadastro", "SP", 6)):
        with pytest.raises(Misconfigured):
            endpoints.url(service, uf=uf, tpAmb=2, tpEmis=tpEmis)
    with pytest.raises(Misconfigured, match="XX"):
        endpoints.svc_of("XX")


def test_some_authorizers_have_a_method_of_their_own():
    def method(service, uf, default):
        return OFFICIAL.method(OFFICIAL.url(service, uf=uf, tpAmb=1), default)

    assert method("cadastro", "MG", "consultaCadastro") == "consultaCadastro4"
    assert method("cadastro", "SP", "consultaCadastro") == "consultaCadastro"
    assert method("retautorizacao", "PR", "nfeRetAutorizacaoLote") == "nfeRetAutorizacao"


def test_not_every_uf_tells_who_its_taxpayers_are():
    silent = {uf for uf in OFFICIAL.authorizers if not OFFICIAL.offers("cadastro", uf=uf, tpAmb=1)}
    assert silent == {"AM", "MA"}
