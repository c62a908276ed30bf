"""`nfe numbers`: what became of each NF-e number, and the voiding of those that no NF-e has."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow import display
from workflow.cli_options import MaybeSeller, Seller
from workflow.errors import Invalid, NfeError
from workflow.installation import me, ready
from workflow.models import NumberStatus
from workflow.nfe.invoice import Issuer
from workflow.number_book import NumberBook, Series, Standing
from workflow.tools import Tools
from workflow.void_numbers import MAX_REASON, MIN_REASON, REASON, Answered, check_reason, void
from workflow.voidings import Voidings

app = typer.Typer(no_args_is_help=True, help="NF-e numbers: none missing, the unused voided.")

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]

COLUMNS = ["series", "environment", "number", "status", "shipment_id", "access_key", "since", "reason"]


@app.command("list")
def list_numbers(
    seller: MaybeSeller = None,
    status: Annotated[NumberStatus | None, typer.Option(help="Only these.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, highest first.")] = 50,
    json: Json = False,
) -> None:
    """Numbers with their shipments, then each series: its next number, and that none is missing (else status 1)."""
    tools = ready()
    cnpj = None if seller is None else _row(tools, seller).cnpj
    book = NumberBook(tools.store)
    rows = [dict(row._mapping) for row in book.numbers(seller_id=seller, status=status, limit=limit)]
    standings = book.standings(cnpj=cnpj)
    if json:
        display.as_json({"numbers": rows, "series": [_facts(standing) for standing in standings]})
    else:
        display.table(rows, COLUMNS)
        for standing in standings:
            style = "red" if standing.gaps else None
            display.errors.print(_line(standing), style=style)
    if any(standing.gaps for standing in standings):
        raise typer.Exit(1)


@app.command("void")
def void_numbers(
    seller: MaybeSeller = None,
    reason: Annotated[str, typer.Option(help=f"xJust, {MIN_REASON} to {MAX_REASON} characters.")] = REASON,
    again: Annotated[bool, typer.Option("--again", help="Also those that SEFAZ refused to void before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
) -> None:
    """Void the unused numbers at SEFAZ; never one that is used, reserved, or may still be on its way."""
    try:
        check_reason(reason)
    except Invalid as error:
        raise typer.BadParameter(error.message, param_hint="--reason") from error
    tools = ready()
    voidings = Voidings(tools.store)
    if seller is not None:
        _row(tools, seller)
    failed: NfeError | None = None
    for id in [seller] if seller is not None else _sellers(tools, again=again):
        if dry_run:
            _foresee(tools, id)
            continue
        if again:
            voidings.recall(id)
        try:
            void(tools, id, reason=reason, tell=_tell)
        except NfeError as error:
            display.errors.print(f"nfe: {id}: {error}", style="red")
            failed = error
    if failed is not None:
        raise typer.Exit(1)


@app.command("start")
def start(
    seller: Seller,
    next_number: Annotated[int, typer.Option("--next", help="The next number to take.")],
    series: Annotated[int | None, typer.Option(help="Default: the seller's.")] = None,
) -> None:
    """Let a series go on above the numbers that another system used; only upwards."""
    tools = ready()
    issuer = Issuer.parse(_row(tools, seller).issuer)
    where = Series(issuer.cnpj, issuer.tpAmb, issuer.serie if series is None else series)
    before = NumberBook(tools.store).start(where, next_number, actor=me())
    left = f"; {before} to {next_number - 1} are another system's" if 0 < before < next_number else ""
    said = f"series {where.series}, tpAmb {where.environment}, CNPJ {where.cnpj}: next {next_number}{left}"
    display.console.print(said)
    if where.series != issuer.serie:
        told = (
            f"nfe: {seller} issues in series {issuer.serie}; put serie = {where.series} into its file to use this one"
        )
        display.errors.print(told, style="yellow")


@app.command("proof")
def proof(
    number: Annotated[int, typer.Argument(help="A voided number.")],
    seller: Seller,
    series: Annotated[int | None, typer.Option(help="Default: the seller's.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default: standard output.")] = None,
) -> None:
    """The XML that proves a number voided (procInutNFe), byte for byte; the law wants it kept like an NF-e."""
    tools = ready()
    issuer = Issuer.parse(_row(tools, seller).issuer)
    content = Voidings(tools.store).proof(seller, issuer.serie if series is None else series, number)
    if content is None:
        raise Invalid("no-proof", f"{seller} has no voiding of number {number}; see: nfe numbers list --status voided")
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise Invalid("unwritable-file", f"{output}: {error.strerror}; choose another path") from error


def _row(tools: Tools, seller: str) -> Any:
    row = tools.catalog.seller(seller)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")
    return row


def _sellers(tools: Tools, *, again: bool) -> list[str]:
    if again:
        return [row.id for row in tools.catalog.sellers()]
    return Voidings(tools.store).sellers(before=tools.store.now())


def _foresee(tools: Tools, seller: str) -> None:
    uf = Issuer.parse(_row(tools, seller).issuer).address.uf
    voidings = Voidings(tools.store)
    for made in voidings.open(seller):
        display.console.print(f"{made.range} would be sent again")
    for found in voidings.ranges(seller, uf):
        display.console.print(f"{found} would be voided")


def _tell(answered: Answered) -> None:
    display.console.print(f"{answered.range} {answered.fate}: {answered.code} {answered.reason}")


def _line(standing: Standing) -> str:
    series = standing.series
    counts = ", ".join(f"{count} {status}" for status, count in sorted(standing.counts.items())) or "none taken"
    foreign = "".join(f", {first}-{last} another system's" for first, last in standing.foreign)
    missing = "".join(f" ({first}-{last})" for first, last in standing.gaps)
    return (
        f"series {series.series}, tpAmb {series.environment}, CNPJ {series.cnpj}: from {standing.first}, "
        f"next {standing.next}; {counts}{foreign}; gaps: {standing.missing}{missing}"
    )


def _facts(standing: Standing) -> dict[str, Any]:
    named = {"first": standing.first, "next": standing.next, "counts": standing.counts}
    proven = {"foreign": standing.foreign, "gaps": standing.gaps, "missing": standing.missing}
    return standing.series._asdict() | named | proven
