"""`nfe metrics` and `nfe alerts`: the installation in numbers, and what a person should know of."""

import signal
import sys
from importlib import resources
from typing import Annotated

import typer

from workflow import display, ending
from workflow.errors import Misconfigured
from workflow.installation import ready
from workflow.settings import current
from workflow.tools import Tools


def metrics(
    serve: Annotated[bool, typer.Option("--serve", help="Answer on NFE_METRICS_PORT until SIGTERM.")] = False,
    dashboard: Annotated[bool, typer.Option("--dashboard", help="Only print a dashboard for Grafana (JSON).")] = False,
    alerts: Annotated[bool, typer.Option("--alerts", help="Only print alert rules for Prometheus (YAML).")] = False,
) -> None:
    """The installation in numbers, as Prometheus reads them."""
    if serve + dashboard + alerts > 1:
        raise typer.BadParameter("--serve, --dashboard and --alerts are three different things")
    if dashboard or alerts:
        folder = resources.files("workflow.data") / "observability"
        sys.stdout.write((folder / ("dashboard.json" if dashboard else "alerts.yml")).read_text(encoding="utf-8"))
        return
    from workflow.alerts import Watch  # what only this command needs
    from workflow.examination import Examination
    from workflow.exporter import Exporter, begin_watching
    from workflow.exposition import exposition

    # Not `ready()`: a database that is away or old is what is to be told.
    settings, tools = current(), Tools(current())
    examination = Examination(tools)
    if serve:
        exporter = Exporter(settings, examination)
        watch = begin_watching(Watch(tools, examination), settings.alert_every) if settings.alert_url else None
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        try:
            exporter.serve_forever()
        finally:
            ending.give_up()
            if watch is not None:
                watch.join(settings.finish_within.total_seconds())  # the alert that it tells just now
    else:
        sys.stdout.write(exposition(examination).decode())


def alerts(
    test: Annotated[
        bool, typer.Option("--test", help="Send a message to NFE_ALERT_URL, to see that it arrives.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """What goes on that a person should know of, as it is told to NFE_ALERT_URL."""
    from workflow.alert_book import AlertBook
    from workflow.alerts import Watch
    from workflow.examination import Examination

    tools = ready()
    if not tools.settings.alert_url:
        raise Misconfigured("no-alert-url", "nobody is told of anything; set NFE_ALERT_URL")
    if test:
        Watch(tools, Examination(tools)).test()
        display.console.print("taken")
        return
    rows = [dict(row._mapping) | {"text": row.facts["text"]} for row in AlertBook(tools.store).rows()]
    columns = ["key", "level", "size", "since", "quiet_since", "told_at", "tries", "text"]
    shown = [{name: row[name] for name in (*columns, "facts")} for row in rows]
    display.as_json(shown) if json else display.table(shown, columns)
