"""CPU time of whole families of processes, and which cores they may use.

The counterparts and the benchmark itself are kept to the last core; what is measured may use the first two, as on the
two-core machine that the figures are for. Where there are only two, the counterparts share one of them: their CPU is not
counted, but it slows the clock.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

CORES = sorted(os.sched_getaffinity(0))
#: What is measured, and everything else.
MEASURED, BESIDE = set(CORES[:2]), set(CORES[-1:])


def keep_to(cores: Iterable[int], pid: int = 0) -> None:
    """Let a process (and what it starts from now on) use these cores only."""
    os.sched_setaffinity(pid, cores)


def seconds(roots: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds of each named process with its children, those that ended included."""
    tick = os.sysconf("SC_CLK_TCK")
    fields = _stat()
    spent = dict.fromkeys(roots, 0.0)
    for pid, values in fields.items():
        name = _whose(pid, fields, {root: name for name, root in roots.items()})
        if name is not None:
            spent[name] += sum(int(value) for value in values[11:15]) / tick
    return spent


def family(root: int) -> list[int]:
    """A process with all that descend from it."""
    fields = _stat()
    return [pid for pid in fields if _whose(pid, fields, {root: "root"}) is not None]


def _whose(pid: int, fields: Mapping[int, list[str]], names: Mapping[int, str]) -> str | None:
    """The name of the nearest ancestor that has one."""
    while pid in fields:
        if pid in names:
            return names[pid]
        pid = int(fields[pid][1])
    return None


def _stat() -> dict[int, list[str]]:
    """The fields of /proc/PID/stat behind the program's name, by process."""
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            found[int(entry.name)] = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
    return found
