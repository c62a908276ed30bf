"""How each seller stands."""

from datetime import timedelta

from tests.unit.web.conftest import Installed, Serve, Visitor
from workflow.audit import Action, Audit
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_ID


def test_a_stop_says_why_and_an_operator_lifts_it(page: Installed, maria: Visitor, joao: Visitor) -> None:
    id = page.stopped("seller-stopped")
    page.tools.catalog.stop_seller(SELLER_ID, "213", "Rejeição: CNPJ-Base do Emitente difere")
    html = joao.get("/sellers").text
    assert "O certificado A1 é de outro CNPJ." in html
    assert "Rejeição: CNPJ-Base do Emitente difere" in html
    assert "/resume" not in html
    assert f"/sellers/{SELLER_ID}/resume" in maria.get("/sellers").text
    assert maria.post(f"/sellers/{SELLER_ID}/resume").headers["location"] == "/sellers?done=resume"
    assert "A1 é de outro" not in joao.get("/sellers").text
    assert page.tools.store.history(id)[-1].actor == "maria"
    (line,) = Audit(page.tools.store).lines(action=Action.RESUME)
    assert line.detail == f"{SELLER_ID}: 1 shipments"


def test_a_certificate_that_ends_soon_stands_out(page: Installed, joao: Visitor) -> None:
    assert 'class="right">' in joao.get("/sellers").text
    until = page.tools.catalog.sellers()[0].certificate_until
    page.tools.store.set_clock(lambda: until - timedelta(days=10, hours=1))
    assert '<span class="wrong">10 dias</span>' in page.visitor("joao").get("/sellers").text


def test_what_amazon_and_sefaz_still_let_a_seller_ask_is_told(serve: Serve, valkey: str, redis_client: object) -> None:
    page = serve(redis_url=valkey)
    joao = page.visitor("joao")
    page.tools.barrier.blocked(SELLER_CNPJ, "autorizacao")
    page.tools.limiter.wait(page.tools.seller(SELLER_ID).bucket("submitInvoice"), page.tools.plan, "FBA1")
    html = joao.get("/sellers").text
    assert "autorizacao: mais 65 min" in html
    assert "<code>submitInvoice</code> 24 livres, 1.133/s, 0 na fila" in html
    assert "<code>getInvoiceStatus</code> 25 livres" in html


def test_a_secret_that_amazon_wants_rotated_soon_stands_out(serve: Serve, valkey: str, redis_client: object) -> None:
    page = serve(redis_url=valkey, lwa_client_secret="hidden")
    assert '<span class="">da instalação, há 0 de 180 dias</span>' in page.visitor("joao").get("/sellers").text
    later = page.tools.store.now() + timedelta(days=150, hours=1)
    page.tools.store.set_clock(lambda: later)
    assert '<span class="wrong">da instalação, há 150 de 180 dias</span>' in page.visitor("joao").get("/sellers").text


def test_without_redis_the_rest_is_told(joao: Visitor) -> None:
    html = joao.get("/sellers").text
    assert "o Redis não responde" in html
    assert "homologação" in html


def test_nobody_is_no_seller(maria: Visitor) -> None:
    assert maria.post("/sellers/NOBODY/resume").status_code == 404
