"""The supervisor of `nfe up` and `nfe demo`: starts the parts, starts again what dies, and leaves nobody behind.

Each part has a process group of its own, so that a Ctrl-C reaches the supervisor only, which stops the parts in order:
first who works, then the broker, which writes what it holds. When the supervisor itself is killed, Linux tells each
part. Shipments need none of this: their rows are the truth.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from workflow import embedded, ending, parts
from workflow.errors import Misconfigured, NfeError
from workflow.parts import Part
from workflow.settings import Settings

#: Waits between the deaths of a part and its new starts, in seconds; the last one repeats.
RESTART_WAITS = (0.5, 1.0, 2.0, 5.0, 15.0, 30.0)
#: A part that lived this long starts afresh: its earlier deaths are forgotten.
SETTLED_AFTER = 60.0
#: How long the embedded Valkey may take to write what it holds, and a third of how long to read it, in seconds.
GRACE = 10.0
#: How often the parts are looked at, in seconds.
LOOK = 0.2
#: Parts that people open in a browser: the settings of their address and port, and what they are called.
LISTENING = {
    Part.FLOWER: ("flower_address", "flower_port", "Flower"),
    Part.WEB: ("web_address", "web_port", "the operator's page"),
}
#: A log file larger than this is set aside at the next start of its part.
LOG_LIMIT = 10 * 1024 * 1024

#: Runs in the new process before the part does: asks Linux for a signal at the supervisor's death, then becomes the
#: part. A function between fork and exec would do the same, but may hang where other threads run.
_BOUND = """\
import os, sys
parent, death, *argv = sys.argv[1:]
os.umask(0o077)
if sys.platform == "linux":
    import ctypes
    ctypes.CDLL(None).prctl(1, ctypes.c_ulong(int(death)), 0, 0, 0)
if os.getppid() != int(parent):
    sys.exit("the supervisor is gone")
os.execv(argv[0], argv)
"""


def up(settings: Settings, names: Sequence[str], *, say: Callable[[str], None] = print) -> None:
    """Run the named parts, or all, until a signal; one part with a broker elsewhere takes this process's place.

    Raises Misconfigured for an unknown name, and for whatever keeps the parts from being started.
    """
    chosen = _chosen(settings, names)
    if len(chosen) == 1:
        parts.become(chosen[0], settings)
    with Supervisor(settings, chosen=chosen, say=say) as running:
        try:
            running.wait_until_healthy()
            say(f"{', '.join(chosen)} up")
            for name, url in running.urls.items():
                say(f"{name}: {url}")
        except Misconfigured as error:
            say(f"{error}; trying on")  # what it waits for may still come
        except KeyboardInterrupt:
            return
        running.run()


def _chosen(settings: Settings, names: Sequence[str]) -> tuple[Part, ...]:
    known = parts.needed(settings)
    unknown = [name for name in names if name not in known]
    if Part.CONSUMER in unknown:
        raise Misconfigured("no-queue", "the consumer has no queue to read; set NFE_SQS_QUEUE_URL")
    if Part.METRICS in unknown:
        raise Misconfigured("no-metrics-port", "nobody said where the metrics listen; set NFE_METRICS_PORT")
    if unknown:
        raise Misconfigured("unknown-part", f"no part {', '.join(unknown)}; known: {', '.join(known)}")
    return tuple(part for part in known if not names or part in names or part is Part.VALKEY)


class _Child:
    """One part's process, through all its lives."""

    def __init__(self, part: Part, settings: Settings, logs: Path | None) -> None:
        self.part = part
        self._settings = settings
        self._logs = logs
        self.process: subprocess.Popen[bytes] | None = None
        self.deaths = 0
        self.started = 0.0
        #: When it may start again, on the monotonic clock.
        self.due = 0.0

    def start(self, lock: int) -> None:
        """Start the part; the broker inherits the data folder's lock."""
        death = signal.SIGTERM if self.part is Part.VALKEY else signal.SIGKILL
        bound = [sys.executable, "-I", "-S", "-c", _BOUND, str(os.getpid()), str(int(death))]
        out = self._open_log()
        try:
            self.process = subprocess.Popen(  # noqa: S603  our own command lines
                [*bound, *parts.argv(self.part, self._settings)],
                env=parts.environment(self.part, self._settings),
                cwd=self._settings.data_dir,
                stdin=subprocess.DEVNULL,
                stdout=out or subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
                pass_fds=(lock,) if self.part is Part.VALKEY else (),
            )
        finally:
            if out:
                out.close()
        self.started = time.monotonic()
        if self.process.stdout:
            threading.Thread(target=_prefix, args=(self.part, self.process.stdout), daemon=True).start()

    def _open_log(self) -> IO[bytes] | None:
        if self._logs is None:
            return None
        path = self._logs / f"{self.part}.log"
        if path.exists() and path.stat().st_size > LOG_LIMIT:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def bury(self) -> int:
        """Take notice of a death: what is left of the group goes too. Returns the exit status."""
        assert self.process is not None
        status = self.process.wait()
        self.kill()
        if time.monotonic() - self.started > SETTLED_AFTER:
            self.deaths = 0
        self.postpone()
        return status

    def postpone(self) -> None:
        """Wait longer before each start in a row."""
        self.due = time.monotonic() + RESTART_WAITS[min(self.deaths, len(RESTART_WAITS) - 1)]
        self.deaths += 1

    def ask_to_end(self) -> None:
        """SIGTERM for the part's first process only: it looks after its own children."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL for the whole group."""
        if self.process:
            with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says it with the second error
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def _prefix(part: Part, lines: IO[bytes]) -> None:
    """Copy a part's output to ours, each line under its part's name; a line of JSON stays one."""
    with lines:
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            sys.stdout.write(f"{text}\n" if text.startswith("{") else f"{part:<8} | {text}\n")
            sys.stdout.flush()


