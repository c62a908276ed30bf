"""An installation whose parts run apart, as in production, so that each can be killed, cut off or starved by itself.

Worker and beat are processes of their own (`nfe up worker`, `nfe up beat`); the broker is a Valkey and the database a
SQLite file or a PostgreSQL server of the plant's own; between the parts and every server lies a cable.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import create_engine, make_url, text

from tests.acceptance.conftest import ENCRYPTION_KEY, NFE, ROOT, Installation, environment_of
from tests.acceptance.faults.cable import Cable
from tests.servers import Postgresql, Valkey, own_postgresql
from workflow.sandbox.amazon_book import AmazonSettings
from workflow.sandbox.sefaz_settings import SefazSettings
from workflow.sandbox.server import start_amazon, start_sefaz

#: How long anything may take on a machine that others use too, in seconds.
PATIENCE = 120.0
#: How long the local SEFAZ thinks about a message, in seconds: what happens "in the middle" needs a middle.
THOUGHT = 0.15


class Part:
    """One running part, in a process group of its own."""

    def __init__(self, name: str, folder: Path, environment: dict[str, str], words: tuple[str, ...]) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.log.touch()
        self._sign = folder / name / "alive" / name.rstrip("0123456789")
        self.process = subprocess.Popen(
            [*NFE, *words],
            env=environment | {"NFE_DATA_DIR": str(folder / name)},
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            # Over a pipe: what it says is to be heard also when its own disk is full.
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        threading.Thread(target=self._keep_log, daemon=True).start()

    def _keep_log(self) -> None:
        assert self.process.stdout is not None
        with self.log.open("wb", buffering=0) as log, self.process.stdout as said:
            while some := said.read1():  # type: ignore[attr-defined]  # a pipe is buffered
                log.write(some)

    @property
    def is_alive(self) -> bool:
        """Whether its first process runs."""
        return self.process.poll() is None

    @property
    def works(self) -> bool:
        """Whether it has given a sign of life."""
        return self.is_alive and self._sign.exists()

    @property
    def pids(self) -> list[int]:
        """Its processes: the first one, and what that has forked."""
        mine = (f"NFE_DATA_DIR={self._sign.parents[1]}").encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mine in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End all of its processes where they are."""
        if self.is_alive:
            self.signal(signal.SIGKILL)
        self.process.wait(PATIENCE)


@dataclass
class Plant(Installation):
    """The parts, the servers and the cables between them."""

    valkey: Valkey = field(kw_only=True)
    postgresql: Postgresql | None = field(kw_only=True)
    cables: dict[str, Cable] = field(kw_only=True)
    #: What an onlooker's environment says otherwise: no cable lies between.
    direct: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def seen_from_here(self) -> dict[str, str]:
        """Past the cables: an onlooker sees what is behind a cut."""
        return self.environment | self.direct

    def start(self, part: str, *words: str, **settings: object) -> Part:
        """Start a part with these settings beside the plant's own."""
        own = {name: str(value) for name, value in settings.items()}
        name = f"{part}{next(self._names)}"
        started = Part(name, self.folder, self.environment | own, words or ("up", part))
        self.parts.append(started)
        return started

    def alive(self, part: str) -> list[Part]:
        """The running parts of that name."""
        return [one for one in self.parts if one.name.startswith(part) and one.is_alive]

    def run_as_usual(self) -> None:
        """One worker and one beat, no fault waiting, every cable whole."""
        for book in (self.amazon.book, self.sefaz.book):
            book.faults.clear()
            book.faults.go_on()
        for cable in self.cables.values():
            cable.mend()
        for part in ("worker", "beat"):
            for one in self.alive(part)[1:]:
                one.kill()
            if not self.alive(part):
                self.start(part)
        self.wait(lambda: all(one.works for part in ("worker", "beat") for one in self.alive(part)))

    def kill(self, *names: str) -> None:
        """Kill all parts of these names."""
        for name in names:
            for part in self.alive(name):
                part.kill()

    def crash_database(self) -> None:
        """End PostgreSQL at once; a SQLite file has nobody to end."""
        if self.postgresql is not None:
            self.postgresql.crash()

    def start_database(self) -> None:
        """Start it again; the onlooker's connections of before are dead."""
        if self.postgresql is not None:
            self.postgresql.start()
        self.tools().store.engine.dispose()

    def wait(self, question: Callable[[], object], what: str = "") -> None:
        """Return once the answer is yes."""
        deadline = time.monotonic() + PATIENCE
        while not question():
            assert time.monotonic() < deadline, f"{what or 'it'} does not happen\n{self.logs()}"
            time.sleep(0.02)

    def wait_for_log(self, part: str, words: str) -> None:
        """Return once a running part of that name has said so since now."""
        logs = [one.log for one in self.alive(part)]
        begun = {log: log.stat().st_size for log in logs}
        self.wait(lambda: any(words in log.read_text(errors="replace")[begun[log] :] for log in logs), words)

    def logs(self) -> str:
        """The ends of the parts' logs."""
        logs = [(part.name, part.log.read_text(errors="replace")[-3000:]) for part in self.parts]
        return "\n".join(f"--- {name}\n{said}" for name, said in logs)


