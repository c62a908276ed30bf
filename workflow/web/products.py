"""The tax data of what is sold: which products have mistakes, and the form that mends one."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from starlette.responses import Response

from workflow.audit import Action
from workflow.errors import Invalid
from workflow.nfe.invoice import Issuer
from workflow.nfe.product_rules import problems_of
from workflow.product_file import checked_product, flat
from workflow.web.visit import Visit

#: The fields that have a place of their own; all others are lines `name = value`, named as CSV's columns.
FIELDS = ("title", "ncm", "cest", "gtin", "origin", "unit", "csosn", "cst", "cfop_in_state", "cfop_interstate")
ROWS = 100
_SHIPMENT = re.compile(r"[A-Za-z0-9._-]{1,64}/[A-Za-z0-9._-]{1,64}")


class Listed(NamedTuple):
    """One product and what is wrong with it."""

    product: Any
    problems: list[str]


def listed(visit: Visit) -> Response:
    """A seller's products, or those of them with mistakes."""
    sellers = [row.id for row in visit.site.tools.catalog.sellers()]
    chosen = visit.query.get("seller") or (sellers[0] if sellers else "")
    only = visit.query.get("only", "")
    rows = _rows(visit, chosen, only) if chosen in sellers else []
    return visit.show("products.html", sellers=sellers, chosen=chosen, only=only, rows=rows[:ROWS], count=len(rows))


def _rows(visit: Visit, seller_id: str, only: str) -> list[Listed]:
    issuer, text = _issuer(visit, seller_id), visit.query.get("q", "").strip().casefold()
    stored = visit.site.tools.catalog.all_products(seller_id)
    named = [row for row in stored if text in f"{row.sku} {row.data.get('title') or ''}".casefold()]
    if only != "problems":
        return [Listed(row, problems_of(row.data, issuer) if place < ROWS else []) for place, row in enumerate(named)]
    found = [Listed(row, problems_of(row.data, issuer)) for row in named]
    return [one for one in found if one.problems]


def edit(visit: Visit) -> Response:
    """The form of a product: as it is stored, or with what Amazon calls it where it is new."""
    seller_id, sku = visit.params["seller"], visit.query.get("sku", "")
    _issuer(visit, seller_id)
    stored = visit.site.tools.catalog.products(seller_id, [sku]).get(sku)
    values = flat(stored) if stored is not None else {"title": visit.query.get("title", "")}
    return _form(visit, sku, values, is_new=stored is None)


def save(visit: Visit) -> Response:
    """Check the product as an import does, and store it, or show what is wrong beside what was typed."""
    seller_id, sku = visit.params["seller"], visit.form.get("sku", "").strip()
    issuer, catalog = _issuer(visit, seller_id), visit.site.tools.catalog
    before = catalog.products(seller_id, [sku]).get(sku)
    try:
        data = checked_product({"sku": sku} | _typed(visit.form), issuer)
    except Invalid as error:
        return _form(visit, sku, visit.form, is_new=before is None, problems=error.message)
    catalog.put_products(seller_id, [(sku, data)])
    visit.note(Action.PRODUCT, _shipment(visit.form), f"{seller_id} {sku}: {_change(before, data)}")
    back = _shipment(visit.form)
    return visit.go(f"/s/{back}?done=product" if back else f"/products?seller={seller_id}")


def _form(visit: Visit, sku: str, values: Mapping[str, Any], *, is_new: bool, problems: str = "") -> Response:
    others = "\n".join(f"{name} = {value}" for name, value in values.items() if name not in (*FIELDS, "sku"))
    others = visit.form.get("others", others)
    lines = problems.splitlines()
    return visit.show(
        "product.html",
        400 if problems else 200,
        seller_id=visit.params["seller"],
        sku=sku,
        values=values,
        fields=FIELDS,
        others=others,
        is_new=is_new,
        problems=lines,
        wrong={line.split(":")[0] for line in lines},
        back=_shipment(visit.form or visit.query),
    )


def _typed(form: Mapping[str, str]) -> dict[str, str]:
    """What was typed by the names of CSV's columns; raise Invalid for a line that is no `name = value`."""
    values = {name: form[name].strip() for name in FIELDS if form.get(name, "").strip()}
    for line in filter(str.strip, form.get("others", "").splitlines()):
        name, sign, value = (part.strip() for part in line.partition("="))
        if not sign:
            raise Invalid("bad-product", f"{line[:40]}: write name = value")
        values[name] = value
    return values


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> str:
    """What became of each field that is not what it was."""
    old, new = flat(before or {}), flat(after)
    changed = [name for name in dict.fromkeys((*old, *new)) if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name, '–')} → {new.get(name, '–')}" for name in changed) or "unchanged"


def _shipment(given: Mapping[str, str]) -> str:
    """The shipment that the form was opened from, if it looks like one."""
    back = given.get("back", "")
    return back if _SHIPMENT.fullmatch(back) else ""


def _issuer(visit: Visit, seller_id: str) -> Issuer:
    row = visit.site.tools.catalog.seller(seller_id)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller_id}")
    return Issuer.parse(row.issuer)
