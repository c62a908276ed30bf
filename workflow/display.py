"""How commands show things: rich tables on a terminal, plain tab-separated lines when piped, JSON when asked.

Whatever stood in a file, an answer or an argument: no text that is shown gives a terminal orders, or is markup.
"""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from workflow.privacy import one_line


class _Plain(Console):
    """A console that shows texts as they are, but for what a terminal would obey."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)

    def print(self, *objects: Any, **options: Any) -> None:
        """As Console's; a text may have several lines."""
        super().print(*(_seen(one) if isinstance(one, str) else one for one in objects), **options)


def _seen(text: str) -> str:
    return "\n".join(one_line(line) for line in text.split("\n"))


console, errors = _Plain(), _Plain(stderr=True)

#: What JSON may hold as it is, and a terminal may obey.
_UNSEEN = re.compile(r"[^\x20-\x7e\n]")
#: How an outcome or a state is coloured on a terminal.
COLOURS = {
    "ACCEPTED": "green", "AUTHORIZED": "green", "done": "green", "ok": "green",
    "REJECTED": "red", "ERRORED": "red", "refused": "red", "stopped": "red", "failed": "red", "error": "red",
    "CANCELLED": "yellow", "waiting": "yellow", "warning": "yellow",
}  # fmt: skip


def plain(value: object) -> str:
    """A cell as text: moments in ISO without fractions, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bool):
        return "yes" if value else ""
    return one_line(str(value))


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows as a table on a terminal, else one line each with tabs between and a header line."""
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join(plain(row[column]) for column in columns))
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(_coloured(plain(row[column])) for column in columns))
    console.print(drawn)


def as_json(value: object) -> None:
    """Any value of ours as JSON, moments in ISO."""
    text = json.dumps(value, default=lambda odd: plain(odd), ensure_ascii=False, indent=2)
    print(_UNSEEN.sub(lambda found: found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1], text))


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, moved on by calls with counts; elsewhere nothing."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        line = bar.add_task(what, total=total)
        yield lambda count: bar.advance(line, count)


def _coloured(text: str) -> Text:
    return Text(text, style=COLOURS.get(text, ""))
