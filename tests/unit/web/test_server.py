"""The page as a process: nobody serves it where nobody could log in."""

import subprocess
import sys
from pathlib import Path

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
