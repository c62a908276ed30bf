"""What the engine does about each row of `workflow/data/cstat_reactions.csv`: the real stages, over HTTP.

Every row is expected to lead somewhere by name below; a new row without that fails.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from tests.integration.desk import Desk, open_desk
from workflow.engine import Kind, Outcome
from workflow.errors import NfeError, RetryLater, SellerStopped
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe.protocol import chNFe_of, protocol_of
from workflow.nfe.tables import rows
from workflow.numbers import NUMBER
from workflow.sandbox.sefaz_book import Authorised
from workflow.sandbox.shipments import SELLER_CNPJ, SELLER_ID
from workflow.states import State
from workflow.stops import UNKNOWN_NUMBERS
from workflow.store import SHIPMENT
from workflow.void_numbers import Answered, void

AUTHORISE, CONSULT, EVENT, VOID = "NFeAutorizacao4", "NFeConsultaProtocolo4", "NFeRecepcaoEvento4", "NFeInutilizacao4"
USED, UNUSED, VOIDED, RESERVED = NumberStatus.USED, NumberStatus.UNUSED, NumberStatus.VOIDED, NumberStatus.RESERVED
#: SEFAZ's hour, and five minutes for the clocks.
BLOCK = timedelta(minutes=65)


@pytest.fixture(scope="module")
def open_one(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk"), valkey) as opened:
        yield opened


@pytest.fixture
def desk(open_one: Desk) -> Iterator[Desk]:
    """A desk that nothing is left on: no block, no stop, no refusal that waits."""
    yield open_one
    open_one.forget()
    open_one.sefaz.book.faults.clear()
    open_one.sefaz.book.change({"other_key": "217", "duplicate_with_protocol": False, "dig_val": True})
    assert open_one.sefaz.book.dump(requests=False)["refusals"] == []


def seller_stop(desk: Desk) -> str | None:
    """The seller's."""
    seller = desk.tools.catalog.seller(SELLER_ID)
    assert seller is not None
    return seller.stop_code  # type: ignore[no-any-return]


def generated(desk: Desk) -> str:
    return desk.go_to(desk.announce(), State.GENERATED)


def answered(desk: Desk, cStat: str) -> tuple[str, Outcome]:
    """A shipment whose NF-e got that answer of NFeAutorizacao4."""
    id = generated(desk)
    desk.refuse(desk.row(id).access_key, cStat)
    return id, desk.go(id)


def again(desk: Desk, id: str) -> list[tuple[int, str]]:
    """After a person's retry the shipment is authorised; its numbers."""
    if desk.row(id).due_at is None:
        assert desk.tools.store.retry(id, actor="maria") is State.FETCHED
    desk.go_to(id, State.AUTHORIZED)
    assert len(desk.authorised(id)) == 1
    return desk.numbers(id)


# -- NFeAutorizacao4 ------------------------------------------------------------------------------------------


def refused(desk: Desk, cStat: str) -> None:
    """REJECTED; mended, it goes out under the same number; nobody else is held up."""
    id, outcome = answered(desk, cStat)
    assert (outcome.kind, outcome.state, outcome.code) == (Kind.REFUSED, State.REJECTED, cStat)
    assert (desk.row(id).due_at, seller_stop(desk)) == (None, None)
    [(number, status)] = desk.numbers(id)
    assert status == RESERVED
    assert again(desk, id) == [(number, USED)]


def burnt(desk: Desk, cStat: str) -> None:
    """REJECTED, and its number is lost: the next document has the next one."""
    id, outcome = answered(desk, cStat)
    assert (outcome.state, outcome.code) == (State.REJECTED, cStat)
    [(number, status)] = desk.numbers(id)
    assert status == (VOIDED if cStat in ("206", "256", "563") else USED)
    first, second = again(desk, id)
    assert (first, second[0] > number, second[1]) == ((number, status), True, USED)


