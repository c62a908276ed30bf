"""The page as a process: nobody serves it where nobody could log in."""

import signal
import subprocess
import sys
from pathlib import Path

import uvicorn

from workflow.web.server import Page

ROOT = Path(__file__).parents[3]


def test_in_production_it_does_not_start_before_there_is_a_user(tmp_path: Path) -> None:
    environment = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(tmp_path),
        "NFE_DATA_DIR": str(tmp_path / "data"),
        "NFE_REDIS_URL": "redis://127.0.0.1:1/0",
        "PYTHONPATH": str(ROOT),
    }
    program = [sys.executable, "-c", "from tasks.doorbell import main; main()", "web"]
    done = subprocess.run(program, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.startswith("nfe: no-user: ")
    assert "nfe user add" in done.stderr


def test_the_first_signal_waits_for_requests_that_run_and_the_second_for_nobody() -> None:
    page = Page(uvicorn.Config("nowhere:app"))
    page.handle_exit(signal.SIGTERM, None)
    assert (page.should_exit, page.force_exit) == (True, False)
    page.handle_exit(signal.SIGTERM, None)
    assert page.force_exit
