"""How commands show things: rich tables on a terminal, plain tab-separated lines when piped, JSON when asked."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

console = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False, soft_wrap=True)

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
    return str(value)


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Rows as a table on a terminal, else one line each with tabs between and a header line."""
    if not sys.stdout.isatty():
        print("\t".join(columns))
        for row in rows:
            print("\t".join(plain(row[column]).replace("\t", " ") for column in columns))
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, overflow="fold")
    for row in rows:
        drawn.add_row(*(_coloured(plain(row[column])) for column in columns))
    console.print(drawn)


def as_json(value: object) -> None:
    """Any value of ours as JSON, moments in ISO."""
    print(json.dumps(value, default=lambda odd: plain(odd), ensure_ascii=False, indent=2))


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, moved on by calls with counts; elsewhere nothing."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        line = bar.add_task(what, total=total)
        yield lambda count: bar.advance(line, count)


def _coloured(text: str) -> str:
    colour = COLOURS.get(text)
    return f"[{colour}]{text}[/]" if colour else escape(text)