def taken(desk: Desk, cStat: str) -> None:
    """REJECTED, its number is another note's, and the seller stops; resumed, the next document has the next one."""
    id, outcome = answered(desk, cStat)
    assert (outcome.state, outcome.code, seller_stop(desk)) == (State.REJECTED, cStat, UNKNOWN_NUMBERS)
    desk.tools.catalog.resume_seller(SELLER_ID, actor="maria")
    first, second = again(desk, id)
    assert (first[1], second[0] > first[0], second[1]) == (USED, True, USED)


def stops(desk: Desk, cStat: str) -> None:
    """REJECTED, and the seller stopped; once it is mended, the shipment goes on with its number."""
    id, outcome = answered(desk, cStat)
    assert (outcome.state, outcome.code, seller_stop(desk)) == (State.REJECTED, cStat, cStat)
    [(_, status)] = desk.numbers(id)
    assert (desk.row(id).stop_code, status) == ("seller-stopped", RESERVED)
    desk.tools.catalog.resume_seller(SELLER_ID, actor="maria")
    assert (desk.row(id).state, desk.row(id).due_at) == (State.FETCHED, desk.clock())


def waits(desk: Desk, cStat: str) -> None:
    """GENERATED still, and due again; the same bytes are authorised then."""
    id, outcome = answered(desk, cStat)
    assert (outcome.kind, outcome.state, outcome.code) == (Kind.WAITING, State.GENERATED, cStat)
    assert outcome.wait is not None
    same_bytes(desk, id)


def same_bytes(desk: Desk, id: str) -> None:
    signed, numbers = desk.document(id), desk.numbers(id)
    desk.go_to(id, State.AUTHORIZED)
    assert desk.tools.store.versions(id, DocumentKind.NFE) == [signed]
    assert signed in desk.document(id, DocumentKind.NFEPROC)
    assert desk.numbers(id) == [(numbers[0][0], USED)]


def asked_by_key(desk: Desk, cStat: str) -> None:
    """The key is asked for at once; where SEFAZ has it after all, its protocol is taken."""
    id = generated(desk)
    key, consults = desk.row(id).access_key, desk.asked(CONSULT)
    desk.refuse(key, cStat)
    assert (desk.go(id).code, desk.asked(CONSULT)) == (cStat, consults + 1)
    same_bytes(desk, id)


def made_anew(desk: Desk, cStat: str) -> None:
    """Not taken: made anew for the UF, with its number."""
    id, outcome = answered(desk, cStat)
    assert (outcome.state, outcome.code) == (State.FETCHED, cStat)
    [(number, _)] = desk.numbers(id)
    assert again(desk, id) == [(number, USED)]
    assert len(desk.tools.store.versions(id, DocumentKind.NFE)) == 2


def blocked(desk: Desk, cStat: str) -> None:
    """Nothing goes to that service for an hour and more, of no shipment; other services are still asked."""
    other = generated(desk)
    id, outcome = answered(desk, cStat)
    asked = desk.asked(AUTHORISE)
    assert (outcome.kind, outcome.code, outcome.wait) == (Kind.WAITING, cStat, BLOCK)
    held = desk.go(other)
    assert (held.code, held.kind) == ("misuse-blocked", Kind.WAITING)
    assert held.wait is not None
    assert timedelta(minutes=64) < held.wait <= BLOCK
    assert (desk.row(id).tries, desk.row(other).tries) == (0, 0)  # nobody's failure
    assert desk.asked(AUTHORISE) == asked
    seller = desk.tools.seller(SELLER_ID)
    assert seller.sefaz.service_status(uf="SP", tpAmb=2).cStat == "107"
    desk.forget()  # the hour is over
    desk.go_to(id, State.AUTHORIZED)
    desk.go_to(other, State.AUTHORIZED)


def cancelled(desk: Desk, cStat: str) -> None:
    """The note was cancelled elsewhere: the end, and its number is used."""
    id, outcome = answered(desk, cStat)
    assert (outcome.state, outcome.code) == (State.CANCELLED, cStat)
    assert [status for _, status in desk.numbers(id)] == [USED]


