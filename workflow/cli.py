"""The `nfe` command.

Exit status: 0 done, 1 the thing asked for failed, 2 wrong usage. An error is one line: what, which, how to mend.
"""

import getpass
import signal
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy.exc import DBAPIError

from workflow import (
    cli_customer_invoices,
    cli_notifications,
    cli_numbers,
    cli_purge,
    display,
    logs,
    migrations,
    settings,
)
from workflow.crypto import new_key
from workflow.engine import Reception
from workflow.errors import Invalid, NfeError
from workflow.installation import ready
from workflow.models import DocumentKind
from workflow.nfe.invoice import Issuer
from workflow.states import AUTHORIZED_AND_LATER, RETRY, State
from workflow.store import REISSUE, Due
from workflow.tools import Tools

if TYPE_CHECKING:
    from workflow.nfe.rules import Verdict

Ring = Callable[[Due], None]

app = typer.Typer(
    no_args_is_help=True, pretty_exceptions_enable=False, help="From an Amazon FBA Onsite shipment to an accepted NF-e."
)
sellers = typer.Typer(no_args_is_help=True, help="Sellers: the NF-e's issuers and Amazon's selling partners.")
products = typer.Typer(no_args_is_help=True, help="Products: the tax data of a seller's SKUs.")
sandbox = typer.Typer(no_args_is_help=True, help="Local counterparts: homologation only, faulty on demand.")
app.add_typer(sellers, name="seller")
app.add_typer(products, name="products")
app.add_typer(sandbox, name="sandbox")
app.add_typer(cli_customer_invoices.app, name="customer-invoices")
app.add_typer(cli_notifications.app, name="notifications")
app.add_typer(cli_numbers.app, name="numbers")
app.command("purge")(cli_purge.purge)

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
Shipment = Annotated[str, typer.Argument(help="Amazon's shipment or order id, or SELLER/SHIPMENT.")]


def _no_ring(row: Due) -> None:
    """Without a doorbell the sweeper finds the row."""


_ring: Ring = _no_ring


def run(*, ring: Ring = _no_ring) -> None:
    """Run the command line; `ring` is told of each row that is due now."""
    global _ring  # the command line runs once per process
    _ring = ring
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `nfe list | head` is no error
    try:
        logs.configure(settings.current())
        app()
    except NfeError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"unusable-file: {error.filename or 'a file or connection'}: {error.strerror or error}; see NFE_DATA_DIR")
    except DBAPIError as error:
        _fail(f"database-unavailable: {_first_line(error.orig)}; see NFE_DATABASE_URL, then: nfe doctor")


def _fail(message: str) -> None:
    display.errors.print(f"nfe: {message}", style="red", markup=False)
    sys.exit(1)


def _first_line(error: object) -> str:
    return (str(error).strip().splitlines() or ["no answer"])[0][:200]


def _one(tools: Tools, name: str) -> str:
    """The shipment a person means."""
    found = tools.store.find(name)
    if not found:
        raise Invalid("unknown-shipment", f"no shipment or order {name}; see: nfe list")
    if len(found) > 1:
        raise Invalid("ambiguous-shipment", f"{name} may be {', '.join(found)}; give SELLER/SHIPMENT")
    return found[0]


def _me() -> str:
    """Who gives the order, for the history."""
    return getpass.getuser()


# -- running ------------------------------------------------------------------------------------------------


@app.command()
def demo(
    shipments: Annotated[int, typer.Option(min=1, max=1000, help="How many shipments.")] = 25,
    data: Annotated[Path | None, typer.Option(help="Folder to keep everything in; must be new or empty.")] = None,
    wait: Annotated[bool, typer.Option(help="On a terminal: stay until Enter, to look at Flower.")] = True,
) -> None:
    """Run the main job on embedded parts: from notifications to Accepted, against local counterparts."""
    from workflow import demo as job

    raise typer.Exit(job.run(shipments, data, wait=wait))


