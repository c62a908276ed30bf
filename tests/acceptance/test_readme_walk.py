"""A new user follows the README from its first line to its last: each shell line is run as it is written, in its order.

The files that it shows are written as they are shown, and bash runs the lines in one folder, with the variables that
they export. On the way a product is missing, is found in Flower and on the operator's page, is mended, and its
shipment's DANFE is printed.
"""

import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urljoin

import pytest
import requests

from tests.servers import free_ports

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS: list[tuple[str, str]] = FENCE.findall((ROOT / "README.md").read_text(encoding="utf-8"))
#: The lines that a shell takes.
LINES = [
    line for language, text in BLOCKS if language == "sh" for line in text.splitlines() if line.lstrip()[:1] != "#"
]
#: What the README shows as a file's content, by a sign of it.
FILES = {
    "seller.toml": 'seller_id = "A2DEMOSELLER01"',
    "products.csv": "sku,title,ncm",
    "products.toml": "[[product]]",
    "created.json": '"NotificationVersion"',
    "vendor.toml": 'name = "india"',
}

#: Lines, by their beginning, that are not run here, and why.
NOT_HERE = {
    "make ": "runs the demo or all tests: tests/acceptance/test_demo.py, and this run",
    "python3 -m venv": "installs: tests/unit/test_packaging.py and `make package` do",
    "/opt/nfe/bin/pip": "installs: the same",
    "docker compose": "needs a Docker engine; tests/unit/test_packaging.py holds image and composition to the command",
    "pg_dump": "this installation is on SQLite",
    "nfe recover --seller": "asks about five thousand numbers: tests/unit/test_recovery.py has a few",
}
#: Programs that a machine may lack; their lines are run where they are.
MAY_LACK = ("curl", "sqlite3")
#: Lines that run until somebody ends them: each in a terminal of its own.
STAYING = ("nfe sandbox amazon", "nfe sandbox sefaz", "nfe up")


class Told(NamedTuple):
    """How a line ends: what it must say, and its exit status."""

    says: str
    status: int = 0


