"""`nfe purge`: remove personal data that have served, or all of a seller on Amazon's or the seller's demand."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from workflow import display
from workflow import purge as job
from workflow.cli_options import MaybeSeller
from workflow.errors import Invalid
from workflow.installation import me, ready
from workflow.models import NumberStatus
from workflow.number_book import NumberBook
from workflow.tools import Tools

#: Where the schedule is switched off and nobody says how long.
DEFAULT = timedelta(days=30)


def purge(
    older_than_days: Annotated[
        int | None, typer.Option(min=0, help="Days since a shipment settled; default: NFE_PURGE_AFTER, or 30.")
    ] = None,
    seller: MaybeSeller = None,
    everything: Annotated[
        bool, typer.Option("--everything", help="All of the seller's data but the legal archive and its numbers.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Remove the personal data of shipments long settled, and vendors' invoices; authorised NF-e are kept."""
    if everything and seller is None:
        raise typer.BadParameter("--everything needs --seller", param_hint="--everything")
    tools = ready()
    if seller is not None and tools.catalog.seller(seller) is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")
    if everything and seller is not None:
        _remove(tools, seller, dry_run=dry_run, yes=yes)
        return
    kept = tools.settings.purge_after or DEFAULT
    before = tools.store.now() - (kept if older_than_days is None else timedelta(days=older_than_days))
    waiting = job.waiting(tools.store, before=before, seller_id=seller)
    if dry_run:
        display.console.print(f"would purge {waiting.shipments} shipments, {waiting.invoices} customer invoices")
    else:
        with display.progress("purging", waiting.shipments + waiting.invoices) as tell:
            gone = job.purge(tools.store, before=before, seller_id=seller, actor=me(), tell=tell)
        display.console.print(
            f"purged {gone.shipments} shipments ({gone.documents} documents), {gone.invoices} customer invoices"
        )
    if waiting.stopped:
        told = (
            f"nfe: {waiting.stopped} shipments as old keep their data until a person decides; see: nfe list --stopped"
        )
        display.errors.print(told, style="yellow")


def _remove(tools: Tools, seller: str, *, dry_run: bool, yes: bool) -> None:
    moving = job.on_their_way(tools.store, seller)
    book = NumberBook(tools.store)
    unused = len(book.numbers(seller_id=seller, status=NumberStatus.UNUSED))
    if unused:
        told = f"nfe: {unused} numbers of {seller} are not voided, and cannot be afterwards; first: nfe numbers void"
        display.errors.print(told, style="yellow")
    if dry_run:
        display.console.print(f"{seller}: would be removed but its archive; {moving} shipments still on their way")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise Invalid("not-confirmed", "nothing was removed: nobody is here to confirm; give --yes")
        typed = typer.prompt(f"All of {seller} but its archive will be gone. Type the SellerId to go on")
        if typed.strip() != seller:
            raise Invalid("not-confirmed", "that is not the SellerId; nothing was removed")
    with display.progress("purging", None) as tell:
        gone = job.remove_seller(tools.store, seller, actor=me(), tell=tell)
    display.console.print(
        f"{seller}: removed {gone.shipments} shipments, {gone.documents} documents, {gone.products} products, its "
        f"certificate and its tokens; {gone.kept} shipments stay for their archive or their number"
    )