def authorised(desk: Desk, cStat: str) -> None:
    """AUTHORIZED, with the stored bytes and SEFAZ's protocol in one; Amazon takes it."""
    id, outcome = answered(desk, cStat)
    assert (outcome.state, outcome.code) == (State.AUTHORIZED, cStat)
    protocol = protocol_of(desk.document(id, DocumentKind.NFEPROC))
    assert (protocol.cStat, protocol.chNFe) == (cStat, chNFe_of(desk.document(id)))
    assert desk.rest(id) is State.ACCEPTED


# -- NFeConsultaProtocolo4 ------------------------------------------------------------------------------------


def told_by_key(desk: Desk, cStat: str) -> tuple[str, Outcome]:
    """A shipment whose send was lost, and whose key got that answer."""
    id = generated(desk)
    desk.spoil(desk.sefaz.book, AUTHORISE, "drop_before")
    assert desk.go(id).code == "sefaz-connection-lost"
    desk.refuse(desk.row(id).access_key, cStat, CONSULT)
    return id, desk.go(id)


def sent_again(desk: Desk, cStat: str) -> None:
    """SEFAZ has no such note: the same bytes go out once more, at once."""
    id, outcome = told_by_key(desk, cStat)
    assert (outcome.state, outcome.code) == (State.AUTHORIZED, "100")
    assert len(desk.tools.store.versions(id, DocumentKind.NFE)) == 1
    assert len(desk.authorised(id)) == 1


def burnt_by_key(desk: Desk, cStat: str) -> None:
    """The note was denied: REJECTED, and the next document has the next number."""
    id, outcome = told_by_key(desk, cStat)
    assert (outcome.state, outcome.code) == (State.REJECTED, cStat)
    first, second = again(desk, id)
    assert (first[1], second[0] > first[0]) == (USED, True)


# -- NFeRecepcaoEvento4 ---------------------------------------------------------------------------------------


def cancelling(desk: Desk) -> str:
    """A shipment with an authorised NF-e, which Amazon cancels."""
    id = desk.go_to(desk.announce(), State.AUTHORIZED)
    desk.tell(id, "Cancelled")
    return id


def event_answered(desk: Desk, cStat: str) -> tuple[str, Outcome]:
    """A shipment whose event 110111 got that answer."""
    id = cancelling(desk)
    desk.refuse(desk.row(id).access_key, cStat, EVENT)
    return id, desk.go(id)


def registered(desk: Desk, cStat: str) -> None:
    """CANCELLED, with the procEventoNFe."""
    id, outcome = event_answered(desk, cStat)
    assert (outcome.state, outcome.code) == (State.CANCELLED, cStat)
    assert f"<cStat>{cStat}</cStat>".encode() in desk.document(id, DocumentKind.CANCELLATION)
    assert desk.authorised(id)[0].cancelled_at is not None


def event_refused(desk: Desk, cStat: str) -> None:
    """A person decides: the note stays authorised, and the seller goes on."""
    id, outcome = event_answered(desk, cStat)
    assert (outcome.kind, outcome.code, desk.row(id).state) == (Kind.STOPPED, cStat, State.AUTHORIZED)
    assert (desk.row(id).stop_code, desk.row(id).sent_at, seller_stop(desk)) == (cStat, None, None)
    assert desk.tools.store.withdraw(id, seq=desk.row(id).seq, reason="not cancelled", actor="maria")
    assert desk.rest(id) is State.ACCEPTED


