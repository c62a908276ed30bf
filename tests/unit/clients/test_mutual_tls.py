"""The server is always verified, the client shows its certificate, and the key never lies in the clear."""

import os
import shutil
import ssl
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from workflow.clients import mutual_tls
from workflow.clients.exchange import Request, exchange
from workflow.clients.mutual_tls import lowered_hosts, mtls_session
from workflow.clients.sefaz_endpoints import Endpoints
from workflow.errors import Misconfigured, NfeError, RetryLater, SellerStopped
from workflow.nfe.tables import rows


def _session(authority: Any, **options: Any) -> requests.Session:
    values = {"ca_file": authority.ca_file} | options
    return mtls_session(authority.client.key, authority.client.certificate, [authority.ca.certificate], **values)


def _ask(session: requests.Session, url: str) -> int:
    return exchange(session, Request("POST", url, {}, b"x"), timeout=3, party="sefaz").status


def _failure(session: requests.Session, url: str) -> NfeError:
    with pytest.raises(NfeError) as caught:
        _ask(session, url)
    return caught.value


def test_both_sides_show_their_certificates(serve, authority):
    server = serve(authority.context())
    subjects = []
    server.does(lambda handler: (subjects.append(handler.connection.getpeercert()["subject"]), _empty(handler)))
    assert _ask(_session(authority), server.url) == 200
    assert subjects == [((("commonName", "seller"),),)]


def _empty(handler: Any) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def test_a_server_of_an_unknown_ca_is_not_trusted(serve, authority, stranger):
    server = serve(stranger.context()).answers(200)
    error = _failure(_session(authority), server.url)
    assert type(error) is RetryLater
    assert error.code == "sefaz-tls"
    assert server.url.removeprefix("https://") in error.message
    assert not server.seen


def test_a_server_of_another_name_is_not_trusted(serve, authority):
    server = serve(authority.context(authority.server_called("sefaz.example"))).answers(200)
    assert _failure(_session(authority), server.url).code == "sefaz-tls"
    assert not server.seen


def test_the_test_ca_is_trusted_only_where_it_is_named(serve, authority):
    server = serve(authority.context()).answers(200)
    assert _failure(_session(authority, ca_file=None), server.url).code == "sefaz-tls"


def test_nothing_in_the_environment_loosens_the_trust(serve, authority, stranger, monkeypatch):
    server = serve(stranger.context()).answers(200)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(stranger.ca_file))
    session = _session(authority)
    session.verify = False
    assert _failure(session, server.url).code == "sefaz-tls"


def test_a_refused_client_certificate_stops_the_seller(serve, authority, stranger):
    server = serve(authority.context()).answers(200)
    error = _failure(_session(stranger, ca_file=authority.ca_file), server.url)
    assert isinstance(error, SellerStopped)
    assert error.code == "sefaz-certificate-refused"
    assert not server.seen


def test_an_expired_client_certificate_stops_the_seller(serve, authority):
    server = serve(authority.context()).answers(200)
    expired = _expired(authority)
    session = mtls_session(authority.client.key, expired, ca_file=authority.ca_file)
    assert isinstance(_failure(session, server.url), SellerStopped)


def _expired(authority: Any) -> x509.Certificate:
    valid = authority.client.certificate
    return (
        x509.CertificateBuilder()
        .subject_name(valid.subject)
        .issuer_name(valid.issuer)
        .public_key(valid.public_key())
        .serial_number(7)
        .not_valid_before(valid.not_valid_before_utc)
        .not_valid_after(valid.not_valid_before_utc)
        .sign(authority.ca.key, hashes.SHA256())
    )


def test_a_session_without_a_certificate_is_turned_away(serve, authority):
    server = serve(authority.context()).answers(200)
    session = requests.Session()
    session.trust_env = False  # or REQUESTS_CA_BUNDLE would win over `verify`
    session.verify = str(authority.ca_file)
    assert "is not trusted" not in _failure(session, server.url).message
    assert not server.seen