SELLER = "--seller A2DEMOSELLER01"
#: Lines, without their comments, that have to say something, or that do not end with 0.
TOLD = {
    f"nfe products import products.toml {SELLER} --dry-run": Told("1 products would be imported"),
    "nfe seller add seller.toml": Told("seller A2DEMOSELLER01: certificate until"),
    f"nfe products import products.csv {SELLER}": Told(" products"),
    "nfe doctor": Told("seller A2DEMOSELLER01\tok"),
    "nfe receive created.json": Told("A2DEMOSELLER01/DHWfK6hzW created"),
    "nfe show DHWfK6hzW": Told("DHWfK6hzW"),
    "nfe history DHWfK6hzW": Told("ACCEPTED"),
    f"nfe reconcile shipments.csv {SELLER}": Told(""),
    "nfe show DB9JxG0MS": Told("NAO-CADASTRADO-01"),
    "nfe retry DB9JxG0MS": Told("FETCHED"),
    f"nfe notifications setup --queue-arn arn:aws:sqs:us-east-1:123456789012:nfe {SELLER} --dry-run": Told(
        "sqs:SendMessage"
    ),
    "nfe list --stopped": Told("unknown-municipality"),
    f"nfe list --state errored {SELLER} --limit 20": Told("DS5bDShJV"),
    "nfe retry DS5bDShJV": Told("AUTHORIZED"),
    "nfe retry DDqHKJpxB --refetch": Told("RECEIVED"),
    'nfe cancel DZTX8xvWx --reason "Pedido cancelado pelo comprador"': Told("is being cancelled"),
    'nfe cancel DZTX8xvWx --withdraw --reason "Fora do prazo; devolução emitida"': Told("nothing-to-withdraw", 1),
    'nfe correct DHWfK6hzW --text "Complemento correto do endereço: apto 32"': Told("letter 1 registered"),
    'nfe reissue DZ2cZcRGr --reason "Tributação do produto corrigida"': Told("and issued anew"),
    "nfe xml DHWfK6hzW --kind rejection": Told("no-document", 1),  # it was never rejected
    "nfe check DHWfK6hzW.xml": Told("DHWfK6hzW.xml: 100"),
    "nfe seller list": Told("A2DEMOSELLER01"),
    "nfe user add maria --role operator": Told("user maria: operator"),
    "nfe user list": Told("joao\tviewer"),
    "nfe metrics": Told("nfe_shipments"),
    "nfe alerts": Told("no-alert-url", 1),  # a webhook is nothing that the trial has
    "nfe alerts --test": Told("no-alert-url", 1),
    "nfe keys rotate": Told("new key"),
    "nfe keys reseal": Told("sealed anew"),
    "nfe customer-invoices list": Told("PO00001234"),
    "nfe recover": Told("series 1, tpAmb 2: next "),
    "nfe adopt A2DEMOSELLER01/DHWfK6hzW DHWfK6hzW.xml": Told("is kept"),
    "nfe numbers list": Told("gaps: 0"),
    f"nfe numbers proof 17 {SELLER} -o 17-inut.xml": Told("no-proof", 1),  # the trial voids no number 17
    "nfe purge --dry-run": Told("would purge"),
    # One shipment waits for a person: Amazon refused the reissued file.
    f"nfe purge {SELLER} --everything": Told("are not settled: let them end, or cancel them", 1),
}
#: Which state of which shipment a line is for: the README says how long it takes.
AWAITED = {
    "nfe history DHWfK6hzW": ("DHWfK6hzW", "ACCEPTED"),
    "nfe list --stopped": ("DB9JxG0MS", "unknown-sku"),
    "nfe danfe DB9JxG0MS -o DB9JxG0MS.pdf": ("DB9JxG0MS", "ACCEPTED"),
    "nfe retry DS5bDShJV": ("DS5bDShJV", "ERRORED"),
    "nfe retry --state errored": ("DS5bDShJV", "ERRORED"),
    'nfe cancel DZTX8xvWx --reason "Pedido cancelado pelo comprador"': ("DZTX8xvWx", "ACCEPTED"),
    'nfe cancel DZTX8xvWx --withdraw --reason "Fora do prazo; devolução emitida"': ("DZTX8xvWx", "CANCELLED"),
    'nfe reissue DZ2cZcRGr --reason "Tributação do produto corrigida"': ("DZ2cZcRGr", "ACCEPTED"),
}
#: What is typed, again and again, where a line asks.
TYPED = {
    "nfe user add maria --role operator": "correct horse\n",
    "nfe user add joao --role viewer": "correct horse\n",
    f"nfe purge {SELLER} --everything": "A2DEMOSELLER01\n",
}


def without_comment(line: str) -> str:
    return re.split(r"\s+# ", line)[0].strip()


