"""generate holds each document to SEFAZ's rules before it may leave."""

from datetime import UTC, datetime

import pytest

from tasks.generate import _held_to_the_rules
from tests.unit.nfe.rules.documents import changed, normal
from workflow.errors import Invalid

NOW = datetime(2026, 11, 22, 13, 1, tzinfo=UTC)


def test_a_breach_stops_the_shipment_with_the_cStat_it_would_have_got() -> None:
    with pytest.raises(Invalid) as caught:
        _held_to_the_rules(changed(normal(), {"total/ICMSTot/vICMS": "13.00"}), NOW)
    assert caught.value.code == "532"
    assert caught.value.message == (
        "Rejeição: Total do ICMS difere do somatório dos itens: vICMS is 13.00, the sum of the items makes 12.00"
    )


def test_a_breach_tells_no_value_of_the_buyer() -> None:
    with pytest.raises(Invalid) as caught:
        _held_to_the_rules(changed(normal(), {"dest/CPF": "11144477736"}), NOW)
    assert caught.value.code == "237"
    assert "11144477736" not in str(caught.value)


def test_warnings_go_on_and_are_told() -> None:
    found = _held_to_the_rules(changed(normal(), {"pag/detPag/card": None}), NOW)
    assert found == ["391 pag/detPag: card is missing with tPag 04"]


def test_a_good_document_goes_on_in_silence() -> None:
    assert _held_to_the_rules(normal(), NOW) == []