def test_a_certificate_asked_for_after_the_request_is_shown(serve, authority):
    context = authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_3
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_OPTIONAL
    context.post_handshake_auth = True
    server = serve(context)
    before_and_after = []

    def reply(handler: Any) -> None:
        before_and_after.append(bool(handler.connection.getpeercert()))
        handler.connection.verify_client_post_handshake()
        handler.send_response(200)
        handler.send_header("Content-Length", "1")
        handler.end_headers()
        end = time.monotonic() + 5
        handler.connection.settimeout(0.05)
        while not handler.connection.getpeercert() and time.monotonic() < end:
            with suppress(TimeoutError):
                handler.connection.recv(1)  # the client's certificate comes where a request would
        before_and_after.append(bool(handler.connection.getpeercert()))
        handler.wfile.write(b"x")
        handler.close_connection = True

    server.does(reply)
    _ask(_session(authority), server.url)
    assert before_and_after == [False, True]


def test_a_certificate_asked_for_by_renegotiation_is_shown(authority, tmp_path):
    """As IIS does with TLS 1.2 (SP, BA, MT, SVAN): OpenSSL's own server, told to renegotiate once the request is in."""
    openssl = shutil.which("openssl") or pytest.skip("no openssl on this machine")
    pem = tmp_path / "server.pem"
    pem.write_bytes(authority.server.pem())
    command = [openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", str(pem), "-CAfile", str(authority.ca_file)]
    server = subprocess.Popen(
        [*command, "-tls1_2", "-naccept", "1", "-msg", "-no_resumption_on_reneg"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        accepted = _read_until(server, b"ACCEPT ", b"\n")
        url = "https://" + accepted.rsplit(b"ACCEPT ", 1)[1].split()[0].decode()
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(_ask, _session(authority), url)
            before = _read_until(server, b"POST / HTTP/1.1")
            _type(server, b"R\n")
            _read_until(server, b", CertificateVerify")  # whoever holds the certificate's key has signed
            _type(server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            assert answer.result(10) == 200
    finally:
        server.kill()
        server.wait(10)
    assert b"CertificateVerify" not in before


def _type(server: Any, line: bytes) -> None:
    server.stdin.write(line)
    server.stdin.flush()


def _read_until(server: Any, *texts: bytes) -> bytes:
    """What the process writes until the texts are there, at most ten seconds."""
    seen, end = b"", time.monotonic() + 10
    os.set_blocking(server.stdout.fileno(), False)
    while time.monotonic() < end:
        seen += server.stdout.read() or b""
        if all(text in seen for text in texts):
            return seen
        time.sleep(0.02)
    raise AssertionError(seen.decode("latin-1"))


def test_every_address_has_its_profile():
    hosts = {urlsplit(url).hostname for url in Endpoints.official().urls.values()}
    profiles = list(rows("sefaz_tls.csv"))
    assert hosts <= {row["host"] for row in profiles}
    assert {row["asks_for_certificate"] for row in profiles} == {"handshake", "renegotiation"}
    assert {row["security_level"] for row in profiles} == {"1", "2"}


def test_plain_http_is_never_spoken(server, authority):
    server.answers(200)
    assert isinstance(_failure(_session(authority), server.url), Misconfigured)
    assert not server.seen


def test_old_tls_is_never_spoken(authority):
    for context in contexts(_session(authority)).values():
        assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def contexts(session: requests.Session) -> dict[str, ssl.SSLContext]:
    """By what the address begins with."""
    made = {prefix: getattr(adapter, "adapter", adapter) for prefix, adapter in session.adapters.items()}
    return {prefix: adapter._context for prefix, adapter in made.items()}  # type: ignore[attr-defined]


def test_only_the_named_hosts_get_the_lower_level(authority):
    session = _session(authority)
    assert lowered_hosts() == {"nfe.sefaz.go.gov.br": 1}
    levels = {prefix: context.security_level for prefix, context in contexts(session).items()}
    assert levels == {"https://nfe.sefaz.go.gov.br/": 1, "https://": 2}
    for url in ("https://nfe.sefaz.go.gov.br.example/", "https://homolog.sefaz.go.gov.br/nfe"):
        assert session.get_adapter(url) is session.adapters["https://"]


def test_a_context_of_the_lower_level_is_made_for_whoever_asks_such_a_host(authority, monkeypatch):
    made = []
    context = mutual_tls._context
    monkeypatch.setattr(mutual_tls, "_context", lambda *about: made.append(context(*about)) or made[-1])
    session = _session(authority)
    assert len(made) == 1
    lowered = session.get_adapter("https://nfe.sefaz.go.gov.br/nfe")
    lowered.close()
    assert len(made) == 1, "closing makes none"
    with pytest.raises(requests.RequestException):
        session.get("https://nfe.sefaz.go.gov.br/", proxies={"https": "http://127.0.0.1:1"})
    assert [context.security_level for context in made] == [2, 1]
    lowered.close()


def test_the_lower_level_offers_no_weaker_suites(authority):
    normal, weak = (
        {cipher["name"] for cipher in contexts(_session(authority))[prefix].get_ciphers()}
        for prefix in ("https://", "https://nfe.sefaz.go.gov.br/")
    )
    assert weak <= normal
    assert "DHE-RSA-AES128-GCM-SHA256" in weak


def test_the_suites_that_sefaz_needs_are_offered(authority):
    # Probe of 2026-09-25: PR speaks only the first, BA and AN only the second.
    offered = {cipher["name"] for cipher in contexts(_session(authority))["https://"].get_ciphers()}
    assert {"ECDHE-RSA-AES128-SHA256", "ECDHE-RSA-AES256-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"} <= offered


def test_icp_brasils_roots_are_trusted(authority):
    context = contexts(_session(authority, ca_file=None))["https://"]
    names = {dict(part[0] for part in ca["subject"]).get("commonName") for ca in context.get_ca_certs()}
    assert {f"Autoridade Certificadora Raiz Brasileira v{version}" for version in (5, 10, 11)} <= names
    assert len(names) > 50, "and the public ones"


def test_the_packaged_roots_are_what_their_header_says():
    text = (Path(mutual_tls.__file__).parents[1] / "data/icp_brasil_roots.pem").read_text()
    for root in x509.load_pem_x509_certificates(text.encode()):
        root.verify_directly_issued_by(root)
        assert root.fingerprint(hashes.SHA256()).hex() in text


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_key_is_only_ever_written_encrypted_and_then_gone(authority, monkeypatch, tmp_path, in_memory):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with mutual_tls._client_pem(authority.client.key, authority.client.certificate, []) as (path, password):
        content = Path(path).read_bytes()
        modes = {entry.stat().st_mode & 0o777 for entry in tmp_path.rglob("client.pem")}
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in content
    assert b"BEGIN PRIVATE KEY" not in content
    assert serialization.load_pem_private_key(content, password)
    assert len(password) == 32
    assert modes == (set() if in_memory else {0o600})
    assert not list(tmp_path.rglob("client.pem"))
    assert not Path(path).exists()


def test_a_session_works_from_a_private_file_too(serve, authority, monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    server = serve(authority.context()).answers(200)
    assert _ask(_session(authority), server.url) == 200


def test_a_missing_ca_file_is_named(authority, tmp_path):
    with pytest.raises(Misconfigured, match="NFE_SEFAZ_CA_FILE"):
        _session(authority, ca_file=tmp_path / "none.pem")
    (tmp_path / "none.pem").write_text("nonsense")
    with pytest.raises(Misconfigured, match="NFE_SEFAZ_CA_FILE"):
        _session(authority, ca_file=tmp_path / "none.pem")


def test_a_key_of_another_certificate_stops_the_seller(authority, stranger):
    with pytest.raises(SellerStopped, match="sefaz-certificate-unusable"):
        mtls_session(stranger.client.key, authority.client.certificate)