@dataclass
class Walk:
    """One folder, one shell's variables, and the ports of this machine instead of the README's."""

    folder: Path
    variables: dict[str, str]
    ports: dict[str, int]
    stack: ExitStack
    #: What is waited for yet; a line that comes twice waits once.
    awaited: dict[str, tuple[str, str]] = field(default_factory=lambda: dict(AWAITED))

    def here(self, text: str) -> str:
        """The only place where a line or a file differs from the README: ports, absolute folders, this month."""
        now = datetime.now(UTC)
        other = {
            "nfe sandbox amazon": f"nfe sandbox amazon --port {self.ports['8180']}",
            "nfe sandbox sefaz": f"nfe sandbox sefaz --port {self.ports['8443']} --control-port {self.ports['8181']}",
        }
        text = other.get(text, text)
        for port, free in self.ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        text = text.replace("/opt/nfe", str(self.folder / "opt")).replace("/somewhere/else", str(self.folder))
        text = text.replace('region = "EU"', f'base_url = "http://127.0.0.1:{self.ports["8180"]}"')
        text = text.replace("--month 2026-11", f"--month {now:%Y-%m}")
        return text.replace("2026-11-", f"{now.replace(day=1) - timedelta(days=1):%Y-%m}-")

    def write(self) -> None:
        """The files that the README shows."""
        for name, sign in FILES.items():
            text = next(text for _, text in BLOCKS if sign in text)
            (self.folder / name).write_text(self.here(text), encoding="utf-8")

    def run(self, line: str) -> tuple[int, str]:
        """Run a line to its end in bash; its exit status and all that it said."""
        script = f"{self.here(line)}\nstatus=$?\nenv -0 > {self.folder / 'variables'}\nexit $status"
        typed = TYPED.get(without_comment(line))
        hand, keyboard = pty.openpty() if typed else (0, subprocess.DEVNULL)
        with subprocess.Popen(
            ["/bin/bash", "-c", script],
            cwd=self.folder, env=self.variables, stdin=keyboard, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as shell:  # fmt: skip
            deadline = time.monotonic() + 60
            while typed and shell.poll() is None and time.monotonic() < deadline:
                # What is typed before a password is asked for is thrown away.
                os.write(hand, typed.encode())
                time.sleep(0.2)
            said, _ = shell.communicate(timeout=60)
        for opened in (hand, keyboard) if typed else ():
            os.close(opened)
        pairs = (self.folder / "variables").read_text(encoding="utf-8").split("\0")
        self.variables = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
        return shell.returncode, said.decode()

    def stay(self, line: str) -> None:
        """Run a line in a terminal of its own until the walk is over, and go on when it has said where it listens."""
        log = self.folder / f"{line.replace(' ', '-')}.log"
        process = subprocess.Popen(
            ["/bin/bash", "-c", f"exec {self.here(line)}"],
            cwd=self.folder, env=self.variables | {"WARM": ""}, stdin=subprocess.DEVNULL,
            stdout=log.open("wb"), stderr=subprocess.STDOUT, process_group=0,
        )  # fmt: skip
        self.stack.callback(_end, process)
        awaited = "Visit me" if line == "nfe up" else "local "
        until(lambda: awaited in log.read_text(), f"{line}: {log}")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(60)


def until(true: Callable[[], bool], what: str, timeout: float = 60) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    """A new user's machine: an empty home, and the installed command on PATH."""
    warm = tmp_path / "warm"
    command = tmp_path / "bin" / "nfe"
    command.parent.mkdir()
    python, client = sys.executable, Path(__file__).with_name("warm_nfe.py")
    # What stays, and what starts others, is the command itself.
    command.write_text(
        f'#!/bin/bash\n[ -n "$WARM" ] && exec {python} -S {client} call "$WARM" "$@"\n'
        f'exec {python} -P -c "from tasks.doorbell import main; main()" "$@"\n'
    )
    command.chmod(0o755)
    folder = tmp_path / "trial"
    folder.mkdir()
    ports = free_ports("8180", "8181", "8443", "5555", "5556")
    variables = {
        "HOME": str(tmp_path),
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "WARM": str(warm),
        "LANG": "C.UTF-8",
        "NFE_FLOWER_PORT": str(ports["5555"]),
        "NFE_FLOWER_BASIC_AUTH": "maria:secret",
        "NFE_WEB_PORT": str(ports["5556"]),
        # Quicker than the README's half a minute.
        "NFE_POLL_FIRST": "1",
    }
    with ExitStack() as stack:
        server = subprocess.Popen([python, "-m", "tests.acceptance.warm_nfe", "serve", str(warm)], cwd=ROOT)
        stack.callback(_end, server)
        until(warm.exists, "the command is imported")
        yield Walk(folder, variables, ports, stack)
    shutil.rmtree(folder, ignore_errors=True)


def row_of(walk: Walk, shipment: str) -> str:
    """A shipment's line in `nfe list`."""
    _, said = walk.run("nfe list")
    return next((line for line in said.splitlines() if shipment in line), "")


def seen_in_flower(walk: Walk, shipment: str, code: str) -> None:
    """Flower's API has the failed stage with its shipment and the reason."""
    asked = f"http://127.0.0.1:{walk.ports['5555']}/api/tasks"
    tasks = requests.get(asked, params={"limit": 1000}, auth=("maria", "secret"), timeout=10).json().values()
    failed = [task for task in tasks if shipment in task["args"] and task["state"] == "FAILURE"]
    assert {task["name"] for task in failed} == {"generate"}
    assert all(code in task["exception"] for task in failed)


def seen_on_the_page(walk: Walk, shipment: str, sku: str) -> None:
    """Whoever logs in as the README says finds it under what waits for a person, with the product to mend."""
    address = f"http://127.0.0.1:{walk.ports['5556']}"
    password = (Path(walk.variables["NFE_DATA_DIR"]) / "operator-password").read_text(encoding="utf-8").strip()
    with requests.Session() as browser:
        token = re.search(r'name="form_token" value="([^"]+)"', browser.get(f"{address}/login", timeout=10).text)
        assert token
        form = {"form_token": token[1], "name": "operator", "password": password}
        waiting = browser.post(f"{address}/login", data=form, timeout=10)
        link = re.search(rf'href="([^"]*/{shipment})"', waiting.text)
        assert link, waiting.text
        story = browser.get(urljoin(waiting.url, link[1]), timeout=10)
        assert story.status_code == 200
        assert sku in story.text


def found_by_a_person(walk: Walk) -> None:
    """Before it is mended: where the README says that it is seen."""
    seen_in_flower(walk, "DB9JxG0MS", "unknown-sku")
    seen_on_the_page(walk, "DB9JxG0MS", "NAO-CADASTRADO-01")


def printed(walk: Walk) -> None:
    """The mended shipment's DANFE."""
    assert (walk.folder / "DB9JxG0MS.pdf").read_bytes().startswith(b"%PDF")


def examined_as_shown(walk: Walk) -> None:
    """The doctor finds what the README shows, and no more."""
    shown = next(text for _, text in BLOCKS if text.startswith("check  "))
    _, said = walk.run("nfe doctor")
    rows = [re.split(r"\t|  +", line, maxsplit=2)[:2] for line in shown.splitlines()]
    assert [line.split("\t")[:2] for line in said.splitlines()] == rows


def invoice_held(walk: Walk) -> None:
    """A vendor's invoice at the local Amazon, as the README's table tells it."""
    created = datetime.now(UTC) - timedelta(hours=3)
    held = {"purchaseOrderNumber": "PO00001234", "content": "JVBERi0xLjcK", "created": created.isoformat()}
    address = f"http://127.0.0.1:{walk.ports['8180']}/_control/customer_invoices"
    requests.post(address, json=held, timeout=10).raise_for_status()


#: What is looked at before and after a line.
BEFORE = {
    "nfe doctor": examined_as_shown,
    "nfe show DB9JxG0MS": found_by_a_person,
    "nfe customer-invoices pull": invoice_held,
}
AFTER = {"nfe danfe DB9JxG0MS -o DB9JxG0MS.pdf": printed}


def test_a_table_names_no_line_that_the_readme_has_not() -> None:
    known = {without_comment(line) for line in LINES}
    assert {*TOLD, *AWAITED, *TYPED, *BEFORE, *AFTER, *STAYING} <= known
    assert not [start for start in NOT_HERE if not any(line.startswith(start) for line in known)]


def wrong(walk: Walk, written: str) -> str:
    """Run one line when its time has come: what went otherwise than the README says."""
    line = without_comment(written)
    if line in STAYING:
        walk.stay(line)
        return ""
    if line in walk.awaited:
        shipment, state = walk.awaited.pop(line)
        until(lambda: state in row_of(walk, shipment), f"{line}: {shipment} does not become {state}")
    if line in BEFORE:
        BEFORE[line](walk)
    status, said = walk.run(written)
    if line in AFTER:
        AFTER[line](walk)
    told = TOLD.get(line, Told(""))
    return "" if status == told.status and told.says in said else f"{written}\n{said}exit status {status}, not {told}"


def is_run_here(line: str) -> bool:
    program = line.split()[0]
    return not line.startswith(tuple(NOT_HERE)) and (program not in MAY_LACK or shutil.which(program) is not None)


def test_every_line_of_the_readme_does_what_it_says(walk: Walk) -> None:
    walk.write()
    mistakes = [mistake for line in LINES if is_run_here(line) and (mistake := wrong(walk, line))]
    assert not mistakes, "\n\n".join(mistakes)
