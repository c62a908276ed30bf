"""`nfe user`: who may log in to the operator's page."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from workflow import display
from workflow.errors import Invalid
from workflow.installation import ready
from workflow.models import Role
from workflow.users import Users, users_of

app = typer.Typer(no_args_is_help=True, help="Users of the operator's page.")

Name = Annotated[str, typer.Argument(help="The name to log in with.")]
COLUMNS = ["name", "role", "disabled_at", "created_at", "seen_at"]


@app.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="viewer looks; operator also gives orders and sees buyers' data.")],
    password_file: Annotated[Path | None, typer.Option(help="A file whose first line is the password.")] = None,
    password_env: Annotated[str | None, typer.Option(help="A variable that holds the password.")] = None,
) -> None:
    """Add a user, or give one a new role and password; asks for the password where no option names it."""
    password = _password(password_file, password_env)
    _users().put(name, role, password)
    display.console.print(f"user {name}: {role}")


@app.command("list")
def list_users(json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Users with their roles, and when their running sessions were last used."""
    rows = [dict(row._mapping) for row in _users().all()]
    display.as_json(rows) if json else display.table(rows, COLUMNS)


@app.command("disable")
def disable(name: Name) -> None:
    """Keep a user out from now on; running sessions end at once. `nfe user add` lets the user in again."""
    if not _users().disable(name):
        raise Invalid("unknown-user", f"no user {name}; see: nfe user list")
    display.console.print(f"user {name} is disabled")


def _users() -> Users:
    tools = ready()
    return users_of(tools.store, tools.settings)


def _password(file: Path | None, variable: str | None) -> str:
    if file is not None:
        try:
            return (file.read_text(encoding="utf-8").splitlines() or [""])[0]
        except (OSError, UnicodeDecodeError) as error:
            raise Invalid("unreadable-file", f"{file}: cannot be read as UTF-8 text; check the path") from error
    if variable is not None:
        if variable not in os.environ:
            raise Invalid("no-password", f"the variable {variable} is not set")
        return os.environ[variable]
    if not sys.stdin.isatty():
        raise Invalid("no-password", "there is no terminal to ask on; use --password-file or --password-env")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))
