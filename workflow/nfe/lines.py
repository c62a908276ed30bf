"""The items of a shipment: every amount of Amazon in its field, to the cent, and the taxes of each.

ItemPrice is the line's total without freight and gift wrap; ShippingPrice is vFrete, GiftWrapPrice vOutro,
PromotionDiscount and ShippingDiscount together vDesc. What of the price is tax on top of the goods leaves vProd.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from workflow.errors import Invalid
from workflow.nfe import discounts
from workflow.nfe.amounts import ZERO, cents, unit_price
from workflow.nfe.icms import Line
from workflow.nfe.invoice import Item, Product
from workflow.nfe.operation import Operation, cfop, icms_situation
from workflow.nfe.product import first
from workflow.nfe.shipment_detail import Money, ShipmentItem
from workflow.nfe.taxes import taxed
from workflow.nfe.text import fit

#: leiauteNFe: det occurs 990 times at the most.
_MAX_ITEMS = 990
_MAX_INFADPROD = 500


def items(
    given: Sequence[ShipmentItem], operation: Operation, products: Mapping[str, Product]
) -> tuple[tuple[Item, ...], tuple[str, ...]]:
    """The items and the doubts about them; raise Invalid where one cannot be invoiced."""
    if not 0 < len(given) <= _MAX_ITEMS:
        raise Invalid("no-items", f"ShipmentItems must hold 1 to {_MAX_ITEMS} items; fetch the details again")
    doubts: list[str] = []
    found = [_item(i, one, operation, products, doubts) for i, one in enumerate(given)]
    return tuple(_taxed(item, operation) for item in discounts.fitted(found, doubts)), tuple(doubts)


def _taxed(item: Item, operation: Operation) -> Item:
    """The item with its taxes, without what of the price is on top of the goods."""
    product, price = item.product, item.value
    found = taxed(Line(operation, product, price, item.quantity))
    net = discounts.without(item, found.on_top)
    burden = first(product.approximate_tax, operation.issuer.approximate_tax)
    return replace(
        net,
        unit_price=unit_price(net.vProd, net.quantity),
        taxes=found.groups,
        vTotTrib=None if burden is None else cents(price * burden / 100),
        vItem=price if found.has_vItem else None,
    )


def _item(
    index: int, one: ShipmentItem, operation: Operation, products: Mapping[str, Product], doubts: list[str]
) -> Item:
    where = f"ShipmentItems[{index}]"
    product = _product(where, one, products)
    quantity = _quantity(where, one.QuantityOrdered)
    if one.ItemPrice is None or one.ItemPrice.Amount is None:
        raise Invalid("no-price", f"{where}.ItemPrice is missing; fetch the details again")
    vProd = _price(f"{where}.ItemPrice", one.ItemPrice)
    if vProd == ZERO:
        doubts.append(f"{where}.ItemPrice is zero")
    icms = icms_situation(operation, product)
    if icms.substitution and product.cest is None:
        doubts.append(f"{where}: SKU {product.sku} has no CEST, which goods under substitution need (806)")
    promotion = _discount(f"{where}.PromotionDiscount", one.PromotionDiscount, doubts)
    shipping_discount = _discount(f"{where}.ShippingDiscount", one.ShippingDiscount, doubts)
    return Item(
        nItem=index + 1,
        sku=fit(product.sku, 60),
        title=_title(where, one, product),
        product=product,
        cfop=cfop(operation, product, icms),
        quantity=quantity,
        unit_price=unit_price(vProd, quantity),
        vProd=vProd,
        vFrete=_price(f"{where}.ShippingPrice", one.ShippingPrice),
        vDesc=promotion + shipping_discount,
        vOutro=_price(f"{where}.GiftWrapPrice", one.GiftWrapPrice),
        taxes=(),
        infAdProd=_serial_numbers(one.SerialNumbers),
        cBenef=product.in_uf(operation.destination).cBenef or product.cBenef,
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
