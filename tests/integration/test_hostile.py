"""Hostile content on its whole way: the real stages, the local counterparts, whatever the text says and whoever answers.

A shipment ends with an NF-e that says what the law lets it say, or waits for a person with a code; no stage meets an
error without a name, and the next shipment is none the worse.
"""

import gzip
import json
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis
from lxml import etree

from tasks.authorize import authorize
from tasks.fetch import fetch
from tasks.generate import generate
from tasks.poll import poll
from tasks.submit import submit
from tests.acceptance.conftest import seller_toml
from workflow import seller_file
from workflow.migrations import upgrade
from workflow.models import DocumentKind
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.faults import Fault
from workflow.sandbox.sefaz_book import SefazBook
from workflow.sandbox.server import Started, start_amazon, start_sefaz
from workflow.sandbox.shipments import SELLER_ID, Example, demo_products, demo_shipments
from workflow.settings import Settings
from workflow.states import Stage, State, next_stage
from workflow.store import shipment_id
from workflow.tools import Tools

ACTS = {
    Stage.FETCH: fetch,
    Stage.GENERATE: generate,
    Stage.AUTHORIZE: authorize,
    Stage.SUBMIT: submit,
    Stage.POLL: poll,
}


class House:
    """One installation, driven stage by stage in this process."""

    def __init__(self, folder: Path, amazon: Started[AmazonBook], sefaz: Started[SefazBook], redis_url: str) -> None:
        self.amazon, self.sefaz = amazon, sefaz
        self.tools = Tools(
            Settings(
                data_dir=folder, redis_url=redis_url, amazon_url=amazon.url, lwa_url=f"{amazon.url}/auth/o2/token",
                lwa_client_id="client", lwa_client_secret="secret", sefaz_url=sefaz.url,
                sefaz_ca_file=sefaz.announcement.ca_file, poll_first=0, backoff_base=0, sefaz_timeout=5, amazon_timeout=5,
                amazon_rate=1000, amazon_burst=1000, max_tries=5,
            )
        )  # fmt: skip
        folder.mkdir()
        upgrade(self.tools.store.engine)
        (folder / "seller.toml").write_text(seller_toml(sefaz))
        seller_file.register(self.tools, folder / "seller.toml", actor="test")
        # Without titles of their own: Amazon's are written.
        products = [
            (row["sku"], {name: value for name, value in row.items() if name != "title"}) for row in demo_products()
        ]
        self.tools.catalog.put_products(SELLER_ID, products)
        self.count = 0

    def example(self, **details: Any) -> Example:
        """A shipment of its own with other details."""
        self.count += 1
        made = demo_shipments(1, seed=10_000 + self.count, only_good=True)[0]
        return replace(made, details=made.details | details)

    def drive(self, example: Example) -> Any:
        """Announce it and run its stages until nothing is due; its row."""
        self.amazon.book.add(example.shipment())
        self.tools.engine.receive(json.dumps(example.notifications[0]).encode())
        id = shipment_id(SELLER_ID, example.shipment_id)
        deadline = time.monotonic() + 20
        while (row := self.row(id)).due_at is not None:
            assert time.monotonic() < deadline, (row.state, self.last(id))
            time.sleep(max(0.0, (row.due_at - self.tools.store.now()).total_seconds()))
            stage = next_stage(State(row.state))
            assert stage is not None
            self.tools.engine.advance(id, stage, partial(_swapped, stage, self.tools))
        assert "bug" not in {line.code for line in self.tools.store.history(id)}
        return row

    def row(self, id: str) -> Any:
        return self.tools.store.shipment(id)

    def last(self, id: str) -> Any:
        return self.tools.store.history(id)[-1]

    def nfe(self, id: str) -> etree._Element:
        """The authorised document's NF-e."""
        return etree.fromstring(self.tools.store.document(id, DocumentKind.NFEPROC) or b"")


def _swapped(stage: Stage, tools: Tools, claim: Any) -> Any:
    return ACTS[stage](claim, tools)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("hostile")
    redis.Redis.from_url(valkey).flushall()
    settings = AmazonSettings(processing_seconds=0, rate_plan=False)
    with start_amazon(settings=settings) as amazon, start_sefaz(folder / "sandbox") as sefaz:
        yield House(folder / "data", amazon, sefaz, valkey)


