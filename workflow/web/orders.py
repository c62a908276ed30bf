"""The buttons of a shipment. Each is the engine's own operation, under the visitor's name."""

from starlette.responses import Response

from workflow import orders, withdrawal
from workflow.audit import Action
from workflow.errors import Invalid
from workflow.overview import Filter, Overview
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.store import Due
from workflow.web.visit import Visit

#: Shipments that one press may try again.
MOST_AT_ONCE = 1000


def retry(visit: Visit) -> Response:
    """Try again."""
    return _retry(visit, Action.RETRY)


def refetch(visit: Visit) -> Response:
    """Ask Amazon for the details anew, then go on."""
    return _retry(visit, Action.REFETCH)


def _retry(visit: Visit, action: Action) -> Response:
    id = visit.shipment().id
    due = orders.retry(visit.store, id, actor=visit.name, refetch=action is Action.REFETCH)
    if due is None:
        return visit.go(f"/s/{id}?done=nothing")
    return _ordered(visit, id, action, due)


def retry_all(visit: Visit) -> Response:
    """Try all again that one code has stopped."""
    code, seller_id = visit.form.get("code", ""), visit.form.get("seller") or None
    rows = Overview(visit.store).page(Filter(code=code, seller_id=seller_id), limit=MOST_AT_ONCE)
    tried = 0
    for row in rows:
        due = orders.retry(visit.store, row.id, actor=visit.name)
        if due is not None:
            visit.site.ring(due)
            tried += 1
    visit.note(Action.RETRY, detail=f"{tried} × {code}")
    return visit.go(f"/shipments?retried={tried}")


def ask(visit: Visit) -> Response:
    """What a cancellation, a reissue or a withdrawal will do, and the reason for it."""
    return _ask(visit)


def cancel(visit: Visit) -> Response:
    """Cancel the shipment: its NF-e too, where there is one."""
    return _give(visit, Action.CANCEL)


def reissue(visit: Visit) -> Response:
    """Cancel the NF-e and issue another."""
    return _give(visit, Action.REISSUE)


def withdraw(visit: Visit) -> Response:
    """Take a cancellation or a reissue back that SEFAZ does not take."""
    return _give(visit, Action.WITHDRAW)


def _give(visit: Visit, action: Action) -> Response:
    id, given = visit.shipment().id, visit.form.get("reason", "")
    try:
        reason = orders.check_reason(given)
    except Invalid:
        return _ask(visit, action, given)
    if action is Action.WITHDRAW:
        withdrawal.withdraw(visit.site.tools, id, reason=reason, actor=visit.name)
        due = orders.due(visit.store, id)
    else:
        give = orders.cancel if action is Action.CANCEL else orders.reissue
        due = give(visit.store, id, reason=reason, actor=visit.name)
    return _ordered(visit, id, action, due, reason)


def _ask(visit: Visit, action: Action | None = None, reason: str | None = None) -> Response:
    shipment = visit.shipment()
    chosen = action or Action(visit.path.rsplit("/", 1)[1])
    return visit.show(
        "order.html",
        200 if reason is None else 400,
        shipment=shipment,
        order=chosen,
        has_note=State(shipment.state) in AUTHORIZED_AND_LATER,
        is_accepted=shipment.state == State.ACCEPTED,
        reason=reason,
        shortest=orders.MIN_REASON,
        longest=orders.MAX_REASON,
    )


def _ordered(visit: Visit, id: str, action: Action, due: Due | None, reason: str | None = None) -> Response:
    visit.note(action, id, reason)
    if due is not None:
        visit.site.ring(due)
    return visit.go(f"/s/{id}?done={action}")
