"""The running parts, each as one command line and one environment: `nfe up`, containers and systemd start the same.

Every part runs in the data folder, with `-P`: a `tasks.py` of the folder where somebody typed `nfe up` must not be
taken for ours. Passwords travel in the environment, which other users cannot read, never in the command line.
"""

import http.client
import os
import sys
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

from pydantic import SecretStr

from workflow import embedded
from workflow.clients.broker import QUEUE, SWEPT
from workflow.errors import Misconfigured
from workflow.settings import Settings, is_loopback, load

#: Seconds without a sign of life after which a part is not healthy: many times the interval of its signs.
SILENCE = 60.0
#: Tasks that Flower keeps in memory: about 5.5 KB each.
FLOWER_TASKS = 20_000
#: The operator's page's sign of life.
ALIVE = "/alive"
FLOWER_COLUMNS = "name,uuid,root_id,state,args,result,received,runtime,worker"
#: Flower's handlers of who may log people in.
OAUTH = {
    "google": "GoogleAuth2LoginHandler",
    "github": "GithubLoginHandler",
    "gitlab": "GitLabLoginHandler",
    "okta": "OktaLoginHandler",
}
#: Flower's variable for a provider with an address of its own: Okta's whole address, of the others the host.
OAUTH_AT = {
    "github": "FLOWER_GITHUB_OAUTH_DOMAIN",
    "gitlab": "FLOWER_GITLAB_OAUTH_DOMAIN",
    "okta": "FLOWER_OAUTH2_OKTA_BASE_URL",
}


class Part(StrEnum):
    """What `nfe up` runs."""

    VALKEY = "valkey"
    WORKER = "worker"
    BEAT = "beat"
    FLOWER = "flower"
    WEB = "web"
    CONSUMER = "consumer"
    METRICS = "metrics"


def needed(settings: Settings) -> tuple[Part, ...]:
    """All parts of this installation, in the order of their start."""
    wanted = {
        Part.VALKEY: settings.is_embedded,
        Part.CONSUMER: bool(settings.sqs_queue_url),
        Part.METRICS: settings.metrics_port is not None,
    }
    return tuple(part for part in Part if wanted.get(part, True))


def argv(part: Part, settings: Settings) -> list[str]:
    """The part's command line; raise Misconfigured when the part may not run like this."""
    return _ARGV[part](settings)


def worker_argv(settings: Settings) -> list[str]:
    """Celery's worker, which takes from both queues in turn; its start-up talk with others would only slow it."""
    return _celery(
        settings, "worker", "--loglevel", settings.log_level, "--concurrency", str(settings.concurrency),
        "-n", "worker@%h", "--queues", f"{QUEUE},{SWEPT}", "--without-mingle", "--without-gossip",
    )  # fmt: skip


def beat_argv(settings: Settings) -> list[str]:
    """Celery's clock, which starts the sweeps; two of them are harmless."""
    schedule = settings.data_dir / "beat-schedule"
    return _celery(settings, "beat", "--loglevel", settings.log_level, "--schedule", str(schedule), "--pidfile=")


def flower_argv(settings: Settings) -> list[str]:
    """Flower, read-only; raise Misconfigured when people from elsewhere could open it without a login."""
    if settings.flower_oauth:
        _check_oauth(settings)
    elif _needs_login(settings) and not _login(settings):
        raise Misconfigured(
            "flower-without-login",
            "Flower would be open to anybody; set NFE_FLOWER_BASIC_AUTH=user:password (or the secrets file"
            " nfe_flower_basic_auth), or NFE_FLOWER_OAUTH",
        )
    return _celery(
        settings,
        "flower",
        f"--address={settings.flower_address}",
        f"--port={settings.flower_port}",
        f"--url_prefix={settings.flower_url_prefix}",
        "--read_only=True",
        "--persistent=True",
        f"--db={settings.data_dir / 'flower'}",
        "--state_save_interval=60000",
        f"--max_tasks={FLOWER_TASKS}",
        "--purge_offline_workers=3600",
        f"--tasks_columns={FLOWER_COLUMNS}",
    )