TEXTS = {
    "{{7*7}} {% raw %} {{ ''.__class__ }}": "{{7*7}} {% raw %} {{ ''.__class__ }}",
    "]]> <![CDATA[x]]> <!-- -->": "]]> <![CDATA[x]]> <!-- -->",
    "<script>alert(1)</script> & \"q\" 'a'": "<script>alert(1)</script> & \"q\" 'a'",
    "a\x00b\x1b[31mc\x07\nd\te\x85f\u2028g": "a b [31mc d e f g",
    "\u202eabc\u2066def\u200f \ufeff\u200bx": "abcdef x",
    "Fone 🎁 İstanbul ﬁm ½ ① \ud800 \uffff": "Fone Istanbul fim ½ 1",
    "%s%n%x %2e%2e/ ../../etc/passwd ${jndi:x}": "%s%n%x %2e%2e/ ../../etc/passwd ${jndi:x}",
    "'; DROP TABLE shipment; --": "'; DROP TABLE shipment; --",
    "=cmd|' /C calc'!A0": "=cmd|' /C calc'!A0",
    "&lol; &#x41; &amp;lt;": "&lol; &#x41; &amp;lt;",
    "x" * 10_000: "x" * 120,
}


def test_hostile_titles_come_out_as_text(house: House) -> None:
    example = house.example()
    (item, *_) = example.details["ShipmentItems"]
    example.details["ShipmentItems"] = [item | {"Title": title} for title in TEXTS]
    row = house.drive(example)
    assert row.state == State.ACCEPTED, house.last(row.id)
    assert [found.text for found in house.nfe(row.id).iter("{*}xProd")] == list(TEXTS.values())


@pytest.mark.parametrize(
    "text", [next(iter(TEXTS)), "]]>\x00\u202e' & <\ud800", "x" * 10_000], ids=["Jinja", "XML", "long"]
)
def test_a_hostile_name_and_address_come_out_as_text(house: House, text: str) -> None:
    example = house.example()
    example.details["BuyerName"] = text
    example.details["ShippingAddress"] |= {"AddressLine1": f"Rua {text}, 100", "AddressLine2": text}
    row = house.drive(example)
    assert row.state == State.ACCEPTED, house.last(row.id)
    assert house.nfe(row.id).findtext(".//{*}enderDest/{*}xLgr", "").startswith("Rua")


@pytest.mark.parametrize("text", ["🎁🎁🎁", "\x00\x01", "\u202e\u2066"])
def test_a_title_of_which_nothing_can_be_written_is_told(house: House, text: str) -> None:
    example = house.example()
    example.details["ShipmentItems"][0]["Title"] = text
    row = house.drive(example)
    assert (row.state, house.last(row.id).code) == (State.FETCHED, "no-title")


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"ShipmentItems": [{"SellerSKU": "../../etc/passwd\x1b[31m\n'; --", "QuantityOrdered": 1}]}, "unknown-sku"),
        ({"ShipmentItems": []}, "no-items"),
        ({"ShipmentItems": None}, "no-items"),
        ({"BuyerTaxInfo": {"TaxClassifications": [{"Name": "CPF", "Value": "1" * 10_000}]}}, "bad-buyer-id"),
        ({"ShippingAddress": "x"}, "bad-shipment-details"),
        ({"SellerId": "A1' OR '1'='1"}, "other-seller"),
        ({"Payments": [{"PaymentMethod": "Pix", "PaymentValue": {"Amount": "1e400"}}] * 2}, "bad-amount"),
    ],
    ids=["sku", "no items", "null items", "cpf", "address", "seller", "amount"],
)
def test_hostile_details_stop_with_a_code_and_one_plain_line(house: House, details: dict[str, Any], code: str) -> None:
    row = house.drive(house.example(**details))
    line = house.last(row.id)
    assert (row.state, line.code) == (State.FETCHED, code), line.reason
    assert line.reason.isprintable()


