"""The environment, read once, frozen.

Every setting is an environment variable with the prefix `NFE_`, or a file of that name (lower case) in the
folder that `NFE_SECRETS_DIR` names (default `/run/secrets`, where Docker puts them).
Without any of them the engine runs embedded: SQLite and a private Valkey in `NFE_DATA_DIR`.
"""

import hashlib
import os
import re
import stat
import tempfile
from datetime import timedelta
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from workflow.errors import Misconfigured

#: Linux takes 107 bytes for a socket's path, macOS 103.
SOCKET_PATH_LIMIT = 100
NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
#: What neither a URL nor a client's own parsing of it changes.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")
#: A part of a mail address, and the whole of one.
_PART = r"[^@|*,\s]+"
_ADDRESS = f"{_PART}@{_PART}"


def _seconds(value: object) -> object:
    """A number in a variable is text, which pydantic would take for days."""
    return float(value) if isinstance(value, str) and NUMBER.fullmatch(value) else value


#: Seconds, or ISO 8601 (`PT15M`).
Duration = Annotated[timedelta, BeforeValidator(_seconds), Field(ge=timedelta())]


class Settings(BaseSettings):
    """All that can be configured, with the defaults of the embedded installation."""

    model_config = SettingsConfigDict(env_prefix="NFE_", env_ignore_empty=True, frozen=True, extra="ignore")

    data_dir: Path = Field(
        default=Path("~/.nfe-workflow"), description="Folder of the embedded database, broker and key."
    )
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: SQLite in the data folder.")
    redis_url: str = Field(default="", description="redis://, rediss:// or unix:// URL; empty: the embedded Valkey.")
    broker_url: str = Field(
        default="",
        pattern="^$|^(amqps?|rediss?)://",
        description="Celery's broker, where it is another than that Redis.",
    )
    encryption_key: SecretStr = Field(
        default=SecretStr(""),
        description="Keys, newest first, comma between; empty: a key file in the data folder.",
    )
    encryption_key_file: Path | None = Field(default=None, description="A file of such keys that only its owner reads.")
    encryption_key_command: SecretStr = Field(
        default=SecretStr(""), description="A command that prints such keys, of a key service for example."
    )

    lwa_client_id: str = Field(default="", description="Login with Amazon: the application's client id.")
    lwa_client_secret: SecretStr = Field(
        default=SecretStr(""), description="… and its secret; two while it is rotated, comma between."
    )
    lwa_url: str = Field(default="https://api.amazon.com/auth/o2/token", description="LWA token address.")
    amazon_url: str = Field(
        default="https://sellingpartnerapi-na.amazon.com", description="Selling Partner API, North America."
    )
    marketplace_id: str = Field(default="A2Q3Y263D00KWC", description="Brazil.")
    amazon_timeout: float = Field(default=20.0, gt=0, description="Seconds to read an answer of Amazon.")
    amazon_md5_hex: bool = Field(
        default=False,
        description="Send ContentMD5Value as hex (unconfirmed in production; the guide says base64).",
    )
    amazon_rate: float = Field(default=1.133, gt=0, description="Permits per second, seller and operation.")
    amazon_burst: int = Field(default=25, gt=0, description="Size of that bucket.")

    details_grace: Duration = Field(
        # The notification may be ahead of the API; nobody has published by how much.
        default=timedelta(minutes=10),
        description="How long after its announcement Amazon may not know a shipment (404) before a person is asked.",
    )

    sqs_queue_url: str = Field(default="", description="Queue of Amazon's notifications; empty: no consumer.")
    sqs_dlq_url: str = Field(default="", description="Queue for messages that cannot be understood, with the reason.")
    sqs_region: str = Field(default="", description="AWS region; empty: the queue URL's, or boto3's own choice.")
    sqs_endpoint_url: str = Field(default="", description="SQS address, for local servers; empty: AWS's.")
    sqs_wait: int = Field(default=20, ge=0, le=20, description="Seconds a question waits for messages (long polling).")
    sqs_visibility: Duration = Field(
        # Of a killed consumer's messages; while one works, its messages' time is extended.
        default=timedelta(seconds=60),
        ge=timedelta(seconds=1),
        le=timedelta(hours=12),
        description="How long a message is hidden from other consumers.",
    )
    sqs_max_receives: int = Field(
        # With the waits between: about a day.
        default=30,
        ge=1,
        description="Receives of a message of an unknown seller before the dead-letter queue.",
    )

    sefaz_url: str = Field(default="", description="One base URL instead of the official table (sandbox).")
    sefaz_ca_file: Path | None = Field(default=None, description="PEM roots to trust besides the official.")
    sefaz_timeout: float = Field(default=60.0, gt=0, description="Seconds to read an answer of SEFAZ.")

    contingency: bool = Field(
        default=True, description="Issue at the SVC while the UF's SEFAZ is down and the SVC stands in for it."
    )
    contingency_after: int = Field(default=5, ge=1, description="Tries without SEFAZ before the SVC is asked.")
    ask_taxpayer: bool = Field(
        default=True, description="Ask the buyer's state for a company's registration, where it answers (232)."
    )

    templates_dir: Path | None = Field(
        default=None,
        description="Folder whose fragments replace the packaged ones; one subfolder per seller id.",
    )

    max_tries: int = Field(
        # With the waits below: about half a day, longer than any counterpart's usual outage.
        default=100,
        ge=1,
        description="Tries of one stage before a person is asked.",
    )
    max_polls: int = Field(default=300, ge=1, description="Questions for one verdict before a person is asked.")
    max_crashes: int = Field(default=5, ge=1, description="Workers that one stage may kill, or bugs it may meet.")
    backoff_base: Duration = Field(default=timedelta(seconds=2), description="First wait after a failure.")
    backoff_cap: Duration = Field(default=timedelta(minutes=15), description="Longest wait after a failure.")
    lease: Duration = Field(
        # Longer than the longest stage: SEFAZ's answer, a query before it, and the connection's set-up.
        default=timedelta(seconds=180),
        description="How long a claimed shipment belongs to its worker.",
    )
    finish_within: Duration = Field(
        # Kubernetes gives a container 30 s: these, and what `workflow.ending` needs beyond them.
        default=timedelta(seconds=20),
        description="How long a part that is told to end may finish what it has in hand; then that is given up.",
    )
    ring_again: Duration = Field(
        default=timedelta(seconds=60), description="When the sweeper rings again for a row nobody claimed."
    )
    sweep_every: float = Field(default=1.0, gt=0, description="Seconds between two sweeps.")
    sweep_limit: int = Field(
        default=200, gt=0, description="Messages that wait in the broker at the most, by a sweep's doing."
    )
    poll_first: Duration = Field(
        default=timedelta(seconds=30),
        description="Shortest wait from submission to the first question; it grows with Amazon's pace.",
    )
    poll_cap: Duration = Field(default=timedelta(minutes=15), description="Longest gap between two questions.")
    cancel_late: bool = Field(
        default=False, description="Cancel also after the 24 hours, with a fine, where the seller's state takes it."
    )

    void_numbers: bool = Field(default=True, description="Void numbers once a day that were unused for a day.")
    purge_after: Duration = Field(
        # Amazon's Data Protection Policy: personal data no longer than 30 days after delivery.
        default=timedelta(days=30),
        description="From a shipment's end to the removal of its personal data; 0: on command only.",
    )

    customer_invoices_every: Duration = Field(
        # Amazon: "check at least once per hour during business hours".
        default=timedelta(hours=1),
        description="How often vendors' customer invoices are pulled; 0: on command only.",
    )

    concurrency: int = Field(default=2, ge=1, description="Worker processes that `nfe up` starts.")
    flower_address: str = Field(default="127.0.0.1", description="Where Flower listens.")
    flower_port: int = Field(default=5555, ge=0, le=65535, description="0: a free one.")
    flower_basic_auth: SecretStr = Field(default=SecretStr(""), description="user:password[,user:password].")
    flower_oauth: str = Field(
        default="", pattern="^(google|github|gitlab|okta)?$", description="Who logs people in: google, github, …"
    )
    flower_oauth_url: str = Field(
        default="", pattern="^(https://[^/].*)?$", description="The provider where it has an address of its own."
    )
    flower_oauth_emails: str = Field(
        # Flower ends at a pattern that it does not take, and lets nobody in by one that only looks like its own.
        default="",
        pattern=rf"^$|^{_ADDRESS}(\|{_ADDRESS})*$|^({_PART})?\.\*({_PART})?@{_PART}$",
        description="Whom: a@x|b@x, or .*@x",
    )
    flower_oauth_key: str = Field(default="", description="Flower's client id there.")
    flower_oauth_secret: SecretStr = Field(default=SecretStr(""), description="… and its secret.")
    flower_url: str = Field(
        default="", pattern="^(https?://.+)?$", description="Where browsers find Flower, for links; empty: there."
    )
    flower_url_prefix: str = Field(default="", description="Path under which a proxy publishes Flower.")
    metrics_address: str = Field(default="127.0.0.1", description="Where /metrics, /healthz and /readyz listen.")
    metrics_port: int | None = Field(
        default=None, ge=1, le=65535, description="And their port; empty: `nfe up` starts no such part."
    )
    web_address: str = Field(default="127.0.0.1", description="Where the operator's page listens.")
    web_port: int = Field(default=5556, ge=0, le=65535, description="0: a free one.")
    web_url: str = Field(
        default="", pattern="^(https?://.+)?$", description="Where browsers find the page, for links; empty: there."
    )
    web_proxies: str = Field(
        default="127.0.0.1", description="Addresses of proxies whose X-Forwarded-For and -Proto are believed."
    )
    web_idle: Duration = Field(
        default=timedelta(minutes=30), ge=timedelta(seconds=1), description="A session that nobody uses ends after it."
    )
    web_session: Duration = Field(
        default=timedelta(hours=12), ge=timedelta(seconds=1), description="A session ends after it in any case."
    )
    smtp_host: str = Field(default="", description="Mail server for sellers with [buyer_mail]; empty: none.")
    smtp_port: int = Field(default=587, ge=1, le=65535, description="587 with starttls, 465 with tls.")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls", description="How the connection is encrypted; none on loopback only."
    )
    smtp_user: str = Field(default="", description="Login; empty: none.")
    smtp_password: SecretStr = Field(default=SecretStr(""), description="… and its password.")
    smtp_from: str = Field(default="", description="The mails' sender: notas@example.com.")
    smtp_ca_file: Path | None = Field(default=None, description="PEM roots to trust besides the system's.")
    handover_every: Duration = Field(
        default=timedelta(seconds=15), description="How often notes that are to be handed on are looked for; 0: never."
    )
    alert_url: str = Field(default="", description="Webhook for alerts; empty: none are sent.")
    alert_secret: SecretStr = Field(
        default=SecretStr(""), description="Signs them (Standard Webhooks); empty: unsigned."
    )
    alert_every: Duration = Field(
        default=timedelta(minutes=1), ge=timedelta(seconds=1), description="How often is looked for what to tell."
    )
    alert_again: Duration = Field(
        default=timedelta(hours=6), description="When what goes on is told again; what has grown, after an hour."
    )
    alert_overdue: Duration = Field(
        default=timedelta(minutes=15), description="How long a shipment may be due before an alert."
    )
    alert_nothing_accepted: Duration = Field(
        default=timedelta(hours=2), description="How long nothing may be accepted while shipments wait."
    )
    log_format: str = Field(default="console", pattern="^(console|json)$", description="console or json.")
    log_level: str = Field(
        default="INFO", pattern="^(?i:debug|info|warning|error)$", description="DEBUG, INFO, WARNING or ERROR."
    )

    @field_validator("data_dir")
    @classmethod
    def _expand_home(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("alert_url")
    @classmethod
    def _is_private(cls, value: str) -> str:
        if value and not is_private(value):
            raise ValueError("must be an https:// address, or http:// on loopback")
        return value

    @property
    def is_embedded(self) -> bool:
        """Whether Redis is ours: then everything listens on loopback only."""
        return not self.redis_url

    @property
    def resolved_database_url(self) -> str:
        """The SQLAlchemy URL in force, with psycopg 3 as PostgreSQL's driver."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir / 'nfe.sqlite3'}"
        for prefix in ("postgres://", "postgresql://"):
            if self.database_url.startswith(prefix):
                return "postgresql+psycopg://" + self.database_url.removeprefix(prefix)
        return self.database_url

    @property
    def socket_path(self) -> Path:
        """Where the embedded Valkey listens: in the data folder, or in a short private one where that cannot be."""
        path = self.data_dir / "valkey.sock"
        if _fits(path):
            return path
        name = f"nfe-{os.getuid()}-{hashlib.sha256(os.fsencode(self.data_dir)).hexdigest()[:12]}"
        path = Path(tempfile.gettempdir()) / name / "valkey.sock"
        return path if _fits(path) else Path("/tmp") / name / "valkey.sock"  # noqa: S108  the folder is private, see below

    @property
    def resolved_broker_url(self) -> str:
        """Celery's broker in force: the Redis of permits and barrier, unless another is named."""
        return self.broker_url or self.resolved_redis_url

    @property
    def resolved_redis_url(self) -> str:
        """Redis' URL in force; raise Misconfigured when another user could listen in the embedded one's place."""
        if self.redis_url:
            # redis-py's word for a socket; Celery has another.
            return re.sub("^unix://", "redis+socket://", self.redis_url)
        path = self.socket_path
        if path.parent != self.data_dir:
            check_private(path.parent)
        return f"redis+socket://{path}"


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= SOCKET_PATH_LIMIT and PLAIN_PATH.fullmatch(str(path)) is not None


def check_private(folder: Path) -> None:
    """Raise Misconfigured when the folder exists and anybody else owns it or may enter it."""
    try:
        found = folder.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise Misconfigured(
            "not-private", f"{folder} must be ours alone (mode 0700); mend it, or choose another NFE_DATA_DIR"
        )


def is_loopback(address: str) -> bool:
    """Whether only this machine reaches the address.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0"), is_loopback("")
    (True, True, False, False)
    """
    try:
        return address == "localhost" or ip_address(address).is_loopback
    except ValueError:
        return False


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what goes there: https, or http on loopback.

    >>> is_private("https://a.example/x"), is_private("http://127.0.0.1:80/"), is_private("http://a.example/")
    (True, True, False)
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))


def is_real_amazon(url: str) -> bool:
    """Whether what is handed in there reaches the real Amazon: no loopback address, not Amazon's own sandbox.

    >>> is_real_amazon("https://sellingpartnerapi-na.amazon.com"), is_real_amazon("http://127.0.0.1:8180")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    return host not in ("127.0.0.1", "localhost", "::1") and not host.startswith("sandbox.")


def load(**overrides: Any) -> Settings:
    """Read the environment; raise Misconfigured with one line that names the variable and the mistake."""
    secrets = os.environ.get("NFE_SECRETS_DIR", "/run/secrets")
    if Path(secrets).is_dir():
        overrides = {"_secrets_dir": secrets, **overrides}
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "NFE_" + "_".join(str(part) for part in first["loc"]).upper()
        raise Misconfigured("bad-setting", f"{name}: {first['msg']}; mend the environment variable") from error


@lru_cache(maxsize=1)
def current() -> Settings:
    """The settings of this process, read at the first question."""
    return load()
