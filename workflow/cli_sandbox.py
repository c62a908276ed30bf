"""`nfe sandbox`: the local counterparts as processes of their own."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Local counterparts: homologation only, faulty on demand.")

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
#: Default ports of the local counterparts.
AMAZON_PORT, SEFAZ_PORT, SEFAZ_CONTROL_PORT = 8180, 8443, 8181


Memory = Annotated[Path | None, typer.Option(help="A folder that remembers across restarts; none: start empty.")]
ParentDeath = Annotated[bool, typer.Option("--parent-death", help="End with the parent process (Linux).")]


@app.command("amazon")
def amazon(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = AMAZON_PORT,
    shipments: Annotated[int, typer.Option(min=0, help="How many example shipments it holds.")] = 12,
    static: Annotated[bool, typer.Option("--static", help="Only the static examples of Amazon's models.")] = False,
    memory: Memory = None,
    json: Json = False,
    parent_death: ParentDeath = False,
) -> None:
    """A local Selling Partner API with Login with Amazon; any credentials will do."""
    from workflow.sandbox.server import serve_amazon
    from workflow.sandbox.shipments import demo_shipments

    held = [] if static else [example.shipment() for example in demo_shipments(shipments)]
    serve_amazon(port, shipments=held, static=static, memory=memory, as_json=json, parent_death=parent_death)


@app.command("sefaz")
def sefaz(
    port: Annotated[int, typer.Option(min=0, max=65535, help="HTTPS; 0: a free one.")] = SEFAZ_PORT,
    control_port: Annotated[int, typer.Option(min=0, max=65535, help="0: a free one.")] = SEFAZ_CONTROL_PORT,
    folder: Annotated[Path, typer.Option(help="Where its authority and a seller's A1 are kept.")] = Path("sandbox"),
    memory: Memory = None,
    json: Json = False,
    parent_death: ParentDeath = False,
) -> None:
    """A local SEFAZ over HTTPS with client certificates; homologation only."""
    from workflow.sandbox.server import serve_sefaz

    serve_sefaz(port, control_port, folder, memory=memory, as_json=json, parent_death=parent_death)