@app.command()
def up(
    parts: Annotated[
        list[str] | None, typer.Argument(help="worker, beat, flower, consumer; default: all of them.")
    ] = None,
) -> None:
    """Start worker, beat and Flower in one process group; as configured also Valkey and the SQS consumer."""
    from workflow import processes
    from workflow.parts import Part

    known = [str(part) for part in Part]
    for part in parts or ():
        if part not in known:
            raise typer.BadParameter(f"{part} is no part; one of {', '.join(known)}", param_hint="PARTS")
    tools = ready()
    tools.check_broker()
    processes.up(tools.settings, parts or ())


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables; safe to repeat."""
    tools = Tools(settings.current())
    if not tools.settings.database_url:
        tools.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrations.upgrade(tools.store.engine)
    display.console.print(f"database at revision {migrations.HEAD}")


@app.command("doctor")
def examine(
    json: Json = False,
    make_key: Annotated[bool, typer.Option("--new-key", help="Only print a fresh NFE_ENCRYPTION_KEY.")] = False,
) -> None:
    """Check database, broker, certificates, templates, XSD, clock and credentials."""
    if make_key:
        print(new_key())
        return
    from workflow import doctor

    findings = list(doctor.examine(Tools(settings.current())))
    if json:
        display.as_json([finding._asdict() for finding in findings])
    else:
        display.table([finding._asdict() for finding in findings], ["check", "status", "message"])
    if any(finding.status == "failed" for finding in findings):
        raise typer.Exit(1)


# -- sellers and products -----------------------------------------------------------------------------------


@sellers.command("add")
def seller_add(file: Annotated[Path, typer.Argument(help="FILE.toml")]) -> None:
    """Add a seller, or replace what is known of it; shipments that its stop held up become due."""
    from workflow import seller_file

    read, held = seller_file.register(ready(), file, actor=_me())
    until = read.key.not_valid_after.date()
    display.console.print(f"seller {read.issuer.seller_id}: certificate until {until}, {held} shipments due again")


@sellers.command("list")
def seller_list(json: Json = False) -> None:
    """Sellers with their certificates' ends and their stops."""
    columns = ["id", "name", "cnpj", "certificate_until", "stop_code"]
    rows = [{name: row._mapping[name] for name in columns} for row in ready().catalog.sellers()]
    display.as_json(rows) if json else display.table(rows, columns)


@sellers.command("show")
def seller_show(seller: str, json: Json = False) -> None:
    """What is known of a seller, without its secrets."""
    row = ready().catalog.seller(seller)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")
    facts = {name: value for name, value in row._mapping.items() if name != "sealed_secrets"}
    if json:
        display.as_json(facts)
        return
    flat = {name: value for name, value in facts.items() if name != "issuer"} | facts["issuer"]
    display.table([{"field": name, "value": value} for name, value in flat.items()], ["field", "value"])


@sellers.command("resume")
def seller_resume(seller: str) -> None:
    """Lift a seller's stop; what it held up becomes due."""
    tools = ready()
    if tools.catalog.seller(seller) is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")
    display.console.print(f"{tools.catalog.resume_seller(seller, actor=_me())} shipments due again")


Seller = Annotated[str, typer.Option("--seller", help="SellerId")]


@products.command("import")
def products_import(
    file: Annotated[Path, typer.Argument(help="FILE.csv with the columns sku, ncm, origin, …, or FILE.toml.")],
    seller: Seller,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
) -> None:
    """Add or replace a seller's products; one bad line, and nothing is imported."""
    from workflow import product_file

    tools = ready()
    rows = product_file.read_products(file, issuer=_issuer(tools, seller))
    if dry_run:
        display.console.print(f"{len(rows)} products would be imported")
        return
    display.console.print(f"{tools.catalog.put_products(seller, rows)} products")


@products.command("list")
def products_list(seller: Seller, json: Json = False) -> None:
    """A seller's products, with the columns that any of them fills; when piped, a file that import reads."""
    from workflow.product_file import columns_of, flat, written

    tools = ready()
    _issuer(tools, seller)
    found = [row.data for row in tools.catalog.all_products(seller)]
    rows = [flat(data) for data in found]
    if json:
        display.as_json(found)
    elif sys.stdout.isatty():
        columns = columns_of(rows)
        display.table([dict.fromkeys(columns) | row for row in rows], columns)
    else:
        print(written(rows), end="")


@products.command("check")
def products_check(seller: Seller, json: Json = False) -> None:
    """Hold every stored product against the rules of today; fails where one breaks them."""
    from workflow.nfe.product_rules import problems_of

    tools = ready()
    issuer = _issuer(tools, seller)
    stored = tools.catalog.all_products(seller)
    found = [{"sku": row.sku, "problem": problem} for row in stored for problem in problems_of(row.data, issuer)]
    if json:
        display.as_json(found)
    elif found:
        display.table(found, ["sku", "problem"])
    else:
        display.console.print(f"{len(stored)} products, nothing wrong")
    if found:
        raise typer.Exit(1)


