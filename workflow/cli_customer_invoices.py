"""`nfe customer-invoices`: a vendor's connectors, and the customer invoices pulled from its Amazon."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from workflow import connector_file, display
from workflow.connector import PATIENT, Source
from workflow.customer_invoices import PAGE_SIZE, SUFFIXES, Tally, Wish, fetch, is_out_of_reach, pull
from workflow.errors import Invalid, NfeError
from workflow.installation import ready
from workflow.tools import Tools
from workflow.vendors import Vendors

app = typer.Typer(no_args_is_help=True, help="Customer invoices of a vendor (Direct Fulfillment).")

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Connector = Annotated[str | None, typer.Option("--connector", help="Which connector; needless where there is one.")]

#: What a list shows; all facts are in its JSON.
COLUMNS = ["connector", "purchase_order_number", "version", "media_type", "size", "fetched_at", "problem"]


@app.command("connect")
def connect(file: Annotated[Path, typer.Argument(help="FILE.toml")]) -> None:
    """Add a vendor's connector, or replace what is known of it."""
    tools = ready()
    read = connector_file.register(Vendors(tools.store), file)
    every = tools.settings.customer_invoices_every
    scheduled = f"pulled every {every} while `nfe up` runs" if every else "pulled on command only"
    display.console.print(f"connector {read.name}: {read.base_url}, {scheduled}")


@app.command("connectors")
def connectors(json: Json = False) -> None:
    """Connectors, and until when their lists have been read."""
    columns = ["name", "base_url", "ship_from_party_id", "read_until", "open_windows"]
    rows = [{name: row._mapping[name] for name in columns} for row in Vendors(ready().store).connectors()]
    display.as_json(rows) if json else display.table(rows, columns)


@app.command("pull")
def pull_invoices(
    connector: Connector = None,
    after: Annotated[str | None, typer.Option(metavar="T", help="ISO 8601 with its time zone.")] = None,
    before: Annotated[str | None, typer.Option(metavar="T", help="ISO 8601 with its time zone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100, help="Invoices per page.")] = PAGE_SIZE,
    sort: Annotated[str, typer.Option(metavar="ASC|DESC", help="By creation.")] = "ASC",
    party: Annotated[str | None, typer.Option(help="shipFromPartyId; default: the connector's.")] = None,
    json: Json = False,
) -> None:
    """Fetch and keep the invoices of a period; without one, what is new. Interrupted, it goes on where it was."""
    tools = ready()
    wish = Wish(_moment(after, "--after"), _moment(before, "--before"), party, limit, sort.upper())
    vendors, row = _connector(tools, connector)
    if wish.after is not None and is_out_of_reach(wish.after, tools.store.now()):
        _warn("Amazon keeps customer invoices for six months; older ones will be missing")
    tally = Tally()
    try:
        with _progress(tally) as on_page:
            pull(vendors, row, Source(tools, row, waits=PATIENT), wish, tally=tally, on_page=on_page)
    except (NfeError, KeyboardInterrupt):
        _tell(row.name, tally, json=json)
        raise
    _tell(row.name, tally, json=json)
    if tally.problems:
        raise typer.Exit(1)


@app.command("get")
def get(
    purchase_order_number: Annotated[str, typer.Argument(metavar="PO_NUMBER", help="The purchase order's number.")],
    connector: Connector = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A file; default: standard output, on a terminal PO_NUMBER.pdf."),
    ] = None,
) -> None:
    """One order's invoice, byte for byte: the kept one, or else Amazon's."""
    tools = ready()
    vendors, row = _connector(tools, connector)
    file = vendors.file(row.name, purchase_order_number)
    if file is None:
        purged = vendors.purged_at(row.name, purchase_order_number)
        if purged is not None:
            _warn(f"{purchase_order_number} was purged on {purged.date()}; Amazon is asked for it again")
        file = fetch(vendors, row, Source(tools, row, waits=PATIENT), purchase_order_number)
    if output is None and not sys.stdout.isatty():
        sys.stdout.buffer.write(file.content)
        sys.stdout.buffer.flush()
        return
    output = output or Path(purchase_order_number + SUFFIXES[file.media_type])
    try:
        output.write_bytes(file.content)
    except OSError as error:
        raise Invalid("unwritable-file", f"{output}: {error.strerror}; choose another path") from error
    display.errors.print(f"{output} is written")


@app.command("list")
def list_invoices(
    connector: Connector = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    json: Json = False,
) -> None:
    """The kept invoices: every version of each, and what was no file."""
    rows = [dict(row._mapping) for row in Vendors(ready().store).invoices(connector=connector, limit=limit)]
    display.as_json(rows) if json else display.table(rows, COLUMNS)


def _connector(tools: Tools, name: str | None) -> tuple[Vendors, Any]:
    """The connector a person means; without a name the only one there is."""
    vendors = Vendors(tools.store)
    rows = [row for row in vendors.connectors() if name in (None, row.name)]
    if not rows and name is not None:
        raise Invalid("unknown-connector", f"no connector {name}; see: nfe customer-invoices connectors")
    if not rows:
        raise Invalid("no-connector", "there is none yet; add one: nfe customer-invoices connect FILE.toml")
    if len(rows) > 1:
        names = ", ".join(row.name for row in rows)
        raise Invalid("ambiguous-connector", f"there are several; give --connector, one of {names}")
    return vendors, rows[0]


def _moment(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text} is no moment; write 2026-11-01T00:00:00Z", param_hint=option) from error
    if moment.utcoffset() is None:
        raise typer.BadParameter(f"{text} has no time zone; write {text}Z or {text}+05:30", param_hint=option)
    return moment


@contextmanager
def _progress(tally: Tally) -> Iterator[Callable[[], None]]:
    """On a terminal a bar of windows with what has come; elsewhere nothing."""
    columns = (
        TextColumn("windows"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=display.errors, transient=True, disable=not display.errors.is_terminal) as bar:
        line = bar.add_task("asking", total=None)

        def on_page() -> None:
            kept = tally.new + tally.changed
            bar.update(line, total=tally.windows, completed=tally.windows_done, description=f"{kept} kept")

        yield on_page


def _tell(name: str, tally: Tally, *, json: bool) -> None:
    """What came of a pull, and each order whose content was no file."""
    for number, problem in tally.problems:
        _warn(f"{number or 'an invoice without a number'}: {problem}; it is kept as it came")
    if json:
        facts = {field: getattr(tally, field) for field in tally.__slots__ if field != "problems"}
        problems = [{"purchase_order_number": number, "problem": problem} for number, problem in tally.problems]
        display.as_json({"connector": name} | facts | {"problems": problems})
    else:
        display.console.print(f"{name}: {tally}")


def _warn(message: str) -> None:
    display.errors.print(f"nfe: {message}", style="yellow")
