"""From Amazon's shipment details to the invoice: every amount to the cent, every doubt a warning or a named refusal.

ItemPrice is the line's total without freight and gift wrap; ShippingPrice is vFrete, GiftWrapPrice vOutro,
PromotionDiscount and ShippingDiscount together vDesc. vNF is what the buyer paid.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal

from workflow.errors import Invalid
from workflow.nfe import free_text
from workflow.nfe.amounts import ZERO, prorate, unit_price
from workflow.nfe.buyer import buyer, cnpj_in
from workflow.nfe.invoice import Intermediary, Invoice, Issuer, Item, Product, Totals
from workflow.nfe.payments import payments
from workflow.nfe.shipment_detail import Money, ShipmentDetail, ShipmentItem
from workflow.nfe.taxes import check_regime, taxes
from workflow.nfe.text import fit

__all__ = ["ShipmentDetail", "build_invoice"]

#: leiauteNFe: det occurs 990 times at the most.
_MAX_ITEMS = 990
_MAX_INFCPL = 5000
_MAX_INFADPROD = 500


def build_invoice(detail: ShipmentDetail, *, issuer: Issuer, products: Mapping[str, Product]) -> Invoice:
    """The invoice of one shipment; raise Invalid with a stable code where a person must decide."""
    check_regime(issuer)
    _check_seller(detail, issuer)
    dest, warnings = buyer(detail, issuer)
    in_state = dest.address.uf == issuer.address.uf
    items, doubts = _items(detail, issuer, products, in_state=in_state)
    intermediary, intermediary_doubts = _intermediary(detail, issuer)
    totals = _totals(items)
    paid, payment_doubts = payments(detail, issuer, intermediary.cnpj, totals.vNF)
    return Invoice(
        issuer=issuer,
        shipment_id=detail.AmazonShipmentId or "",
        dest=dest,
        items=items,
        payments=paid,
        intermediary=intermediary,
        totals=totals,
        infCpl=_infCpl(detail, issuer),
        warnings=(*warnings, *doubts, *intermediary_doubts, *payment_doubts),
    )


def _check_seller(detail: ShipmentDetail, issuer: Issuer) -> None:
    if detail.SellerId not in (None, issuer.seller_id):
        raise Invalid(
            "other-seller",
            f"the shipment belongs to seller {detail.SellerId}, not to {issuer.seller_id}; add that seller",
        )


def _items(
    detail: ShipmentDetail, issuer: Issuer, products: Mapping[str, Product], *, in_state: bool
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    if not 0 < len(detail.ShipmentItems) <= _MAX_ITEMS:
        raise Invalid("no-items", f"ShipmentItems must hold 1 to {_MAX_ITEMS} items; fetch the details again")
    doubts: list[str] = []
    items = [
        _item(i, one, issuer, products, in_state=in_state, doubts=doubts) for i, one in enumerate(detail.ShipmentItems)
    ]
    fitted = _fit_discounts(items, doubts)
    return tuple(replace(item, taxes=taxes(issuer, item.product, item.value)) for item in fitted), tuple(doubts)


def _item(
    index: int,
    one: ShipmentItem,
    issuer: Issuer,
    products: Mapping[str, Product],
    *,
    in_state: bool,
    doubts: list[str],
) -> Item:
    where = f"ShipmentItems[{index}]"
    product = _product(where, one, products)
    quantity = _quantity(where, one.QuantityOrdered)
    if one.ItemPrice is None or one.ItemPrice.Amount is None:
        raise Invalid("no-price", f"{where}.ItemPrice is missing; fetch the details again")
    vProd = _price(f"{where}.ItemPrice", one.ItemPrice)
    if vProd == ZERO:
        doubts.append(f"{where}.ItemPrice is zero")
    promotion = _discount(f"{where}.PromotionDiscount", one.PromotionDiscount, doubts)
    shipping_discount = _discount(f"{where}.ShippingDiscount", one.ShippingDiscount, doubts)
    own_cfop = product.cfop_in_state if in_state else product.cfop_interstate
    return Item(
        nItem=index + 1,
        sku=fit(product.sku, 60),
        title=_title(where, one, product),
        product=product,
        cfop=own_cfop or (issuer.cfop_in_state if in_state else issuer.cfop_interstate),
        quantity=quantity,
        unit_price=unit_price(vProd, quantity),
        vProd=vProd,
        vFrete=_price(f"{where}.ShippingPrice", one.ShippingPrice),
        vDesc=promotion + shipping_discount,
        vOutro=_price(f"{where}.GiftWrapPrice", one.GiftWrapPrice),
        taxes=(),
        infAdProd=_serial_numbers(one.SerialNumbers),
    )


def _product(where: str, one: ShipmentItem, products: Mapping[str, Product]) -> Product:
    if not one.SellerSKU:
        raise Invalid("no-sku", f"{where}.SellerSKU is missing; fetch the details again")
    product = products.get(one.SellerSKU)
    if product is None:
        raise Invalid(
            "unknown-sku",
            f"{where}: SKU {one.SellerSKU} is not in the seller's catalogue; import it, then retry",
        )
    return product


def _title(where: str, one: ShipmentItem, product: Product) -> str:
    title = fit(product.title or one.Title or "", 120)
    if not title:
        raise Invalid("no-title", f"{where}: SKU {product.sku} has no title here nor in the catalogue; add one")
    return title


def _quantity(where: str, quantity: Decimal | None) -> Decimal:
    if quantity is None or not 0 < quantity < 10**11 or quantity != round(quantity, 4):
        raise Invalid("bad-quantity", f"{where}.QuantityOrdered must be above zero with up to four decimals")
    return quantity


def _price(field: str, money: Money | None) -> Decimal:
    amount = _reais(field, money)
    if amount < 0:
        raise Invalid("bad-amount", f"{field} is below zero; look at the order at Amazon")
    return amount


def _discount(field: str, money: Money | None, doubts: list[str]) -> Decimal:
    """A discount is what it is whatever its sign."""
    amount = _reais(field, money)
    if amount < 0:
        doubts.append(f"{field} has a minus sign: it is taken as a discount")
    return abs(amount)


def _reais(field: str, money: Money | None) -> Decimal:
    if money is None or money.Amount is None:
        return ZERO
    if money.CurrencyCode not in (None, "BRL") and money.Amount != 0:
        raise Invalid("not-brl", f"{field} is not in BRL; only reais can be invoiced")
    if not abs(money.Amount) < 10**13 or money.Amount != money.Amount.quantize(ZERO):
        raise Invalid("bad-amount", f"{field} is not an amount in reais and cents")
    return money.Amount.quantize(ZERO)


def _serial_numbers(numbers: Sequence[str]) -> str | None:
    listed = ", ".join(number for number in (fit(number, 60) for number in numbers) if number)
    return fit(f"Números de série: {listed}", _MAX_INFADPROD) if listed else None


def _fit_discounts(items: list[Item], doubts: list[str]) -> list[Item]:
    """No line with a discount above its vProd: the rest lowers its own freight and wrap, then the other lines.

    The sum stays what the buyer paid; raise Invalid('discount-too-large') when that is below zero.
    """
    if all(item.vDesc <= item.vProd for item in items):
        return items
    doubts.append("a discount is larger than its item's price: the rest is taken from freight and other items")
    lowered = [_lower_own_charges(item) for item in items]
    excess = sum((max(item.vDesc - item.vProd, ZERO) for item in lowered), ZERO)
    fitted = [replace(item, vDesc=min(item.vDesc, item.vProd)) for item in lowered]
    for name in ("vDesc", "vFrete", "vOutro"):
        fitted, excess = _take(fitted, name, excess)
    if excess > ZERO:
        raise Invalid(
            "discount-too-large", "ShipmentItems: the discounts are larger than the prices; look at the order"
        )
    return fitted


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


def _intermediary(detail: ShipmentDetail, issuer: Issuer) -> tuple[Intermediary, tuple[str, ...]]:
    """NT 2020.006, YB: the marketplace's CNPJ, and the seller's profile id or user name in it."""
    cnpj = cnpj_in(detail.MarketplaceTaxInfo) or issuer.intermediary_cnpj
    if cnpj is None:
        raise Invalid(
            "no-intermediary",
            "MarketplaceTaxInfo holds no CNPJ; set the seller's intermediary_cnpj, then retry",
        )
    shown = fit(detail.SellerDisplayName or "", 60)
    if issuer.intermediary_id == "SellerDisplayName" and len(shown) > 1:
        return Intermediary(cnpj, shown), ()
    missing = issuer.intermediary_id == "SellerDisplayName"
    doubts = ("SellerDisplayName is missing: infIntermed holds the SellerId",) if missing else ()
    return Intermediary(cnpj, fit(issuer.seller_id, 60)), doubts


def _totals(items: Sequence[Item]) -> Totals:
    """Every field of ICMSTot as the sum of the items' (rejections 531 to 604, 610)."""
    sums = dict.fromkeys((field.name for field in fields(Totals)), ZERO)
    for item in items:
        for name in ("vProd", "vFrete", "vDesc", "vOutro"):
            sums[name] += getattr(item, name)
        for group in item.taxes:
            for name, amount in group.totals.items():
                sums[name] += amount
    added = ("vProd", "vST", "vFCPST", "vFrete", "vSeg", "vOutro", "vII", "vIPI", "vIPIDevol")
    sums["vNF"] = sum((sums[name] for name in added), ZERO) - sums["vDesc"] - sums["vICMSDeson"]
    return Totals(**sums)


def _infCpl(detail: ShipmentDetail, issuer: Issuer) -> str | None:
    names = {name: getattr(detail, name) or "" for name in free_text.NAMES}
    return fit(free_text.written(issuer.infCpl, names), _MAX_INFCPL) or None
