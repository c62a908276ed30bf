"""One mail to a mail server: encrypted and verified, or not at all.

The server's texts and the addresses are in no error: only its code is.
"""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from pathlib import Path
from typing import NamedTuple

from workflow import ending, metrics, traces
from workflow.errors import Invalid, Misconfigured, NfeError, RetryLater
from workflow.settings import Settings, is_loopback

#: Seconds for each step: whoever sends has other work to do.
TIMEOUT = 10.0


class MailServer(NamedTuple):
    """Where mails are handed in."""

    host: str
    port: int
    tls: str
    user: str
    password: str
    ca_file: Path | None

    @classmethod
    def of(cls, settings: Settings) -> "MailServer":
        """As the settings say; raise Misconfigured where they name none, or one in the clear elsewhere."""
        if not settings.smtp_host or not settings.smtp_from:
            raise Misconfigured("no-mail-server", "mails cannot be sent; set NFE_SMTP_HOST and NFE_SMTP_FROM")
        if settings.smtp_tls == "none" and not is_loopback(settings.smtp_host):
            raise Misconfigured("mail-in-the-clear", "NFE_SMTP_TLS=none is for loopback only; set starttls or tls")
        return cls(
            settings.smtp_host, settings.smtp_port, settings.smtp_tls, settings.smtp_user,
            settings.smtp_password.get_secret_value(), settings.smtp_ca_file,
        )  # fmt: skip

    def check(self) -> None:
        """Connect and log in, and send nothing; raise what `send` raises."""
        with self._session() as session:
            session.noop()

    def send(self, message: EmailMessage, to: Sequence[str], *, operation: str) -> None:
        """Hand one mail in; raise Invalid where the server refuses it for good, else RetryLater.

        After a lost answer the same message may be handed in again: its Message-ID tells.
        """
        with (
            metrics.exchange("mail", operation) as counted,
            traces.request("mail", operation),
            self._session() as session,
        ):
            refused = session.send_message(message, to_addrs=list(to))
            counted.result = "250"
            if refused:
                raise _refused({code for code, _ in refused.values()}, len(refused), len(to))

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        try:
            with ending.call(), self._connected() as session:
                if self.user:
                    session.login(self.user, self.password)
                yield session
        except NfeError:
            raise
        except ending.GivenUp:
            raise ending.given_up(asks=True) from None  # its Message-ID tells where it comes twice
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            raise _refused(codes, len(error.recipients), len(error.recipients)) from None
        except smtplib.SMTPAuthenticationError as error:
            raise RetryLater("mail-login", f"the mail server refused the login ({error.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            raise RetryLater("mail-tls", "the mail server offers no STARTTLS; nothing was sent") from None
        except smtplib.SMTPResponseException as error:
            raise _response(error.smtp_code) from None
        except ssl.SSLCertVerificationError as error:
            raise RetryLater(
                "mail-tls", f"the mail server's certificate is not trusted: {error.verify_message}"
            ) from None
        except ssl.SSLError as error:
            raise RetryLater("mail-tls", f"TLS with the mail server failed: {error.reason}") from None
        except (smtplib.SMTPException, OSError) as error:
            raise RetryLater("mail-unreachable", f"the mail server does not answer ({type(error).__name__})") from None

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        if self.tls == "tls":
            session: smtplib.SMTP = smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT, context=self._context())
        else:
            session = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT)
        try:
            if self.tls == "starttls":
                session.starttls(context=self._context())
            yield session
            with suppress(smtplib.SMTPException, OSError):  # what was taken stays taken
                session.quit()
        finally:
            session.close()

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if self.ca_file is not None:
            context.load_verify_locations(cafile=self.ca_file)
        return context


def _refused(codes: set[int], count: int, of: int) -> NfeError:
    """Some recipients were refused: for good where one of them was."""
    told = f"the mail server refused {count} of {of} recipients ({', '.join(str(code) for code in sorted(codes))})"
    return Invalid("mail-refused", told) if max(codes) >= 500 else RetryLater("mail-postponed", told)


def _response(code: int) -> NfeError:
    if code >= 500:
        return Invalid("mail-refused", f"the mail server refused the mail ({code})")
    return RetryLater("mail-postponed", f"the mail server cannot now ({code})")
