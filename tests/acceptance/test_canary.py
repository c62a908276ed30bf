"""Marked buyers and marked secrets go through every way a shipment can end; nowhere is a mark to be read afterwards.

The counterparts quote what they know of the buyer wherever a text of theirs may stand, a worker is killed, a template
and a bug have the buyer in their hands. Then everything is searched that is kept or told outside the sealed columns.
"""

import base64
import html
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
import redis
import requests
from stdnum.br import cpf as cpf_numbers

from tests.acceptance.conftest import Installation, good, seller_toml
from tests.acceptance.test_flower import flower_url, tasks_of
from workflow.key_source import KEY_FILE
from workflow.sandbox import certificates
from workflow.sandbox.faults import Fault
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_ID, SELLER_NAME, Example
from workflow.states import State

#: Words and numbers that stand nowhere else on this machine.
NAME = "Zulmirandra Quexavílle Tangarossa"
STREET, DISTRICT, COMPLEMENT = "Rua Xibaquarana, 487139526", "Vila Jacutapiranga", "Fundos Perequelândia"
CEP, PHONE, EMAIL, PAYMENT = "18047-693", "+55 15 99871-4463", "zulmi.quexa@exemplo.invalid", "AUTZQX4417"
REFRESH_TOKEN, CLIENT_SECRET, A1_PASSWORD = (
    "Atzr|CANARYREFRESHzq81",
    "amzn1.oa2-cs.v1.canarysecretzq82",
    "canary-a1-zq83",
)
#: Each of them alone betrays: a name is private in parts too.
MARKS = (
    *("Zulmirandra", "Quexavílle", "Tangarossa", "Xibaquarana", "487139526", "Jacutapiranga", "Perequelândia"),
    *(CEP, "18047693", PHONE, "15998714463", "99871-4463", EMAIL, PAYMENT),
    *(REFRESH_TOKEN, CLIENT_SECRET, A1_PASSWORD, "Atza|", "Atz.sprdt|"),
)


@cache
def spellings(mark: str) -> frozenset[bytes]:
    """A mark as it may be written, in small letters: encodings, escapes, without accents."""
    plain = mark.translate(str.maketrans("íâ", "ia"))
    texts = {mark, mark.upper(), plain, mark.replace("-", "")}
    escapes = (str, quote, quote_plus, html.escape, lambda text: json.dumps(text)[1:-1])
    written = {escape(text) for text in texts for escape in escapes}
    return frozenset(
        one for text in written for code in ("utf-8", "latin-1", "utf-16-le")
        for one in (text.encode(code).lower(), text.encode(code).hex().encode())
    )  # fmt: skip


