"""The SQS consumer against moto's server: nothing lost, nothing twice, whoever dies or is away in between."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.servers import Queues, fresh_database
from tests.unit.conftest import SELLER, notification
from workflow import consume, parts
from workflow.catalog import Catalog
from workflow.clients.notifications import Notification
from workflow.consume import Consumer, open_queue
from workflow.crypto import Vault
from workflow.engine import Engine
from workflow.errors import Misconfigured
from workflow.key_source import new_key
from workflow.migrations import upgrade
from workflow.models import DocumentKind
from workflow.parts import Part
from workflow.settings import Settings, load
from workflow.states import State
from workflow.store import Due, Store, connect

ROOT = Path(__file__).parents[2]
NFE = [sys.executable, "-P", "-c", "from tasks.doorbell import main; main()"]


def installed(url: str, *sellers: str) -> Store:
    """A migrated database with these sellers."""
    store = Store(connect(url), Vault([new_key()]))
    upgrade(store.engine)
    for seller in sellers:
        register(store, seller)
    return store


def register(store: Store, seller: str) -> None:
    """Add a seller."""
    values = {"id": seller, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None}
    Catalog(store).put_seller(values, secrets=b"{}")


@pytest.fixture
def settings(queues: Queues, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """This queue, asked without waiting, its messages hidden for a second."""
    for name in [name for name in os.environ if name.startswith("NFE_")]:
        monkeypatch.delenv(name)
    chosen = {
        "SECRETS_DIR": tmp_path / "none", "DATA_DIR": tmp_path / "data", "SQS_QUEUE_URL": queues.url,
        "SQS_DLQ_URL": queues.dead, "SQS_ENDPOINT_URL": queues.endpoint, "SQS_WAIT": 0, "SQS_VISIBILITY": 1,
        "SQS_MAX_RECEIVES": 3, "REDIS_URL": "redis://127.0.0.1:1/0",
    }  # fmt: skip
    for name, value in chosen.items():
        monkeypatch.setenv(f"NFE_{name}", str(value))
    # Waits of the consumer's own, short.
    monkeypatch.setattr(consume, "FIRST_WAIT", 0)
    monkeypatch.setattr(consume, "REST_BASE", consume.REST_BASE / 10)
    monkeypatch.setattr(consume, "REST_CAP", consume.REST_BASE)
    return load()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database with one seller."""
    made = installed(f"sqlite:///{tmp_path / 'test.sqlite3'}", SELLER)
    yield made
    made.engine.dispose()


class Reader:
    """A consumer, and the rows it has rung for."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.rung: list[Due] = []
        self.consumer = Consumer(open_queue(settings), Engine(store, settings), settings, ring=self.rung.append)

    def drain(self, queues: Queues) -> None:
        """Take batches until no message waits."""
        self.consumer.step()
        while queues.left()[0]:
            self.consumer.step()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Let it run on a thread meanwhile."""
        thread = threading.Thread(target=self.consumer.run)
        thread.start()
        try:
            yield
        finally:
            self.consumer.stop()
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def reader(store: Store, settings: Settings) -> Reader:
    return Reader(store, settings)


def states(store: Store) -> Counter[str]:
    """How many rows there are by state."""
    return Counter(str(row.state) for row in store.shipments(limit=1000))


