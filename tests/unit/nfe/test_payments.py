from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from workflow.errors import Invalid
from workflow.nfe.invoice import Card, Invoice, Payment

Build = Callable[..., Invoice]
Detail = dict[str, Any]
TOTAL = Decimal("5129.99")


def paid(method: str, amount: str | None = "5129.99", **more: str) -> Detail:
    value = {} if amount is None else {"PaymentValue": {"CurrencyCode": "BRL", "Amount": amount}}
    return {"PaymentMethod": method, **value, **more}


def payments(build: Build, detail: Detail, *given: Detail, **issuer: Any) -> tuple[Payment, ...]:
    detail["Payments"] = list(given)
    return build(detail, **issuer).payments


@pytest.mark.parametrize(
    ("method", "tPag"),
    [
        ("CreditCard", "03"),
        ("DebitCard", "04"),
        ("Pix", "17"),
        ("BankSlip", "15"),
        ("GiftCard", "12"),
        ("Other", "99"),
        ("Barter", "99"),
    ],
)
def test_each_method_has_its_code_and_only_99_says_what_it_is(
    build: Build, detail: Detail, method: str, tPag: str
) -> None:
    (payment,) = payments(build, detail, paid(method))
    assert payment.tPag == tPag
    assert payment.vPag == TOTAL
    assert (payment.xPag is not None) == (tPag == "99")
    assert (payment.card is not None) == (tPag in ("03", "04", "17"))


def test_a_card_payment_tells_who_pays_the_seller_the_brand_and_the_authorization(build: Build, detail: Detail) -> None:
    given = paid("CreditCard", AcquirerId="01.027.058/0001-91", CardBrand="American Express", AuthorizationCode=" A1 ")
    (payment,) = payments(build, detail, given)
    assert payment.card == Card(tpIntegra="1", cnpj="15436940000103", tBand="03", cAut="A1")
    (payment,) = payments(build, detail, given, card_cnpj="acquirer")
    assert payment.card is not None
    assert payment.card.cnpj == "01027058000191"


def test_an_unreadable_acquirer_is_replaced_by_the_intermediary(build: Build, detail: Detail) -> None:
    given = paid("CreditCard", AcquirerId="XX.XXX.XXX/0001-ZZ", CardBrand="Novissima")
    (payment,) = payments(build, detail, given, card_cnpj="acquirer")
    assert payment.card == Card(tpIntegra="2", cnpj="15436940000103", tBand="99", cAut=None)


def test_the_seller_says_what_a_gift_card_is(build: Build, detail: Detail) -> None:
    assert payments(build, detail, paid("GiftCard"), gift_card_tPag="19")[0].tPag == "19"


def test_one_payment_is_the_total_and_a_difference_is_a_warning(build: Build, detail: Detail) -> None:
    detail["Payments"] = [paid("Pix", "5000.00")]
    invoice = build(detail)
    assert invoice.payments[0].vPag == TOTAL
    assert any("PaymentValue" in warning for warning in invoice.warnings)


def test_one_payment_without_an_amount_is_the_total(build: Build, detail: Detail) -> None:
    detail["Payments"] = [paid("Pix", None)]
    invoice = build(detail)
    assert invoice.payments[0].vPag == TOTAL
    assert invoice.warnings == ()


def test_several_payments_keep_their_amounts_and_one_of_zero_is_left_out(build: Build, detail: Detail) -> None:
    found = payments(build, detail, paid("Pix", "5000.00"), paid("GiftCard", "129.99"), paid("Other", "0.00"))
    assert [(one.tPag, one.vPag) for one in found] == [("17", Decimal("5000.00")), ("12", Decimal("129.99"))]


def test_several_payments_that_do_not_sum_to_the_total_are_refused_with_both_figures(
    build: Build, detail: Detail
) -> None:
    with pytest.raises(Invalid, match=r"3\.00.*5129\.99") as refused:
        payments(build, detail, paid("Pix", "1.00"), paid("GiftCard", "2.00"))
    assert refused.value.code == "payments-differ"


def test_one_of_several_payments_without_an_amount_is_refused(build: Build, detail: Detail) -> None:
    with pytest.raises(Invalid, match="no amount"):
        payments(build, detail, paid("Pix"), paid("GiftCard", None))


@pytest.mark.parametrize("amount", ["-1.00", "1.001", "1e13", "1e999999"])
def test_a_payment_that_is_no_amount_in_cents_is_refused(build: Build, detail: Detail, amount: str) -> None:
    with pytest.raises(Invalid) as refused:
        payments(build, detail, paid("Pix", amount))
    assert refused.value.code == "bad-amount"


def test_a_payment_in_another_currency_is_refused(build: Build, detail: Detail) -> None:
    with pytest.raises(Invalid) as refused:
        payments(build, detail, {"PaymentMethod": "Pix", "PaymentValue": {"CurrencyCode": "USD", "Amount": "1.00"}})
    assert refused.value.code == "not-brl"


@pytest.mark.parametrize(
    ("names", "tPag", "xPag"),
    [
        (["CreditCard"], "03", None),
        (["Boleto"], "15", None),
        (["GiftCertificate"], "12", None),
        (["Pix", "Pix"], "17", None),
        (["CreditCard", "GiftCard"], "99", "CreditCard + GiftCard"),
        ([], "99", "Pagamento pela Amazon"),
    ],
)
def test_without_payments_the_names_of_the_methods_say_how(
    build: Build, detail: Detail, names: list[str], tPag: str, xPag: str | None
) -> None:
    detail["PaymentMethodDetails"] = names
    (payment,) = payments(build, detail)
    assert (payment.tPag, payment.xPag, payment.vPag) == (tPag, xPag, TOTAL)
