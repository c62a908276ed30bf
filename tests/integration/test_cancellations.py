"""Amazon's cancellation in each state, over HTTP: without an authorised NF-e it goes no further, with one it is cancelled."""

from collections.abc import Callable, Iterator

import pytest

from tests.integration.desk import Desk, open_desk
from workflow.models import NumberStatus
from workflow.states import AUTHORIZED_AND_LATER, State

EVENT = "NFeRecepcaoEvento4"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, valkey: str) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("desk"), valkey) as opened:
        yield opened


def rejected(desk: Desk, id: str) -> None:
    desk.go_to(id, State.GENERATED)
    desk.refuse(desk.row(id).access_key, "225")
    desk.go(id)


def errored(desk: Desk, id: str) -> None:
    shipment = desk.amazon.book.find(id.partition("/")[2], None)
    assert shipment is not None
    desk.amazon.book.add(shipment.model_copy(update={"outcome": "errored"}))
    desk.rest(id)


WAYS: dict[State, Callable[[Desk, str], object]] = {
    State.REJECTED: rejected,
    State.ERRORED: errored,
} | {
    state: lambda desk, id, state=state: desk.go_to(id, state)  # type: ignore[misc]
    for state in State
    if state not in (State.REJECTED, State.ERRORED, State.CANCELLED)
}


@pytest.mark.parametrize("state", [state for state in State if state is not State.CANCELLED])
def test_a_cancellation_ends_a_shipment_in_each_state(desk: Desk, state: State) -> None:
    id, events = desk.announce(), desk.asked(EVENT)
    WAYS[state](desk, id)
    assert desk.row(id).state == state
    desk.tell(id, "Cancelled")
    assert desk.rest(id) is State.CANCELLED
    has_note = state in AUTHORIZED_AND_LATER
    assert (desk.asked(EVENT) - events, [note.cancelled_at is not None for note in desk.authorised(id)]) == (
        (1, [True]) if has_note else (0, [])
    )
    numbers = (
        [] if state in (State.RECEIVED, State.FETCHED) else [NumberStatus.USED if has_note else NumberStatus.UNUSED]
    )
    assert [status for _, status in desk.numbers(id)] == numbers
    desk.tell(id, "Created")  # once more, and late
    assert (desk.row(id).state, desk.row(id).due_at) == (State.CANCELLED, None)
    assert desk.submissions(id)["effective"] == (1 if state in (State.SUBMITTED, State.ACCEPTED, State.ERRORED) else 0)