def event_asked_about(desk: Desk, cStat: str) -> None:
    """The key is asked for: cancelled, it is done; authorised still, a person decides."""
    id, consults = cancelling(desk), desk.asked(CONSULT)
    key = desk.row(id).access_key
    desk.refuse(key, cStat, EVENT)
    desk.refuse(key, "101", CONSULT)
    done = desk.go(id)
    assert (done.state, done.code, desk.asked(CONSULT)) == (State.CANCELLED, cStat, consults + 1)
    other, outcome = event_answered(desk, cStat)
    assert (outcome.kind, outcome.code, desk.row(other).state) == (Kind.STOPPED, cStat, State.AUTHORIZED)


def event_waits(desk: Desk, cStat: str) -> None:
    """Due again, and registered then."""
    id, outcome = event_answered(desk, cStat)
    assert (outcome.kind, outcome.code) == (Kind.WAITING, cStat)
    desk.go_to(id, State.CANCELLED)


# -- NFeInutilizacao4 -----------------------------------------------------------------------------------------


def unused(desk: Desk) -> tuple[str, int]:
    """A shipment that was cancelled before its authorisation, and the number it leaves."""
    id = generated(desk)
    desk.tell(id, "Cancelled")
    desk.go_to(id, State.CANCELLED)
    [(number, status)] = desk.numbers(id)
    assert status == UNUSED
    return id, number


def voiding_answered(desk: Desk, cStat: str) -> tuple[str, list[Answered]]:
    """An unused number whose voiding got that answer."""
    id, number = unused(desk)
    told: list[Answered] = []
    if cStat != "102":
        desk.refuse(str(number), cStat, VOID)
    void(desk.tools, SELLER_ID, tell=told.append)
    return id, told


def voided(desk: Desk, cStat: str) -> None:
    """The number is voided."""
    id, told = voiding_answered(desk, cStat)
    assert ([one.code for one in told], desk.numbers(id)[0][1]) == ([cStat], VOIDED)


def not_voided(desk: Desk, cStat: str) -> None:
    """A person decides about the number; the others are voided all the same."""
    id, told = voiding_answered(desk, cStat)
    assert ([one.code for one in told], desk.numbers(id)[0][1]) == ([cStat], NumberStatus.PERSON)


# -- the table ------------------------------------------------------------------------------------------------

#: Where each row leads; a row of one service only has it behind its code.
EXPECTED: dict[Callable[[Desk, str], None], str] = {
    refused: """142 208 214 215 225 228 232 233 234 237 274 275 302 303 305 306 307 564 600 610 611 629 694 695 697
        698 703 778 897""",
    burnt: "110 205 206 256 301 563",
    taken: "216 539 561 562 613",
    stops: """178 179 180 203 209 213 229 230 231 240 245 280 281 282 283 284 285 290 291 292 293 294 295 481 781
        226 239 242 243 252 253 297 298 402 404 410 434 438 452 502 516 556 557 570 587 588 590 591 598 713 764 776
        885 927 972 975 978 1115 1119""",
    waits: "103 105 108 109 286 296 635 999 217",
    asked_by_key: "104 106 128 204 218 420 573 580",
    made_anew: "113 114",
    blocked: "656",
    cancelled: "101 151 155",
    authorised: "100 120 150",
    burnt_by_key: "302/consulta 303/consulta",
    registered: "135 136 155/evento",
    event_refused: "219 220 221 501 690 572/evento",
    event_asked_about: "217/evento 222/evento 494/evento",
    event_waits: "578/evento",
    voided: "102/inutilizacao 563/inutilizacao",
    not_voided: "201/inutilizacao 224/inutilizacao 241/inutilizacao 453/inutilizacao 454/inutilizacao",
}
#: 107 answers the question for the service's state: see the contingency.
ELSEWHERE = {"107"}
BY_ROW = {row: outcome for outcome, found in EXPECTED.items() for row in found.split()}
TABLE = [row["cStat"] + (f"/{row['service']}" if row["service"] else "") for row in rows("cstat_reactions.csv")]


def test_every_row_is_expected_to_lead_somewhere() -> None:
    assert sum(len(found.split()) for found in EXPECTED.values()) == len(BY_ROW)
    assert set(TABLE) == set(BY_ROW) | ELSEWHERE


