"""ICMS of one item: what each kind of situation computes, in reais half up, from what the buyer pays for the line.

The base is the whole price: in a sale to a final consumer IPI is part of it (Constituição, art. 155, § 2º, XI), and
ICMS is always inside the price. Amounts that come on top of the goods (ICMS-ST) are taken out of the price first, so
that the document's total stays what the buyer paid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from workflow.errors import Invalid
from workflow.nfe import tax_tables
from workflow.nfe.amounts import ZERO, cents
from workflow.nfe.invoice import Product
from workflow.nfe.operation import Operation, internal_rate
from workflow.nfe.product import first

_NONE = Decimal(0)
_HUNDRED = Decimal(100)
#: What a fragment may ask for and a calculation may leave unsaid.
_UNSAID: dict[str, str | Decimal | None] = dict.fromkeys(
    ("pRedBC", "pFCP", "motDesICMS", "pMVAST", "pRedBCST", "pFCPST", "pCredSN")
)
#: A price is split into goods and tax on top in this many steps at the most; two are the rule.
_STEPS = 8


class Computed(NamedTuple):
    """What a calculation gives: the fragment's fields, and what they add to the totals."""

    fields: Mapping[str, str | Decimal | None]
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Line:
    """One item for the taxes: `price` is what the buyer pays for it, all included."""

    operation: Operation
    product: Product
    price: Decimal
    quantity: Decimal


Calculation = Callable[[Line], Computed]


def of(base: Decimal, percent: Decimal) -> Decimal:
    """A percentage of a base, half up to the cent.

    >>> of(Decimal('101.80'), Decimal('12'))
    Decimal('12.22')
    """
    return cents(base * percent / _HUNDRED)


def reduced(base: Decimal, percent: Decimal) -> Decimal:
    """A base without the percentage that is not counted (pRedBC).

    >>> reduced(Decimal('100.00'), Decimal('33.33'))
    Decimal('66.67')
    """
    return cents(base * (_HUNDRED - percent) / _HUNDRED)


def none(line: Line) -> Computed:
    """No amounts: CSOSN 102, 103, 300, 400."""
    return Computed({}, {})


def own_rate(line: Line) -> Decimal:
    """pICMS: the interstate rate, or the internal one of the seller's state."""
    operation = line.operation
    if operation.is_interstate:
        return tax_tables.interstate_rate(line.product.origin, operation.origin, operation.destination)
    return internal_rate(operation, line.product, operation.origin).icms


def reduction(line: Line) -> Decimal:
    """pRedBC of the product in sales to that unit."""
    there = line.product.in_uf(line.operation.destination)
    return first(there.icms_reduction, line.product.icms_reduction) or _NONE


def taxed(line: Line) -> Computed:
    """CST 00: a rate on the whole price, and inside the state the FCP.

    Source: MOC 7.0 Anexo I, N17-20 (528): vICMS = vBC x pICMS; N17c-20 (876): between states FCP is the destination's.
    """
    return _computed(_own(line, line.price, _NONE) | _fcp(line, line.price), "vBC", "vICMS", "vFCP")


def partly_taxed(line: Line) -> Computed:
    """CST 20 and 90: a rate on what the reduction leaves of the price (N14, pRedBC), and what it forgoes."""
    pRedBC = reduction(line)
    fields = _own(line, line.price, pRedBC) | _fcp(line, reduced(line.price, pRedBC))
    relief = _relief(line, line.price - fields["vBC"], fields["pICMS"]) if pRedBC else {}
    return _computed({**fields, **relief, "pRedBC": pRedBC or None}, "vBC", "vICMS", "vFCP", "vICMSDeson")


def _own(line: Line, price: Decimal, pRedBC: Decimal) -> dict[str, Decimal]:
    vBC, pICMS = reduced(price, pRedBC), own_rate(line)
    return {"vBC": vBC, "pICMS": pICMS, "vICMS": of(vBC, pICMS)}


def _fcp(line: Line, base: Decimal) -> dict[str, Decimal]:
    """FCP inside the state; a rate of zero is left out (880)."""
    if line.operation.is_interstate:
        return {}
    pFCP = internal_rate(line.operation, line.product, line.operation.origin).fcp
    return {"vBCFCP": base, "pFCP": pFCP, "vFCP": of(base, pFCP)} if pFCP else {}


