"""What commands show gives a terminal no orders, whoever wrote it, and is no markup."""

import io
import json
import re
import sys
from datetime import UTC, datetime

import pytest

from workflow import display

HOSTILE = "\x1b]0;owned\x07\x1b[2J[red]x[/red] [/]\u202e\x9b31m\ud800\n\tnext :smile:"


class Terminal(io.StringIO):
    """Standard output that says it is one."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_table_shows_a_hostile_text_as_one_plain_line(is_terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal() if is_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(display, "console", display._Plain())
    display.table([{"id": HOSTILE, "state": "ACCEPTED"}], ["id", "state"])
    # Its own colours are all that is left of orders.
    lines = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).splitlines()
    assert len(lines) == 2
    assert all(line.replace("\t", "").isprintable() for line in lines)
    assert "[red]x[/red] [/]" in lines[1]
    assert ":smile:" in lines[1]


def test_a_line_shows_a_hostile_text_plain(capsys: pytest.CaptureFixture[str]) -> None:
    display.console.print(f"{HOSTILE} is written")
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert "[red]x[/red]" in out


def test_json_escapes_what_a_terminal_would_obey_and_keeps_its_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    value = [{"text": HOSTILE, "name": "Peçanha 🎁", "at": datetime(2026, 11, 22, tzinfo=UTC)}]
    display.as_json(value)
    out = capsys.readouterr().out
    assert all(line.isprintable() for line in out.splitlines())
    assert json.loads(out) == [{"text": HOSTILE, "name": "Peçanha 🎁", "at": "2026-11-22T00:00:00Z"}]
    assert "Peçanha 🎁" in out
