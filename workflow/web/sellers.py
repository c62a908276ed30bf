"""The sellers: until when their certificates last, what stopped them, what Amazon and SEFAZ still let them ask."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from starlette.responses import Response

from workflow.audit import Action
from workflow.clients.secret_age import LIFE
from workflow.errors import Invalid, RetryLater
from workflow.examination import OPERATIONS, SHUT_SERVICES
from workflow.mends import Mend, mend_of
from workflow.tools import Limits
from workflow.web.visit import Visit

#: Days before the end of a certificate from which it is shown as a warning.
WARN_DAYS = 30


class Listed(NamedTuple):
    """One seller and how it stands."""

    seller: Any
    days_left: int | None
    #: Whether the application is the seller's own, and how many days its secret has been in use.
    has_own_secret: bool
    secret_days: int | None
    #: What stopped it, a code for each side that is stopped.
    stops: Mapping[str, Mend]
    #: What Amazon and SEFAZ still let it ask; None where Redis does not answer.
    limits: Limits | None


def listed(visit: Visit) -> Response:
    """All of them."""
    now = visit.store.now()
    rows = [_listed(visit, row, now) for row in visit.site.tools.catalog.sellers()]
    return visit.show(
        "sellers.html",
        rows=rows,
        rate=visit.site.tools.plan.rate,
        warn_days=WARN_DAYS,
        secret_limit=LIFE.days,
        done=visit.query.get("done", ""),
    )


def _listed(visit: Visit, row: Any, now: datetime) -> Listed:
    tools = visit.site.tools
    until = row.certificate_until
    seller = tools.look_at(row)
    try:
        limits = tools.limits(row, OPERATIONS, SHUT_SERVICES)
    except RetryLater:
        limits = None
    return Listed(
        row,
        (until - now).days if until else None,
        seller.has_own_application,
        # The first look is a moment later than now.
        max((now - limits.secret_since).days, 0) if limits and limits.secret_since else None,
        {code: mend_of(code) for code in (row.stop_code or "").split()},
        limits,
    )


def resume(visit: Visit) -> Response:
    """Lift the seller's stop: what it held up is due again."""
    id = visit.params["seller"]
    catalog = visit.site.tools.catalog
    if catalog.seller(id) is None:
        raise Invalid("unknown-seller", f"no seller {id}")
    held = catalog.resume_seller(id, actor=visit.name)
    visit.note(Action.RESUME, detail=f"{id}: {held} shipments")
    return visit.go("/sellers?done=resume")
