"""What a person may order about one shipment, the same for whoever asks: the command line, or the operator's page.

An order is written into the shipment's history with who gave it. Each returns the row that is due now, so that the
caller may ring for it, or raises Invalid with what is in its way.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from workflow.errors import Invalid
from workflow.models import REISSUE
from workflow.states import AUTHORIZED_AND_LATER, REFETCH, RETRY, State
from workflow.store import Due, Store

#: xJust of event 110111 (MOC 7.0 Anexo I).
MIN_REASON, MAX_REASON = 15, 255


class Order(StrEnum):
    """What a person may ask for."""

    RETRY = "retry"
    REFETCH = "refetch"
    REISSUE = "reissue"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"


def retry(store: Store, id: str, *, actor: str, refetch: bool = False) -> Due | None:
    """Make a stopped, waiting or refused shipment due again; None where there is nothing to retry."""
    if store.retry(id, actor=actor, refetch=refetch) is None:
        return None
    return due(store, id)


def cancel(store: Store, id: str, *, reason: str, actor: str) -> Due | None:
    """Ask for a cancellation; raise Invalid('bad-reason') or Invalid('already-cancelled')."""
    return _order(store, id, reason, actor)


def reissue(store: Store, id: str, *, reason: str, actor: str) -> Due | None:
    """Ask for the NF-e's cancellation and another one; raise Invalid as cancel does, or 'no-authorised-note'."""
    state = state_of(store, id)
    if state not in AUTHORIZED_AND_LATER:
        raise Invalid("no-authorised-note", f"{id} is {state}: it has no authorised NF-e; use: nfe retry {id}")
    return _order(store, id, reason, actor, code=REISSUE)


def state_of(store: Store, id: str) -> State:
    """The shipment's state; raise Invalid('unknown-shipment')."""
    row = store.shipment(id)
    if row is None:
        raise Invalid("unknown-shipment", f"no shipment {id}; see: nfe list")
    return State(row.state)


def check_reason(reason: str) -> str:
    """The reason without blanks around it; raise Invalid('bad-reason') for one that SEFAZ does not store."""
    text = reason.strip()
    if not MIN_REASON <= len(text) <= MAX_REASON:
        raise Invalid("bad-reason", f"give a reason of {MIN_REASON} to {MAX_REASON} characters")
    return text


def _order(store: Store, id: str, reason: str, actor: str, code: str | None = None) -> Due | None:
    text = check_reason(reason)
    if not store.cancel(id, reason=text, actor=actor, code=code):
        raise Invalid("already-cancelled", f"{id} is cancelled, or its cancellation is under way; see: nfe history")
    return due(store, id)


def due(store: Store, id: str) -> Due | None:
    """The shipment as a row to ring for, if anything is due."""
    row = store.shipment(id)
    if row is None or row.due_at is None:
        return None
    return Due(id, State(row.state), row.cancelling)


def open_to(row: Any, now: datetime) -> frozenset[Order]:
    """What may be ordered about a shipment's row as it stands; the database has the last word."""
    state = State(row.state)
    is_free = row.lease is None or row.lease_until <= now
    rests = row.stop_code is not None or (state in RETRY and row.due_at is None)
    waits = row.due_at is not None and row.due_at > now
    may_try = is_free and (rests or waits)
    found = {Order.RETRY} if may_try else set()
    if may_try and state in REFETCH and not row.cancelling:
        found.add(Order.REFETCH)
    if state is not State.CANCELLED and not row.cancelling:
        found.add(Order.CANCEL)
        if state in AUTHORIZED_AND_LATER:
            found.add(Order.REISSUE)
    if row.cancelling and is_free:
        found.add(Order.WITHDRAW)
    return frozenset(found)
