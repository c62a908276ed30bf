"""The page as people have it: on a phone, by keyboard, without scripts, read aloud, in the dark."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.unit.web.conftest import PASSWORD, Installed
from workflow.sandbox.shipments import SELLER_ID

#: The narrowest telephone that people have in their hands.
NARROW = {"width": 360, "height": 740}
RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


@contextmanager
def person(chromium: Browser, page: Installed, **options: Any) -> Iterator[Page]:
    """An operator in front of a browser."""
    context: BrowserContext = chromium.new_context(base_url=page.url, locale="pt-BR", **options)
    opened = context.new_page()
    opened.goto("/login")
    opened.get_by_label("Usuário").fill("maria")
    opened.get_by_label("Senha").fill(PASSWORD)
    opened.get_by_role("button", name="Entrar").click()
    expect(opened.get_by_role("heading", name="Remessas")).to_be_visible()
    yield opened
    context.close()


def everything(page: Installed) -> list[str]:
    """A shipment that waits and one that is done; the address of every kind of page."""
    waits, done = page.stopped(reason="ShipmentItems[0]: SKU " + "X" * 60), page.authorised("FBA2")
    page.tools.catalog.put_products(SELLER_ID, [("WRONG-" + "1" * 40, {"sku": "WRONG-" + "1" * 40, "ncm": "00770000"})])
    page.tools.catalog.stop_seller(SELLER_ID, "213", "Rejeição: CNPJ-Base do Emitente difere")
    stories = [f"/s/{waits}", f"/s/{waits}/cancel", f"/s/{waits}/buyer", f"/s/{done}", f"/s/{done}/note"]
    others = ["/products", f"/products/{SELLER_ID}?sku=CANECA-350", "/sellers", "/numbers", "/audit", "/s/NO/BODY"]
    return ["/shipments", "/shipments?show=all", *stories, *others]


def complaints(opened: Page) -> list[str]:
    """What axe finds wrong with the page, and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(opened, options=RULES).response["violations"]
    return [f"{one['id']}: {[node['target'] for node in one['nodes']]}" for one in found]


def overflow(opened: Page) -> int:
    """By how much the page is wider than its window."""
    width: int = opened.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return width


def test_no_page_is_wider_than_a_phone_and_axe_finds_nothing_wrong(chromium: Browser, page: Installed) -> None:
    addresses = everything(page)
    with person(chromium, page, viewport=NARROW) as opened:
        for address in addresses:
            opened.goto(address)
            assert overflow(opened) <= 0, address
            assert complaints(opened) == [], address


def test_on_a_desk_in_the_dark_axe_finds_nothing_wrong_either(chromium: Browser, page: Installed) -> None:
    addresses = everything(page)
    with person(chromium, page, viewport={"width": 1280, "height": 900}, color_scheme="dark") as opened:
        for address in (addresses[0], addresses[2], addresses[3], "/sellers"):
            opened.goto(address)
            assert complaints(opened) == [], address
        opened.goto("/audit")
        opened.evaluate("document.querySelector('label').remove()")
        assert complaints(opened) != [], "axe sees what is wrong"


def test_every_order_is_reached_and_given_by_keyboard_and_the_focus_is_seen(chromium: Browser, page: Installed) -> None:
    id = page.stopped()
    with person(chromium, page) as opened:
        opened.goto(f"/s/{id}")
        opened.keyboard.press("Tab")
        assert opened.evaluate("document.activeElement.className") == "skip"
        opened.keyboard.press("Enter")
        reached = []
        for _ in range(12):
            opened.keyboard.press("Tab")
            reached.append(str(opened.evaluate("document.activeElement.textContent")).strip())
            seen = opened.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert seen == "solid", reached[-1]
            if reached[-1] == "Cancelar…":
                break
        assert {"Tentar de novo", "Buscar dados de novo", "Cancelar…"} <= set(reached)
        opened.keyboard.press("Enter")
        opened.get_by_label("Justificativa").press_sequentially("Pedido cancelado pelo comprador")
        opened.keyboard.press("Tab")
        opened.keyboard.press("Enter")
        expect(opened.get_by_role("status").first).to_contain_text("A remessa está sendo cancelada.")
    assert page.rung[0].cancelling


def test_without_scripts_everything_works(chromium: Browser, page: Installed) -> None:
    id = page.stopped()
    with person(chromium, page, java_script_enabled=False) as opened:
        opened.goto(f"/s/{id}")
        opened.get_by_role("button", name="Tentar de novo").click()
        expect(opened.get_by_role("status").first).to_contain_text("A remessa tenta de novo.")
        expect(opened.get_by_role("link", name="Atualizar")).to_be_visible()


def test_a_story_follows_its_shipment_by_itself_and_takes_no_button_away(chromium: Browser, page: Installed) -> None:
    id = page.receive()
    with person(chromium, page) as opened:
        opened.goto(f"/s/{id}")
        opened.get_by_role("link", name="Cancelar…").focus()
        page.tools.store.note(id, stage="fetch", outcome="waiting", reason="first news")
        opened.wait_for_timeout(2500)
        expect(opened.get_by_text("first news")).to_have_count(0)
        opened.get_by_role("link", name="Cancelar…").blur()
        expect(opened.get_by_text("first news")).to_be_visible(timeout=10_000)
