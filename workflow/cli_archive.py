"""`nfe export` and `nfe report`: a month's archive and its totals, for the accountant."""

import csv
import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow import display
from workflow.archive import Archive, Month, Which
from workflow.cli_options import MaybeSeller
from workflow.errors import Invalid
from workflow.export import export as write
from workflow.installation import ready
from workflow.logs import logger
from workflow.monthly import AUTHORIZED, CANCELLED, COLUMNS, MISSING, total
from workflow.tools import Tools

log = logger(__name__)

MonthOption = Annotated[str, typer.Option("--month", help="By the day of issue, such as 2026-11.")]
HomologationOption = Annotated[bool, typer.Option("--homologation", help="Notes without fiscal value instead.")]
#: What a table on a terminal has room for; `--csv` and `--json` have all.
SHOWN = ("CNPJ", "situacao", "CFOP", "UF", "notas", "itens", "vNF", "vProd", "vICMS", "vST", "vIPI", "vICMSUFDest")


def export(
    month: MonthOption,
    seller: MaybeSeller = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default: nfe-MONTH.zip.")] = None,
    homologation: HomologationOption = False,
) -> None:
    """A month's XML files for the accountant: NF-e, events, voidings, an index and totals, in one ZIP."""
    of, which, tools = _month(month), _which(seller, homologation=homologation), ready()
    _check_seller(tools, seller)
    archive = Archive(tools.store)
    name = f"nfe-{of}{f'-{seller}' if seller else ''}{'-homologacao' if homologation else ''}.zip"
    path = output or Path(name)
    with display.progress("exporting", archive.count(of, which)) as tell:
        done = write(archive, of, which, path, tell=tell)
    log.info("exported", month=str(of), seller=seller, notes=sum(done.notes.values()))
    display.console.print(
        f"{path}: {done.notes[AUTHORIZED]} authorised, {done.notes[CANCELLED]} cancelled, "
        f"{done.late_events} events about earlier months, {done.voidings} voidings",
        markup=False,
    )
    _warn(archive, of, which, done.notes[MISSING], nothing=not any(done.notes.values()))


def report(
    month: MonthOption,
    seller: MaybeSeller = None,
    homologation: HomologationOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="As CSV, with every amount.")] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """A month's totals by CFOP and buyer's state; they close with the documents."""
    of, which, tools = _month(month), _which(seller, homologation=homologation), ready()
    _check_seller(tools, seller)
    archive = Archive(tools.store)
    with display.progress("summing up", archive.count(of, which)) as tell:
        totals = total(archive, of, which, tell=tell)
    rows = totals.rows()
    if json:
        display.as_json({"month": str(of), "notes": totals.notes, "totals": [_plain(row) for row in rows]})
    elif as_csv:
        writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    else:
        display.table([*rows, *_closing(rows)], SHOWN)
    _warn(archive, of, which, totals.notes[MISSING], nothing=not any(totals.notes.values()))


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is no month; write it as 2026-11", param_hint="--month") from error


def _which(seller: str | None, *, homologation: bool) -> Which:
    return Which(2 if homologation else 1, seller)


def _check_seller(tools: Tools, seller: str | None) -> None:
    if seller is not None and tools.catalog.seller(seller) is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Amounts as text: JSON's numbers are no decimals."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in row.items()}


def _closing(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The sum of what is authorised; a note with several CFOPs is in several rows, so notes are not summed."""
    counted = [row for row in rows if row["situacao"] == AUTHORIZED]
    if not counted:
        return []
    sums = {name: sum(row[name] for row in counted) for name in SHOWN[5:]}
    return [dict.fromkeys(SHOWN, "") | {"CNPJ": "total", "situacao": AUTHORIZED} | sums]


def _warn(archive: Archive, month: Month, which: Which, missing: int, *, nothing: bool) -> None:
    """What keeps the month from being whole; exit status 1 where an XML is missing."""
    undecided = archive.undecided(month, which)
    other = archive.count(month, which._replace(environment=2)) if which.environment == 1 and nothing else 0
    if undecided:
        _say(f"{undecided} notes of {month} are not decided by SEFAZ yet; repeat it when they are", "yellow")
    if other:
        _say(f"no note of {month} in production; {other} in homologation: --homologation", "yellow")
    ownerless = archive.ownerless(month, which)
    if ownerless:
        _say(f"{ownerless} notes of {month} are SEFAZ's, and no shipment's here: nfe numbers list", "red")
    if missing:
        _say(f"{missing} notes of {month} have no XML here: see `sem XML` in the index, ask SEFAZ for them", "red")
    if missing or ownerless:
        raise typer.Exit(1)


def _say(text: str, style: str) -> None:
    display.errors.print(f"nfe: {text}", style=style, markup=False)
