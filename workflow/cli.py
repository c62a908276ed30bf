"""The `nfe` command.

Exit status: 0 done, 1 the thing asked for failed, 2 wrong usage. An error is one line: what, which, how to mend.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from sqlalchemy.exc import DBAPIError
from typer.core import TyperCommand, TyperGroup

from workflow import (
    cli_archive,
    cli_catalog,
    cli_check,
    cli_customer_invoices,
    cli_handover,
    cli_keys,
    cli_metrics,
    cli_notifications,
    cli_numbers,
    cli_purge,
    cli_recovery,
    cli_sandbox,
    cli_users,
    display,
    logs,
    migrations,
    orders,
    settings,
    users,
)
from workflow.cli_options import MaybeSeller, Seller, Shipment, Shipments, states
from workflow.engine import Reception
from workflow.errors import Invalid, NfeError
from workflow.input_file import MEGABYTE, content_of, standard_input
from workflow.installation import me, patiently, ready, told
from workflow.key_source import new_key
from workflow.mends import Trouble, trouble_of
from workflow.models import REISSUE, DocumentKind
from workflow.parts import Part, argv, needed, tasks_url, web_url
from workflow.privacy import one_line
from workflow.release import our_version
from workflow.states import AUTHORIZED_AND_LATER, RETRY, State
from workflow.store import Due
from workflow.tools import Tools
from workflow.withdrawal import withdraw

Ring = Callable[[Due], None]

#: The commands as `nfe --help` lists them: by what they are for, in the order of need.
ROOMS = {
    "Run": ("demo", "up", "web", "doctor", "migrate", "sandbox"),
    "Sellers": ("seller", "products", "notifications", "customer-invoices"),
    "Shipments": (
        *("receive", "consume", "reconcile", "list", "show", "history"),
        *("retry", "cancel", "reissue", "correct", "adopt"),
    ),
    "Documents": ("xml", "danfe", "check", "numbers", "export", "report", "hand-over"),
    "Watch and keep": ("metrics", "alerts", "user", "keys", "backup", "recover", "purge"),
}


class InRooms(TyperGroup):
    """Lists the commands room by room, each under its room's heading."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        rooms = [name for names in ROOMS.values() for name in names]
        self.commands = {name: self.commands[name] for name in dict.fromkeys((*rooms, *self.commands))}
        for room, names in ROOMS.items():
            for command in map(self.commands.__getitem__, names):
                if isinstance(command, TyperCommand | TyperGroup):
                    command.rich_help_panel = room


app = typer.Typer(cls=InRooms, no_args_is_help=True, pretty_exceptions_enable=False)
app.add_typer(cli_catalog.sellers, name="seller")
app.add_typer(cli_catalog.products, name="products")
app.add_typer(cli_sandbox.app, name="sandbox")
app.add_typer(cli_customer_invoices.app, name="customer-invoices")
app.add_typer(cli_notifications.app, name="notifications")
app.add_typer(cli_numbers.app, name="numbers")
app.add_typer(cli_handover.app, name="hand-over")
app.add_typer(cli_keys.app, name="keys")
app.add_typer(cli_users.app, name="user")
app.command("purge")(cli_purge.purge)
app.command("export")(cli_archive.export)
app.command("report")(cli_archive.report)
app.command("metrics")(cli_metrics.metrics)
app.command("alerts")(cli_metrics.alerts)
app.command("check")(cli_check.check)
app.command("backup")(cli_recovery.write_backup)
app.command("recover")(cli_recovery.recover)
app.command("adopt")(cli_recovery.adopt)

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def _no_ring(row: Due) -> None:
    """Without a doorbell the sweeper finds the row."""


_ring: Ring = _no_ring
#: Shipments for which one command rings; the sweeper, which is fair among sellers, rings for the rest.
RINGS = 50


def _tell_version(wanted: bool) -> None:
    if wanted:
        print(f"nfe-workflow {our_version()}")
        raise typer.Exit


@app.callback()
def _before(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """From an Amazon FBA Onsite shipment to an accepted NF-e."""


def run(*, ring: Ring = _no_ring) -> None:
    """Run the command line; `ring` is told of each row that is due now."""
    global _ring  # the command line runs once per process
    _ring = ring
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `nfe list | head` is no error
    try:
        logs.configure(settings.current())
        _check_arguments()
        app()
    except NfeError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"unusable-file: {error.filename or 'a file or connection'}: {error.strerror or error}; see NFE_DATA_DIR")
    except DBAPIError as error:
        _fail(f"database-unavailable: {told(error)}")


def _check_arguments() -> None:
    """No id, name or reason has what a terminal obeys or no text holds; told here, no command need look for it."""
    if any(one_line(argument) != " ".join(argument.split()) for argument in sys.argv[1:]):
        raise Invalid("bad-argument", "an argument holds control characters, or bytes that are no text; leave them out")


