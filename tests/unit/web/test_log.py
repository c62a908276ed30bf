"""The audit log as an operator reads it."""

import re

from tests.unit.web.conftest import Installed, Visitor
from workflow.audit import Action
from workflow.web.log import ROWS


def test_lines_are_found_by_person_by_kind_and_by_shipment(page: Installed, maria: Visitor) -> None:
    id = page.stopped()
    maria.get(f"/s/{id}/buyer")
    maria.post(f"/s/{id}/retry")
    everything = maria.get("/audit").text
    assert {"Entrou", "Viu dados do comprador", "Tentou de novo"} <= set(re.findall(r"<td>([^<]+)", everything))
    assert "127.0.0.1" in everything
    assert "<td>Entrou" not in maria.get(f"/audit?shipment={id}").text
    assert "<td>Viu" not in maria.get("/audit?action=retry").text
    assert "Nada registrado." in maria.get("/audit?actor=nobody").text


def test_pages_of_the_log_hold_every_line_once(page: Installed, maria: Visitor) -> None:
    from workflow.audit import Audit

    for number in range(ROWS + 5):
        Audit(page.tools.store).note(Action.RETRY, actor="joao", address="10.0.0.1", detail=f"line {number};")
    first = maria.get("/audit?actor=joao").text
    older = re.search(r'href="([^"]+)" rel="next"', first)
    assert older is not None
    second = maria.get("/audit" + older[1].replace("&amp;", "&")).text
    assert len(set(re.findall(r"line \d+;", first + second))) == ROWS + 5


def test_words_that_are_no_filter_ask_for_nothing(maria: Visitor) -> None:
    assert maria.get("/audit?action=king&before=yesterday").status_code == 200
