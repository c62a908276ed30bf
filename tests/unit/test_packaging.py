"""The image, the composition and the unit file start what the command knows, and nothing as root."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from workflow import cli
from workflow.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "nfe-workflow"}


@pytest.mark.parametrize("service", sorted(OURS))
def test_each_service_runs_a_command_that_is_taken_as_it_stands(service: str) -> None:
    words, command = list(OURS[service]["command"]), typer.main.get_command(cli.app)
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(command.name, words)


@pytest.mark.parametrize("service", sorted(OURS))
def test_each_service_may_write_nothing_but_its_own_folders_and_has_no_rights(service: str) -> None:
    chosen = OURS[service]
    assert (chosen["read_only"], chosen["cap_drop"]) == (True, ["ALL"])
    assert chosen["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in chosen.get("ports", ()))


@pytest.mark.parametrize("service", sorted(OURS))
def test_each_service_sets_settings_that_exist(service: str) -> None:
    named = {name for name in OURS[service].get("environment", {}) if name.startswith("NFE_")}
    assert named <= {f"NFE_{name.upper()}" for name in Settings.model_fields}


def test_the_image_holds_what_the_package_is_built_from_and_runs_as_nobody_of_note() -> None:
    sources = [words.split()[:-1] for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)]
    assert all((ROOT / name).exists() for names in sources for name in names)
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {name for names in sources for name in names} <= {line[1:] for line in allowed if line.startswith("!")}
    assert re.findall(r"^USER (\d+):\d+$", DOCKERFILE, re.MULTILINE) == ["10001"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here to ask about the unit")
def test_systemd_takes_the_unit_that_the_readme_shows(tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    unit = re.search(r"^```ini\n(\[Unit\].*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert unit is not None
    program = shutil.which("true")
    assert program is not None
    file = tmp_path / "nfe-worker.service"
    file.write_text(unit[1].replace("/opt/nfe/bin/nfe", program).replace("User=nfe", "User=daemon"))
    done = subprocess.run(["systemd-analyze", "verify", str(file)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if file.name in line]) == (0, [])
