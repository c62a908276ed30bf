"""The totals: every field the sum of the items', vNF what the buyer paid."""

from collections.abc import Sequence
from dataclasses import fields
from decimal import Decimal

from workflow.nfe.amounts import ZERO
from workflow.nfe.invoice import Item, Totals

#: W16-10 (610): what makes up vNF besides the goods, less the discounts. vICMSDeson does not: it is written with
#: indDeduzDeson 0. DIFAL, IBS and CBS are inside the price.
_ADDED = ("vProd", "vST", "vFCPST", "vFrete", "vSeg", "vOutro", "vII", "vIPI", "vIPIDevol")


def totals(items: Sequence[Item]) -> Totals:
    """ICMSTot, ISTot, IBSCBSTot and vNFTot (rejections 531 to 604, 610, 685, 1076 to 1094)."""
    sums = {field.name: ZERO for field in fields(Totals) if field.name not in ("vTotTrib", "vNFTot")}
    for item in items:
        for name in ("vProd", "vFrete", "vDesc", "vOutro"):
            sums[name] += getattr(item, name)
        for group in item.taxes:
            for name, amount in group.totals.items():
                if name in sums:
                    sums[name] += amount
    sums["vNF"] = sum((sums[name] for name in _ADDED), ZERO) - sums["vDesc"]
    return Totals(
        **sums,
        vTotTrib=_whole([item.vTotTrib for item in items]),
        vNFTot=_whole([item.vItem for item in items]),
    )


def _whole(amounts: Sequence[Decimal | None]) -> Decimal | None:
    """The sum of what is written, or None where nothing is."""
    written = [amount for amount in amounts if amount is not None]
    return sum(written, ZERO) if written else None
