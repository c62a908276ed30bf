"""`nfe metrics`: the installation in numbers, and what Prometheus and Grafana need to read them."""

import sys
from importlib import resources
from typing import Annotated

import typer

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
    from workflow.examination import Examination  # what only this command needs
    from workflow.exporter import Exporter
    from workflow.exposition import exposition

    # Not `ready()`: a database that is away or old is what is to be told.
    examination = Examination(Tools(current()))
    if serve:
        Exporter(current(), examination).serve_forever()
    else:
        sys.stdout.write(exposition(examination).decode())
