"""The memory of a counterpart across restarts: one JSON line for each thing that happened, read again at start.

Without a path nothing is kept. Faults, refusals on demand, switches and counts are not things that happened.
A last line torn by a crash is left out: whoever waited for that answer lost it too.
"""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Journal:
    """An append-only file that only its owner may read."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._descriptor: int | None = None

    def replay(self, apply: Mapping[str, Callable[[dict[str, Any]], None]]) -> None:
        """Hand every line to the function of its kind, oldest first, then open for writing."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        whole = 0
        if self._path.exists():
            for line in self._path.read_bytes().splitlines(keepends=True):
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                entry = json.loads(line)
                apply[entry.pop("what")](entry)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, whole, os.SEEK_SET)

    def write(self, what: str, entry: Mapping[str, Any]) -> None:
        """Keep one thing that happened."""
        if self._descriptor is not None:
            os.write(self._descriptor, json.dumps({"what": what, **entry}).encode() + b"\n")

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
