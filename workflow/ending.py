"""How a process ends: what it has in hand is finished or given up, and it ends in time.

A call that waits for another side may be given up, as a lost answer. The signal that asks for it raises inside a call
and nowhere else: beside it a transaction may be open, whose fate must not hang on the moment.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from workflow.errors import LostAnswer, RetryLater

#: What a history says of a call that was given up.
CODE = "worker-ends"
#: From a call that was given up until the other side is asked: what was sent may still be on its way there.
AFTER_SENDING = timedelta(seconds=2)
#: How long it may take, beyond its limit, to write down what was given up; and, after a kill, what was held.
TO_SETTLE, TO_RELEASE = timedelta(seconds=5), timedelta(seconds=3)
#: Of a process that ends, beyond its limit, in all.
MARGIN = timedelta(seconds=10)


class GivenUp(Exception):
    """Raised in the middle of a call, in whose answer nobody is interested any more."""


class _Call(threading.local):
    """Whether this thread is in a call."""

    is_open = False


_call = _Call()
_is_near = threading.Event()


def is_near(wait: float = 0.0) -> bool:
    """Whether this process is to begin no further call; waits so many seconds for a yes."""
    return _is_near.wait(wait)


def give_up(*_: object) -> None:
    """A signal's handler: the main thread's call, if it is in one, raises GivenUp, and no other call begins."""
    _is_near.set()
    if _call.is_open:
        _call.is_open = False  # once: whatever cleans up behind it is left alone
        raise GivenUp


@contextmanager
def call() -> Iterator[None]:
    """A call to another side, outside any transaction; raise GivenUp from it, or RetryLater where it must not begin."""
    _call.is_open = True
    try:
        if is_near():
            raise RetryLater(CODE, "the worker ends; nothing was sent", after=timedelta(), counts=False)
        yield
    finally:
        _call.is_open = False


def given_up(*, asks: bool) -> RetryLater:
    """The error for a call that was given up; one that only `asks` may be repeated at once."""
    message = "the worker ends and gave the call up; another goes on"
    if asks:
        return RetryLater(CODE, message, after=timedelta(), counts=False, told=True)
    return LostAnswer(CODE, message, after=AFTER_SENDING, counts=False, told=True)


def within(limit: timedelta) -> None:
    """End this process after so long, whatever it does."""
    timer = threading.Timer(limit.total_seconds(), os._exit, (1,))
    timer.daemon = True
    timer.start()
