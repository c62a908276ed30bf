"""The audit log: who did what, and who looked at whose data."""

from starlette.responses import Response

from workflow.audit import Action
from workflow.web.visit import Visit

ROWS = 100


def listed(visit: Visit) -> Response:
    """The newest lines, or those of a person, of a kind, of a shipment."""
    action, before = visit.query.get("action", ""), visit.query.get("before", "")
    wanted = {name: visit.query.get(name, "").strip() or None for name in ("actor", "shipment")}
    lines = visit.site.audit.lines(
        actor=wanted["actor"],
        shipment_id=wanted["shipment"],
        action=Action(action) if action in list(Action) else None,
        before=int(before) if before.isascii() and before.isdigit() else None,
        limit=ROWS + 1,
    )
    return visit.show(
        "audit.html",
        lines=lines[:ROWS],
        older=lines[ROWS - 1].id if len(lines) > ROWS else None,
        actions=list(Action),
        action=action,
        wanted=wanted,
    )
