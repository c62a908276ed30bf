"""The list of shipments, and the story of one."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from starlette.responses import Response

from workflow.errors import Invalid, NfeError
from workflow.mends import Mend, mend_of, trouble_of
from workflow.models import DocumentKind
from workflow.nfe import access_key
from workflow.nfe.invoice import Issuer
from workflow.nfe.product_rules import problems_of
from workflow.nfe.shipment_detail import ShipmentDetail
from workflow.orders import Order, open_to
from workflow.overview import REFUSED, Filter, Overview, Place
from workflow.parts import tasks_url
from workflow.states import State
from workflow.web import buyers
from workflow.web.visit import Visit

ROWS = 50


class Row(NamedTuple):
    """One line of the list: the shipment, and what its code means where a person must act."""

    shipment: Any
    mend: Mend | None


class Item(NamedTuple):
    """One item of a shipment, and what is wrong with its product; `is_known` is False where it is not registered."""

    sku: str
    title: str
    quantity: str
    is_known: bool
    problems: Sequence[str]

    @property
    def is_right(self) -> bool:
        """Whether nothing of the product is known to be wrong."""
        return self.is_known and not self.problems


def home(visit: Visit) -> Response:
    """What waits for a person."""
    return visit.go("/shipments")


def missing(visit: Visit) -> Response:
    """No page has this address."""
    facts = {"title": visit.t("problem.missing"), "mend": visit.t("problem.missing_mend"), "code": "", "reason": ""}
    return visit.show("problem.html", 404, **facts)


def listed(visit: Visit) -> Response:
    """A page of the list: those that need a person, unless the visitor asks for others."""
    overview = Overview(visit.store)
    text = visit.query.get("q", "").strip()
    found = overview.find(text) if text else []
    if len(found) == 1:
        return visit.go(f"/s/{found[0]}")
    wanted = _filter(visit)
    rows = overview.page(wanted, after=_place(visit.query.get("after", "")), limit=ROWS + 1)
    last = rows[ROWS - 1] if len(rows) > ROWS else None
    return visit.show(
        "shipments.html",
        rows=[_row(row) for row in rows[:ROWS]],
        older=f"{last.created_at.isoformat()},{last.id}" if last is not None else None,
        wanted=wanted,
        text=text,
        found=found,
        counts=overview.counts(wanted.seller_id),
        oldest=overview.oldest_due(),
        now=visit.store.now(),
        sellers=[row.id for row in visit.site.tools.catalog.sellers()],
        states=list(State),
    )


def _filter(visit: Visit) -> Filter:
    """What the address asks for; a word that is none asks for nothing."""
    show, seller_id = visit.query.get("show", "person"), visit.query.get("seller") or None
    if code := visit.query.get("code"):
        return Filter(code=code, seller_id=seller_id)
    if show in list(State):
        return Filter(state=State(show), seller_id=seller_id)
    return Filter(person=show != "all", seller_id=seller_id)


def _place(text: str) -> Place | None:
    moment, _, id = text.partition(",")
    try:
        return Place(datetime.fromisoformat(moment), id) if id else None
    except ValueError:
        return None


def _row(shipment: Any) -> Row:
    state = State(shipment.state)
    if shipment.stop_code is None and state not in REFUSED:
        return Row(shipment, None)
    return Row(shipment, mend_of(shipment.code or shipment.stop_code or state, state=state))


def story(visit: Visit) -> Response:
    """One shipment: what is wrong, what may be ordered, what it holds, what happened."""
    shipment = visit.shipment()
    history = visit.store.history(shipment.id)
    detail = _detail(visit, shipment.id)
    return visit.show(
        "shipment.html",
        shipment=shipment,
        history=history,
        mends=[_mend(line) for line in history],
        trouble=trouble_of(shipment, history),
        orders=open_to(shipment, visit.store.now()),
        items=_items(visit, shipment.seller_id, detail) if detail else [],
        buyer=buyers.masked(detail) if detail else [],
        documents=visit.store.documents(shipment.id),
        parts=access_key.split(shipment.access_key) if shipment.access_key else None,
        is_moving=shipment.ring_at is not None,
        done=visit.query.get("done", ""),
        done_words=(*Order, "product", "nothing"),
        flower=tasks_url(visit.site.tools.settings, shipment.id),
    )


def _mend(line: Any) -> Mend | None:
    """What a line's code means, where it kept the shipment from going on."""
    if line.code is None or line.outcome not in ("stopped", "refused", "waiting"):
        return None
    return mend_of(line.code, state=State(line.state))


def _detail(visit: Visit, id: str) -> ShipmentDetail | None:
    """Amazon's details, where there are any that can be read."""
    try:
        raw = visit.store.document(id, DocumentKind.DETAILS)
        return ShipmentDetail.parse(raw) if raw is not None else None
    except Invalid:
        return None


def _items(visit: Visit, seller_id: str, detail: ShipmentDetail) -> list[Item]:
    catalog = visit.site.tools.catalog
    known = catalog.products(seller_id, [item.SellerSKU for item in detail.ShipmentItems if item.SellerSKU])
    issuer = _issuer(visit, seller_id)
    return [
        Item(
            item.SellerSKU or "",
            item.Title or "",
            str(item.QuantityOrdered or ""),
            item.SellerSKU in known,
            problems_of(known[item.SellerSKU], issuer) if issuer and item.SellerSKU in known else (),
        )
        for item in detail.ShipmentItems
    ]


def _issuer(visit: Visit, seller_id: str) -> Issuer | None:
    row = visit.site.tools.catalog.seller(seller_id)
    try:
        return Issuer.parse(row.issuer) if row is not None else None
    except NfeError:
        return None  # its own page says what is wrong with it