@pytest.mark.parametrize("row", [row for row in TABLE if row not in ELSEWHERE])
def test_a_row_leads_where_it_is_expected_to(desk: Desk, row: str) -> None:
    BY_ROW[row](desk, row.partition("/")[0])


# -- the same as it comes about -------------------------------------------------------------------------------


def lost_before(desk: Desk, id: str) -> str:
    """The send is lost before SEFAZ has it; the key."""
    desk.spoil(desk.sefaz.book, AUTHORISE, "drop_before")
    assert desk.go(id).code == "sefaz-connection-lost"
    return str(desk.row(id).access_key)


def unmark(desk: Desk, id: str) -> None:
    """An older database does not know that the note may have left."""
    with desk.tools.store.writing() as connection:
        connection.execute(SHIPMENT.update().where(SHIPMENT.c.id == id).values(sent_at=None))


def others_note(desk: Desk, nNF: int) -> str:
    """Another program's NF-e holds the number; its key."""
    key = "35" + f"{desk.clock():%y%m}" + SELLER_CNPJ + "55001" + f"{nNF:09d}" + "1" + "10000000" + "0"
    desk.sefaz.book.authorise(
        Authorised(key, SELLER_CNPJ, 1, nNF, "2", "A" * 27 + "=", "135260000000000", "100", desk.clock.unix(), "")
    )
    return key


@pytest.mark.parametrize("with_protocol", [False, True], ids=["asked by key", "told with the protocol"])
def test_204_leads_to_the_protocol_of_the_stored_bytes(desk: Desk, with_protocol: bool) -> None:
    id = generated(desk)
    desk.spoil(desk.sefaz.book, AUTHORISE, "drop_after_processing")
    desk.go(id)
    unmark(desk, id)
    desk.sefaz.book.change({"duplicate_with_protocol": with_protocol})
    asked = desk.asked(CONSULT)
    outcome = desk.go(id)
    assert (outcome.state, desk.asked(CONSULT) - asked) == (State.AUTHORIZED, not with_protocol)
    assert desk.document(id) in desk.document(id, DocumentKind.NFEPROC)
    assert len(desk.authorised(id)) == 1


def test_a_protocol_without_digest_is_of_the_only_document_that_has_its_key(desk: Desk) -> None:
    desk.sefaz.book.change({"dig_val": False})
    id, lost, twice = generated(desk), generated(desk), answered(desk, "225")[0]
    assert desk.rest(id) is State.ACCEPTED
    desk.spoil(desk.sefaz.book, AUTHORISE, "drop_after_processing")
    assert desk.rest(lost) is State.ACCEPTED
    desk.clock.pass_(minutes=1)
    desk.tools.store.retry(twice, actor="maria")
    desk.rest(twice)
    assert desk.row(twice).stop_code == "protocol-no-digest"  # two documents have its key


def test_217_leads_to_the_same_bytes_once_more(desk: Desk) -> None:
    id = generated(desk)
    lost_before(desk, id)
    same_bytes(desk, id)
    assert len(desk.authorised(id)) == 1


def test_539_of_another_programs_note_leads_to_the_next_number(desk: Desk) -> None:
    id = generated(desk)
    [(number, _)] = desk.numbers(id)
    key = others_note(desk, number)
    outcome = desk.go(id)
    assert (outcome.state, outcome.code) == (State.REJECTED, "539")
    assert key in str(outcome.reason)
    assert seller_stop(desk) == UNKNOWN_NUMBERS  # whoever issued it may have issued more
    desk.tools.catalog.resume_seller(SELLER_ID, actor="maria")
    desk.go_to(id, State.AUTHORIZED)
    first, second = desk.numbers(id)
    assert (first, second[1], second[0] > number) == ((number, USED), USED, True)