def web_argv(settings: Settings) -> list[str]:
    """`nfe web`, the operator's page."""
    return [sys.executable, "-P", "-m", "tasks.doorbell", "web"]


def _check_oauth(settings: Settings) -> None:
    """Raise Misconfigured where Flower could not log people in by OAuth, or would not know whom."""
    needed = ["flower_oauth_emails", "flower_oauth_key", "flower_oauth_secret", "flower_url"]
    if settings.flower_oauth == "okta":
        needed.append("flower_oauth_url")
    missing = [f"NFE_{name.upper()}" for name in needed if not _text(getattr(settings, name))]
    if missing:
        raise Misconfigured("flower-oauth", f"NFE_FLOWER_OAUTH needs {', '.join(missing)}, too")
    if _login(settings):
        raise Misconfigured("flower-oauth", "there are NFE_FLOWER_OAUTH and NFE_FLOWER_BASIC_AUTH; choose one")


def consumer_argv(settings: Settings) -> list[str]:
    """`nfe consume`; raise Misconfigured where boto3 is missing."""
    if find_spec("boto3") is None:
        raise Misconfigured("no-boto3", "boto3 is missing; pip install 'nfe-workflow[sqs]'")
    return _nfe("consume")


def metrics_argv(settings: Settings) -> list[str]:
    """`nfe metrics --serve`; raise Misconfigured where nobody said where."""
    if settings.metrics_port is None:
        raise Misconfigured("no-metrics-port", "nobody said where the metrics listen; set NFE_METRICS_PORT")
    return _nfe("metrics", "--serve")


_ARGV: dict[Part, Callable[[Settings], list[str]]] = {
    Part.VALKEY: embedded.valkey_argv,
    Part.WORKER: worker_argv,
    Part.BEAT: beat_argv,
    Part.FLOWER: flower_argv,
    Part.WEB: web_argv,
    Part.CONSUMER: consumer_argv,
    Part.METRICS: metrics_argv,
}


def _celery(settings: Settings, *words: str) -> list[str]:
    # Its banner is no line of JSON.
    quiet = ["--quiet"] if settings.log_format == "json" else []
    return [sys.executable, "-P", "-m", "tasks.command", "-A", "tasks.app", *quiet, *words]


def _nfe(*words: str) -> list[str]:
    return [sys.executable, "-P", "-m", "tasks.doorbell", *words]


def _login(settings: Settings) -> str:
    return settings.flower_basic_auth.get_secret_value()


def _needs_login(settings: Settings) -> bool:
    is_ours = settings.is_embedded and not settings.broker_url
    return not (is_ours and is_loopback(settings.flower_address))


def environment(part: Part, settings: Settings) -> dict[str, str]:
    """Our own environment, with what the settings in force say otherwise, and with absolute paths."""
    environ = dict(os.environ)
    ours = load()
    for name in Settings.model_fields:
        value, variable = getattr(settings, name), f"NFE_{name.upper()}"
        if value is None:
            environ.pop(variable, None)
        elif isinstance(value, Path) or value != getattr(ours, name):
            environ[variable] = _text(value)
    if settings.database_url.startswith("sqlite:///"):
        environ["NFE_DATABASE_URL"] = f"sqlite:///{Path(settings.database_url.removeprefix('sqlite:///')).absolute()}"
    if "NFE_SECRETS_DIR" in environ:
        environ["NFE_SECRETS_DIR"] = str(Path(environ["NFE_SECRETS_DIR"]).absolute())
    if part is Part.FLOWER:
        environ |= _flower_environment(settings)
    return environ


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.expanduser().absolute())
    if isinstance(value, timedelta):
        return f"PT{value.total_seconds()}S"
    return str(value)


def _flower_environment(settings: Settings) -> Mapping[str, str]:
    # Without a login Flower's API stays shut: it answers any origin, so any page in a browser could read it.
    if settings.flower_oauth:
        return {
            "FLOWER_AUTH_PROVIDER": f"flower.views.auth.{OAUTH[settings.flower_oauth]}",
            "FLOWER_AUTH": settings.flower_oauth_emails,
            "FLOWER_OAUTH2_KEY": settings.flower_oauth_key,
            "FLOWER_OAUTH2_SECRET": settings.flower_oauth_secret.get_secret_value(),
            "FLOWER_OAUTH2_REDIRECT_URI": f"{flower_url(settings)}login",
            **_oauth_at(settings),
        }
    return {"FLOWER_BASIC_AUTH": _login(settings)} if _login(settings) else {}