def relieved(line: Line) -> Computed:
    """CST 40, 41, 50: nothing is charged; what is forgone is written where the product names a reason."""
    return _computed(_relief(line, line.price, own_rate(line)) if line.product.icms_relief else {}, "vICMSDeson")


def _relief(line: Line, base: Decimal, rate: Decimal) -> dict[str, str | Decimal | None]:
    """vICMSDeson with its reason; the total is not lowered by it (indDeduzDeson 0): the price is what the buyer pays.

    Source: MOC 7.0 Anexo I, N28a; the tax on the price, or on the price with the tax inside it, as the state asks.
    """
    if line.product.icms_relief is None:
        return {}
    vICMSDeson = forgone(base, rate, is_inside=line.operation.issuer.relief == "inside")
    return {"vICMSDeson": vICMSDeson, "motDesICMS": line.product.icms_relief}


def forgone(base: Decimal, rate: Decimal, *, is_inside: bool) -> Decimal:
    """vICMSDeson: the rate on the price, or on the price with the tax inside it.

    100.00 at 18 %: 18.00; inside, 100.00 / 0.82 is 121.95, of which 21.95.

    >>> forgone(Decimal(100), Decimal(18), is_inside=False), forgone(Decimal(100), Decimal(18), is_inside=True)
    (Decimal('18.00'), Decimal('21.95'))
    """
    return cents(base * rate / (_HUNDRED - rate)) if is_inside else of(base, rate)


def deferred(line: Line) -> Computed:
    """CST 51: a part of the tax is due later. Source: MOC 7.0 Anexo I, N16a to N17 (vICMS = vICMSOp - vICMSDif)."""
    pRedBC, pDif = reduction(line), line.product.icms_deferral
    fields = _own(line, line.price, pRedBC)
    vICMSOp = fields["vICMS"]
    pDif = _HUNDRED if pDif is None else pDif
    vICMSDif = of(vICMSOp, pDif)
    amounts = {"pRedBC": pRedBC or None, "vICMSOp": vICMSOp, "pDif": pDif, "vICMSDif": vICMSDif}
    return _computed({**fields, **amounts, "vICMS": vICMSOp - vICMSDif}, "vBC", "vICMS")


def retained(line: Line) -> Computed:
    """CST 60 and CSOSN 500: ICMS collected before; what is known of it per unit, times the quantity."""
    product, quantity = line.product, line.quantity
    if product.st_retained_base is None or product.st_retained_icms is None:
        return Computed({"vBCSTRet": None}, {})
    substitute = product.st_substitute_icms
    return Computed(
        {
            "vBCSTRet": cents(product.st_retained_base * quantity),
            "pST": product.st_retained_rate,
            "vICMSSubstituto": None if substitute is None else cents(substitute * quantity),
            "vICMSSTRet": cents(product.st_retained_icms * quantity),
        },
        {},
    )


def credited(line: Line) -> Computed:
    """CSOSN 101: the credit that the buyer may take (LC 123/2006, art. 23; MOC 7.0 Anexo I, N29 and N30)."""
    return Computed(_credit(line, line.price), {})


def _credit(line: Line, base: Decimal) -> dict[str, Decimal]:
    pCredSN = line.operation.issuer.simples_credit
    if pCredSN is None:
        raise Invalid("no-credit-rate", f"SKU {line.product.sku}: its CSOSN grants a credit; set simples_credit")
    return {"pCredSN": pCredSN, "vCredICMSSN": of(base, pCredSN)}


def other(line: Line) -> Computed:
    """CSOSN 900: with a rate of the product's own it is charged; with simples_credit it grants a credit."""
    charged: dict[str, Decimal | None] = {"vBC": None}
    if line.product.icms_rate is not None:
        pRedBC = reduction(line)
        charged = {**_own(line, line.price, pRedBC), "pRedBC": pRedBC or None}
    credit = {"pCredSN": None} if line.operation.issuer.simples_credit is None else _credit(line, line.price)
    return _computed({**charged, **credit}, "vBC", "vICMS")