def test_539_of_an_earlier_document_of_the_shipment_leads_to_its_adoption(desk: Desk) -> None:
    id = generated(desk)
    earlier = desk.document(id)
    seller = desk.tools.seller(SELLER_ID)
    desk.refuse(desk.row(id).access_key, "225")
    desk.go(id)
    # Made anew with another key, as in contingency; then the earlier one arrives after all.
    with desk.tools.store.writing() as connection:
        mine = NUMBER.c.shipment_id == id
        connection.execute(NUMBER.update().where(mine).values(random_code="11223344"))
    desk.tools.store.retry(id, actor="maria")
    desk.go_to(id, State.GENERATED)
    assert seller.sefaz.authorize(earlier, uf="SP", tpAmb=2, idLote="1").cStat == "100"
    assert chNFe_of(desk.document(id)) != chNFe_of(earlier)
    assert desk.go(id).state is State.AUTHORIZED
    assert earlier in desk.document(id, DocumentKind.NFEPROC)
    assert desk.row(id).access_key == chNFe_of(earlier)
    assert desk.rest(id) is State.ACCEPTED


@pytest.mark.parametrize("cStat", ["561", "562", "613"])
def test_a_key_whose_number_another_has_leads_to_the_next_number(desk: Desk, cStat: str) -> None:
    id = generated(desk)
    lost_before(desk, id)
    [(number, _)] = desk.numbers(id)
    others_note(desk, number)
    desk.sefaz.book.change({"other_key": cStat})
    outcome = desk.go(id)
    assert (outcome.state, outcome.code) == (State.REJECTED, "539")  # SEFAZ says who has it when the note is sent
    desk.tools.catalog.resume_seller(SELLER_ID, actor="maria")
    first, second = again(desk, id)
    assert (first, second[0] > number) == ((number, USED), True)


@pytest.mark.parametrize("cStat", ["562", "613"])
def test_a_shipment_that_is_cancelled_then_waits_for_a_person(desk: Desk, cStat: str) -> None:
    id = generated(desk)
    lost_before(desk, id)
    others_note(desk, desk.numbers(id)[0][0])
    desk.sefaz.book.change({"other_key": cStat})
    desk.tell(id, "Cancelled")
    outcome = desk.go(id)
    assert (outcome.kind, outcome.code) == (Kind.STOPPED, cStat)


def test_a_shipment_that_is_cancelled_while_its_note_was_denied_is_at_its_end(desk: Desk) -> None:
    id = generated(desk)
    desk.refuse(lost_before(desk, id), "110", CONSULT)
    desk.tell(id, "Cancelled")
    assert desk.go(id).state is State.CANCELLED
    assert [status for _, status in desk.numbers(id)] == [USED]


def test_563_is_a_lost_number_of_a_note_and_done_for_a_voiding() -> None:
    assert (BY_ROW["563"], BY_ROW["563/inutilizacao"]) == (burnt, voided)


@pytest.mark.parametrize(
    ("operation", "begin"), [(CONSULT, generated), (EVENT, cancelling)], ids=["a question", "an event"]
)
def test_656_of_one_service_holds_that_service_alone(desk: Desk, operation: str, begin: Callable[[Desk], str]) -> None:
    id = begin(desk)
    key = lost_before(desk, id) if operation == CONSULT else desk.row(id).access_key
    desk.refuse(key, "656", operation)
    outcome, asked = desk.go(id), desk.asked(operation)
    assert (outcome.kind, outcome.code, outcome.wait) == (Kind.WAITING, "656", BLOCK)
    desk.go_to(generated(desk), State.AUTHORIZED)
    assert desk.go(id).code == "misuse-blocked"
    assert desk.asked(operation) == asked
    desk.forget()
    desk.go_to(id, State.AUTHORIZED if operation == CONSULT else State.CANCELLED)


