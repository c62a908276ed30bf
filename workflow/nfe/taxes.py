"""Taxes of one item: which situation it is in, what its groups say, what they add to the totals.

The situation is data: the product's (or the issuer's) code is looked up in `data/tax_situations.csv`, whose row names
the fragment of `templates/` that writes it. A situation with amounts has a calculation in `CALCULATIONS`; one without
writes its code and origin only.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.invoice import Issuer, Product, TaxGroup

#: The regimes (CRT) that can be issued. 2, 3 and 4 await their situations, DIFAL and IBS/CBS.
SUPPORTED_REGIMES = frozenset({1})

#: The fields and the totals of a fragment that has amounts, from the product and the line's value in reais.
Calculation = Callable[[Product, Decimal], tuple[dict[str, str | Decimal], dict[str, Decimal]]]
CALCULATIONS: Mapping[str, Calculation] = {}


def check_regime(issuer: Issuer) -> None:
    """Raise Invalid('regime-not-supported') for a regime whose taxes we cannot compute."""
    if issuer.crt not in SUPPORTED_REGIMES:
        raise Invalid(
            "regime-not-supported",
            f"CRT {issuer.crt} of seller {issuer.seller_id} cannot be issued yet, only CRT 1 (Simples Nacional)",
        )


def taxes(issuer: Issuer, product: Product, value: Decimal) -> tuple[TaxGroup, ...]:
    """The groups of `imposto` in the order of the XSD; `value` is what the buyer pays for the line."""
    return (
        _group("ICMS", product.csosn or issuer.csosn, issuer, product, value),
        _group("PIS", product.pis_cst or issuer.pis_cst, issuer, product, value),
        _group("COFINS", product.cofins_cst or issuer.cofins_cst, issuer, product, value),
    )


def _group(tax: str, code: str, issuer: Issuer, product: Product, value: Decimal) -> TaxGroup:
    situation = tables.situations().get((tax, code))
    if situation is None or issuer.crt not in situation.crt:
        raise Invalid(
            "unknown-tax-situation",
            f"SKU {product.sku}: {tax} {code} cannot be used with CRT {issuer.crt}; mend the catalogue",
        )
    fields: dict[str, str | Decimal] = {"code": code, "orig": product.origin}
    calculation = CALCULATIONS.get(situation.fragment)
    if calculation is None:
        return TaxGroup(situation.fragment, fields, {})
    amounts, totals = calculation(product, value)
    return TaxGroup(situation.fragment, fields | amounts, totals)