def _oauth_at(settings: Settings) -> Mapping[str, str]:
    variable, address = OAUTH_AT.get(settings.flower_oauth), settings.flower_oauth_url.rstrip("/")
    if not (variable and address):
        return {}
    return {variable: address if settings.flower_oauth == "okta" else urlsplit(address).netloc}


def become(part: Part, settings: Settings) -> NoReturn:
    """Replace this process by the part, so that a container's or systemd's signals reach it directly."""
    line, environ = argv(part, settings), environment(part, settings)
    os.chdir(_working_folder(settings))
    os.umask(0o077)
    sign_of_life(part, settings).unlink(missing_ok=True)
    sys.stdout.flush()
    os.execve(line[0], line, environ)  # noqa: S606  no shell is wanted


def _working_folder(settings: Settings) -> Path:
    """The data folder; in a container it may be a volume that others own too."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise Misconfigured("data-dir", f"{settings.data_dir}: {error.strerror}; set NFE_DATA_DIR") from error
    return settings.data_dir


def sign_of_life(part: Part, settings: Settings) -> Path:
    """The file that the part touches while it does its work."""
    return settings.data_dir / "alive" / part


def is_healthy(part: Part, settings: Settings) -> bool:
    """Whether the part works, seen from the same machine or container."""
    if part is Part.VALKEY:
        return embedded.answers(settings)
    if part is Part.FLOWER:
        prefix = settings.flower_url_prefix.strip("/")
        path = f"/{prefix}/healthcheck" if prefix else "/healthcheck"
        return _answers(settings.flower_address, settings.flower_port, path)
    if part is Part.METRICS:
        return settings.metrics_port is not None and _answers(
            settings.metrics_address, settings.metrics_port, "/healthz"
        )
    if part is Part.WEB:
        return _answers(settings.web_address, settings.web_port, ALIVE)
    try:
        return time.time() - sign_of_life(part, settings).stat().st_mtime < SILENCE
    except OSError:
        return False


def flower_url(settings: Settings) -> str:
    """Where an operator's browser finds Flower, with a slash at its end."""
    if settings.flower_url:
        return settings.flower_url.rstrip("/") + "/"
    prefix = settings.flower_url_prefix.strip("/")
    return f"http://{_reachable(settings.flower_address)}:{settings.flower_port}/" + (f"{prefix}/" if prefix else "")


def tasks_url(settings: Settings, id: str) -> str:
    """Where Flower lists a shipment's tasks: its page makes a search of the name it is given.

    >>> tasks_url(Settings(flower_url="https://flower.example"), "A1SELLER/FBA1")
    'https://flower.example/tasks?name=shipment%20OR%20args%3AFBA1'
    """
    shipment = id.partition("/")[2]
    return f"{flower_url(settings)}tasks?name={quote(f'shipment OR args:{shipment}')}"


def web_url(settings: Settings) -> str:
    """Where an operator's browser finds the page, with a slash at its end."""
    return (
        settings.web_url.rstrip("/") + "/"
        if settings.web_url
        else (f"http://{_reachable(settings.web_address)}:{settings.web_port}/")
    )


def _reachable(address: str) -> str:
    """An address to connect to, for one to listen on."""
    if address in ("", "0.0.0.0", "::"):  # noqa: S104
        return "127.0.0.1"
    return f"[{address}]" if ":" in address else address


def _answers(address: str, port: int, path: str) -> bool:
    connection = http.client.HTTPConnection(_reachable(address), port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def main(names: list[str]) -> int:
    """For health checks of containers, `python -m workflow.parts NAME…`: 0 when all of them work, else 1."""
    settings = load()
    ill = [name for name in names if not is_healthy(Part(name), settings)]
    if ill:
        print(f"not healthy: {', '.join(ill)}", file=sys.stderr)
    return 1 if ill else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