@products.command("remove")
def products_remove(skus: Annotated[list[str], typer.Argument(metavar="SKU…")], seller: Seller) -> None:
    """Forget products; one unknown SKU, and none is removed. Documents that exist keep what they say."""
    tools = ready()
    _issuer(tools, seller)
    unknown = tools.catalog.remove_products(seller, skus)
    if unknown:
        raise Invalid(
            "unknown-sku", f"{seller} has no {', '.join(unknown)}, nothing was removed; see: nfe products list"
        )
    display.console.print(f"{len(set(skus))} products removed")


def _issuer(tools: Tools, seller: str) -> Issuer:
    """The seller as issuer; its stop does not matter here."""
    row = tools.catalog.seller(seller)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller}; add it first: nfe seller add FILE.toml")
    return Issuer.parse(row.issuer)


# -- shipments ----------------------------------------------------------------------------------------------


@app.command()
def receive(
    file: Annotated[str, typer.Argument(help="A notification's JSON; - reads it from standard input.")],
    json: Json = False,
) -> None:
    """Hand in a notification, as the SQS consumer does; twice is once."""
    raw = _handed_in(file)
    tools = ready()
    id, came = tools.engine.receive(raw, actor=_me(), rings=_ring is not _no_ring)
    if came in (Reception.CREATED, Reception.CANCELLING):
        _ring_for(tools, id)
    if json:
        display.as_json({"shipment": id, "came": str(came)})
    else:
        display.console.print(f"{id} {came}")


@app.command()
def consume() -> None:
    """Take notifications off the SQS queue until SIGTERM; each is in the database before it leaves the queue."""
    from workflow.consume import run as consume_queue

    consume_queue(ready(), ring=_ring)


@app.command()
def reconcile(
    file: Annotated[
        str, typer.Argument(help="Shipment ids, a table with such a column, or notifications; - is stdin.")
    ],
    seller: Seller,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")] = False,
    json: Json = False,
) -> None:
    """Take the shipments of a list whose notification never came; those that are known stay as they are."""
    from workflow.reconciliation import reconcile as compare

    content = _handed_in(file)
    tools = ready()
    rings = _ring is not _no_ring
    came = compare(tools.engine, seller, content, actor=_me(), dry_run=dry_run, rings=rings)
    for id in () if dry_run else came.due:
        _ring_for(tools, id)
    if json:
        wrong = [line._asdict() for line in came.wrong]
        display.as_json({"dry_run": dry_run, "counts": came.counts, "due": came.due, "wrong": wrong})
    else:
        for id in came.due:
            display.console.print(id, markup=False)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(came.counts.items()))
        display.errors.print(f"{counts or 'nothing'}{' (only looked)' if dry_run else ''}", markup=False)
    for line in came.wrong:
        display.errors.print(f"nfe: {file} line {line.line}: {line.reason}", style="red", markup=False)
    if came.wrong:
        raise typer.Exit(1)


