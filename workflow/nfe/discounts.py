"""No line with a discount above its own price: the XSD knows no negative amount, and the sum stays what was paid."""

from dataclasses import replace
from decimal import Decimal

from workflow.errors import Invalid
from workflow.nfe.amounts import ZERO, prorate
from workflow.nfe.invoice import Item


def fitted(items: list[Item], doubts: list[str]) -> list[Item]:
    """No line with a discount above its vProd: the rest lowers its own freight and wrap, then the other lines.

    The sum stays what the buyer paid; raise Invalid('discount-too-large') when that is below zero.
    """
    if all(item.vDesc <= item.vProd for item in items):
        return items
    doubts.append("a discount is larger than its item's price: the rest is taken from freight and other items")
    lowered = [_lower_own_charges(item) for item in items]
    excess = sum((max(item.vDesc - item.vProd, ZERO) for item in lowered), ZERO)
    capped = [replace(item, vDesc=min(item.vDesc, item.vProd)) for item in lowered]
    for name in ("vDesc", "vFrete", "vOutro"):
        capped, excess = _take(capped, name, excess)
    if excess > ZERO:
        raise Invalid(
            "discount-too-large", "ShipmentItems: the discounts are larger than the prices; look at the order"
        )
    return capped


def without(item: Item, on_top: Decimal) -> Item:
    """The item without the taxes that its price holds: they leave vProd, and where it has no room freight and wrap."""
    goods = min(on_top, item.vProd - item.vDesc)
    freight = min(on_top - goods, item.vFrete)
    return replace(
        item,
        vProd=item.vProd - goods,
        vFrete=item.vFrete - freight,
        vOutro=item.vOutro - (on_top - goods - freight),
    )


def _take(items: list[Item], name: str, excess: Decimal) -> tuple[list[Item], Decimal]:
    """Take as much of the excess as one field of the items has room for, in shares; and what remains."""
    room = [item.vProd - item.vDesc if name == "vDesc" else getattr(item, name) for item in items]
    taken = min(excess, sum(room, ZERO))
    if taken == ZERO:
        return items, excess
    sign = 1 if name == "vDesc" else -1
    shares = prorate(taken, room)
    changed = [
        replace(item, **{name: getattr(item, name) + sign * share}) for item, share in zip(items, shares, strict=True)
    ]
    return changed, excess - taken


def _lower_own_charges(item: Item) -> Item:
    excess = max(item.vDesc - item.vProd, ZERO)
    freight = min(excess, item.vFrete)
    wrap = min(excess - freight, item.vOutro)
    return replace(
        item,
        vFrete=item.vFrete - freight,
        vOutro=item.vOutro - wrap,
        vDesc=item.vDesc - freight - wrap,
    )
