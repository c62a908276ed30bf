"""A real mail server in this process, which keeps what it takes and refuses what it is told to."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest


@dataclass
class Mailbox:
    """What came in, and how the next recipients and mails are answered: the last answer goes on for ever."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    to: list[list[str]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    recipients: list[str] = field(default_factory=lambda: ["250 OK"])
    answers: list[str] = field(default_factory=lambda: ["250 OK"])
    #: Seconds before a mail is taken.
    slow: float = 0.0

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.recipients.pop(0) if len(self.recipients) > 1 else self.recipients[0]
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.slow)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "lost":
            server.transport.abort()
        if answer in ("250 OK", "lost"):
            found = message_from_bytes(envelope.content, policy=policy.default)
            assert isinstance(found, EmailMessage)
            self.mails.append(found)
            self.to.append(list(envelope.rcpt_tos))
        return answer


@contextmanager
def mail_server(
    context: ssl.SSLContext | None = None, *, implicit: bool = False, login: bool = False
) -> Iterator[Mailbox]:
    """Listen on a free port; with a context STARTTLS is offered, or TLS is spoken from the beginning."""
    controllers = pytest.importorskip("aiosmtpd.controller", reason="no aiosmtpd here; install the group dev")
    auth = pytest.importorskip("aiosmtpd.smtp")
    mailbox = Mailbox()

    def check(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> Any:
        mailbox.logins.append((data.login.decode(), data.password.decode()))
        return auth.AuthResult(success=data.password == b"right", handled=False)

    with socket.create_server(("127.0.0.1", 0)) as free:
        mailbox.port = free.getsockname()[1]
    how: dict[str, Any] = {"ssl_context": context} if implicit else {"tls_context": context}
    if login:
        how |= {"authenticator": check, "auth_required": True, "auth_require_tls": not implicit and context is not None}
    controller = controllers.Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, **how)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()
