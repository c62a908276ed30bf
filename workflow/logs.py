"""Logging: constant messages, facts as fields, one line each; never a name, a CPF, an address, a token."""

import logging
import sys

import structlog

from workflow.settings import Settings

#: Who would tell too much: URLs, a line per sweep, each task a second time beside the engine's own line.
QUIET = (
    "urllib3",
    "kombu",
    "signxml",  # at DEBUG the whole document
    "amqp",
    "alembic",
    "fontTools",
    "fpdf",
    "botocore",
    "celery.beat",
    "celery.worker.strategy",
    "celery.app.trace",
)


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's records to stderr in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                last,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    logging.captureWarnings(True)  # else they are lines of another form
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose fields are bound by name."""
    return structlog.stdlib.get_logger(name)
