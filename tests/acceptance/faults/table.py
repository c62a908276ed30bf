"""The README's table "What it survives": a line for each fault test, with what its runs counted."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
README = HERE.parents[2] / "README.md"
HEAD = "| What fails | Runs | Shipments | Lost | Doubled |\n|---|---|---|---|---|\n"
#: A line of the table; a fault without shipments has none to lose.
ROW = re.compile(r"^\| ([^|`]+) \| (\d+) \| (\d+|–) \| (\d+|–) \| (\d+|–) \|$", re.MULTILINE)


class Counted(NamedTuple):
    """What all runs of a fault came to."""

    runs: int
    shipments: int
    lost: int
    doubled: int


def sentence(test: str) -> str:
    """A test's name as the table writes it."""
    return test.removeprefix("test_").replace("_", " ")


def names() -> list[str]:
    """Every fault test, as the table writes it, in the order of the files."""
    sources = [path.read_text(encoding="utf-8") for path in sorted(HERE.glob("test_*.py"))]
    return [sentence(name) for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)]


def render(counted: Mapping[str, Counted]) -> str:
    """The table of what was counted, by sentence."""
    return HEAD + "".join(_line(name, counted[name]) for name in names() if name in counted)


def _line(name: str, of: Counted) -> str:
    rest = f"{of.shipments} | {of.lost} | {of.doubled}" if of.shipments else "– | – | –"
    return f"| {name} | {of.runs} | {rest} |\n"


def written(readme: str) -> dict[str, tuple[str, ...]]:
    """The README's rows: runs, shipments, lost, doubled by sentence."""
    return {name: tuple(rest) for name, *rest in ROW.findall(_cut(readme)[1])}


def put(counted: Mapping[str, Counted]) -> None:
    """Replace the README's table."""
    before, _, after = _cut(README.read_text(encoding="utf-8"))
    README.write_text(before + render(counted) + after, encoding="utf-8")


def _cut(readme: str) -> tuple[str, str, str]:
    """The README up to the table, the table, and the rest."""
    begin = readme.index(HEAD)
    end = readme.index("\n\n", begin) + 1
    return readme[:begin], readme[begin:end], readme[end:]


def sum_up(runs: Iterable[tuple[str, tuple[int, int, int]]]) -> dict[str, Counted]:
    """What each fault's runs came to, by sentence."""
    found: dict[str, Counted] = {}
    for test, tally in runs:
        name = sentence(test.partition("[")[0])
        before = found.get(name, Counted(0, 0, 0, 0))
        found[name] = Counted(*(one + two for one, two in zip(before, (1, *tally), strict=True)))
    return found
