"""The read-only view: what is absent is empty or None, and nothing is made up."""

import re
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.nfe.rules.documents import changed, normal, simples, three_items
from workflow.nfe.rules.note import read


def test_texts_and_amounts_are_found_by_path() -> None:
    note = read(normal())
    assert note.value("dest/indIEDest") == "9"
    assert note.amount("det/imposto/ICMS/*/vICMS") == Decimal("12.00")
    assert note.sum("det/prod/vProd") == Decimal("100.00")
    assert "det/imposto/ICMSUFDest" in note


def test_what_is_absent_is_empty_or_none() -> None:
    note = read(simples())
    assert (note.value("entrega/UF"), note.amount("det/prod/vFrete"), note.first("retirada")) == ("", None, None)
    assert note.sum("det/prod/vFrete") == 0


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="<>&"), max_size=12))
def test_what_is_no_amount_is_none(text: str) -> None:
    amount = read(changed(simples(), {"total/ICMSTot/vNF": text})).amount("total/ICMSTot/vNF")
    is_amount = re.fullmatch(r"[0-9]{1,13}(\.[0-9]{1,10})?", text.strip()) is not None
    assert amount == (Decimal(text.strip()) if is_amount else None)


def test_a_place_names_the_item_by_its_number_and_others_among_their_like() -> None:
    note = read(three_items())
    assert [prod.place for prod in note.all("det/prod")] == ["det[1]/prod", "det[2]/prod", "det[3]/prod"]
    assert note.all("det/prod")[1].nItem == "2"
    assert [payment.place for payment in note.all("pag/detPag")] == ["pag/detPag"]


def test_comments_and_foreign_elements_are_no_groups() -> None:
    document = simples().replace(b"<dest>", b'<!-- x --><dest><y xmlns="urn:y">1</y>')
    assert read(document).value("dest/y") == ""