def within(seconds: float, question: Callable[[], object]) -> bool:
    """Whether the question is answered with yes in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if question():
            return True
        time.sleep(0.05)
    return False


def test_a_hundred_messages_are_one_row_for_each_shipment(queues: Queues, store: Store, reader: Reader) -> None:
    for number in range(50):
        queues.send(notification(f"FBA{number}"))
    for number in range(30):
        queues.send(notification(f"FBA{number}"))  # told twice
    for number in range(5):
        queues.send(notification(f"GONE{number}", "Cancelled"), notification(f"GONE{number}"))  # the wrong way round
    for number in range(5):
        queues.send(notification(f"LATE{number}"))
    for number in range(5):
        sns = {"Type": "Notification", "Message": notification(f"SNS{number}").decode(), "Signature": "x"}
        queues.send(json.dumps(sns).encode())
    reader.drain(queues)
    queues.send(*(notification(f"LATE{number}", "Cancelled") for number in range(5)))
    reader.drain(queues)
    rows = store.shipments(limit=1000)
    assert len(rows) == 50 + 5 + 5 + 5
    assert all(row.cancelling for row in rows if row.amazon_shipment_id.startswith("LATE"))
    assert {row.amazon_shipment_id for row in rows if row.amazon_shipment_id.startswith("SNS")} == {
        f"SNS{number}" for number in range(5)
    }
    for number in range(5):
        # moto gives messages in no order it promises: whichever came first, the end is the same.
        [row] = [row for row in rows if row.amazon_shipment_id == f"GONE{number}"]
        assert row.state == State.CANCELLED or row.cancelling
    assert queues.left() == (0, 0)
    assert queues.buried() == []


def test_a_cancellation_that_comes_first_leaves_a_tombstone(queues: Queues, store: Store, reader: Reader) -> None:
    queues.send(notification(status="Cancelled"))
    reader.drain(queues)
    queues.send(notification())
    reader.drain(queues)
    assert states(store) == {State.CANCELLED: 1}
    assert reader.rung == []
    assert queues.left() == (0, 0)


def test_what_is_due_is_rung_for_once_and_told_who_brought_it(queues: Queues, store: Store, reader: Reader) -> None:
    id = f"{SELLER}/FBA1"
    queues.send(notification(), notification())
    reader.drain(queues)
    assert reader.rung == [Due(id, State.RECEIVED, False)]
    [line] = store.history(id)
    assert (line.stage, line.actor) == ("receive", "sqs")
    assert store.document(id, DocumentKind.NOTIFICATION) == notification()
    queues.send(notification(status="Cancelled"))
    reader.drain(queues)
    assert reader.rung[1:] == [Due(id, State.RECEIVED, True)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"nonsense", "no JSON"),
        (b'{"NotificationType": "ORDER_CHANGE"}', "ORDER_CHANGE"),
        (b'{"Message": "{}"}', "NotificationType is missing"),
        (notification("../../FBA1"), "AmazonShipmentId"),
    ],
)
def test_poison_is_set_aside_with_the_reason_and_keeps_nobody_waiting(
    queues: Queues, store: Store, reader: Reader, body: bytes, says: str
) -> None:
    queues.send(body, notification())
    reader.drain(queues)
    [buried] = queues.buried()
    assert buried["body"] == body.decode()
    assert buried["code"] == "bad-notification"
    assert says in buried["message"]
    assert queues.left() == (0, 0)
    assert len(store.shipments()) == 1


def test_without_a_dead_letter_queue_poison_stays_and_is_told_once(
    queues: Queues,
    store: Store,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    reader = Reader(store, settings.model_copy(update={"sqs_dlq_url": ""}))
    queues.send(b"nonsense")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            reader.consumer.step()
    assert sum(queues.left()) == 1
    assert reader.consumer.counts["postponed"] == 3
    told = caplog.text + capsys.readouterr().out  # wherever an earlier test has led the log
    assert told.count("left in the queue") == 1
    assert told.count("no dead-letter queue") == 1


def test_a_dead_letter_queue_that_has_gone_loses_no_poison(queues: Queues, reader: Reader) -> None:
    queues.send(b"nonsense")
    reader.consumer.step()
    queues.send(b"more nonsense")
    queues.client.delete_queue(QueueUrl=queues.dead)
    reader.consumer.step()
    assert sum(queues.left()) == 1


def test_an_unknown_seller_is_waited_for(queues: Queues, store: Store, reader: Reader) -> None:
    queues.send(notification(seller="A2NEW"))
    reader.consumer.step()
    assert (store.shipments(), sum(queues.left())) == ([], 1)
    register(store, "A2NEW")
    reader.consumer.step()
    assert [row.seller_id for row in store.shipments()] == ["A2NEW"]
    assert queues.left() == (0, 0)


def test_an_unknown_seller_is_not_waited_for_for_ever(queues: Queues, reader: Reader) -> None:
    queues.send(notification(seller="A2NEW"))
    for _ in range(2):
        reader.consumer.step()
        assert queues.buried() == []
    reader.consumer.step()
    [buried] = queues.buried()
    assert (buried["code"], buried["receives"]) == ("unknown-seller", "3")
    assert queues.left() == (0, 0)


def test_what_the_queue_would_throw_away_next_leaves_with_a_reason(
    queues: Queues, store: Store, settings: Settings
) -> None:
    arn = queues.client.get_queue_attributes(QueueUrl=queues.dead, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    policy = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 2})}
    queues.client.set_queue_attributes(QueueUrl=queues.url, Attributes=policy)
    queues.send(notification(seller="A2NEW"))
    reader = Reader(store, settings.model_copy(update={"sqs_max_receives": 100}))
    for _ in range(4):
        reader.consumer.step()
    [buried] = queues.buried()
    assert (buried["code"], buried["receives"]) == ("unknown-seller", "2")


def test_a_bug_that_one_message_meets_keeps_no_other_from_coming_in(
    queues: Queues, store: Store, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(engine: Engine, said: Notification, raw: bytes, **options: Any) -> Any:
        if b"FBA2" in raw:
            raise ZeroDivisionError("a buyer's name")
        return real(engine, said, raw, **options)

    real = Engine.take
    monkeypatch.setattr(Engine, "take", take)
    queues.send(*(notification(f"FBA{number}") for number in range(5)))
    for _ in range(4):
        reader.consumer.step()
    assert len(store.shipments()) == 4
    [buried] = queues.buried()
    assert buried["code"] == "bug"
    assert "buyer" not in buried["message"]


#: Dies between the commit and the deletion, for good: no handler runs.
KILLED = """
import os, signal, sys
from workflow.clients.queue import Queue
from workflow.consume import Consumer, open_queue
from workflow.crypto import vault_of
from workflow.engine import Engine
from workflow.settings import load
from workflow.store import Store, connect
Queue.delete = lambda self, messages: os.kill(os.getpid(), signal.SIGKILL)
settings = load()
engine = Engine(Store(connect(settings.resolved_database_url), vault_of(settings)), settings)
Consumer(open_queue(settings), engine, settings, ring=print).run()
"""


def test_killed_before_it_deletes_it_loses_and_doubles_nothing(
    queues: Queues, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_key()
    monkeypatch.setenv("NFE_ENCRYPTION_KEY", key)
    monkeypatch.setenv("NFE_DATABASE_URL", f"sqlite:///{tmp_path / 'killed.sqlite3'}")
    store = Store(connect(f"sqlite:///{tmp_path / 'killed.sqlite3'}"), Vault([key]))
    upgrade(store.engine)
    register(store, SELLER)
    queues.send(*(notification(f"FBA{number}") for number in range(10)))
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    committed = len(store.shipments())
    assert committed
    assert sum(queues.left()) == 10, "nothing was deleted"
    assert within(5, lambda: queues.left() == (10, 0)), "their time is over"
    reader = Reader(store, settings)
    reader.drain(queues)
    assert queues.left() == (0, 0)
    assert len(store.shipments()) == 10
    assert len(reader.rung) == 10 - committed
    assert all(len(store.history(row.id)) == 1 for row in store.shipments())
    store.engine.dispose()


def test_while_the_database_is_away_the_batch_is_kept_hidden_and_then_taken(
    postgresql: str, queues: Queues, settings: Settings
) -> None:
    with fresh_database(postgresql) as url:
        store = installed(url, SELLER)
        admin = create_engine(postgresql, isolation_level="AUTOCOMMIT")
        name = url.rpartition("/")[2].partition("?")[0]

        def let_in(allowed: bool) -> None:
            with admin.connect() as connection:
                connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {str(allowed).lower()}"))
                if not allowed:
                    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
                    connection.execute(text(query), {"name": name})

        reader = Reader(store, settings)
        let_in(False)
        queues.send(*(notification(f"FBA{number}") for number in range(3)))
        with reader.running():
            assert within(5, lambda: queues.left() == (0, 3))
            time.sleep(2.5)  # longer than a message stays hidden by itself
            assert queues.left() == (0, 3)
            let_in(True)
            assert within(10, lambda: queues.left() == (0, 0))
        rows = store.shipments()
        assert [row.state for row in rows] == [State.RECEIVED] * 3
        assert len(reader.rung) == 3
        store.engine.dispose()
        admin.dispose()


def test_one_sellers_thousands_leave_the_broker_free_for_anothers_single_shipment(
    queues: Queues, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a burst the sweeper rings, which is fair among sellers: the row is due for it at once."""
    monkeypatch.setattr(consume, "BURST", 3)
    register(store, "A9OTHER")
    reader = Reader(store, settings)
    monkeypatch.setattr(time, "monotonic", lambda: 1000.0)  # all within one second
    queues.send(*(notification(f"FBA{number}") for number in range(9)), notification("FBA1", seller="A9OTHER"))
    reader.drain(queues)
    assert Counter(row.id.split("/")[0] for row in reader.rung) == {SELLER: 3, "A9OTHER": 1}
    left = store.sweep(limit=100, ring_again=settings.ring_again)
    assert len(left) == 6
    assert not {row.id for row in left} & {row.id for row in reader.rung}