def _fail(message: str) -> None:
    display.errors.print(f"nfe: {message}", style="red")
    sys.exit(1)


def _one(tools: Tools, name: str) -> str:
    """The shipment a person means."""
    found = tools.store.find(name)
    if not found:
        raise Invalid("unknown-shipment", f"no shipment or order {name}; see: nfe list")
    if len(found) > 1:
        raise Invalid("ambiguous-shipment", f"{name} may be {', '.join(found)}; give SELLER/SHIPMENT")
    return found[0]


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
        list[str] | None, typer.Argument(help="worker, beat, flower, web, consumer, metrics; default: all of them.")
    ] = None,
) -> None:
    """Start worker, beat, Flower and the operator's page; as configured also Valkey, SQS consumer and metrics."""
    from workflow import processes

    known = [str(part) for part in Part]
    for part in parts or ():
        if part not in known:
            raise typer.BadParameter(f"{part} is no part; one of {', '.join(known)}", param_hint="PARTS")
    chosen = settings.current()
    say = logs.logger("nfe.up").info if chosen.log_format == "json" else print
    for part in map(Part, parts or needed(chosen)):
        argv(part, chosen)  # what may not run like this is told before anything is waited for
    if parts != [Part.METRICS]:  # whoever asks that one is told what is away
        tools = patiently(ready)
        patiently(tools.check_messages)
        if not chosen.is_embedded:  # that one is ours to start
            patiently(tools.check_broker)
        if not parts or Part.WEB in parts:
            _see_to_a_user(tools, say)
    processes.up(chosen, parts or (), say=say)


@app.command()
def web() -> None:
    """Serve the operator's page until SIGTERM; `nfe up` does so too."""
    from workflow.web import server

    tools = patiently(ready)
    _see_to_a_user(tools, print)
    server.serve(tools, _ring)


def _see_to_a_user(tools: Tools, say: Callable[[str], None]) -> None:
    """Raise Misconfigured when nobody could log in to the operator's page; say where a first user's password is."""
    made = users.somebody(tools.store, tools.settings)
    if made is not None:
        say(f"first user of the operator's page: {users.FIRST}; the password is in {made}")


@app.command()
def migrate() -> None:
    """Bring the database to this version's tables; safe to repeat."""
    tools = Tools(settings.current())
    if not tools.settings.database_url:
        tools.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    migrations.upgrade(tools.store.engine)
    with tools.store.reading() as connection:
        display.console.print(f"database at revision {migrations.revision(connection)}")


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


# -- shipments ----------------------------------------------------------------------------------------------


@app.command()
def receive(
    file: Annotated[str, typer.Argument(help="A notification's JSON; - reads it from standard input.")],
    json: Json = False,
) -> None:
    """Hand in a notification, as the SQS consumer does; twice is once."""
    raw = _handed_in(file)
    tools = ready()
    id, came = tools.engine.receive(raw, actor=me(), rings=_ring is not _no_ring)
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

    consume_queue(patiently(ready), ring=_ring)


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
    from workflow.reconciliation import LARGEST_LIST
    from workflow.reconciliation import reconcile as compare

    content = _handed_in(file, LARGEST_LIST)
    tools = ready()
    rings = 0 if _ring is _no_ring else RINGS
    came = compare(tools.engine, seller, content, actor=me(), dry_run=dry_run, rings=rings)
    for id in () if dry_run else came.due[:rings]:
        _ring_for(tools, id)
    if json:
        wrong = [line._asdict() for line in came.wrong]
        display.as_json({"dry_run": dry_run, "counts": came.counts, "due": came.due, "wrong": wrong})
    else:
        for id in came.due:
            display.console.print(id)
        counts = ", ".join(f"{count} {name}" for name, count in sorted(came.counts.items()))
        display.errors.print(f"{counts or 'nothing'}{' (only looked)' if dry_run else ''}")
    for line in came.wrong:
        display.errors.print(f"nfe: {file} line {line.line}: {line.reason}", style="red")
    if came.wrong:
        raise typer.Exit(1)


def _handed_in(file: str, largest: int = MEGABYTE) -> bytes:
    try:
        return standard_input(largest) if file == "-" else content_of(Path(file), largest)
    except OSError as error:
        raise Invalid("unreadable-file", f"{file}: {error.strerror}; check the path") from error