def test_a_shipment_of_a_thousand_items_is_told(house: House) -> None:
    example = house.example()
    example.details["ShipmentItems"] = example.details["ShipmentItems"][:1] * 1000
    row = house.drive(example)
    assert (row.state, house.last(row.id).code) == (State.FETCHED, "no-items")


# -- answers --------------------------------------------------------------------------------------------------

NS = "http://www.portalfiscal.inf.br/nfe"
LOL = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
SEFAZ_SAYS = {
    "a bomb": f'<!DOCTYPE x [<!ENTITY l0 "lol">{LOL}]><e><retEnviNFe xmlns="{NS}"><cStat>&l9;</cStat></retEnviNFe></e>',
    "a file": f'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><e><retEnviNFe xmlns="{NS}"><cStat>&f;</cStat></retEnviNFe></e>',
    "an address": '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd"><e/>',
    "deep": "<a>" * 20_000,
    "large": f"<e>{'x' * 12_000_000}</e>",
    "a code that is none": f'<e><retEnviNFe xmlns="{NS}"><cStat>100; --</cStat><xMotivo>x</xMotivo></retEnviNFe></e>',
    "an order to a terminal": f'<e><retEnviNFe xmlns="{NS}"><cStat>\x9b31m</cStat></retEnviNFe></e>',
    "nothing": "",
}


@pytest.mark.parametrize("body", SEFAZ_SAYS.values(), ids=SEFAZ_SAYS)
def test_after_a_hostile_answer_sefaz_is_asked_by_key(house: House, body: str) -> None:
    example = house.example()
    house.sefaz.book.faults.add(Fault(operation="NFeAutorizacao4", kind="garbage", body=body))
    row = house.drive(example)
    assert row.state == State.ACCEPTED
    codes = [line.code for line in house.tools.store.history(row.id) if line.stage == Stage.AUTHORIZE]
    assert len(codes) == 2
    assert codes[0] in ("sefaz-garbled", "sefaz-too-large")
    assert codes[1] == "100"


AMAZON_SAYS = {
    "nested": "[" * 100_000,
    "a number without end": '{"payload": ' + "1" * 5000 + "}",
    "large": '{"payload": "' + "x" * 12_000_000 + '"}',
    "half a character": '{"payload": {"Shipments": {"InvoiceStatus": "\\ud800\\u0000\\u001b[31m"}}}',
    "nothing": "",
}


@pytest.mark.parametrize("body", AMAZON_SAYS.values(), ids=AMAZON_SAYS)
def test_after_hostile_answers_amazon_is_asked_again(house: House, body: str) -> None:
    house.tools._sellers.clear()
    house.tools.redis.flushall()  # so that Login with Amazon is asked
    # Details need only be an object: the next stage says what is wrong with them.
    operations = {"getShipmentDetails", "getInvoiceStatus", "submitInvoice", "lwa"}
    for operation in operations - ({"getShipmentDetails"} if "Shipments" in body else set()):
        house.amazon.book.faults.add(Fault(operation=operation, kind="garbage", body=body))
    row = house.drive(house.example())
    house.amazon.book.faults.clear()
    assert row.state == State.ACCEPTED, house.last(row.id)
    assert all((line.reason or "").isprintable() for line in house.tools.store.history(row.id))


def test_a_bomb_of_zip_is_not_unpacked(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from workflow.sandbox import faults

    packed = gzip.compress(b"\0" * 50_000_000)
    bomb = faults.Answer(200, packed, "application/json", {"Content-Encoding": "gzip"})
    monkeypatch.setattr(faults, "_told", lambda fault, usual: bomb)
    example = house.example()
    house.amazon.book.faults.add(Fault(operation="getShipmentDetails", kind="garbage"))
    row = house.drive(example)
    assert row.state == State.ACCEPTED
    assert house.tools.store.history(row.id)[1].code == "amazon-too-large"


def test_after_all_that_an_ordinary_shipment_goes_its_way(house: House) -> None:
    assert house.drive(house.example()).state == State.ACCEPTED
    assert house.tools.store.counts()
