"""The `nfe` command with its doorbell: what it puts into the database is looked at now, not at the next sweep."""

from workflow import cli
from workflow.logs import logger
from workflow.store import Due

log = logger(__name__)


def ring(row: Due) -> None:
    """Ring for one shipment; a broker that is away costs only the time until the next sweep."""
    from kombu.exceptions import OperationalError

    from tasks import app  # Celery takes 0.3 s to import: only commands that ring pay for it

    try:
        app.app.loader.import_default_modules()
        app.ring([row])
    except (OperationalError, OSError):
        log.warning("broker away", shipment=row.id)


def main() -> None:
    """The console command."""
    cli.run(ring=ring)


if __name__ == "__main__":
    main()