@app.command("list")
def list_shipments(
    state: Annotated[str | None, typer.Option(help="Only this state.", autocompletion=states)] = None,
    seller: MaybeSeller = None,
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
    trouble = trouble_of(row, tools.store.history(id))
    links = {"page": f"{web_url(tools.settings)}s/{id}", "flower": tasks_url(tools.settings, id)}
    if json:
        display.as_json(facts | {"documents": documents, "trouble": trouble and _facts(trouble), "links": links})
        return
    shown = {name: value for name, value in facts.items() if value is not None and name not in ("lease", "seq")}
    shown |= (_facts(trouble) if trouble else {}) | links
    display.table([{"field": name, "value": value} for name, value in shown.items()], ["field", "value"])
    display.table(documents, ["kind", "version", "created_at", "sha256"])


def _facts(trouble: Trouble) -> dict[str, str]:
    """What a person must mend, in the words of `workflow/data/mends.toml`."""
    told = trouble.mend.told("en")
    return {"code": trouble.code, "reason": trouble.reason, "meaning": told.what, "mend": told.mend}


@app.command()
def history(shipment: Shipment, json: Json = False) -> None:
    """All that happened to a shipment, oldest first."""
    tools = ready()
    rows = [dict(line._mapping) for line in tools.store.history(_one(tools, shipment))]
    columns = ["seq", "at", "stage", "from_state", "state", "outcome", "tries", "code", "reason", "due_at", "actor"]
    display.as_json(rows) if json else display.table(rows, columns)


@app.command()
def retry(
    shipments: Shipments = None,
    state: Annotated[
        str | None, typer.Option(help="All of this state: errored, rejected, …", autocompletion=states)
    ] = None,
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
        to = _tried_again(tools, id, refetch=refetch, dry_run=dry_run)
        again += to is not None
        if to is not None and not dry_run and again <= RINGS:
            _ring_for(tools, id)
        display.console.print(f"{id} {to or 'has nothing to retry'}")
    if names and not again:
        raise typer.Exit(1)


def _tried_again(tools: Tools, id: str, *, refetch: bool, dry_run: bool) -> str | None:
    """What becomes of the shipment; None: nothing."""
    if dry_run:
        return "would be tried again" if tools.store.has_a_retry(id) else None
    return tools.store.retry(id, actor=me(), refetch=refetch)


@app.command()
def cancel(
    shipment: Shipment,
    reason: Annotated[str, typer.Option(help="Why, 15 to 255 characters: SEFAZ stores it as xJust.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
    back: Annotated[
        bool,
        typer.Option("--withdraw", help="Take a cancellation back, where SEFAZ does not take it."),
    ] = False,
) -> None:
    """Cancel a shipment: before the authorisation by not going on, after it by an event at SEFAZ."""
    if back:
        _withdraw(shipment, reason.strip())
    else:
        _order(shipment, reason, yes=yes)


def _withdraw(shipment: str, reason: str) -> None:
    tools = ready()
    id = _one(tools, shipment)
    if not reason:
        raise typer.BadParameter("say why", param_hint="--reason")
    state = withdraw(tools, id, reason=reason, actor=me())
    _ring_for(tools, id)
    display.console.print(f"{id} is not cancelled: it goes on from {state}")


@app.command()
def reissue(
    shipment: Shipment,
    reason: Annotated[str, typer.Option(help="Why, 15 to 255 characters: SEFAZ stores it as xJust.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing.")] = False,
) -> None:
    """Cancel the authorised NF-e at SEFAZ, then issue it anew from today's products, with the next number."""
    _order(shipment, reason, yes=yes, code=REISSUE)


def _order(shipment: str, reason: str, *, yes: bool, code: str | None = None) -> None:
    """Ask for a cancellation, and with the code REISSUE for what follows it."""
    tools = ready()
    id = _one(tools, shipment)
    try:
        orders.check_reason(reason)
    except Invalid as error:
        raise typer.BadParameter(error.message, param_hint="--reason") from error
    give = orders.reissue if code == REISSUE else orders.cancel
    state = orders.state_of(tools.store, id)
    if state in AUTHORIZED_AND_LATER and not yes and sys.stdin.isatty():
        accepted = " Amazon has accepted its file and may refuse another." if state is State.ACCEPTED else ""
        typer.confirm(f"{id} has an authorised NF-e.{accepted} Cancel it at SEFAZ?", abort=True)
    _ring_if(give(tools.store, id, reason=reason, actor=me()))
    display.console.print(f"{id} is being cancelled" + (" and issued anew" if code == REISSUE else ""))


@app.command()
def correct(
    shipment: Shipment,
    text: Annotated[
        str, typer.Option(help="All that is to be put right, 15 to 1000 characters; no amount, party or date.")
    ],
) -> None:
    """Register a letter of correction (CC-e) for the authorised NF-e; it takes the place of the ones before it."""
    from workflow.corrections import correct as register

    tools = ready()
    letter = register(tools, _one(tools, shipment), text, actor=me())
    display.console.print(f"letter {letter.nSeqEvento} registered, protocol {letter.nProt}")


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
    from workflow.papers import paper_of

    tools = ready()
    pdf, key = paper_of(tools.store, _one(tools, shipment), label=label)
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
    _ring_if(orders.due(tools.store, id))


def _ring_if(row: Due | None) -> None:
    if row is not None:
        _ring(row)
