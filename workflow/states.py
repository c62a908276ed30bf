"""Every state, and every way from one to another, is in this file.

A state is a past participle and says what has been done; its stage is the verb that leads on from it.
"""

from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """What has been done with a shipment."""

    RECEIVED = "RECEIVED"
    FETCHED = "FETCHED"
    GENERATED = "GENERATED"
    AUTHORIZED = "AUTHORIZED"
    REJECTED = "REJECTED"
    SUBMITTED = "SUBMITTED"
    ACCEPTED = "ACCEPTED"
    ERRORED = "ERRORED"
    CANCELLED = "CANCELLED"


class Stage(StrEnum):
    """What may be done next."""

    FETCH = "fetch"
    GENERATE = "generate"
    AUTHORIZE = "authorize"
    SUBMIT = "submit"
    POLL = "poll"
    CANCEL = "cancel"


class Way(NamedTuple):
    """One stage: from which state it starts, and to which ones it may lead."""

    stage: Stage
    sources: frozenset[State]
    targets: frozenset[State]


def _way(stage: Stage, source: State, *targets: State) -> Way:
    return Way(stage, frozenset({source}), frozenset(targets))


#: The whole machine, in the order of the happy path.
WAYS: tuple[Way, ...] = (
    _way(Stage.FETCH, State.RECEIVED, State.FETCHED),
    # CANCELLED, when the database was restored and SEFAZ has the shipment's note, and has cancelled it.
    _way(Stage.GENERATE, State.FETCHED, State.GENERATED, State.CANCELLED),
    # FETCHED, when the note is made anew for the SVC, or for the UF again.
    _way(Stage.AUTHORIZE, State.GENERATED, State.AUTHORIZED, State.REJECTED, State.CANCELLED, State.FETCHED),
    _way(Stage.SUBMIT, State.AUTHORIZED, State.SUBMITTED),
    _way(Stage.POLL, State.SUBMITTED, State.SUBMITTED, State.AUTHORIZED, State.ACCEPTED, State.ERRORED),
    # A cancellation may come at any time, also before its shipment; nothing follows CANCELLED.
    Way(
        Stage.CANCEL,
        frozenset(State) - {State.CANCELLED},
        # AUTHORIZED, when asking by key shows that SEFAZ had authorised a GENERATED document after all;
        # FETCHED, when the NF-e was cancelled to be issued anew, with the next number.
        frozenset({State.CANCELLED, State.AUTHORIZED, State.FETCHED}),
    ),
)

WAY: dict[Stage, Way] = {way.stage: way for way in WAYS}

#: Where an operator's retry takes a state that the other side decided.
#: REJECTED: new bytes, the same number. ERRORED: the same bytes once more.
RETRY: dict[State, State] = {State.REJECTED: State.FETCHED, State.ERRORED: State.AUTHORIZED}

#: Where an operator's `retry --refetch` takes what waits for data that were mended at Amazon.
REFETCH: dict[State, State] = {State.FETCHED: State.RECEIVED, State.REJECTED: State.RECEIVED}

#: Nothing is due in these unless a cancellation or a person asks.
SETTLED: frozenset[State] = frozenset({State.REJECTED, State.ACCEPTED, State.ERRORED, State.CANCELLED})

#: An NF-e exists at SEFAZ from here on: a cancellation needs event 110111.
AUTHORIZED_AND_LATER: frozenset[State] = frozenset({State.AUTHORIZED, State.SUBMITTED, State.ACCEPTED, State.ERRORED})


def next_stage(state: State, *, cancelling: bool = False) -> Stage | None:
    """The stage that leads on from a state, or None where nothing follows.

    >>> next_stage(State.AUTHORIZED)
    <Stage.SUBMIT: 'submit'>
    >>> next_stage(State.ACCEPTED, cancelling=True)
    <Stage.CANCEL: 'cancel'>
    >>> next_stage(State.ACCEPTED) is None
    True
    """
    if cancelling:
        return None if state is State.CANCELLED else Stage.CANCEL
    return next((way.stage for way in WAYS[:-1] if state in way.sources), None)


def remaining(state: State, *, cancelling: bool = False) -> tuple[Stage, ...]:
    """The stages still to come on the happy path, first one first.

    >>> [str(stage) for stage in remaining(State.GENERATED)]
    ['authorize', 'submit', 'poll']
    """
    first = next_stage(state, cancelling=cancelling)
    if first is None or first is Stage.CANCEL:
        return () if first is None else (first,)
    stages = [way.stage for way in WAYS[:-1]]
    return tuple(stages[stages.index(first) :])


def is_allowed(stage: Stage, source: State, target: State) -> bool:
    """Whether the table knows this way."""
    way = WAY[stage]
    return source in way.sources and target in way.targets
