"""A line of the log is one line, whatever was to be logged, and tells nothing private."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest

from workflow import logs
from workflow.settings import Settings


@pytest.fixture(params=["json", "console"])
def log(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, in each form; this process's log is afterwards as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(Settings(log_format=request.param))
    yield written
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    logging.captureWarnings(False)


HOSTILE = "\x1b[31mred\n2026-11-22T00:00:00Z [info] forged\r\u202eevil\x00"


def test_a_field_cannot_end_its_line_nor_order_a_terminal_about(log: io.StringIO) -> None:
    logs.logger("test").warning("unknown ShipmentStatus", shipment="A1/FBA1", status=HOSTILE)
    (line,) = log.getvalue().splitlines()
    assert line.isprintable()
    assert "forged" in line
    assert "A1/FBA1" in line


def test_a_librarys_message_is_held_to_the_same(log: io.StringIO) -> None:
    logging.getLogger("library").warning("buyer 698.552.190-82, %s, %s", "Atza|secret", HOSTILE)
    (line,) = log.getvalue().splitlines()
    assert line.isprintable()
    assert "buyer ***, *** " in line
    assert "secret" not in line


def test_an_exceptions_text_is_held_to_the_same_and_keeps_its_lines(log: io.StringIO) -> None:
    try:
        raise ValueError(f"cannot write 69855219082 to maria@exemplo.com: {HOSTILE}")
    except ValueError:
        logging.getLogger("library").exception("failed")
    text = log.getvalue()
    assert "Traceback" in text
    assert "ValueError: cannot write *** to ***" in text
    assert all(line.isprintable() for line in text.splitlines())


def test_a_key_an_id_and_a_number_stay_as_they_are(log: io.StringIO) -> None:
    key = "35261199999999000191550010000000011482109373"
    logs.logger("test").info("settled", key=key, order="701-1234567-1234567", tries=3, receipt="351000012345678")
    for fact in (key, "701-1234567-1234567", "351000012345678"):
        assert fact in log.getvalue()


def test_a_giant_text_is_cut(log: io.StringIO) -> None:
    logging.getLogger("library").warning("x" * 10**6)
    assert len(log.getvalue()) < 2 * logs.LONGEST


def test_json_is_json_whatever_is_in_it(log: io.StringIO) -> None:
    logging.getLogger("library").warning('{"a": "%s"}', HOSTILE)
    (line,) = log.getvalue().splitlines()
    if line.startswith("{"):
        assert json.loads(line)["level"] == "warning"