def substituted(line: Line) -> Computed:
    """CST 10 and 70, CSOSN 201 to 203: the seller collects the tax of the sales to come, on top of the goods.

    vBCST is the goods with the margin, vICMSST the internal rate on it less the seller's own ICMS (Convênio ICMS
    142/2018, cl. 11 and 14). Both depend on the goods' part of the price, which is found by steps to the cent.
    """
    goods = line.price
    for _ in range(_STEPS):
        fields = _substituted(line, goods)
        on_top = fields["vICMSST"] + fields.get("vFCPST", ZERO)
        if goods + on_top == line.price:
            break
        goods = line.price - on_top
    return _with_regime(line, goods, fields)


def with_margin(goods: Decimal, margin: Decimal, reduction: Decimal) -> Decimal:
    """vBCST: the goods with the margin of the sales to come, less what a reduction does not count.

    >>> with_margin(Decimal(100), Decimal(40), Decimal(0)), with_margin(Decimal(100), Decimal(40), Decimal(10))
    (Decimal('140.00'), Decimal('126.00'))
    """
    return reduced(goods * (_HUNDRED + margin) / _HUNDRED, reduction)


def collected(vBCST: Decimal, internal: Decimal, own: Decimal) -> Decimal:
    """vICMSST: the internal rate on vBCST less the seller's own ICMS, never below zero.

    140.00 at 18 % is 25.20; less 12.00 of the seller's own, 13.20.

    >>> collected(Decimal('140.00'), Decimal(18), Decimal('12.00'))
    Decimal('13.20')
    """
    return max(of(vBCST, internal) - own, ZERO)


def _substituted(line: Line, goods: Decimal) -> dict[str, Decimal]:
    product, there = line.product, line.product.in_uf(line.operation.destination)
    margin, internal = first(there.st_margin, product.st_margin), _substitution_rate(line)
    own = _own(line, goods, reduction(line))
    vBCST = with_margin(goods, margin or _NONE, product.st_reduction or _NONE)
    fields = {**own, "vBCST": vBCST, "pICMSST": internal, "vICMSST": collected(vBCST, internal, own["vICMS"])}
    if product.st_fcp_rate:
        fields |= {"vBCFCPST": vBCST, "pFCPST": product.st_fcp_rate, "vFCPST": of(vBCST, product.st_fcp_rate)}
    return fields


def _substitution_rate(line: Line) -> Decimal:
    if line.product.st_rate is not None:
        return line.product.st_rate
    return internal_rate(line.operation, line.product, line.operation.destination).icms


def _with_regime(line: Line, goods: Decimal, fields: Mapping[str, Decimal]) -> Computed:
    product, there = line.product, line.product.in_uf(line.operation.destination)
    margin = first(there.st_margin, product.st_margin)
    shown: dict[str, str | Decimal | None] = {
        **fields,
        "modBCST": "6" if margin is None else "4",  # 4 margin, 6 value of the operation (MOC 7.0, N18)
        "pMVAST": margin,
        "pRedBCST": product.st_reduction,
        "pRedBC": reduction(line) or None,
    }
    on_top = ("vBCST", "vST", "vFCPST")
    if line.operation.issuer.is_simples:
        credit = _credit(line, goods) if line.operation.issuer.simples_credit is not None else {"pCredSN": None}
        return _computed({**shown, **credit, "vST": fields["vICMSST"]}, *on_top)
    fcp = _fcp(line, fields["vBC"])
    return _computed({**shown, **fcp, "vST": fields["vICMSST"]}, "vBC", "vICMS", "vFCP", *on_top)


def _computed(fields: Mapping[str, str | Decimal | None], *counted: str) -> Computed:
    """The fields, and those among them that a total sums."""
    totals = {name: value for name in counted if isinstance(value := fields.get(name), Decimal)}
    return Computed(_UNSAID | dict(fields), totals)


#: By the name that `data/tax_situations.csv` gives.
CALCULATIONS: Mapping[str, Calculation] = {
    function.__name__: function
    for function in (none, taxed, partly_taxed, relieved, deferred, retained, credited, other, substituted)
}
