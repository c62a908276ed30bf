"""`nfe demo`: the main job on embedded parts, from notifications to Accepted.

Everything is real but the two counterparts: a database, a broker, a worker, beat and Flower; the local Amazon and the
local SEFAZ are processes spoken to over HTTP and HTTPS. Each example says how it must end, and the demo fails when one
ends otherwise.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from rich.live import Live
from rich.table import Table

from workflow import display, logs, migrations, product_file, seller_file, settings
from workflow.errors import Misconfigured
from workflow.models import DocumentKind
from workflow.processes import Supervisor
from workflow.sandbox import shipments
from workflow.sandbox.server import Announcement
from workflow.sandbox.shipments import Example
from workflow.states import State
from workflow.store import shipment_id
from workflow.tools import Tools
from workflow.users import FIRST, somebody

#: Longer than the demo's waits: the rate plan's refill is what takes time with many shipments.
BASE_TIMEOUT, TIMEOUT_PER_SHIPMENT = 50.0, 2.0
LOOK = 0.25


@dataclass(frozen=True, slots=True)
class Ending:
    """How one example ended."""

    example: Example
    id: str
    state: str
    stopped: bool
    reason: str

    @property
    def is_right(self) -> bool:
        """Whether the shipment is where its example says, and rests there."""
        waits_for_person = self.example.expected not in ("ACCEPTED", "ERRORED", "REJECTED", "CANCELLED")
        return self.state == self.example.expected and self.stopped == waits_for_person


def run(count: int, data: Path | None, *, wait: bool) -> int:
    """Run the demo; returns the exit status: 0 only when every shipment ended as it should."""
    began = time.monotonic()
    folder = _folder(data)
    examples = shipments.demo_shipments(count, now=datetime.now(UTC))
    try:
        with _sandboxes(folder) as (amazon, sefaz):
            chosen = _configure(folder, amazon, sefaz)
            tools = _install(folder, sefaz)
            password = _first_password(tools)
            _prepare(examples, amazon, sefaz)
            with Supervisor(chosen, logs=folder / "logs", say=_say) as parts:
                parts.wait_until_healthy()
                for name, url in parts.urls.items():
                    _say(f"{name} on {url}")
                _say(f"user {FIRST}, password {password}; everything else in {folder}")
                endings = _watch(tools, examples, BASE_TIMEOUT + TIMEOUT_PER_SHIPMENT * count)
                _export(tools, endings, folder / "xml")
                _report(endings)
                if wait and sys.stdin.isatty() and sys.stdout.isatty():
                    _wait(parts.urls, password, folder)
    except KeyboardInterrupt:
        _say(f"interrupted; everything is stopped, {folder} is left as it is")
        return 130
    _say(f"XML files in {folder / 'xml'}, logs in {folder / 'logs'}")
    _sum_up(endings, time.monotonic() - began)
    return 0 if all(ending.is_right for ending in endings) else 1


def _wait(urls: Mapping[str, str], password: str, folder: Path) -> None:
    """Stay until Enter, so that a person can look around."""
    _say("")
    for name, url in urls.items():
        _say(f"{name}: {url}")
    _say(f"user {FIRST}, password {password}; XML: {folder / 'xml'}")
    display.console.input("Enter ends the demo. ")


def _say(line: str) -> None:
    display.console.print(line)


def _folder(data: Path | None) -> Path:
    if data is None:
        return Path(tempfile.mkdtemp(prefix="nfe-demo-"))
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise Misconfigured("folder-in-use", f"--data {data} is not an empty folder; name a new one")
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    return data.absolute()


# -- counterparts ---------------------------------------------------------------------------------------------


@contextmanager
def _sandboxes(folder: Path) -> Iterator[tuple[Announcement, Announcement]]:
    """The two counterparts as processes, ended afterwards."""
    processes: list[subprocess.Popen[str]] = []
    try:
        amazon = _start(processes, folder, "amazon", "--folder", str(folder / "sandbox"))
        sefaz = _start(processes, folder, "sefaz", "--folder", str(folder / "sandbox"))
        yield amazon, sefaz
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)


def _start(processes: list[subprocess.Popen[str]], folder: Path, *arguments: str) -> Announcement:
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-m", "workflow.sandbox", *arguments, "--json", "--parent-death"],
        stdout=subprocess.PIPE,
        stderr=(folder / f"{arguments[0]}.log").open("w"),
        text=True,
        process_group=0,
    )
    processes.append(process)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Misconfigured("no-sandbox", f"the local {arguments[0]} did not start; see {folder / arguments[0]}.log")
    return Announcement(**json.loads(line))


def _prepare(examples: Sequence[Example], amazon: Announcement, sefaz: Announcement) -> None:
    """Tell the counterparts what they hold and what they refuse."""
    held = [example.shipment().model_dump(mode="json") for example in examples]
    refused = [example.refusal for example in examples if example.refusal is not None]
    _tell(amazon, "shipments", held)
    _tell(sefaz, "refusals", refused)


def _tell(counterpart: Announcement, what: str, values: Any) -> None:
    answer = requests.post(f"{counterpart.control_url}/_control/{what}", json=values, timeout=10)
    answer.raise_for_status()


# -- our side -------------------------------------------------------------------------------------------------


def _configure(folder: Path, amazon: Announcement, sefaz: Announcement) -> settings.Settings:
    """Point this process and its children at the counterparts; what the user's environment says is left aside."""
    for name in [name for name in os.environ if name.startswith("NFE_")]:
        del os.environ[name]
    os.environ |= {
        "NFE_DATA_DIR": str(folder),
        "NFE_AMAZON_URL": amazon.url,
        "NFE_LWA_URL": f"{amazon.url}/auth/o2/token",
        "NFE_LWA_CLIENT_ID": "amzn1.application-oa2-client.demo",
        "NFE_LWA_CLIENT_SECRET": "demo-secret",
        "NFE_SEFAZ_URL": sefaz.url,
        "NFE_SEFAZ_CA_FILE": str(sefaz.ca_file),
        "NFE_FLOWER_PORT": "0",
        "NFE_WEB_PORT": "0",
        "NFE_SWEEP_EVERY": "0.5",
        "NFE_POLL_FIRST": "PT3S",
        "NFE_LOG_LEVEL": "INFO",
    }
    settings.current.cache_clear()
    chosen = settings.current()
    logs.configure(chosen.model_copy(update={"log_level": "WARNING"}))
    return chosen


