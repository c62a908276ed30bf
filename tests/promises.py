"""What holds of an installation at every moment, whatever fails: asked of its rows, histories and numbers.

The search of the model asks after each step, the fault tests after each fault.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from workflow.states import REFETCH, RETRY, SETTLED, Stage, State, is_allowed, remaining


def assert_rows_are_due_or_settled_or_wait_for_a_person(rows: Iterable[Any]) -> None:
    """Nothing is forgotten, nothing rings for ever."""
    for row in rows:
        assert (row.due_at is None) == (row.ring_at is None), row
        assert (row.lease is None) == (row.lease_until is None), row
        if row.due_at is None:
            assert row.stop_code or (row.state in SETTLED and not row.cancelling), row
        else:
            assert row.stop_code is None, row
            assert remaining(State(row.state), cancelling=row.cancelling), row


def assert_histories_are_paths_without_gaps(rows: Iterable[Any], lines: Sequence[Any]) -> None:
    """seq 1 … n, each line begins where the last one ended and goes an allowed way; `lines` in their order."""
    for row in rows:
        mine = [line for line in lines if line.shipment_id == row.id]
        assert [line.seq for line in mine] == list(range(1, row.seq + 1))
        assert mine[0].stage == "receive"
        assert mine[0].state in (State.RECEIVED, State.CANCELLED)
        assert mine[-1].state == row.state
        for before, line in pairwise(mine):
            assert is_way(before.state, line), (before, line)
        if row.stop_code is not None:
            # A refusal (539) may be what stops its seller.
            assert any(line.outcome in ("stopped", "refused") and line.code for line in mine), row


def is_way(before: str, line: Any) -> bool:
    """Whether a history line may follow a line that ended in a state."""
    if line.from_state is None:  # a note: it moves nothing
        return bool(line.state == before)
    if line.from_state != before:
        return False
    source, target = State(line.from_state), State(line.state)
    if line.outcome in ("asked", "withdrawn"):
        return source is target
    if line.stage == "retry":
        return target in (source, RETRY.get(source), REFETCH.get(source))
    if line.outcome in ("stopped", "waiting") and source is target:
        return True
    return is_allowed(Stage(line.stage), source, target)
