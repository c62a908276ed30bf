"""The `nfe` command without a second of imports for each call: what has been imported is forked.

    python -m tests.acceptance.warm_nfe serve SOCKET      imports the command, then waits for calls
    python -S warm_nfe.py call SOCKET WORD…               hands its words, environment, folder and files over

A caller's process does nothing but wait: the command runs in a fork of the server with the caller's own environment,
working folder and standard files, and gives its exit status back.
"""

import json
import os
import signal
import socket
import sys
from typing import Any


def call(path: str, words: list[str]) -> int:
    """Let the server run `nfe WORDS` with what is ours; its exit status."""
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(path)
        call = {"words": words, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109  pathlib is slow to import
        said = json.dumps(call).encode()
        socket.send_fds(line, [len(said).to_bytes(4, "big")], [0, 1, 2])
        line.sendall(said)
        return int(line.recv(16) or b"70")


def serve(path: str) -> None:
    """Import the command once, then fork for each caller until SIGTERM."""
    import celery.app.base  # noqa: F401  what a command imports late

    import workflow.cli
    import workflow.doctor
    import workflow.nfe.rules
    import workflow.papers  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        while True:
            line, _ = door.accept()
            if os.fork() == 0:
                door.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                line.sendall(str(_one(line)).encode())
                os._exit(0)
            line.close()


def _one(line: socket.socket) -> int:
    """Run one call in a fork of its own; its exit status."""
    size, files, _, _ = socket.recv_fds(line, 4, 3)
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        said += line.recv(65536)
    if pid := os.fork():
        for file in files:
            os.close(file)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    line.close()
    _become(json.loads(said), files)
    os._exit(_run())


def _become(call: dict[str, Any], files: list[int]) -> None:
    os.setsid()
    for ours, theirs in enumerate(files):
        os.dup2(theirs, ours)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    sys.argv = ["nfe", *call["words"]]


def _run() -> int:
    from tasks.doorbell import main

    try:
        main()
        status: object = 0
    except SystemExit as ended:
        status = ended.code
    sys.stdout.flush()
    return status if isinstance(status, int) else int(status is not None)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(sys.argv[2])
    sys.exit(call(sys.argv[2], sys.argv[3:]))
