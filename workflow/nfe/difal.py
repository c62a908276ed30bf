"""DIFAL: what a sale to a consumer of another state owes there, the group ICMSUFDest (EC 87/2015, LC 190/2022).

It goes with a sale to another state (idDest 2) to who is no contributor (indIEDest 9), and with no other (694, 695).
CRT 1 and 4 never carry it (STF, ADI 5464; rule NA01-20, exception 12); nor does what is exempt, immune or not levied
(exception 10).
"""

from decimal import Decimal
from typing import NamedTuple

from workflow.nfe import tax_tables
from workflow.nfe.amounts import ZERO, cents
from workflow.nfe.icms import Computed, Line, of, reduced
from workflow.nfe.operation import Operation, internal_rate
from workflow.nfe.tax_tables import Situation

_HUNDRED = Decimal(100)


class Share(NamedTuple):
    """The base, the destination's ICMS and its FCP, in reais."""

    vBCUFDest: Decimal
    vICMSUFDest: Decimal
    vFCPUFDest: Decimal


def is_due(operation: Operation, icms: Situation) -> bool:
    """Whether the item carries ICMSUFDest."""
    return operation.is_interstate and not operation.is_contributor and icms.has_difal


def single_base(value: Decimal, *, inside: Decimal, between: Decimal, fcp: Decimal) -> Share:
    """Base única: the difference of the rates on the value of the sale (Convênio ICMS 236/2021, cl. 2ª; NA15-10/815).

    >>> single_base(Decimal(1000), inside=Decimal(18), between=Decimal(12), fcp=Decimal(2))
    Share(vBCUFDest=Decimal('1000.00'), vICMSUFDest=Decimal('60.00'), vFCPUFDest=Decimal('20.00'))
    """
    base = cents(value)
    return Share(base, max(of(base, inside - between), ZERO), of(base, fcp))


def double_base(value: Decimal, *, inside: Decimal, between: Decimal, fcp: Decimal) -> Share:
    """Base dupla: the interstate tax leaves the value, the destination's enters it.

    1000 at 12 to 18 %: 880.00 / 0.82 = 1073.17; 18 % of it, 193.17, less 120.00 is 73.17.

    >>> double_base(Decimal(1000), inside=Decimal(18), between=Decimal(12), fcp=Decimal(0))
    Share(vBCUFDest=Decimal('1073.17'), vICMSUFDest=Decimal('73.17'), vFCPUFDest=Decimal('0.00'))
    """
    charged = of(value, between)
    base = cents((value - charged) / (_HUNDRED - inside - fcp) * _HUNDRED)
    return Share(base, max(of(base, inside) - charged, ZERO), of(base, fcp))


def difal(line: Line) -> Computed:
    """The fields of ICMSUFDest; an FCP of zero is left out, as 880 asks of its kin."""
    operation, product = line.operation, line.product
    rate = internal_rate(operation, product, operation.destination)
    between = tax_tables.interstate_rate(product.origin, operation.origin, operation.destination)
    value = reduced(line.price, product.in_uf(operation.destination).difal_reduction or Decimal(0))
    share_of = double_base if rate.difal_base == "double" else single_base
    share = share_of(value, inside=rate.icms, between=between, fcp=rate.fcp)
    return Computed(
        {
            "vBCUFDest": share.vBCUFDest,
            "pFCPUFDest": rate.fcp or None,
            "pICMSUFDest": rate.icms,
            "pICMSInter": between,
            "vFCPUFDest": share.vFCPUFDest,
            "vICMSUFDest": share.vICMSUFDest,
        },
        {"vFCPUFDest": share.vFCPUFDest, "vICMSUFDest": share.vICMSUFDest, "vICMSUFRemet": ZERO},
    )
