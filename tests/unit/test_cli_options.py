"""What a newcomer asks of the command line: help for everything, its version, and what the Tab key offers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from tests.unit.test_cli import Nfe, environment, nfe, seller, seller_file, shipment  # noqa: F401  # the fixtures of every command
from workflow import cli, cli_options, settings
from workflow.release import our_version


def commands(group: Any, *above: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *above, name)
        else:
            yield " ".join((*above, name)), command


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_options_says_what_it_is_for(name: str) -> None:
    assert COMMANDS[name].help
    assert not [one.name for one in COMMANDS[name].params if not getattr(one, "help", None)]


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.split()[-1] in ("list", "show", "connectors")])
def test_what_lists_or_shows_has_json(name: str) -> None:
    assert "--json" in {option for one in COMMANDS[name].params for option in one.opts}


def test_the_help_tells_every_command_in_a_room_and_what_is_needed_first_first(nfe: Nfe) -> None:  # noqa: F811
    roomed = [name for names in cli.ROOMS.values() for name in names]
    assert roomed == list(dict.fromkeys(name.split()[0] for name in COMMANDS))
    told = nfe("--help").out
    places = [told.index(f"─ {room} ─") for room in cli.ROOMS]
    assert places == sorted(places)


def test_the_version_is_told(nfe: Nfe) -> None:  # noqa: F811
    assert nfe("--version").out == f"nfe-workflow {our_version()}\n"


def test_the_tab_key_offers_states_in_the_letters_that_people_type() -> None:
    assert cli_options.states("ER") == ["errored"]
    assert len(cli_options.states("")) == 9


def test_the_tab_key_offers_what_the_database_has(shipment: str, seller: str) -> None:  # noqa: F811
    settings.current.cache_clear()
    assert cli_options.shipments("FB") == [shipment.partition("/")[2]]
    assert cli_options.shipments("X") == []
    assert cli_options.sellers("A1") == [seller]


def test_the_tab_key_makes_no_database_and_offers_nothing_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NFE_DATA_DIR", str(tmp_path / "none"))
    settings.current.cache_clear()
    assert cli_options.sellers("") == cli_options.shipments("") == []
    assert not (tmp_path / "none").exists()
    settings.current.cache_clear()
