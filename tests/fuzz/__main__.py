"""`make fuzz`: each target for MINUTES=10, or the targets named in ARGS; a finding is kept as a file and told.

Every target runs in a process of its own under atheris (libFuzzer): an input that reaches a new line is kept, and is
spoilt again. A finding goes into `found.py` when it is mended.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz.mutations import mutated

#: The names of the targets, without importing what is to be instrumented.
NAMES = re.findall(r"^def (\w+)\(data: bytes\)", (Path(__file__).parent / "targets.py").read_text(), re.MULTILINE)
#: Of ten spoilt inputs so many are libFuzzer's own work, the others ours.
THEIRS = 5
_EXECUTED = re.compile(r"stat::number_of_executed_units:\s+(\d+)")


def main() -> int:
    """Fuzz the targets one after the other; 1 where something was found."""
    options = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    options.add_argument("targets", nargs="*", choices=[[], *NAMES][1:], default=NAMES, metavar="TARGET")
    options.add_argument("--minutes", type=float, default=10.0)
    chosen = options.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="nfe-fuzz-"))
    found = [name for name in chosen.targets if not _runs_clean(name, chosen.minutes, folder)]
    print(f"fuzz: findings in {', '.join(found)}; inputs in {folder}" if found else "fuzz: nothing found")
    return 1 if found else 0


def _runs_clean(name: str, minutes: float, folder: Path) -> bool:
    (folder / name).mkdir()
    command = [
        *(sys.executable, "-m", "tests.fuzz", "--child", name, str(folder / name)),
        *(f"-max_total_time={minutes * 60:.0f}", "-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"),
        f"-artifact_prefix={folder}/{name}-",
    ]
    with (folder / f"{name}.log").open("w+b") as log:
        status = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False).returncode
        log.seek(0)
        said = log.read().decode(errors="replace")
    executed = _EXECUTED.search(said)
    kept = len(list((folder / name).iterdir()))
    count = int(executed[1]) if executed else 0
    print(f"{name:16} {count:>10,} executions, {kept} inputs kept, exit status {status}", flush=True)
    if status:
        print(said[-3000:])
    return status == 0


def _child(name: str, folder: str, *flags: str) -> None:
    """What libFuzzer drives; it never returns."""
    import atheris

    with atheris.instrument_imports(include=["workflow", "tomllib"]):
        from tests.fuzz.seeds import seeds
        from tests.fuzz.targets import LARGEST, ask

    for number, seed in enumerate(seeds(name)):
        (Path(folder) / f"seed-{number}").write_bytes(seed)

    def spoil(data: bytes, max_size: int, seed: int) -> bytes:
        theirs = seed % 10 < THEIRS
        return bytes((atheris.Mutate(data, len(data) + 64) if theirs else mutated(data, seed))[:max_size])

    def one(data: bytes) -> None:
        ask(name, data)

    atheris.Setup([sys.argv[0], folder, f"-max_len={LARGEST}", *flags], one, custom_mutator=spoil)
    atheris.Fuzz()


if sys.argv[1:2] == ["--child"]:
    _child(*sys.argv[2:])
sys.exit(main())
