"""IPI of an industrial seller: on top of the goods, so that it is taken out of the price that the buyer paid.

Amazon's price is the last word: goods and IPI together are what was paid. Source: Lei 4.502/1964; MOC 7.0 Anexo I,
group O.
"""

from decimal import Decimal

from workflow.errors import Invalid
from workflow.nfe.amounts import cents
from workflow.nfe.icms import Computed, Line
from workflow.nfe.operation import situation
from workflow.nfe.tax_tables import Situation

_HUNDRED = Decimal(100)
#: Table of legal classes of IPI: what needs no other.
_COMMON_CLASS = "999"


def ipi_situation(line: Line) -> Situation:
    """50 for a product with a rate, else its own or the seller's."""
    product = line.product
    code = product.ipi_cst or ("50" if product.ipi_rate else line.operation.issuer.ipi_cst)
    return situation("IPI", code, line.operation, product)


def inside(price: Decimal, percent: Decimal) -> Decimal:
    """The IPI in a price that holds it.

    110.00 with 10 % is 100.00 and 10.00; 100.00 with 15 % is 86.96 and 13.04.

    >>> inside(Decimal('110.00'), Decimal(10)), inside(Decimal('100.00'), Decimal(15))
    (Decimal('10.00'), Decimal('13.04'))
    """
    return cents(price * percent / (_HUNDRED + percent))


def ipi(line: Line, price: Decimal) -> Computed:
    """The group's fields, from the price without what else comes on top of the goods."""
    product = line.product
    fields: dict[str, str | Decimal | None] = {"cEnq": product.ipi_class or _COMMON_CLASS}
    found = ipi_situation(line)
    if found.fragment != "ipi/trib.xml.j2":
        return Computed(fields, {})
    if product.ipi_rate is None and found.code == "50":
        raise Invalid("no-ipi-rate", f"SKU {product.sku}: IPI 50 needs ipi_rate; mend the catalogue")
    pIPI = product.ipi_rate or Decimal(0)
    vIPI = inside(price, pIPI)
    return Computed({**fields, "vBC": price - vIPI, "pIPI": pIPI, "vIPI": vIPI}, {"vIPI": vIPI})
