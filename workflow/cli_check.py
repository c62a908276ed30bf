"""`nfe check`: what SEFAZ would say of any NF-e, of ours or of anybody's."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workflow import display
from workflow.errors import Invalid
from workflow.input_file import MEGABYTE, content_of

if TYPE_CHECKING:
    from workflow.nfe.rules import Verdict

#: SEFAZ takes 500 kB; a larger one is told so, and not read for ever.
LARGEST = 16 * MEGABYTE

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE.xml…", help="An NFe, a nfeProc or an enviNFe of one.")],
    now: Annotated[bool, typer.Option("--now", help="As sent now: also the rules about time.")] = False,
    json: Json = False,
) -> None:
    """Ask of any NF-e what SEFAZ asks: schema, signature, key, sums, rules, and which cStat it would get."""
    from rich.progress import track

    verdicts: dict[Path, Verdict] = {}
    quiet = len(files) == 1 or not sys.stderr.isatty()
    for file in track(files, "checking", console=display.errors, transient=True, disable=quiet):
        try:
            verdicts[file] = _verdict(file, datetime.now(UTC) if now else None)
        except Invalid as error:
            display.errors.print(f"nfe: {error}", style="red")
    if json:
        display.as_json([_verdict_facts(file, verdict) for file, verdict in verdicts.items()])
    else:
        for file, verdict in verdicts.items():
            display.console.print(f"{file}: {verdict.cStat} {verdict.xMotivo}")
            found = [breach._asdict() for breach in verdict.breaches]
            if found:
                display.table(found, ["severity", "cStat", "field", "place", "message"])
    if len(verdicts) < len(set(files)) or not all(verdict.is_good for verdict in verdicts.values()):
        raise typer.Exit(1)


def _verdict(file: Path, now: datetime | None) -> "Verdict":
    from workflow.nfe import rules

    try:
        return rules.check(content_of(file, LARGEST), now=now)
    except OSError as error:
        raise Invalid("unreadable-file", f"{file}: {error.strerror}; check the path") from error
    except Invalid as error:
        raise Invalid(error.code, f"{file}: {error.message}") from error


def _verdict_facts(file: Path, verdict: "Verdict") -> dict[str, Any]:
    found = [breach._asdict() for breach in verdict.breaches]
    return {"file": str(file), "good": verdict.is_good} | verdict._asdict() | {"breaches": found}
