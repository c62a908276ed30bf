"""How the buyer paid: Amazon's payments as `detPag`, whose sum is the invoice's total to the cent.

tPag and tBand come from `data/payment_methods.csv` and `data/card_brands.csv`. With one payment the total is
Amazon's word against its own: the document's total counts, and the difference is a warning. With several nobody can
say which one is wrong, so that a person decides.
"""

from decimal import Decimal

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.amounts import ZERO
from workflow.nfe.invoice import Card, Issuer, Payment
from workflow.nfe.shipment_detail import Money, PaymentInformation, ShipmentDetail
from workflow.nfe.tables import PaymentMethod
from workflow.nfe.tax_ids import compact, is_cnpj
from workflow.nfe.text import fit, folded

_NO_PAYMENT = "90"  # table of tPag; its vPag must be zero (rejection 904)
_OTHER = "99"
_OTHER_BRAND = "99"


def payments(
    detail: ShipmentDetail, issuer: Issuer, intermediary_cnpj: str, vNF: Decimal
) -> tuple[tuple[Payment, ...], tuple[str, ...]]:
    """The payments, whose sum is vNF, and the warnings; raise Invalid('payments-differ')."""
    if vNF == ZERO:
        return (Payment(_NO_PAYMENT, ZERO),), ()
    paid = [(one, _amount(one.PaymentValue, i)) for i, one in enumerate(detail.Payments)]
    paid = [(one, amount) for one, amount in paid if amount != ZERO] if len(paid) > 1 else paid
    if not paid:
        return _from_names(detail, issuer, intermediary_cnpj, vNF)
    if len(paid) == 1:
        one, amount = paid[0]
        differs = amount is not None and amount != vNF
        warnings = ("Payments[0].PaymentValue differs from the invoice's total, which is written",) * differs
        return (_payment(one, issuer, intermediary_cnpj, vNF),), warnings
    if any(amount is None for _, amount in paid):
        raise Invalid("payments-differ", "one of several Payments has no amount; compare the shipment with its order")
    total = sum((amount or ZERO for _, amount in paid), ZERO)
    if total != vNF:
        raise Invalid(
            "payments-differ",
            f"Payments sum to {total} and the invoice to {vNF}; compare the shipment with its order at Amazon",
        )
    return tuple(_payment(one, issuer, intermediary_cnpj, amount or ZERO) for one, amount in paid), ()


def _amount(money: Money | None, index: int) -> Decimal | None:
    """The payment's amount in reais, or None when Amazon gives none."""
    if money is None or money.Amount is None:
        return None
    if money.CurrencyCode not in (None, "BRL"):
        raise Invalid("not-brl", f"Payments[{index}].PaymentValue is not in BRL; only reais can be invoiced")
    if not 0 <= money.Amount < 10**13 or money.Amount != money.Amount.quantize(ZERO):
        raise Invalid("bad-amount", f"Payments[{index}].PaymentValue is not an amount in reais and cents")
    return money.Amount.quantize(ZERO)


def _payment(one: PaymentInformation, issuer: Issuer, intermediary_cnpj: str, vPag: Decimal) -> Payment:
    name = one.PaymentMethod or ""
    method = _method(name, issuer)
    card = _card(one, method, issuer, intermediary_cnpj) if method.has_card else None
    xPag = (fit(name, 60) if len(fit(name, 60)) > 1 else issuer.unknown_payment) if method.tPag == _OTHER else None
    return Payment(method.tPag, vPag, xPag, card)


def _method(name: str, issuer: Issuer) -> PaymentMethod:
    method = tables.payment_methods().get(folded(name).lower(), PaymentMethod(_OTHER, has_card=False))
    return method._replace(tPag=issuer.gift_card_tPag) if method.tPag == "gift" else method


def _card(one: PaymentInformation, method: PaymentMethod, issuer: Issuer, intermediary_cnpj: str) -> Card:
    acquirer = compact(one.AcquirerId or "")
    cnpj = acquirer if issuer.card_cnpj == "acquirer" and is_cnpj(acquirer) else intermediary_cnpj
    cAut = fit(one.AuthorizationCode or "", 128) or None
    brand = folded(one.CardBrand or "").lower()
    return Card(
        tpIntegra="1" if cAut else "2",
        cnpj=cnpj,
        tBand=tables.card_brands().get(brand, _OTHER_BRAND) if brand and method.tPag in ("03", "04") else None,
        cAut=cAut,
    )


def _from_names(
    detail: ShipmentDetail, issuer: Issuer, intermediary_cnpj: str, vNF: Decimal
) -> tuple[tuple[Payment, ...], tuple[str, ...]]:
    """One payment of the whole total out of PaymentMethodDetails, which has names but no amounts."""
    names = tuple(dict.fromkeys(name for name in detail.PaymentMethodDetails if name.strip()))
    if len(names) == 1:
        one = PaymentInformation(PaymentMethod=names[0])
        return (_payment(one, issuer, intermediary_cnpj, vNF),), ()
    if not names:
        warning = "Payments and PaymentMethodDetails are empty: tPag 99 is written"
        return (Payment(_OTHER, vNF, issuer.unknown_payment),), (warning,)
    warning = "PaymentMethodDetails names several methods without amounts: tPag 99 is written"
    return (Payment(_OTHER, vNF, fit(" + ".join(names), 60)),), (warning,)
