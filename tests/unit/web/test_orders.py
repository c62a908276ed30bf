"""An order on the page is the engine's own operation, under the name of who gave it."""

from tests.unit.web.conftest import Installed, Visitor
from workflow.models import DocumentKind
from workflow.orders import Order
from workflow.states import State

WHY = "Pedido cancelado pelo comprador"


def last(page: Installed, id: str) -> tuple[str, str, str | None, str]:
    """What the history's last line says: stage, outcome, reason, and who."""
    line = page.tools.store.history(id)[-1]
    return line.stage, line.outcome, line.reason, line.actor


def test_a_retry_makes_the_shipment_due_and_rings_for_it(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    assert maria.post(f"/s/{id}/retry").headers["location"] == f"/s/{id}?done=retry"
    assert [(row.id, row.state) for row in page.rung] == [(id, State.FETCHED)]
    assert last(page, id) == ("retry", "done", None, "maria")
    assert page.said() == ["maria retry"]
    assert "A remessa tenta de novo." in maria.get(f"/s/{id}?done=retry").text


def test_a_refetch_asks_amazon_anew(page: Installed, maria: Visitor) -> None:
    id = page.stopped("bad-cep")
    maria.post(f"/s/{id}/refetch")
    assert [row.state for row in page.rung] == [State.RECEIVED]
    assert page.said() == ["maria refetch"]


def test_a_retry_of_what_goes_on_by_itself_says_so(page: Installed, maria: Visitor) -> None:
    id = page.receive()
    assert maria.post(f"/s/{id}/retry").headers["location"] == f"/s/{id}?done=nothing"
    assert page.rung == []
    assert page.said() == []


def test_all_that_one_code_stopped_are_tried_again_at_once(page: Installed, maria: Visitor) -> None:
    for name in ("FBA1", "FBA2"):
        page.stopped(shipment=name)
    page.stopped("bad-cep", shipment="FBA3")
    answer = maria.post("/shipments/retry", {"code": "unknown-sku"})
    assert answer.headers["location"] == "/shipments?retried=2"
    assert {row.id[-4:] for row in page.rung} == {"FBA1", "FBA2"}
    assert "2 remessas tentam de novo." in maria.get("/shipments?retried=2").text


def test_a_cancellation_asks_why_and_keeps_who_and_when(page: Installed, maria: Visitor) -> None:
    id = page.authorised()
    form = maria.get(f"/s/{id}/cancel").text
    assert "evento 110111" in form
    assert page.rung == [], "looking at the question does nothing"
    assert maria.post(f"/s/{id}/cancel", {"reason": WHY}).headers["location"] == f"/s/{id}?done=cancel"
    assert [row.cancelling for row in page.rung] == [True]
    assert last(page, id) == ("cancel", "asked", WHY, "maria")
    assert page.said() == ["maria cancel"]


def test_a_reason_that_sefaz_would_not_keep_is_told_and_not_lost(page: Installed, maria: Visitor) -> None:
    id = page.authorised()
    answer = maria.post(f"/s/{id}/cancel", {"reason": "too short"})
    assert answer.status_code == 400
    assert "too short</textarea>" in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert page.rung == []


def test_a_reissue_warns_where_amazon_has_accepted_and_marks_its_order(page: Installed, maria: Visitor) -> None:
    id = page.authorised()
    assert "pode recusar outra" in maria.get(f"/s/{id}/reissue").text
    maria.post(f"/s/{id}/reissue", {"reason": WHY})
    assert page.tools.store.history(id)[-1].code == "reissue"
    assert page.said() == ["maria reissue"]


def test_a_cancellation_that_nobody_took_is_withdrawn_with_its_reason(page: Installed, maria: Visitor) -> None:
    id = page.authorised()
    maria.post(f"/s/{id}/cancel", {"reason": WHY})
    assert f"/s/{id}/withdraw" in maria.get(f"/s/{id}").text
    answer = maria.post(f"/s/{id}/withdraw", {"reason": "SEFAZ no longer cancels it"})
    assert answer.headers["location"] == f"/s/{id}?done=withdraw"
    assert last(page, id) == ("cancel", "withdrawn", "SEFAZ no longer cancels it", "maria")
    assert page.said() == ["maria cancel", "maria withdraw"]
    assert maria.post(f"/s/{id}/withdraw", {"reason": "once more, for nothing"}).status_code == 400


def test_an_order_that_cannot_be_given_is_a_page_that_says_why(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    answer = maria.post(f"/s/{id}/reissue", {"reason": WHY})
    assert (answer.status_code, "no-authorised-note" in answer.text) == (400, True)
    maria.post(f"/s/{id}/cancel", {"reason": WHY})
    assert "already-cancelled" in maria.post(f"/s/{id}/cancel", {"reason": WHY}).text
    assert page.said() == ["maria cancel"]


def test_only_what_may_be_ordered_is_offered(page: Installed, maria: Visitor) -> None:
    def offered(id: str) -> set[str]:
        html = maria.get(f"/s/{id}").text
        return {order for order in Order if f"/s/{id}/{order}" in html}

    assert offered(page.receive("RUNS")) == {"cancel"}
    assert offered(page.stopped(shipment="STOPPED")) == {"retry", "refetch", "cancel"}
    assert offered(page.authorised("ACCEPTED")) == {"reissue", "cancel"}
    refused = page.receive("REFUSED", state=State.ERRORED, due_at=None, ring_at=None)
    assert offered(refused) == {"retry", "reissue", "cancel"}
    assert offered(page.receive("GONE", state=State.CANCELLED, due_at=None, ring_at=None)) == set()
    page.leave(refused, DocumentKind.VERDICT, b"{}")
