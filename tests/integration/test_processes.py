"""The supervisor with real parts: Valkey, a worker, beat and Flower, started by `nfe up`, killed and stopped."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from workflow import embedded, parts
from workflow.errors import Misconfigured
from workflow.parts import Part
from workflow.processes import Supervisor
from workflow.settings import Settings, load

NFE = [sys.executable, "-P", "-c", "from tasks.doorbell import main; main()"]

in_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """An embedded installation of its own; whatever a failed test leaves running is killed."""
    for name in [name for name in os.environ if name.startswith(("NFE_", "FLOWER_"))]:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        ports = {"FLOWER_PORT": one.getsockname()[1], "WEB_PORT": other.getsockname()[1]}
    chosen = {"DATA_DIR": tmp_path / "data", "SWEEP_EVERY": 0.2, "CONCURRENCY": 1}
    for name, value in (chosen | ports).items():
        monkeypatch.setenv(f"NFE_{name}", str(value))
    monkeypatch.setenv("FLOWER_UNAUTHENTICATED_API", "true")  # shut otherwise: there is no login here
    made = load()
    yield made
    for pid in running(made):
        os.kill(pid, signal.SIGKILL)


def running(settings: Settings, words: str = "") -> list[int]:
    """Every process of this installation but ourselves, found by its environment, and by words of its command line."""
    ours = f"NFE_DATA_DIR={settings.data_dir}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            if ours in (folder / "environ").read_bytes().split(b"\0") and words in line:
                found.append(int(folder.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid()]


def within(seconds: float, question: Callable[[], object]) -> bool:
    """Whether the question is answered with yes in time."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def nfe_up(settings: Settings, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`nfe up` as a person starts it, once all parts work."""
    with said.open("wb") as out:
        process = subprocess.Popen([*NFE, "up"], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        needed = parts.needed(settings)
        assert within(90, lambda: all(parts.is_healthy(part, settings) for part in needed)), said.read_text()
        yield process
    finally:
        process.kill()
        process.wait()


def flower(settings: Settings, path: str) -> Any:
    """What Flower's API answers."""
    with urllib.request.urlopen(parts.flower_url(settings) + path, timeout=5) as answer:
        return json.load(answer)


def swept(settings: Settings) -> int:
    """How many sweeps the workers have run, as they tell Flower."""
    return sum(
        worker["stats"]["total"].get("sweep", 0) for worker in flower(settings, "api/workers?refresh=1").values()
    )


@in_proc
def test_up_sweeps_restarts_a_killed_worker_and_leaves_nobody_behind(settings: Settings, tmp_path: Path) -> None:
    with nfe_up(settings, tmp_path / "said") as process:
        assert within(30, lambda: swept(settings) > 1)
        assert flower(settings, "api/tasks") == {}, "the sweep is not shown"

        second = subprocess.run([*NFE, "up"], capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == 1
        assert [line[:20] for line in second.stderr.splitlines()] == ["nfe: already-running"]

        master = min(running(settings, "tasks.app worker"))
        os.kill(master, signal.SIGKILL)
        assert within(30, lambda: master not in running(settings) and running(settings, "tasks.app worker"))
        before = swept(settings) if within(30, lambda: swept(settings)) else 0
        assert within(30, lambda: swept(settings) > before), "the new worker works"

        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0, (tmp_path / "said").read_text()
    assert running(settings) == []


@in_proc
def test_nobody_survives_a_killed_supervisor_and_the_folder_is_free_again(settings: Settings, tmp_path: Path) -> None:
    with nfe_up(settings, tmp_path / "said") as process:
        process.kill()
        assert within(6, lambda: running(settings) == [process.pid] or not running(settings)), running(settings)
    with embedded.hold(settings.data_dir):
        pass


#: A part that does not end at the first SIGTERM, and writes down each.
STUBBORN = """
import signal, sys, time
told = []
def note(*_):
    told.append(1)
    open(sys.argv[1], "w").write(str(len(told)))
    if len(told) == int(sys.argv[2]): sys.exit(0)
signal.signal(signal.SIGTERM, note)
open(sys.argv[1], "w").write("0")
time.sleep(60)
"""


@pytest.mark.parametrize(("obeys", "signals", "told"), [(1, 1, "1"), (2, 2, "2"), (3, 3, "2")])
def test_the_second_signal_is_handed_on_to_the_parts_and_the_third_kills_them(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, obeys: int, signals: int, told: str
) -> None:
    heard, said = tmp_path / "heard", []
    monkeypatch.setattr(parts, "argv", lambda part, _: [sys.executable, "-c", STUBBORN, str(heard), str(obeys)])

    def say(line: str) -> None:
        said.append(line)
        if line.startswith("stopping") and len(said) < signals:
            threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGTERM)).start()

    remote = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    settings.data_dir.mkdir()
    with Supervisor(remote, chosen=(Part.BEAT,), say=say) as running:
        pid = running.pid(Part.BEAT)
        assert within(30, lambda: heard.exists() and heard.read_text() == "0")
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        begun = time.monotonic()
        running.run()
    assert time.monotonic() - begun < 10
    assert heard.read_text() == told
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("name", ["flower_port", "web_port"])
def test_a_port_that_is_taken_is_told_before_anything_starts(settings: Settings, name: str) -> None:
    with (
        socket.create_server(("127.0.0.1", getattr(settings, name))),
        pytest.raises(Misconfigured, match=f"port-in-use: .*NFE_{name.upper()}=0"),
        Supervisor(settings),
    ):
        pass
    assert not settings.socket_path.exists()
