"""The table of states."""

import doctest

import pytest

from workflow import states
from workflow.states import RETRY, SETTLED, WAYS, Stage, State, is_allowed, next_stage, remaining


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(states).failed == 0


def test_the_happy_path_leads_from_received_to_a_verdict_stage_by_stage() -> None:
    assert remaining(State.RECEIVED) == (Stage.FETCH, Stage.GENERATE, Stage.AUTHORIZE, Stage.SUBMIT, Stage.POLL)


def test_every_state_but_cancelled_can_be_cancelled() -> None:
    cancellable = {state for state in State if next_stage(state, cancelling=True) is Stage.CANCEL}
    assert cancellable == set(State) - {State.CANCELLED}


def test_every_state_is_reached_by_a_way_and_left_by_one_or_settled() -> None:
    reached = {target for way in WAYS for target in way.targets} | {State.RECEIVED}
    assert reached == set(State)
    assert {state for state in State if next_stage(state) is None} == SETTLED


def test_a_retry_leads_to_a_state_from_which_a_stage_goes_on() -> None:
    assert all(next_stage(target) is not None for target in RETRY.values())


@pytest.mark.parametrize("stage", Stage)
def test_no_stage_may_start_from_cancelled(stage: Stage) -> None:
    assert not any(is_allowed(stage, State.CANCELLED, target) for target in State)