def test_told_to_stop_it_finishes_the_batch_and_rings_no_more(queues: Queues, store: Store, settings: Settings) -> None:
    rung: list[Due] = []

    def ring(row: Due) -> None:
        rung.append(row)
        consumer.on_signal(signal.SIGTERM, None)

    consumer = Consumer(open_queue(settings), Engine(store, settings), settings, ring=ring)
    queues.send(*(notification(f"FBA{number}") for number in range(5)))
    consumer.run()
    assert len(rung) == 1
    assert len(store.shipments()) == 5 - sum(queues.left())


def test_told_once_more_it_gives_back_what_it_has_not_stored(
    queues: Queues, store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is also when its time is over; the next consumer need not wait until they are visible again."""
    patient = settings.model_copy(update={"sqs_visibility": timedelta(hours=1)})
    engine = Engine(store, patient)
    consumer = Consumer(open_queue(patient), engine, patient, ring=lambda row: None)
    take, taken = engine.take, []

    def told(said: Notification, raw: bytes, **options: Any) -> Any:
        if taken:
            consumer.on_signal(signal.SIGTERM, None)
            consumer.on_signal(signal.SIGTERM, None)
        taken.append(said)
        return take(said, raw, **options)

    monkeypatch.setattr(engine, "take", told)
    queues.send(*(notification(f"S{number}") for number in range(5)))
    consumer.run()
    assert len(store.shipments()) == 1
    assert queues.left() == (4, 0)


def test_two_consumers_share_a_queue(queues: Queues, store: Store, settings: Settings) -> None:
    queues.send(*(notification(f"FBA{number % 30}") for number in range(60)))
    first, second = Reader(store, settings), Reader(store, settings)
    with first.running(), second.running():
        assert within(30, lambda: queues.left() == (0, 0))
    assert len(store.shipments()) == 30
    assert len(first.rung) + len(second.rung) == 30


def test_a_queue_that_is_away_is_asked_again(queues: Queues, store: Store, settings: Settings) -> None:
    reader = Reader(store, settings.model_copy(update={"sqs_endpoint_url": "http://127.0.0.1:9"}))
    reader.consumer.step()
    reader.consumer.step()
    assert not parts.is_healthy(Part.CONSUMER, settings)


# -- as people start it -------------------------------------------------------------------------------------


@pytest.fixture
def environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Store:
    """An embedded installation with one seller, its consumer waiting as long as SQS lets it."""
    monkeypatch.setenv("NFE_SQS_WAIT", "20")
    subprocess.run([*NFE, "list"], cwd=ROOT, check=True, capture_output=True, timeout=60)
    chosen = load()
    store = Store(connect(chosen.resolved_database_url), Vault([new_key()]))
    register(store, SELLER)
    return store


@contextmanager
def started(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """The `nfe` command as a process; killed afterwards if it still runs."""
    process = subprocess.Popen([*NFE, *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_the_command_takes_messages_lives_and_ends_within_seconds(
    queues: Queues, environment: Store, settings: Settings
) -> None:
    with started("consume") as process:
        assert within(20, lambda: parts.is_healthy(Part.CONSUMER, settings))
        queues.send(notification())
        assert within(10, environment.shipments)
        assert within(10, lambda: queues.left() == (0, 0))
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        # Long before the 20 s for which it waits for messages; a busy machine needs some for ending a process.
        assert time.monotonic() - asked < 10
        assert process.stdout is not None
        said = process.stdout.read().decode()
    assert "created=1" in said
    assert "Traceback" not in said


def test_the_command_without_a_queue_is_one_line(environment: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NFE_SQS_QUEUE_URL", "")
    done = subprocess.run([*NFE, "consume"], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.decode().strip() == "nfe: no-queue: set NFE_SQS_QUEUE_URL to the URL of the SQS queue"


def test_the_command_with_a_queue_that_is_not_there_is_one_line(
    queues: Queues, environment: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFE_SQS_QUEUE_URL", queues.url + "-gone")
    done = subprocess.run([*NFE, "consume"], cwd=ROOT, capture_output=True, timeout=60)
    assert done.returncode == 1
    assert b"no such queue" in done.stderr
    assert b"Traceback" not in done.stderr


def test_the_consumer_is_a_part_where_there_is_a_queue(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Part.CONSUMER in parts.needed(settings)
    assert Part.CONSUMER not in parts.needed(settings.model_copy(update={"sqs_queue_url": ""}))
    assert parts.argv(Part.CONSUMER, settings)[-1] == "consume"
    monkeypatch.setattr(parts, "find_spec", lambda name: None)
    with pytest.raises(Misconfigured, match="no-boto3"):
        parts.argv(Part.CONSUMER, settings)
