"""The whole day of an operator, in a real browser, before the whole installation: nothing in it is pretended.

With `--rewrite-screenshots` the pictures of README are taken on the way; all data are the demo's.
"""

import re
import time
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pypdfium2
import pytest
from lxml import etree
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.conftest import Installation, good
from workflow.sandbox.shipments import SELLER_ID, Example, demo_shipments
from workflow.states import State
from workflow.users import FIRST, PASSWORD_FILE

#: An NCM of a chapter that there is, which SEFAZ's table does not hold.
WRONG_NCM = "39249999"
PICTURES = Path(__file__).parent / "screenshots"
#: Bytes of a picture: README is read over slow lines, too.
LARGEST = 150_000
NAMESPACE = {"nfe": "http://www.portalfiscal.inf.br/nfe"}

Take = Callable[[Page, str], None]


@pytest.fixture
def take(request: pytest.FixtureRequest) -> Take:
    """Take a picture for README, where that was asked for."""
    wanted = request.config.getoption("--rewrite-screenshots")

    def shoot(opened: Page, name: str) -> None:
        if wanted:
            seen = Image.open(BytesIO(opened.screenshot()))
            path = PICTURES / f"{name}.png"
            seen.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
            assert path.stat().st_size <= LARGEST, f"{name} is too large for README"

    return shoot


def broken_order() -> Example:
    """An ordinary order of one product, which is told to SEFAZ as wrong."""
    example = next(one for one in good(40) if len(one.details["ShipmentItems"]) == 1)
    words = "Rejeição: Informado NCM inexistente [nItem: 1]"
    return replace(example, refusal={"match": WRONG_NCM, "cStat": "778", "xMotivo": words})


def address_of(installation: Installation, part: str) -> str:
    """Where the supervisor says that a part is."""
    deadline = time.monotonic() + 60
    while True:
        found = re.search(rf"{part}: (http://127\.0\.0\.1:\d+/)", (installation.folder / "up.log").read_text())
        if found:
            return found[1]
        assert time.monotonic() < deadline, (installation.folder / "up.log").read_text()[-2000:]
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)  # the pages' own tests ask both databases
def test_the_whole_day_of_an_operator(installation: Installation, chromium: Browser, take: Take) -> None:
    order = broken_order()
    shipment, sku = order.shipment_id, order.details["ShipmentItems"][0]["SellerSKU"]
    catalog = installation.tools().catalog
    product = catalog.products(SELLER_ID, [sku])[sku]
    catalog.put_products(SELLER_ID, [(sku, product | {"ncm": WRONG_NCM})])
    with installation.up():
        installation.announce(order, *demo_shipments(9))
        page, flower = address_of(installation, "Operator's page"), address_of(installation, "Flower")
        assert installation.rest(90)[shipment] == State.REJECTED
        context = chromium.new_context(
            base_url=page, locale="pt-BR", viewport={"width": 1280, "height": 800}, color_scheme="light"
        )
        opened = context.new_page()

        # In the morning: log in, and see what waits.
        opened.goto("/")
        opened.get_by_label("Usuário").fill(FIRST)
        opened.get_by_label("Senha").fill((installation.folder / PASSWORD_FILE).read_text().strip())
        opened.keyboard.press("Enter")
        row = opened.get_by_role("row").filter(has_text=shipment)
        expect(row).to_contain_text("Rejeitada")
        expect(row).to_contain_text("O NCM de um produto não existe.")
        take(opened, "list")

        # Read why, and mend the product.
        row.get_by_role("link", name=shipment).click()
        expect(opened.get_by_role("heading", name="O NCM de um produto não existe.")).to_be_visible()
        expect(opened.get_by_text("Rejeição: Informado NCM inexistente").first).to_be_visible()
        take(opened, "shipment")
        opened.get_by_role("link", name=f"Editar produto: {sku}").click()
        expect(opened.get_by_label("NCM")).to_have_value(WRONG_NCM)
        opened.get_by_label("NCM").fill("12")
        opened.get_by_role("button", name="Salvar").click()
        expect(opened.get_by_role("alert")).to_contain_text("ncm:")
        opened.get_by_label("NCM").fill(product["ncm"])
        opened.get_by_role("button", name="Salvar").click()
        expect(opened.get_by_role("status").first).to_contain_text("Produto salvo.")

        # Retry, and see it accepted while looking on.
        opened.get_by_role("button", name="Tentar de novo").click()
        expect(opened.get_by_role("heading", level=1)).to_contain_text("Aceita", timeout=45_000)
        expect(opened.get_by_text(f"por {FIRST}").first).to_be_visible()

        # The NF-e: the picture beside the XML, and the page to print.
        opened.get_by_role("link", name="Ver NF-e e DANFE").click()
        assert opened.locator("img.sheet").evaluate("image => image.naturalWidth") > 1000
        expect(opened.locator("pre.xml")).to_contain_text(f"<NCM>{product['ncm']}</NCM>")
        take(opened, "note")
        printed = context.request.get(f"/s/{SELLER_ID}/{shipment}/danfe.pdf")
        xml = context.request.get(f"/s/{SELLER_ID}/{shipment}/file/nfeproc").body()
        (note,) = (one for one in installation.authorised() if one["nNF"] == number_in(xml))
        assert shown(printed.body()).count(str(note["nNF"]).zfill(9)[-3:])
        assert xml.decode() == installation.run("xml", shipment)

        # From Flower's task to the page, and back.
        opened.goto(f"/s/{SELLER_ID}/{shipment}")
        opened.get_by_role("link", name="Tarefas desta remessa no Flower").click()
        listed = opened.get_by_role("row").filter(has_text=f"seller {SELLER_ID}, shipment {shipment}")
        expect(listed.filter(has_text="REJECTED 778")).to_have_count(1)
        expect(opened.locator("#tasks-table tbody tr")).to_have_count(listed.count())
        assert flower in opened.url
        take(opened, "flower")
        listed.filter(has_text="REJECTED 778").locator("a[href*='/task/']").first.click()
        opened.get_by_role("link", name=f"/s/{SELLER_ID}/{shipment}").click()
        expect(opened.get_by_role("heading", level=1)).to_contain_text(shipment)

        # The log of it all; on the way home, by telephone.
        opened.goto("/audit")
        for said in ("Entrou", "Mudou produto", "Tentou de novo", "Viu documento"):
            expect(opened.get_by_role("table")).to_contain_text(said)
        opened.set_viewport_size({"width": 390, "height": 844})
        opened.goto(f"/s/{SELLER_ID}/{shipment}?lang=en")
        expect(opened.get_by_role("heading", level=1)).to_contain_text("Accepted")
        take(opened, "phone")
        opened.get_by_role("button", name="Log out").click()
        opened.goto(f"/s/{SELLER_ID}/{shipment}")
        expect(opened.get_by_role("heading", name="Log in")).to_be_visible()
        context.close()
    assert installation.submissions()[shipment]["status"] == "Accepted"


def number_in(xml: bytes) -> int:
    """nNF."""
    return int(etree.fromstring(xml).findtext(".//nfe:nNF", namespaces=NAMESPACE) or 0)


def shown(pdf: bytes) -> str:
    """What a PDF says."""
    with pypdfium2.PdfDocument(BytesIO(pdf)) as opened:
        return "".join(page.get_textpage().get_text_bounded() for page in opened)
