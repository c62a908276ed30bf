"""`nfe backup`, `nfe recover`, `nfe adopt`: a copy of the database, and the way back from an old one to today."""

from pathlib import Path
from typing import Annotated

import typer

from workflow import adoption, backup, display, recovery
from workflow.cli_options import MaybeSeller
from workflow.errors import Invalid, NfeError, RetryLater
from workflow.input_file import content_of
from workflow.installation import me, ready
from workflow.purge import REMOVED
from workflow.recovery import Asked, Recovered


def write_backup(file: Annotated[Path, typer.Argument(metavar="FILE", help="A new file.")]) -> None:
    """Copy the SQLite database, also while it is in use; the encryption key is not in it and must be kept, too."""
    size = backup.write(ready().store, file)
    display.console.print(f"{file}: {size} bytes, whole; keep the encryption key apart from it")


def recover(
    seller: MaybeSeller = None,
    through: Annotated[
        int, typer.Option("--through", min=0, help="Numbers up to this one were given; where Redis has forgotten.")
    ] = 0,
    silence: Annotated[
        int, typer.Option("--silence", min=1, help="So many free numbers in a row are the end.")
    ] = recovery.SILENCE,
) -> None:
    """After an older database was restored: ask SEFAZ what was issued since, so that nothing is issued again."""
    tools = ready()
    # Sellers of one series share its numbers: one of them asks for all.
    known = {tools.look_at(row).series.key: row.id for row in tools.catalog.sellers() if row.stop_code != REMOVED}
    wanted = [*known.values()] if seller is None else [seller]
    if through and len(wanted) > 1:
        raise typer.BadParameter("--through needs --seller", param_hint="--through")
    failed = False
    for id in wanted:
        try:
            with display.progress(f"asking SEFAZ for {id}", None) as tell:
                found = recovery.recover(
                    tools, id, actor=me(), through=through, silence=silence, tell=lambda asked: _tell(asked, tell)
                )
        except NfeError as error:
            again = "; run it again, it goes on where it was" if isinstance(error, RetryLater) else ""
            display.errors.print(f"nfe: {id}: {error}{again}", style="red")
            failed = True
            continue
        for one in found:
            display.console.print(f"{id}: {_line(one)}")
    if failed:
        raise typer.Exit(1)


def adopt(
    shipment: Annotated[str, typer.Argument(help="SELLER/SHIPMENT, as nfe list shows it.")],
    file: Annotated[Path, typer.Argument(metavar="FILE.xml", help="The NFe, or its nfeProc.")],
) -> None:
    """Give a shipment the XML of the NF-e that it has at SEFAZ, where it cannot be made again, and let it go on."""
    tools = ready()
    found = tools.store.find(shipment)
    if len(found) != 1:
        raise Invalid("unknown-shipment", f"no shipment {shipment}, or several; give SELLER/SHIPMENT: nfe list")
    key = adoption.give(tools, found[0], content_of(file), actor=me())
    display.console.print(f"{found[0]}: {key} is kept, and asked for at SEFAZ")


def _tell(asked: Asked, moved: object) -> None:
    if callable(moved):
        moved(1)
    if asked.key is not None:
        display.errors.print(f"{asked.number}: {asked.cStat} {asked.key}")


def _line(one: Recovered) -> str:
    gone_on = f"next {one.before}" if one.after == one.before else f"next {one.before}, now {one.after}"
    unnamed = f" ({one.unnamed} whose key SEFAZ does not tell)" if one.unnamed else ""
    return (
        f"series {one.where.series}, tpAmb {one.where.environment}: {gone_on}; {one.found} notes found{unnamed}, "
        f"{one.free} free numbers to be voided, {one.cancelled} cancelled at SEFAZ"
    )
