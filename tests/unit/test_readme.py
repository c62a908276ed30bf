"""The README says what the program does: its states, its commands, its settings, its files.

Its lines and examples are run by `tests/acceptance/test_readme_walk.py`.
"""

import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import SecretStr

from tests.acceptance.faults import table
from workflow import cli
from workflow.settings import Settings
from workflow.states import REFETCH, RETRY, WAYS, State

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
OTHERS = [(ROOT / name).read_text(encoding="utf-8") for name in ("CONTRIBUTING.md", "CHANGELOG.md", ".env.example")]

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: Read beside the settings: where secrets files are, and the tests' own.
BESIDE_SETTINGS = {"NFE_SECRETS_DIR", "NFE_TEST_DATABASE_URL"}


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [text for name, text in FENCE.findall(README) if name == language]


# -- states -------------------------------------------------------------------------------------------------


def pictured() -> Iterator[tuple[str, str, str]]:
    """(stage, source, target) of each line of the picture; a line without a source has the one above."""
    source = ""
    for line in next(text for text in blocks("text") if "▶" in text).splitlines():
        if line.startswith("any state but"):
            source = line
        found = re.match(r"(\w*) +──(\w+)─+▶ (\w+)", line)
        if found:
            source = found[1] or source
            yield found[2], source, found[3]


def everywhere_but_cancelled(ways: Iterator[tuple[str, str, str]]) -> Iterator[tuple[str, str, str]]:
    """The ways, each `any state but CANCELLED` written out."""
    for stage, source, target in ways:
        sources = set(State) - {State.CANCELLED} if source == "any state but CANCELLED" else {source}
        yield from ((stage, str(one), target) for one in sources)


def test_the_picture_has_every_way_and_no_other() -> None:
    known = {
        (str(way.stage), str(source), str(target)) for way in WAYS for source in way.sources for target in way.targets
    }
    known |= {("retry", str(source), str(target)) for source, target in RETRY.items()}
    known |= {("refetch", str(source), str(target)) for source, target in REFETCH.items()}
    assert set(everywhere_but_cancelled(pictured())) == known


# -- commands -----------------------------------------------------------------------------------------------


def commands(group: Any, *above: str) -> Iterator[tuple[str, ...]]:
    """The words of every command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield (*above, name)


def given(words: list[str]) -> tuple[Any, list[str], list[str]]:
    """The command that the words name, what is called by name, and the words behind it."""
    command: Any = typer.main.get_command(cli.app)
    called: list[str] = []
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command = command.commands[words[0]]
        called, words = [*called, words[0]], words[1:]
    return command, called, words


def shown() -> list[str]:
    """Each line of a shell block that runs `nfe`, without comment and redirection."""
    lines = "\n".join(blocks("sh")).splitlines()
    return [re.split(r" [#>|]", line)[0].strip() for line in lines if line.startswith("nfe ")]


def mentioned() -> list[str]:
    """Each `nfe …` inside a sentence, here and in the other documents."""
    prose = FENCE.sub("", README) + "".join(OTHERS)
    return [found for found in re.findall(r"`(nfe [^`]+)`", prose) if "…" not in found]


@pytest.mark.parametrize("line", sorted(set(shown())))
def test_a_command_shown_is_taken_as_it_stands(line: str) -> None:
    command, called, words = given(shlex.split(line)[1:])
    assert called
    command.make_context(called[-1], words)


@pytest.mark.parametrize("line", sorted(set(mentioned())))
def test_a_command_mentioned_exists_with_its_options(line: str) -> None:
    command, called, words = given(shlex.split(line)[1:])
    assert called
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known
    assert not hasattr(command, "commands") or not words


def test_no_command_is_left_out() -> None:
    spoken = {tuple(given(shlex.split(line)[1:])[1]) for line in (*shown(), *mentioned())}
    spoken |= {("demo",)} if "make demo" in README else set()
    assert set(commands(typer.main.get_command(cli.app))) <= spoken


# -- settings -----------------------------------------------------------------------------------------------


def variables(text: str) -> set[str]:
    return set(re.findall(r"\bNFE_[A-Z0-9_]*[A-Z0-9]\b", text)) - BESIDE_SETTINGS


def written(default: Any) -> str:
    """A default as the table writes it."""
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    if isinstance(value, timedelta):
        value = int(value.total_seconds())
    if isinstance(value, bool):
        value = str(value).lower()
    return "–" if value in ("", None) else f"`{value}`"


def test_the_settings_table_has_every_setting_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(NFE_\w+)` \| (.+?) \|", README, re.MULTILINE))
    assert rows == {f"NFE_{name.upper()}": written(field.default) for name, field in Settings.model_fields.items()}


def test_no_document_names_a_setting_that_is_none() -> None:
    known = {f"NFE_{name.upper()}" for name in Settings.model_fields}
    for text in (README, *OTHERS):
        assert variables(text) <= known


def test_production_variables_reach_the_containers() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    offered = set(re.findall(r"^(?:# )?([A-Z_]+)=", OTHERS[-1], re.MULTILINE))
    assert offered
    assert not {name for name in offered if not re.search(rf"\b{name}\b(:|:-|:\?|\}})", compose)}


# -- what it survives ---------------------------------------------------------------------------------------


def test_the_table_of_faults_has_a_line_for_each_test_and_nothing_lost_or_doubled() -> None:
    rows = table.written(README)
    assert list(rows) == table.names()
    assert all(int(runs) > 0 for runs, *_ in rows.values())
    nothing = [name for name, (_, *counted) in rows.items() if counted == ["–", "–", "–"]]
    assert nothing == ["a broker that would throw messages away is refused"]
    assert {
        found for name, (*_, lost, doubled) in rows.items() if name not in nothing for found in (lost, doubled)
    } == {"0"}


# -- files --------------------------------------------------------------------------------------------------


def test_every_file_named_exists() -> None:
    named = set(re.findall(r"`((?:workflow|tasks|templates|tests)/[\w./-]*)`", README + "".join(OTHERS)))
    named |= {target for target in re.findall(r"\]\(([^)#:]+)\)", README) if not target.startswith("http")}
    assert named
    assert not {name for name in named if not (ROOT / name).exists()}


@pytest.mark.parametrize("room", ["workflow", "tasks"])
def test_the_house_has_every_module(room: str) -> None:
    house = next(text for text in blocks("text") if text.startswith("workflow/"))
    told = re.search(rf"^{room}/.*?(?=^\S|\Z)", house, re.DOTALL | re.MULTILINE)
    assert told is not None
    named = set(re.findall(r"[\w*]+(?:\.py|/)", told[0]))
    modules = {found.name for found in (ROOT / room).glob("*.py")} - {"__init__.py"}
    rooms = {f"{found.parent.name}/" for found in (ROOT / room).glob("*/__init__.py")}
    assert not {name for name in modules | rooms if name not in named and not name.startswith("cli_")}
    assert not {name for name in named - {f"{room}/"} if not any((ROOT / room).rglob(name.rstrip("/")))}


def test_every_anchor_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in README.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", README)) <= headings
