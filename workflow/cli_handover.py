"""`nfe hand-over`: who got which note, and once more for those who did not."""

from typing import Annotated

import typer

from workflow import display
from workflow.errors import Invalid
from workflow.handovers import Handovers
from workflow.installation import ready
from workflow.models import Channel
from workflow.store import seller_of
from workflow.tools import Tools

app = typer.Typer(no_args_is_help=True, help="Notes handed on to buyers, or to whom their sellers name.")

COLUMNS = ["shipment_id", "access_key", "what", "channel", "tries", "due_at", "code", "done_at"]


@app.command("list")
def list_handovers(
    shipment: Annotated[str | None, typer.Argument(help="One shipment's; default: all that are not done.")] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="Only those that wait for a person.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What is to be handed on, how often it was tried, and why it was not taken."""
    tools = ready()
    id = None if shipment is None else _one(tools, shipment)
    rows = [
        {name: row._mapping[name] for name in (*COLUMNS, "stop_code")}
        for row in Handovers(tools.store).rows(shipment_id=id, stopped=stopped, limit=limit)
    ]
    display.as_json(rows) if json else display.table(rows, COLUMNS)


@app.command("again")
def again(
    shipments: Annotated[list[str] | None, typer.Argument(help="Shipments.")] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="All that wait for a person.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say whose.")] = False,
) -> None:
    """Hand a shipment's notes on once more, by whatever its seller's file says now."""
    tools = ready()
    handovers = Handovers(tools.store)
    ids = [*(_one(tools, name) for name in shipments or ()), *(handovers.stopped() if stopped else ())]
    if not ids:
        if stopped:
            display.console.print("nothing waits for a person")
            return
        raise typer.BadParameter("name shipments, or --stopped")
    for id in ids:
        if dry_run:
            display.console.print(f"{id} would be handed on once more", markup=False)
            continue
        count = handovers.again(id, _channels(tools, id))
        told = f"{count} to be handed on" if count else "has nothing to hand on; see [buyer_mail] in the seller's file"
        display.console.print(f"{id} {told}", markup=False)


def _one(tools: Tools, name: str) -> str:
    found = tools.store.find(name)
    if len(found) != 1:
        raise Invalid("unknown-shipment", f"{name} is {len(found)} shipments; see: nfe list")
    return found[0]


def _channels(tools: Tools, id: str) -> tuple[Channel, ...]:
    row = tools.catalog.seller(seller_of(id))
    return tools.look_at(row).channels if row is not None and row.sealed_secrets else ()
