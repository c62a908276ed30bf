"""One sale as the taxes see it: who sells, from where to where, to whom, when; and the codes that follow from it."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from workflow.errors import Invalid
from workflow.nfe import tax_tables
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.product import first
from workflow.nfe.tax_tables import Situation

#: MOC 7.0, N12a-90 (337): a MEI sells with these.
_MEI_CFOPS = ("5102", "6102")


class InternalRate(NamedTuple):
    """What one unit charges on goods inside it, in percent; `difal_base` is `single` or `double`."""

    icms: Decimal
    fcp: Decimal
    difal_base: str


@dataclass(frozen=True)
class Operation:
    """A sale; `destination` is the UF where the goods arrive, `on` the issuer's local date of issue."""

    issuer: Issuer
    destination: str
    is_contributor: bool
    on: date | None

    @property
    def origin(self) -> str:
        """The UF of the seller."""
        return self.issuer.address.uf

    @property
    def is_interstate(self) -> bool:
        """Whether the goods arrive in another state."""
        return self.destination != self.origin

    @cached_property
    def issued_on(self) -> date:
        """The date that selects the rows of the tables; raise Invalid('no-date') where nobody gave one."""
        if self.on is None:
            raise Invalid("no-date", "PurchaseDate is missing and no date of issue was given: rates cannot be chosen")
        return self.on


def situation(tax: str, code: str, operation: Operation, product: Product) -> Situation:
    """The row of a code; raise Invalid('unknown-tax-situation') when the regime has it not."""
    found = tax_tables.situations().get((tax, code))
    if found is None or operation.issuer.crt not in found.crt:
        raise Invalid(
            "unknown-tax-situation",
            f"SKU {product.sku}: {tax} {code} cannot be used with CRT {operation.issuer.crt}; mend the catalogue",
        )
    return found


def icms_situation(operation: Operation, product: Product) -> Situation:
    """The CST or CSOSN of the sale; raise Invalid where it is none that the buyer or the regime may meet."""
    found = situation("ICMS", _icms_code(operation, product), operation, product)
    if operation.is_contributor:
        return found
    if found.consumer == "-":
        raise Invalid(
            "contributor-only",
            f"SKU {product.sku}: ICMS {found.code} is not for a buyer who is no contributor (rejections 508, 600); "
            "mend the catalogue",
        )
    return found if found.consumer == found.code else situation("ICMS", found.consumer, operation, product)


def _icms_code(operation: Operation, product: Product) -> str:
    there = product.in_uf(operation.destination)
    issuer = operation.issuer
    if issuer.is_simples:
        elsewhere = product.csosn_interstate if operation.is_interstate else None
        return there.csosn or elsewhere or product.csosn or issuer.csosn
    elsewhere = product.cst_interstate if operation.is_interstate else None
    return there.cst or elsewhere or product.cst or issuer.cst


def internal_rate(operation: Operation, product: Product, uf: str) -> InternalRate:
    """A unit's internal rate for the product: its own word, the seller's per NCM, the table's; else Invalid."""
    table = tax_tables.uf_rate(uf, operation.issued_on)
    own = operation.issuer.rate(product.ncm, uf, operation.issued_on)
    there = product.in_uf(uf)
    at_home = uf == operation.origin
    icms = first(
        there.icms_rate,
        product.icms_rate if at_home else None,
        own.icms_rate if own else None,
        table.icms_rate if table else None,
    )
    fcp = first(
        there.fcp_rate,
        product.fcp_rate if at_home else None,
        own.fcp_rate if own else None,
        table.fcp_rate if table else None,
    )
    if icms is None or fcp is None:
        raise Invalid(
            "no-icms-rate",
            f"SKU {product.sku}: no ICMS rate of {uf} is known for {operation.issued_on}; set it in the seller's rates",
        )
    difal_base = there.difal_base or (own.difal_base if own else None) or (table.difal_base if table else None)
    return InternalRate(icms, fcp, difal_base or "single")


def cfop(operation: Operation, product: Product, icms: Situation) -> str:
    """The CFOP: the product's word, the seller's, else the table's; raise Invalid where the route or MEI forbids it."""
    issuer = operation.issuer
    there = product.in_uf(operation.destination).cfop
    if operation.is_interstate:
        named = there or product.cfop_interstate or issuer.cfop_interstate
    else:
        named = there or product.cfop_in_state or issuer.cfop_in_state
    code = named or _default_cfop(operation, product, icms)
    if not code.startswith("6" if operation.is_interstate else "5"):
        raise Invalid("wrong-cfop", f"SKU {product.sku}: CFOP {code} is not of this route (rejections 732, 733)")
    if issuer.crt == 4 and icms.code == "102" and code not in _MEI_CFOPS:
        raise Invalid("wrong-cfop", f"SKU {product.sku}: a MEI sells with CFOP 5102 or 6102 only (rejection 337)")
    return code


def _default_cfop(operation: Operation, product: Product, icms: Situation) -> str:
    issuer = operation.issuer
    own = issuer.industrial if product.own_production is None else product.own_production
    row = next(
        row
        for row in tax_tables.cfop_rows()
        if issuer.crt in row.crt
        and own in row.own_production
        and (icms.substitution or "no") in row.substitution
        and operation.is_contributor in row.is_contributor
    )
    return row.interstate if operation.is_interstate else row.in_state
