"""`nfe demo`, as `make demo` runs it."""

import base64
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
import xmlsec
from lxml import etree

from tests.acceptance.conftest import NFE, ROOT
from workflow.nfe import schema

NAMESPACES = {"nfe": "http://www.portalfiscal.inf.br/nfe", "ds": "http://www.w3.org/2000/09/xmldsig#"}
LAST_LINE = re.compile(
    r"demo: (\d+) accepted, (\d+) errored, (\d+) rejected, (\d+) cancelled, (\d+) need a person, in \d+ s"
)


def survivors(folder: Path) -> list[int]:
    """Processes that work for the folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                state = (entry / "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if str(folder).encode() in words and state != "Z":
                found.append(int(entry.name))
    return found


def assert_signature_holds(nfeproc: bytes) -> None:
    """Let xmlsec, which shares no code with the signer, verify the NF-e inside."""
    root = etree.fromstring(nfeproc)
    nfe = root.find("nfe:NFe", NAMESPACES)
    assert nfe is not None
    text = nfe.findtext(".//ds:X509Certificate", namespaces=NAMESPACES)
    assert text is not None
    xmlsec.tree.add_ids(nfe, ["Id"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(base64.b64decode(text), xmlsec.constants.KeyDataFormatCertDer)
    context.verify(xmlsec.tree.find_node(nfe, xmlsec.constants.NodeSignature))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A demo of 14 shipments, run to its end."""
    folder = tmp_path_factory.mktemp("demo") / "data"
    done = subprocess.run(
        [*NFE, "demo", "--shipments", "14", "--no-wait", "--data", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return folder, done


def test_every_shipment_ends_as_it_should(ended: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = ended
    assert done.returncode == 0, done.stdout + done.stderr
    last = LAST_LINE.fullmatch(done.stdout.strip().splitlines()[-1])
    assert last is not None, done.stdout
    assert [int(count) for count in last.groups()] == [8, 1, 1, 2, 2]


def test_every_authorised_invoice_is_valid_and_its_signature_holds(
    ended: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    files = sorted((ended[0] / "xml").glob("*.xml"))
    assert len(files) == 10  # accepted, errored and the one that was cancelled afterwards
    numbers = set()
    for file in files:
        content = file.read_bytes()
        schema.validate(content, "procNFe")
        assert_signature_holds(content)
        numbers.add(etree.fromstring(content).findtext(".//nfe:nNF", namespaces=NAMESPACES))
    assert len(numbers) == len(files)


def test_nobody_is_left_behind(ended: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert survivors(ended[0]) == []


def test_no_buyer_and_no_secret_is_in_the_logs(ended: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, done = ended
    written = done.stdout + done.stderr + "".join(file.read_text() for file in (folder / "logs").glob("*.log"))
    for file in (folder / "xml").glob("*.xml"):
        note = etree.fromstring(file.read_bytes())
        for tag in ("CPF", "xLgr"):
            text = note.findtext(f".//nfe:dest//nfe:{tag}", namespaces=NAMESPACES)
            assert text is None or text not in written
    assert "Atzr|" not in written
    assert "Atza|" not in written


def test_ctrl_c_ends_everything(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    process = subprocess.Popen(
        [*NFE, "demo", "--no-wait", "--data", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, process_group=0
    )
    deadline, log = time.monotonic() + 60, folder / "logs" / "flower.log"
    while not log.exists() or "Visit me" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert survivors(folder)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert survivors(folder) == []


def test_a_folder_in_use_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    done = subprocess.run([*NFE, "demo", "--data", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("nfe: folder-in-use:")
    assert len(done.stderr.strip().splitlines()) == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["mine"]