def _handed_in(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise Invalid("unreadable-file", f"{file}: {error.strerror}; check the path") from error


@app.command("list")
def list_shipments(
    state: Annotated[str | None, typer.Option(help="Only this state.")] = None,
    seller: Annotated[str | None, typer.Option(help="Only this SellerId.")] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="Only those that need a person.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
    json: Json = False,
) -> None:
    """Shipments with what happened last."""
    rows = [
        dict(row._mapping)
        for row in ready().store.shipments(
            state=None if state is None else _state(state), seller_id=seller, stopped=stopped, limit=limit
        )
    ]
    for row in rows:
        row["person"] = row["stop_code"] is not None
    columns = ["id", "state", "person", "tries", "due_at", "code", "reason"]
    display.as_json(rows) if json else display.table(rows, columns)


@app.command()
def show(shipment: Shipment, json: Json = False) -> None:
    """One shipment: its state, its NF-e, its documents."""
    tools = ready()
    id = _one(tools, shipment)
    row = tools.store.shipment(id)
    assert row is not None
    facts: dict[str, Any] = dict(row._mapping)
    documents = [dict(document._mapping) for document in tools.store.documents(id)]
    if json:
        display.as_json(facts | {"documents": documents})
        return
    shown = {name: value for name, value in facts.items() if value is not None and name not in ("lease", "seq")}
    display.table([{"field": name, "value": value} for name, value in shown.items()], ["field", "value"])
    display.table(documents, ["kind", "version", "created_at", "sha256"])


@app.command()
def history(shipment: Shipment, json: Json = False) -> None:
    """All that happened to a shipment, oldest first."""
    tools = ready()
    rows = [dict(line._mapping) for line in tools.store.history(_one(tools, shipment))]
    columns = ["seq", "at", "stage", "from_state", "state", "outcome", "tries", "code", "reason", "due_at", "actor"]
    display.as_json(rows) if json else display.table(rows, columns)


@app.command()
def retry(
    shipments: Annotated[list[str] | None, typer.Argument(help="Shipments.")] = None,
    state: Annotated[str | None, typer.Option(help="All of this state: errored, rejected, …")] = None,
    stopped: Annotated[bool, typer.Option("--stopped", help="All that need a person.")] = False,
    refetch: Annotated[bool, typer.Option("--refetch", help="Ask Amazon for the details anew.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say which.")] = False,
) -> None:
    """Make stopped, waiting or refused shipments due again: REJECTED with new bytes, ERRORED with the same."""
    tools = ready()
    names = [_one(tools, name) for name in shipments or []]
    if state is not None or stopped:
        wanted = None if state is None else _state(state)
        only = stopped or wanted not in RETRY
        names += [row.id for row in tools.store.shipments(state=wanted, stopped=only, limit=100_000)]
    elif not names:
        raise typer.BadParameter("name shipments, or --state, or --stopped")
    again = 0
    for id in names:
        to = None if dry_run else tools.store.retry(id, actor=_me(), refetch=refetch)
        if to is not None:
            again += 1
            _ring_for(tools, id)
        display.console.print(f"{id} {'would be tried again' if dry_run else to or 'has nothing to retry'}")
    if not dry_run and names and not again:
        raise typer.Exit(1)


@app.command()
def cancel(
    shipment: Shipment,
    reason: Annotated[str, typer.Option(help="Why, 15 to 255 characters: SEFAZ stores it as xJust.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Cancel a shipment: before the authorisation by not going on, after it by an event at SEFAZ."""
    tools = ready()
    id = _one(tools, shipment)
    row = tools.store.shipment(id)
    assert row is not None
    _check_reason(reason)
    if State(row.state) in AUTHORIZED_AND_LATER and not yes and sys.stdin.isatty():
        typer.confirm(f"{id} has an authorised NF-e; cancel it at SEFAZ?", abort=True)
    if not tools.store.cancel(id, reason=reason.strip(), actor=_me()):
        raise Invalid("already-cancelled", f"{id} is cancelled, or its cancellation is under way; see: nfe history")
    _ring_for(tools, id)
    display.console.print(f"{id} is being cancelled")


@app.command()
def reissue(
    shipment: Shipment,
    reason: Annotated[str, typer.Option(help="Why, 15 to 255 characters: SEFAZ stores it as xJust.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Cancel the authorised NF-e at SEFAZ, then issue it anew from today's products, with the next number."""
    tools = ready()
    id = _one(tools, shipment)
    row = tools.store.shipment(id)
    assert row is not None
    _check_reason(reason)
    if State(row.state) not in AUTHORIZED_AND_LATER:
        raise Invalid("no-authorised-note", f"{id} is {row.state}: it has no authorised NF-e; use: nfe retry {id}")
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Cancel the NF-e of {id} at SEFAZ and issue another?", abort=True)
    if not tools.store.cancel(id, reason=reason.strip(), actor=_me(), code=REISSUE):
        raise Invalid("already-cancelled", f"{id} is cancelled, or its cancellation is under way; see: nfe history")
    _ring_for(tools, id)
    display.console.print(f"{id} is being cancelled and issued anew")


def _check_reason(reason: str) -> None:
    if not 15 <= len(reason.strip()) <= 255:
        raise typer.BadParameter("give a reason of 15 to 255 characters", param_hint="--reason")


@app.command()
def xml(
    shipment: Shipment,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="A file; default: standard output.")] = None,
    kind: Annotated[DocumentKind, typer.Option(help="Which document.")] = DocumentKind.NFEPROC,
) -> None:
    """The authorised NF-e (nfeProc), or another document of the shipment, byte for byte as stored."""
    tools = ready()
    id = _one(tools, shipment)
    content = tools.store.document(id, kind)
    if content is None:
        row = tools.store.shipment(id)
        raise Invalid("no-document", f"{id} has no {kind} (it is {row.state if row else 'gone'}); see: nfe show {id}")
    _hand_out(content, output)


@app.command()
def danfe(
    shipment: Shipment,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="A file; default: standard output, on a terminal DANFE-….pdf.")
    ] = None,
    label: Annotated[
        bool, typer.Option("--label", help="The parcel's label of 100 × 150 mm instead of the page.")
    ] = False,
) -> None:
    """The authorised NF-e as a page to print (PDF), in the form that its day of issue asks for."""
    from workflow.nfe import danfe as paper
    from workflow.nfe.protocol import protocol_of

    tools = ready()
    id = _one(tools, shipment)
    nfeProc = tools.store.document(id, DocumentKind.NFEPROC)
    if nfeProc is None:
        row = tools.store.shipment(id)
        raise Invalid(
            "no-document", f"{id} has no authorised NF-e (it is {row.state if row else 'gone'}); see: nfe show"
        )
    key = protocol_of(nfeProc).chNFe
    # A reissued shipment has a cancellation of an older NF-e: only the one of this key counts.
    cancelled = f"<chNFe>{key}</chNFe>".encode() in (tools.store.document(id, DocumentKind.CANCELLATION) or b"")
    pdf = (paper.label if label else paper.danfe)(nfeProc, cancelled=cancelled)
    if output is not None or not sys.stdout.isatty():
        _hand_out(pdf, output)
        return
    own = Path(f"{'ETIQUETA' if label else 'DANFE'}-{key}.pdf")
    _hand_out(pdf, own)
    display.console.print(f"{own} is written")


def _hand_out(content: bytes, output: Path | None) -> None:
    """Bytes to a file, or to standard output."""
    if output is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise Invalid("unwritable-file", f"{output}: {error.strerror}; choose another path") from error


def _state(name: str) -> State:
    try:
        return State(name.upper())
    except ValueError as error:
        known = ", ".join(state.lower() for state in State)
        raise typer.BadParameter(f"{name} is no state; one of {known}", param_hint="--state") from error


def _ring_for(tools: Tools, id: str) -> None:
    row = tools.store.shipment(id)
    if row is not None and row.due_at is not None:
        _ring(Due(id, State(row.state), row.cancelling))


@app.command("check")
def check_documents(
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
            display.errors.print(f"nfe: {error}", style="red", markup=False)
    if json:
        display.as_json([_verdict_facts(file, verdict) for file, verdict in verdicts.items()])
    else:
        for file, verdict in verdicts.items():
            display.console.print(f"{file}: {verdict.cStat} {verdict.xMotivo}", markup=False)
            found = [breach._asdict() for breach in verdict.breaches]
            if found:
                display.table(found, ["severity", "cStat", "field", "place", "message"])
    if len(verdicts) < len(set(files)) or not all(verdict.is_good for verdict in verdicts.values()):
        raise typer.Exit(1)


def _verdict(file: Path, now: datetime | None) -> "Verdict":
    from workflow.nfe import rules

    try:
        return rules.check(file.read_bytes(), now=now)
    except OSError as error:
        raise Invalid("unreadable-file", f"{file}: {error.strerror}; check the path") from error
    except Invalid as error:
        raise Invalid(error.code, f"{file}: {error.message}") from error


def _verdict_facts(file: Path, verdict: "Verdict") -> dict[str, Any]:
    found = [breach._asdict() for breach in verdict.breaches]
    return {"file": str(file), "good": verdict.is_good} | verdict._asdict() | {"breaches": found}


# -- sandboxes ----------------------------------------------------------------------------------------------


#: Default ports of the local counterparts.
AMAZON_PORT, SEFAZ_PORT, SEFAZ_CONTROL_PORT = 8180, 8443, 8181


Memory = Annotated[Path | None, typer.Option(help="A folder that remembers across restarts; none: start empty.")]
ParentDeath = Annotated[bool, typer.Option("--parent-death", help="End with the parent process (Linux).")]


@sandbox.command("amazon")
def sandbox_amazon(
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


@sandbox.command("sefaz")
def sandbox_sefaz(
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