@cache
def packed(mark: str) -> frozenset[bytes]:
    """What does not depend on its neighbours of the mark's base64, at each of the three places a text may begin."""
    found = set()
    for before in range(3):
        content = b"\0" * before + mark.encode()
        whole = base64.b64encode(content).decode().rstrip("=")
        # The first characters hold bits of what stands before, the last ones of what may follow.
        sure = whole[-(-before * 8 // 6) : len(content) * 8 // 6]
        found |= {sure.encode(), sure.replace("+", "-").replace("/", "_").encode()}
    return frozenset(one for one in found if len(one) >= 7)


def hits(content: bytes, marks: Iterable[str]) -> set[str]:
    """The marks that can be read in the content."""
    small = content.lower()
    return {
        mark
        for mark in marks
        if any(one in small for one in spellings(mark)) or any(one in content for one in packed(mark))
    }


@pytest.mark.parametrize(
    "hidden",
    [
        lambda mark: mark.encode(),
        lambda mark: mark.upper().encode(),
        lambda mark: mark.encode("latin-1"),
        lambda mark: mark.encode("utf-16-le"),
        lambda mark: b"x" + base64.b64encode(b"." + mark.encode() + b"--"),
        lambda mark: base64.urlsafe_b64encode(b".." + mark.encode()),
        lambda mark: base64.b64encode(mark.encode() + b"..."),
        lambda mark: quote(mark).encode(),
        lambda mark: json.dumps({"a": mark}).encode(),
        lambda mark: f"<a>{html.escape(mark)}</a>".encode(),
        lambda mark: mark.encode().hex().encode(),
    ],
)
def test_the_search_finds_a_mark_however_it_is_hidden(hidden: Callable[[str], bytes]) -> None:
    for mark in MARKS:
        if len(mark) > 7:
            assert hits(b"\0\1 log line " + hidden(mark) + b" end\n", MARKS) >= {mark}
    assert hits(b"an ordinary log line " * 1000, MARKS) == set()


#: How each shipment ends: accepted, refused by SEFAZ, errored, an unknown SKU, refused details, a refused submission,
#: an answer of SEFAZ that is none, an unknown verdict, broken details, a template and a bug that fail, a killed worker.
ENDED = [
    *(State.ACCEPTED, State.REJECTED, State.ERRORED, State.FETCHED, State.RECEIVED, State.AUTHORIZED),
    *(State.ACCEPTED, State.ACCEPTED, State.FETCHED, State.FETCHED, State.FETCHED, State.ACCEPTED),
]
COMMANDS = (("list",), ("seller", "show", SELLER_ID, "--json"), ("metrics",))

# -- the scenario ---------------------------------------------------------------------------------------------


def marked(example: Example, place: int) -> tuple[Example, str]:
    """The example with a marked buyer and a CPF of its own."""
    digits = f"{731846520 + place}"
    cpf = digits + cpf_numbers._calc_check_digits(digits)
    details = dict(example.details)
    details |= {
        "BuyerName": NAME,
        "BuyerEmail": EMAIL,
        "BuyerTaxInfo": {"TaxClassifications": [{"Name": "CPF", "Value": cpf}]},
        "ShippingAddress": {
            "Name": NAME, "AddressLine1": STREET, "AddressLine2": COMPLEMENT, "District": DISTRICT,
            "City": "Sorocaba", "StateOrRegion": "SP", "PostalCode": CEP, "CountryCode": "BR", "Phone": PHONE,
        },
    }  # fmt: skip
    for payment in details.get("Payments", ()):
        payment["AuthorizationCode"] = PAYMENT
    return replace(example, details=details), cpf


def quoting(cpf: str) -> str:
    """What a counterpart says that quotes all it knows."""
    said = f"buyer {NAME} ({cpf}, {cpf_numbers.format(cpf)}), {STREET} {COMPLEMENT} {DISTRICT} {CEP}, {PHONE}, {EMAIL}"
    return f"Invalid value: {said}; {NAME.upper()} {quote(NAME)} {PAYMENT} {REFRESH_TOKEN} {CLIENT_SECRET}"


def amazon_says(said: str) -> str:
    return json.dumps({"errors": [{"code": "InvalidInput", "message": said, "details": said}]})


def sefaz_says(said: str) -> str:
    """An answer of SEFAZ's shape that decides nothing."""
    decided = f"<retEnviNFe xmlns='http://www.portalfiscal.inf.br/nfe'><cStat>{said}</cStat><xMotivo>{said}</xMotivo>"
    return f"<e><b>{decided.replace('&', '')}</retEnviNFe></b></e>"


def spoil(installation: Installation, examples: list[Example], cpfs: list[str]) -> None:
    """Let the counterparts quote the buyer wherever they can."""
    amazon, sefaz = installation.amazon.book.faults, installation.sefaz.book
    ids = [example.shipment_id for example in examples]
    told = [quoting(cpf) for cpf in cpfs]
    sefaz.lists()["refusals"]({"match": cpfs[1], "cStat": "225", "xMotivo": told[1][:250]})
    for place, operation in ((4, "getShipmentDetails"), (5, "submitInvoice")):
        amazon.add(
            Fault(operation=operation, kind="status", status=400, body=amazon_says(told[place]), match=ids[place])
        )
    sefaz.faults.add(Fault(operation="NFeAutorizacao4", kind="garbage", body=sefaz_says(told[6]), match=cpfs[6]))
    unknown = json.dumps({"payload": {"Shipments": {"AmazonShipmentId": ids[7], "InvoiceStatus": told[7]}}})
    amazon.add(Fault(operation="getInvoiceStatus", kind="garbage", body=unknown, match=ids[7]))
    broken = json.dumps({"payload": examples[8].details | {"ShippingAddress": told[8], "ShipmentItems": told[8]}})
    amazon.add(Fault(operation="getShipmentDetails", kind="garbage", body=broken, match=ids[8]))
    lwa = json.dumps({"error": f"invalid {told[0]}", "error_description": told[0]})
    amazon.add(Fault(operation="lwa", kind="status", status=400, body=lwa))


def own_templates(folder: Path, examples: list[Example]) -> None:
    """A seller's fragment that has the buyer in its hands when it fails, in two ways."""
    place = folder / SELLER_ID
    place.mkdir(parents=True)
    wrong, endless = examples[9].shipment_id, examples[10].shipment_id
    (place / "infAdic.xml.j2").write_text(
        "{% macro again(street) %}{{ again(street) }}{% endmacro %}"
        f"{{% if invoice.shipment_id == '{wrong}' %}}{{{{ invoice.dest[invoice.dest.address.street] }}}}{{% endif %}}"
        f"{{% if invoice.shipment_id == '{endless}' %}}{{{{ again(invoice.dest.address.street) }}}}{{% endif %}}"
    )


def marked_seller(installation: Installation, folder: Path) -> None:
    """The seller anew, its secrets marked."""
    authority = certificates.authority(folder / "sandbox")
    pfx = certificates.seller_pfx(authority, cnpj=SELLER_CNPJ, name=SELLER_NAME, password=A1_PASSWORD)
    (folder / "marked.pfx").write_bytes(pfx)
    text = seller_toml(installation.sefaz).replace("Atzr|acceptance", REFRESH_TOKEN)
    text = re.sub(r"file = .*\npassword = .*", f'file = "marked.pfx"\npassword = "{A1_PASSWORD}"', text)
    (folder / "marked.toml").write_text(text)
    installation.environment |= {
        "NFE_LWA_CLIENT_SECRET": CLIENT_SECRET,
        "NFE_TEMPLATES_DIR": str(folder / "templates"),
        "NFE_LOG_LEVEL": "DEBUG",
        "NFE_MAX_CRASHES": "2",
        "NFE_BACKOFF_CAP": "PT1S",
        "NFE_LEASE": "PT6S",
        "NFE_FLOWER_BASIC_AUTH": "maria:secret",
    }
    installation.run("seller", "add", str(folder / "marked.toml"))


def kill_in_the_middle(installation: Installation, example: Example, cpf: str) -> None:
    """A worker dies while SEFAZ has the shipment's note."""
    installation.sefaz.book.faults.add(Fault(operation="NFeAutorizacao4", kind="hang_after_processing", match=cpf))
    installation.announce(example)
    deadline = time.monotonic() + 30
    while not installation.sefaz.book.faults.paused:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for pid in installation.pids():
        with suppress(OSError):
            if b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # what is written is the same
def test_no_mark_of_a_buyer_or_a_secret_is_to_be_read_anywhere(installation: Installation, tmp_path: Path) -> None:
    made = [marked(example, place) for place, example in enumerate(good(12))]
    examples, cpfs = [one for one, _ in made], [cpf for _, cpf in made]
    examples[2] = replace(examples[2], outcome="errored")
    examples[3].details["ShipmentItems"][0]["SellerSKU"] = "NAO-CADASTRADO-01"
    own_templates(tmp_path / "templates", examples)
    marked_seller(installation, tmp_path)
    spoil(installation, examples, cpfs)
    with installation.up():
        deadline = time.monotonic() + 30
        while "Visit me" not in (installation.folder / "up.log").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        installation.announce(*examples[:-1])
        installation.rest(90)
        kill_in_the_middle(installation, examples[-1], cpfs[-1])
        states = installation.rest(90)
        told = {
            "flower tasks": json.dumps(tasks_of(installation), ensure_ascii=False).encode(),
            "flower metrics": requests.get(
                f"{flower_url(installation)}/metrics", auth=("maria", "secret"), timeout=10
            ).content,
        }
        broker = redis.Redis(unix_socket_path=str(installation.tools().settings.socket_path))
        broker.config_set("rdbcompression", "no")
        broker.save()
    assert [states[example.shipment_id] for example in examples] == ENDED

    for words in COMMANDS:
        told[" ".join(words)] = installation.run(*words).encode()
    for example in (examples[1], examples[5]):
        told[f"show {example.shipment_id}"] = installation.run("show", example.shipment_id).encode()
    files = [path for path in installation.folder.rglob("*") if path.is_file() and path.name != KEY_FILE]
    assert {"nfe.sqlite3", "dump.rdb", "up.log"} <= {path.name for path in files}
    told |= {str(path): path.read_bytes() for path in files}

    key = (installation.folder / KEY_FILE).read_text().strip()
    marks = (*MARKS, *cpfs, *(cpf_numbers.format(cpf) for cpf in cpfs), key)
    assert {where: found for where, content in told.items() if (found := hits(content, marks))} == {}
    # The same search finds what is there: the shipments' ids, and the words around what was starred out.
    ids = {example.shipment_id for example in examples}
    database = b"".join(path.read_bytes() for path in files if path.name.startswith("nfe.sqlite3"))
    for content in (told["list"], told["flower tasks"], (installation.folder / "up.log").read_bytes(), database):
        assert hits(content, ids) == ids
    assert b"Invalid value: buyer ***" in told["list"]
