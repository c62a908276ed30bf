"""`nfe keys`: which key encrypts what is stored, and how another takes its place."""

import os
from typing import Annotated

import typer

from workflow import display, key_book, key_source
from workflow.errors import Invalid
from workflow.installation import ready
from workflow.tools import Tools

app = typer.Typer(no_args_is_help=True, help="Encryption keys: their age, what they sealed, their rotation.")

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_keys(json: Json = False) -> None:
    """Keys, newest first: since when in use, how many stored fields each sealed; status 1 where one is missing."""
    tools = ready()
    ids, since, counts = tools.store.vault.ids, key_book.since(tools.store), key_book.by_key(tools.store)
    missing = [id for id in counts if id not in (*ids, key_book.OLDER_VERSION)]
    others = [key_book.OLDER_VERSION] if counts[key_book.OLDER_VERSION] else []
    rows = [
        {"key": id, "since": since.get(id), "sealed": counts[id], "configured": id not in missing}
        for id in (*ids, *others, *missing)
    ]
    display.as_json(rows) if json else display.table(rows, list(rows[0]))
    if missing:
        raise typer.Exit(1)


@app.command("rotate")
def rotate() -> None:
    """Write a new key before the others into the key file; a variable or a key service is its owner's to change."""
    tools = ready()
    source = key_source.source_of(tools.settings)
    if source.path is None:
        raise Invalid(
            "key-is-not-ours",
            f"the keys come from {source.name}: make one (nfe doctor --new-key), put it before the others there, "
            "restart the parts, then: nfe keys reseal",
        )
    if not os.access(source.path.parent, os.W_OK):
        raise Invalid("unwritable-file", f"{source.path} cannot be replaced by this user; run it as the file's owner")
    key_source.write(source.path, [key_source.new_key(), *source.read()])
    again = Tools(tools.settings)
    key_book.enter(again.store)
    display.console.print(f"{source.path}: new key {again.store.vault.ids[0]}; back the file up, then: nfe keys reseal")


@app.command("reseal")
def reseal(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
) -> None:
    """Seal with the newest key what older ones sealed, while the parts run; stopped, it goes on where it was."""
    tools = ready()
    total = key_book.older(tools.store)
    if dry_run:
        display.console.print(f"{total} stored fields would be sealed anew")
        return
    with display.progress("sealing anew", total) as tell:
        found = key_book.reseal(tools.store, tell=tell)
    display.console.print(f"{found.done} stored fields sealed anew with key {tools.store.vault.ids[0]}")
    for mistake, count in found.failed.items():
        display.errors.print(f"nfe: {count} of {mistake}", style="red")
    if found.failed:
        raise typer.Exit(1)
    left = key_book.older(tools.store)
    if left:
        told = f"nfe: {left} more came from a part that still seals with an older key; restart it, then run this again"
        display.errors.print(told, style="yellow")
        raise typer.Exit(1)
    if len(tools.store.vault.ids) > 1:
        display.console.print("the older keys seal nothing any more: they can go once every part was restarted")