@contextmanager
def open_plant(kind: str, folder: Path) -> Iterator[Plant]:
    """A plant with a seller and its products; nothing runs yet."""
    quick = AmazonSettings(processing_seconds=0.5, rate_plan=False)
    with (
        ExitStack() as stack,
        start_amazon(settings=quick) as amazon,
        start_sefaz(folder / "sandbox", settings=SefazSettings(seconds=THOUGHT)) as sefaz,
    ):
        postgresql = stack.enter_context(own_postgresql()) if kind == "postgresql" else None
        valkey = Valkey()
        stack.callback(valkey.stop)
        cables = {
            "amazon": Cable(_port(amazon.url)),
            "sefaz": Cable(_port(sefaz.url)),
            "broker": Cable(valkey.socket),
        }
        if postgresql is not None:
            cables["database"] = Cable(postgresql.socket)
        for cable in cables.values():
            stack.callback(cable.close)
        made = Plant(folder / "data", amazon, sefaz, valkey=valkey, postgresql=postgresql, cables=cables)
        made.folder.mkdir(mode=0o700)
        _connect(made, folder)
        made.settle_in(folder)
        stack.callback(lambda: [part.kill() for part in made.parts])
        yield made


def _connect(made: Plant, folder: Path) -> None:
    """The plant's environment: everything over a cable, but for whoever looks on from here."""
    made.environment = environment_of(made.folder, made.amazon, made.sefaz)
    made.direct["NFE_REDIS_URL"] = made.valkey.url
    url = f"sqlite:///{folder / 'nfe.sqlite3'}"
    if made.postgresql is not None:
        with create_engine(made.postgresql.url, isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(text("CREATE DATABASE nfe"))
        direct = make_url(made.postgresql.url).set(database="nfe").render_as_string(hide_password=False)
        made.direct["NFE_DATABASE_URL"] = direct
        url = f"postgresql://postgres@127.0.0.1:{made.cables['database'].port}/nfe"
    amazon = f"http://127.0.0.1:{made.cables['amazon'].port}"
    made.environment |= {
        "NFE_DATABASE_URL": url,
        "NFE_REDIS_URL": f"redis://127.0.0.1:{made.cables['broker'].port}/0",
        "NFE_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "NFE_AMAZON_URL": amazon,
        "NFE_LWA_URL": f"{amazon}/auth/o2/token",
        "NFE_SEFAZ_URL": f"https://127.0.0.1:{made.cables['sefaz'].port}",
        # What the limits are is proved elsewhere; here they would only make everything slow.
        "NFE_AMAZON_RATE": "1000",
        "NFE_AMAZON_BURST": "1000",
        "NFE_LEASE": "PT6S",
        "NFE_SEFAZ_TIMEOUT": "5",
        "NFE_AMAZON_TIMEOUT": "5",
        "NFE_BACKOFF_CAP": "PT1S",
        # On a machine that others use too a stage may outlast so short a lease more than once.
        "NFE_MAX_CRASHES": "50",
    }


def _port(url: str) -> int:
    port = make_url(url).port
    assert port is not None
    return port
