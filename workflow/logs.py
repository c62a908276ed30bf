"""Logging: constant messages, facts as fields, one line each; never a name, a CPF, an address, a token.

Our own lines keep to it where they are written. What others write (libraries, exceptions) passes `workflow.privacy`,
and no text can end its line or give a terminal orders.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from workflow.privacy import masked, one_line
from workflow.settings import Settings

#: Fields whose values are made here, of characters that need no look.
OURS = frozenset({"timestamp", "level", "task_id", "shipment", "seller", "stage", "state", "outcome", "task"})
#: Characters of one value: a library may write a whole document.
LONGEST = 8000
LINES = frozenset({"exception", "stack"})
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

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
#: One list for good: a logger keeps the one it first met, and who listens in (`structlog.testing`) changes it in place.
_PROCESSORS = [*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter]


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's records to stderr in one format."""
    last: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _discreet,
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


def _discreet(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Every text of a line without private forms and control characters; only an exception has lines of its own."""
    for name, value in event.items():
        if isinstance(value, str) and name not in OURS:
            lines = value[:LONGEST].splitlines() if name in LINES else [value[:LONGEST]]
            event[name] = "\n".join(one_line(masked(line)) for line in lines)
    return event


def frames(error: BaseException) -> list[str]:
    """Where an unforeseen exception comes from; never its text, which may hold a buyer's data."""
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger whose fields are bound by name."""
    return structlog.stdlib.get_logger(name)
