"""The counterparts as processes: one line at start, an orderly end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from workflow.nfe.certificate import load_pfx
from workflow.sandbox.shipments import SELLER_CNPJ

COMMAND = [sys.executable, "-m", "workflow.sandbox"]


def started(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, str]]:
    """A counterpart in a process of its own, and what it says."""
    process = subprocess.Popen([*COMMAND, *arguments, "--json"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_amazon_says_what_it_holds_and_ends_when_told(number: signal.Signals) -> None:
    process, said = started("amazon", "--port", "0", "--shipments", "3")
    try:
        assert said["holds"]["credentials"] == "any"  # type: ignore[index]
        assert len(requests.get(f"{said['control_url']}/_control/book", timeout=5).json()["shipments"]) == 3
    finally:
        process.send_signal(number)
        assert process.wait(timeout=10) == 0


def test_sefaz_keeps_its_authority_in_the_folder(tmp_path: Path) -> None:
    seen = set()
    for _ in range(2):
        process, said = started("sefaz", "--folder", str(tmp_path / "sefaz"))
        try:
            seen.add(Path(said["ca_file"]).read_text())
            settings = requests.get(f"{said['control_url']}/_control/settings", timeout=5).json()
            assert settings["service"] == "107"
            assert load_pfx(Path(said["a1_file"]).read_bytes(), said["a1_password"]).cnpj == SELLER_CNPJ
        finally:
            process.terminate()
            assert process.wait(timeout=10) == 0
    assert len(seen) == 1


def test_a_hanging_answer_does_not_hold_the_end() -> None:
    process, said = started("amazon")
    requests.post(f"{said['control_url']}/_control/faults", json={"kind": "hang_after_processing"}, timeout=5)
    with pytest.raises(requests.Timeout):
        requests.post(f"{said['url']}/auth/o2/token", timeout=0.3)
    process.terminate()
    assert process.wait(timeout=10) == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_counterpart_ends_with_its_parent() -> None:
    command = [*COMMAND, "amazon", "--parent-death"]
    parent = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen({command!r}, stdout=subprocess.PIPE)\n"
        "child.stdout.readline()\n"
        "print(child.pid)\n"
    )
    told = subprocess.run([sys.executable, "-c", parent], capture_output=True, text=True, check=True, timeout=30)
    pid = int(told.stdout)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and Path(f"/proc/{pid}").exists():
        if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    if Path(f"/proc/{pid}").exists():
        os.kill(pid, signal.SIGKILL)
        pytest.fail("the counterpart outlived its parent")