class Supervisor:
    """Runs the parts while its `with` block lasts; enter the block in the main thread.

    Inside the block the first SIGTERM or SIGINT is a KeyboardInterrupt; a second one makes the parts give up what they
    have in hand, a third kills them. With `logs` the parts write to files there, otherwise to our standard output.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        chosen: Iterable[Part] = (),
        logs: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self.settings = _with_ports(settings)
        self._parts = tuple(chosen) or parts.needed(settings)
        self._logs = logs
        self._say = say
        self._children = [_Child(part, self.settings, logs) for part in self._parts]
        self._lock = -1
        self._is_asked = False
        #: Signals since the one that asked us to stop.
        self._haste = 0
        self._stopping = threading.Event()
        self._ended = threading.Event()
        self._looking = threading.Lock()
        self._watcher = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        self._left = ExitStack()

    @property
    def urls(self) -> dict[str, str]:
        """Where an operator's browser finds the parts that it may look at."""
        known = {Part.FLOWER: ("Flower", parts.flower_url), Part.WEB: ("Operator's page", parts.web_url)}
        return {name: url(self.settings) for part, (name, url) in known.items() if part in self._parts}

    def pid(self, part: Part) -> int | None:
        """The part's process, if it runs."""
        process = next((child.process for child in self._children if child.part is part), None)
        return process.pid if process else None

    def __enter__(self) -> Self:
        try:
            self._lock = self._left.enter_context(embedded.hold(self.settings.data_dir))
            self._check()
            if self._logs is not None:
                self._logs.mkdir(parents=True, exist_ok=True, mode=0o700)
            if threading.current_thread() is threading.main_thread():
                for number in (signal.SIGTERM, signal.SIGINT):
                    self._left.callback(signal.signal, number, signal.signal(number, self._on_signal))
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def _on_signal(self, *_: object) -> None:
        if self._is_asked or self._stopping.is_set():
            self._haste += 1
            return
        self._is_asked = True
        raise KeyboardInterrupt

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def run(self) -> None:
        """Wait for SIGTERM or SIGINT."""
        try:
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            limit = self.settings.finish_within.total_seconds()
            self._say(f"stopping: what runs is finished first, for {limit:.0f} s at the most; once more to give it up")

    def wait_until_healthy(self, timeout: float = 90.0) -> None:
        """Return once every part works; raise Misconfigured with the part's name when one does not in time."""
        deadline = time.monotonic() + timeout
        for part in self._parts:
            while not self._works(part):
                if time.monotonic() > deadline:
                    where = f"; see {self._logs / f'{part}.log'}" if self._logs else "; its output says why"
                    raise Misconfigured("part-failed", f"{part} does not work after {timeout:.0f} s{where}")
                time.sleep(0.05)

    def stop(self) -> None:
        """End all parts, who works first, the broker last; a signal on the way makes haste, a second one kills."""
        self._stopping.set()
        limit = (self.settings.finish_within + ending.MARGIN).total_seconds()
        try:
            with self._looking:
                self._end([child for child in self._children if child.part is not Part.VALKEY], limit)
                self._end([child for child in self._children if child.part is Part.VALKEY], GRACE)
        finally:
            for child in self._children:
                child.kill()
            self._ended.set()
            self._left.close()

    # -- inside -------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """Raise Misconfigured for what can be known before anything is started."""
        if Part.FLOWER in self._parts:
            parts.flower_argv(self.settings)
        for part in self._parts:
            if part in LISTENING:
                _listen(part, self.settings).close()

    def _start(self) -> None:
        for child in self._children:
            _forget_signs(child.part, self.settings)
            child.start(self._lock)
            if child.part is Part.VALKEY:
                self._await_valkey(child)
        self._watcher.start()

    def _await_valkey(self, child: _Child) -> None:
        deadline = time.monotonic() + 3 * GRACE  # a long append-only file takes its time to be read
        while not embedded.answers(self.settings):
            if not child.is_alive or time.monotonic() > deadline:
                raise Misconfigured("no-valkey", "the embedded Valkey did not start; set NFE_REDIS_URL to use another")
            time.sleep(0.02)

    def _works(self, part: Part) -> bool:
        return self.pid(part) is not None and parts.is_healthy(part, self.settings)

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK):
            with self._looking:
                if not self._stopping.is_set():
                    self._look()
        # Linux sends the signal of a parent's death when the thread dies that started the process.
        self._ended.wait()

    def _look(self) -> None:
        for child in self._children:
            if child.process is None and time.monotonic() >= child.due:
                self._start_again(child)
            elif child.process is not None and not child.is_alive:
                status = child.bury()
                wait = child.due - time.monotonic()
                self._say(f"{child.part} ended (status {status}); starts again in {wait:.1f} s")

    def _start_again(self, child: _Child) -> None:
        try:
            child.start(self._lock)
        except (OSError, NfeError) as error:
            child.postpone()
            self._say(f"{child.part} could not be started again: {error}")

    def _end(self, children: list[_Child], limit: float) -> None:
        """Ask the parts to end, once more at a signal, and kill what has not ended after `limit` seconds."""
        for child in children:
            child.ask_to_end()
        self._await_ends(children, limit, until=1)
        if self._haste == 1 and any(child.is_alive for child in children):
            self._say("stopping now: what runs is given up; once more to kill it")
            for child in children:
                child.ask_to_end()
            self._await_ends(children, min(limit, ending.MARGIN.total_seconds()), until=2)
        for child in children:
            if child.is_alive:
                self._say(f"{child.part} did not end in time and is killed")
            child.kill()

    def _await_ends(self, children: list[_Child], limit: float, *, until: int) -> None:
        """Return when all have ended, so many signals have come, or the time is over."""
        deadline = time.monotonic() + limit
        while any(child.is_alive for child in children) and self._haste < until and time.monotonic() < deadline:
            time.sleep(0.05)


def _forget_signs(part: Part, settings: Settings) -> None:
    """A predecessor's sign of life is none of the new part's."""
    parts.sign_of_life(part, settings).unlink(missing_ok=True)


def _with_ports(settings: Settings) -> Settings:
    """The settings with free ports where any will do; held until all are chosen, so that none is chosen twice."""
    with ExitStack() as held:
        wanted = {name: part for part, (_, name, _) in LISTENING.items() if not getattr(settings, name)}
        sockets = {name: held.enter_context(_listen(part, settings)) for name, part in wanted.items()}
        return settings.model_copy(update={name: one.getsockname()[1] for name, one in sockets.items()})


def _listen(part: Part, settings: Settings) -> socket.socket:
    """Listen where the part will; raise Misconfigured when its port is not free."""
    where, name, called = LISTENING[part]
    address, port = getattr(settings, where), getattr(settings, name)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        return socket.create_server((address, port), family=family)
    except OSError as error:
        message = (
            f"{called} cannot listen on {address}:{port} ({error.strerror}); NFE_{name.upper()}=0 takes a free port"
        )
        raise Misconfigured("port-in-use", message) from error