@pytest.mark.parametrize("cStat", ["203", "280"])
@pytest.mark.parametrize("operation", [CONSULT, EVENT, VOID])
def test_what_is_wrong_with_the_seller_stops_it_whatever_was_asked(desk: Desk, operation: str, cStat: str) -> None:
    if operation == VOID:
        id, number = unused(desk)
        desk.refuse(str(number), cStat, VOID)
        with pytest.raises(SellerStopped, match=cStat):
            void(desk.tools, SELLER_ID)
        void(desk.tools, SELLER_ID)
        assert desk.numbers(id)[0][1] == VOIDED
        return
    id = generated(desk) if operation == CONSULT else cancelling(desk)
    key = lost_before(desk, id) if operation == CONSULT else desk.row(id).access_key
    desk.refuse(key, cStat, operation)
    assert desk.go(id).code == cStat
    assert (seller_stop(desk), desk.row(id).stop_code) == (cStat, "seller-stopped")
    assert desk.tools.catalog.resume_seller(SELLER_ID, actor="maria") == 1
    desk.go_to(id, State.AUTHORIZED if operation == CONSULT else State.CANCELLED)


@pytest.mark.parametrize("cStat", ["108", "656"])
def test_a_voiding_waits_for_a_sefaz_that_cannot_now(desk: Desk, cStat: str) -> None:
    id, number = unused(desk)
    desk.refuse(str(number), cStat, VOID)
    with pytest.raises(RetryLater, match=cStat):
        void(desk.tools, SELLER_ID)
    if cStat == "656":
        with pytest.raises(NfeError, match="misuse-blocked"):
            void(desk.tools, SELLER_ID)
    desk.forget()
    void(desk.tools, SELLER_ID)
    assert desk.numbers(id)[0][1] == VOIDED


@pytest.mark.parametrize(
    ("operation", "cStat", "state"),
    [
        (AUTHORISE, "866", State.REJECTED),
        (AUTHORISE, "199", State.REJECTED),
        (CONSULT, "236", State.GENERATED),
        (EVENT, "594", State.AUTHORIZED),
    ],
)
def test_a_code_that_is_in_no_row_leads_to_a_person(desk: Desk, operation: str, cStat: str, state: State) -> None:
    assert cStat not in TABLE
    id = cancelling(desk) if operation == EVENT else generated(desk)
    key = lost_before(desk, id) if operation == CONSULT else desk.row(id).access_key
    desk.refuse(key, cStat, operation)
    outcome = desk.go(id)
    assert (outcome.code, desk.row(id).state, desk.row(id).due_at) == (cStat, state, None)
    assert seller_stop(desk) is None
    if operation != AUTHORISE:
        assert desk.row(id).stop_code == cStat
        desk.tools.store.retry(id, actor="maria")
        desk.go_to(id, State.CANCELLED if operation == EVENT else State.AUTHORIZED)
    else:
        again(desk, id)


def test_107_of_the_contingency_leads_there_and_114_back(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> None:
    with open_desk(tmp_path_factory.mktemp("contingency"), valkey, contingency=True, contingency_after=2) as desk:
        id = generated(desk)
        [(number, _)] = desk.numbers(id)
        desk.sefaz.book.change({"service": "109", "svc": "107"})
        assert [desk.go(id).code for _ in range(2)] == ["109", "107"]
        assert desk.row(id).state == State.FETCHED
        desk.go_to(id, State.AUTHORIZED)
        [note] = desk.authorised(id)
        assert (note.at_svc, note.nNF, desk.asked(f"svc/{AUTHORISE}")) == (True, number, 1)
        other = generated(desk)
        assert chNFe_of(desk.document(other))[34] == "6"
        desk.sefaz.book.change({"service": "107", "svc": "114"})
        assert (desk.go(other).code, desk.row(other).state) == ("114", State.FETCHED)
        desk.go_to(other, State.AUTHORIZED)
        assert [found.at_svc for found in desk.authorised(other)] == [False]
        desk.tell(id, "Cancelled")  # where it was authorised, though the contingency is off
        assert desk.go(id).state is State.CANCELLED