def _install(folder: Path, sefaz: Announcement) -> Tools:
    """A database, a seller with the local SEFAZ's A1 certificate, and its products: from files, as a user would."""
    tools = Tools(settings.current())
    migrations.upgrade(tools.store.engine)
    (folder / "seller.toml").write_text(_seller_toml(sefaz), encoding="utf-8")
    (folder / "products.csv").write_text(_products_csv(), encoding="utf-8")
    seller_file.register(tools, folder / "seller.toml", actor="demo")
    tools.catalog.put_products(shipments.SELLER_ID, product_file.read_products(folder / "products.csv"))
    return tools


def _first_password(tools: Tools) -> str:
    """Of the operator's page; the demo ends with it."""
    made = somebody(tools.store, tools.settings)
    assert made is not None, "the folder is new"
    return made.read_text(encoding="utf-8").strip()


def _seller_toml(sefaz: Announcement) -> str:
    """The demo's seller as its file: JSON strings and numbers are TOML's too."""
    seller = shipments.demo_seller()
    address = seller.pop("address")
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in seller.items()]
    lines += [
        "",
        "[address]",
        *(f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in address.items()),
    ]
    lines += ["", "[certificate]", f"file = {json.dumps(sefaz.a1_file)}"]
    lines += [f"password = {json.dumps(sefaz.a1_password)}"]
    lines += ["", "[amazon]", 'refresh_token = "Atzr|demo"', ""]
    return "\n".join(lines)


def _products_csv() -> str:
    rows = shipments.demo_products()
    columns = list(rows[0])
    quoted = [['"' + str(row[column] or "").replace('"', '""') + '"' for column in columns] for row in rows]
    return "\n".join([",".join(columns), *(",".join(row) for row in quoted)]) + "\n"


def _announce(tools: Tools, notifications: Sequence[dict[str, Any]]) -> None:
    for notification in notifications:
        tools.engine.receive(json.dumps(notification).encode(), actor="demo")


# -- watching -------------------------------------------------------------------------------------------------


def _watch(tools: Tools, examples: Sequence[Example], timeout: float) -> list[Ending]:
    """Hand the notifications in and show how the shipments move until all of them rest."""
    for example in examples:
        _announce(tools, example.notifications)
    later = {example.shipment_id: example for example in examples if example.afterwards}
    deadline = time.monotonic() + timeout
    with Live(console=display.console, auto_refresh=False, transient=True) as live:
        while time.monotonic() < deadline:
            endings = _endings(tools, examples)
            live.update(_progress(endings), refresh=True)
            for ending in endings:
                if ending.state == State.ACCEPTED and ending.example.shipment_id in later:
                    _announce(tools, later.pop(ending.example.shipment_id).afterwards)
            if not later and tools.store.unfinished() == 0:
                break
            time.sleep(LOOK)
    return _endings(tools, examples)


def _endings(tools: Tools, examples: Sequence[Example]) -> list[Ending]:
    rows = {row.id: row for row in tools.store.shipments(limit=len(examples) + 1)}
    found = []
    for example in examples:
        id = shipment_id(shipments.SELLER_ID, example.shipment_id)
        row = rows[id]
        reason = " ".join(str(part) for part in (row.code, row.reason) if part)
        found.append(Ending(example, id, row.state, row.stop_code is not None, reason))
    return found


def _progress(endings: Sequence[Ending]) -> Table:
    counts = Counter("needs a person" if ending.stopped else ending.state for ending in endings)
    grid = Table.grid(padding=(0, 2))
    for state in (*State, "needs a person"):
        if counts[state]:
            grid.add_row(str(state), "█" * min(counts[state], 60), str(counts[state]))
    return grid


def _export(tools: Tools, endings: Sequence[Ending], folder: Path) -> None:
    """Write each authorised NF-e as a file."""
    folder.mkdir(exist_ok=True)
    for ending in endings:
        nfeproc = tools.store.document(ending.id, DocumentKind.NFEPROC)
        if nfeproc is not None:
            (folder / f"{ending.example.shipment_id}.xml").write_bytes(nfeproc)


def _report(endings: Sequence[Ending]) -> None:
    rows = [
        {
            "shipment": ending.example.shipment_id,
            "what": ending.example.title,
            "state": ending.state,
            "right": "ok" if ending.is_right else f"failed: expected {ending.example.expected}",
            "last": ending.reason[:100],
        }
        for ending in endings
    ]
    display.table(rows, ["shipment", "what", "state", "right", "last"])


def _sum_up(endings: Sequence[Ending], seconds: float) -> None:
    """The last line, for people and programs."""
    resting = Counter(ending.state for ending in endings if not ending.stopped)
    stopped = sum(ending.stopped for ending in endings)
    accepted, errored = resting[State.ACCEPTED], resting[State.ERRORED]
    rejected, cancelled = resting[State.REJECTED], resting[State.CANCELLED]
    print(
        f"demo: {accepted} accepted, {errored} errored, {rejected} rejected, {cancelled} cancelled, "
        f"{stopped} need a person, in {seconds:.0f} s",
        flush=True,
    )
