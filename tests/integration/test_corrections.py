"""Letters of correction over HTTP: each is registered once and kept, whatever becomes of its answer."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.desk import Desk, open_desk
from workflow.corrections import Letter, correct
from workflow.errors import Invalid, LostAnswer
from workflow.models import DocumentKind
from workflow.nfe.event import render_correction
from workflow.nfe.signature import sign
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_ID
from workflow.states import State
from workflow.store import Left

EVENT = "NFeRecepcaoEvento4"
FIRST, SECOND = "O complemento correto é apto 32, bloco B", "Complemento: apto 32, bloco B; transportadora: própria"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk"), valkey) as opened:
        yield opened


@pytest.fixture
def id(desk: Desk) -> str:
    """A shipment whose NF-e Amazon has accepted."""
    return desk.go_to(desk.announce(), State.ACCEPTED)


def ordered(desk: Desk, id: str, text: str = FIRST) -> Letter:
    return correct(desk.tools, id, text, actor="maria")


def at_sefaz(desk: Desk, id: str) -> dict[str, Any]:
    [note] = desk.authorised(id)
    return note.corrections


def kept(desk: Desk, id: str) -> list[bytes]:
    return desk.tools.store.versions(id, DocumentKind.CORRECTION)


def test_a_letter_is_registered_and_kept_and_its_text_is_in_no_history(desk: Desk, id: str) -> None:
    letter = ordered(desk, id)
    assert (letter.nSeqEvento, letter.xCorrecao, len(letter.nProt)) == (1, FIRST, 15)
    assert kept(desk, id) == [letter.document]
    line = desk.tools.store.history(id)[-1]
    assert (line.stage, line.state, line.actor) == ("correct", State.ACCEPTED, "maria")
    assert line.reason == f"letter of correction 1 registered, protocol {letter.nProt}"
    assert desk.row(id).due_at is None


def test_a_later_letter_takes_the_next_place_and_the_same_again_none(desk: Desk, id: str) -> None:
    first, second = ordered(desk, id), ordered(desk, id, SECOND)
    assert (first.nSeqEvento, second.nSeqEvento) == (1, 2)
    assert ordered(desk, id, SECOND) == second
    assert sorted(at_sefaz(desk, id)) == ["1", "2"]
    assert kept(desk, id) == [second.document, first.document]


def test_a_letter_that_two_orders_at_once_have_kept_takes_one_place(desk: Desk, id: str) -> None:
    first = ordered(desk, id)
    again = Left(DocumentKind.CORRECTION, first.document)
    desk.tools.store.note(id, stage="correct", outcome="done", reason="the other's", documents=(again,))
    assert ordered(desk, id, SECOND).nSeqEvento == 2
    assert sorted(at_sefaz(desk, id)) == ["1", "2"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after_processing", "status_after_processing"])
def test_the_same_order_after_a_lost_answer_registers_one_letter(desk: Desk, id: str, kind: str) -> None:
    desk.spoil(desk.sefaz.book, EVENT, kind)
    with pytest.raises(LostAnswer, match="order the same again"):
        ordered(desk, id)
    assert kept(desk, id) == []
    assert ordered(desk, id).nSeqEvento == 1
    assert list(at_sefaz(desk, id)) == ["1"]
    assert len(kept(desk, id)) == 1


def test_another_programs_letter_is_kept_and_ours_follows(desk: Desk, id: str) -> None:
    seller = desk.tools.seller(SELLER_ID)
    theirs = render_correction(
        chNFe=desk.row(id).access_key, correction=SECOND, nSeqEvento=1, dhEvento=desk.clock(), cnpj=SELLER_CNPJ,
        uf="SP", tpAmb=2, templates=seller.templates,
    )  # fmt: skip
    assert seller.sefaz.send_event(sign(theirs, seller.signing_key), uf="SP", tpAmb=2, idLote="1").cStat == "135"
    assert ordered(desk, id).nSeqEvento == 2
    assert [SECOND.encode() in one for one in kept(desk, id)] == [False, True]


def test_what_sefaz_refuses_is_told_in_its_words_and_kept_nowhere(desk: Desk, id: str) -> None:
    desk.refuse(desk.row(id).access_key, "594", EVENT)
    with pytest.raises(Invalid, match="594"):
        ordered(desk, id)
    assert kept(desk, id) == []
    assert desk.row(id).stop_code is None


@pytest.mark.parametrize(("text", "code"), [("curto", "bad-correction"), ("x" * 14, "bad-correction")])
def test_a_text_that_sefaz_does_not_take_is_not_sent(desk: Desk, id: str, text: str, code: str) -> None:
    asked = desk.asked(EVENT)
    with pytest.raises(Invalid, match=code):
        ordered(desk, id, text)
    assert desk.asked(EVENT) == asked


def test_only_an_authorised_note_that_is_not_being_cancelled_is_corrected(desk: Desk, id: str) -> None:
    for other in (desk.go_to(desk.announce(), State.GENERATED), "NOBODY/X"):
        with pytest.raises(Invalid, match="no-authorised-note"):
            ordered(desk, other)
    desk.tell(id, "Cancelled")
    with pytest.raises(Invalid, match="no-authorised-note"):
        ordered(desk, id)


def test_after_thirty_days_there_is_no_letter(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> None:
    with open_desk(tmp_path_factory.mktemp("late"), valkey) as desk:
        id = desk.go_to(desk.announce(), State.AUTHORIZED)
        desk.clock.pass_(days=30, minutes=1)
        with pytest.raises(Invalid, match="correction-deadline-over"):
            ordered(desk, id)


def test_a_note_of_the_contingency_is_corrected_at_the_uf(
    tmp_path_factory: pytest.TempPathFactory, valkey: str
) -> None:
    with open_desk(tmp_path_factory.mktemp("svc"), valkey, contingency=True, contingency_after=1) as desk:
        id = desk.go_to(desk.announce(), State.GENERATED)
        desk.sefaz.book.change({"service": "108", "svc": "107"})
        desk.go_to(id, State.AUTHORIZED)
        assert desk.authorised(id)[0].at_svc
        desk.sefaz.book.change({"service": "107", "svc": "114"})
        assert ordered(desk, id).nSeqEvento == 1
