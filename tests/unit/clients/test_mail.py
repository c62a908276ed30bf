"""One mail to a real mail server: encrypted and verified or not at all, and what its answers mean."""

import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from tests.mailbox import Mailbox, mail_server
from tests.unit.clients.conftest import Authority
from workflow.clients.mail import MailServer
from workflow.errors import Invalid, Misconfigured, RetryLater
from workflow.settings import Settings

TO = ["one@example.com", "two@example.com"]


def context_of(authority: Authority) -> ssl.SSLContext:
    """A server's TLS, which asks for no client certificate."""
    path = authority.folder / "mail.pem"
    path.write_bytes(authority.server.pem())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    """A server without TLS, on loopback."""
    with mail_server() as made:
        yield made


def server_of(mailbox: Mailbox, tls: str = "none", **how: Any) -> MailServer:
    values = {"user": "", "password": "", "ca_file": None} | how
    return MailServer("127.0.0.1", mailbox.port, tls, **values)


def a_mail() -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "notas@example.com", ", ".join(TO), "NF-e nº 1"
    mail.set_content("Olá")
    return mail


def send(server: MailServer) -> None:
    server.send(a_mail(), TO, operation="test")


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # the connection is encrypted already
@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_mail_goes_encrypted_to_a_server_that_is_trusted_and_logged_in_at(tls: str, authority: Authority) -> None:
    with mail_server(context_of(authority), implicit=tls == "tls", login=True) as mailbox:
        server = server_of(mailbox, tls, user="nfe", password="right", ca_file=authority.ca_file)
        server.check()
        assert mailbox.mails == []
        send(server)
        with pytest.raises(RetryLater, match=r"mail-login.*535"):
            send(server._replace(password="wrong"))
    assert mailbox.logins[:2] == [("nfe", "right"), ("nfe", "right")]
    assert set(mailbox.logins[2:]) == {("nfe", "wrong")}
    assert mailbox.to == [TO]
    assert mailbox.mails[0]["Subject"] == "NF-e nº 1"


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_a_server_that_nobody_vouches_for_gets_nothing(tls: str, authority: Authority, stranger: Authority) -> None:
    with mail_server(context_of(authority), implicit=tls == "tls") as mailbox:
        with pytest.raises(RetryLater, match=r"mail-tls.*not trusted"):
            send(server_of(mailbox, tls, ca_file=stranger.ca_file))
        with pytest.raises(RetryLater, match="mail-tls"):
            send(server_of(mailbox, tls))
    assert mailbox.mails == []


def test_a_server_without_starttls_gets_nothing(mailbox: Mailbox) -> None:
    with pytest.raises(RetryLater, match="mail-tls"):
        send(server_of(mailbox, "starttls"))
    assert mailbox.mails == []


@pytest.mark.parametrize(
    ("recipients", "answers", "error", "says"),
    [
        (["250 OK"], ["554 spam"], Invalid, r"mail-refused.*\(554\)"),
        (["250 OK"], ["451 later"], RetryLater, r"mail-postponed.*\(451\)"),
        (["550 unknown"], ["250 OK"], Invalid, r"mail-refused.*2 of 2 recipients \(550\)"),
        (["450 busy"], ["250 OK"], RetryLater, r"mail-postponed.*2 of 2 recipients \(450\)"),
        (["250 OK", "550 unknown"], ["250 OK"], Invalid, r"mail-refused.*1 of 2 recipients \(550\)"),
        (["250 OK", "450 busy"], ["250 OK"], RetryLater, r"mail-postponed.*1 of 2 recipients \(450\)"),
    ],
)
def test_what_the_server_says_is_for_good_or_for_later(
    mailbox: Mailbox, recipients: list[str], answers: list[str], error: type[Exception], says: str
) -> None:
    mailbox.recipients, mailbox.answers = recipients, answers
    with pytest.raises(error, match=says) as raised:
        send(server_of(mailbox))
    assert "@" not in str(raised.value), "no address is in an error"


def test_a_lost_answer_and_a_server_that_is_away_are_for_later(mailbox: Mailbox) -> None:
    mailbox.answers = ["lost"]
    with pytest.raises(RetryLater, match="mail-unreachable"):
        send(server_of(mailbox))
    with pytest.raises(RetryLater, match="mail-unreachable"):
        send(server_of(mailbox)._replace(port=1))


def test_settings_that_name_no_server_or_one_in_the_clear_are_told(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="no-mail-server"):
        MailServer.of(Settings(smtp_host="mail.example"))
    plain = {"smtp_from": "a@example.com", "smtp_tls": "none"}
    with pytest.raises(Misconfigured, match="mail-in-the-clear"):
        MailServer.of(Settings(smtp_host="mail.example", **plain))
    assert MailServer.of(Settings(smtp_host="127.0.0.1", **plain)).port == 587
