"""Somebody else's words are shown without the buyer's, however they are quoted, and without orders to a terminal."""

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.nfe.tables import cstat_texts
from workflow.privacy import LONGEST, discreet, masked, one_line, only, values_of, without
from workflow.sandbox.shipments import demo_shipments

NAME, STREET, CPF, PHONE, EMAIL = (
    "Zuleica D'Ávila Peçanha", "Rua Tangará, 77341", "698.552.190-82", "+55 11 98877-6655", "zu@exemplo.com",
)  # fmt: skip
DETAILS = json.dumps(
    {
        "payload": {
            "AmazonOrderId": "701-1234567-1234567",
            "BuyerName": NAME,
            "BuyerTaxInfo": {"TaxClassifications": [{"Name": "CPF", "Value": "69855219082"}]},
            "ShippingAddress": {"Name": NAME, "AddressLine1": STREET, "City": "Sorocaba", "Phone": PHONE},
            "Payments": [{"PaymentMethod": "CreditCard", "AuthorizationCode": "AUT998877"}],
            "SellerDisplayName": "Loja Boa",
            "ShipmentItems": [{"Title": "Fone Azul", "SellerSKU": "FONE-1"}],
        }
    }
).encode()
VALUES = values_of(DETAILS)


def test_the_buyers_own_data_are_found_and_nobody_elses() -> None:
    assert VALUES == [NAME, "69855219082", STREET, PHONE, "AUT998877"]


def test_every_example_of_the_local_amazon_has_private_data() -> None:
    for example in demo_shipments(30):
        found = values_of(json.dumps(example.details).encode())
        assert example.details["BuyerName"] in found
        assert example.details["ShippingAddress"]["AddressLine1"] in found
        assert example.details["ShippingAddress"]["City"] not in found


@pytest.mark.parametrize("details", [b"", b"\xff", b"[" * 100_000, b"null", b'"x"', b"{}"])
def test_what_is_no_details_has_none(details: bytes) -> None:
    assert values_of(details) == []


@pytest.mark.parametrize(
    "spell",
    [str, str.upper, str.lower, quote, html.escape, lambda text: json.dumps(text)[1:-1], lambda text: f"<{text}>"],
    ids=["as it is", "capitals", "small", "URL", "XML", "JSON", "in brackets"],
)
@pytest.mark.parametrize("value", [NAME, STREET, CPF, "69855219082", PHONE, "11988776655", EMAIL, "AUT998877"])
def test_a_value_is_starred_out_however_it_is_quoted(value: str, spell: object) -> None:
    shown = discreet(f"Rejeição: {spell(value)} é inválido", VALUES)  # type: ignore[operator]
    assert shown.startswith("Rejeição: ")
    assert shown.endswith(" é inválido")
    for private in ("zuleica", "vila", "anha", "tangar", "77341", "698", "552", "9887", "zu@", "aut99"):
        assert private not in shown.lower()


@pytest.mark.parametrize("length", range(3, 8))
def test_a_name_that_was_cut_at_the_end_is_starred_out_too(length: int) -> None:
    assert without("o nome " + "Zuleica"[:length], VALUES) == "o nome ***"
    assert without(f"diz '{'Zuleica'[:length]}'.", VALUES) == "diz '***'."
    assert without("Zul e mais", VALUES) == "Zul e mais"


def test_sefazs_own_words_keys_and_receipts_stay_as_they_are() -> None:
    for text in cstat_texts().values():
        assert discreet(text, VALUES) == text
    quoted = "Duplicidade de NF-e [chNFe: 35261199999999000191550010000000011482109373][nRec:351000012345678]"
    assert discreet(quoted, VALUES) == quoted


def test_a_long_text_is_cut_between_words_so_that_no_half_name_is_left() -> None:
    shown = discreet("x " * (LONGEST // 2 - 2) + "Maximiliano", ["Maximiliana"])
    assert len(shown) <= LONGEST
    assert "Maxi" not in shown


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[31mred\x1b[0m",
        "a\nb",
        "a\r\nb",
        "\u202eevil",
        "a\x00b",
        "\x9b31m",
        "\ud800",
        "\u2066x",
        "a\u200bb",
        "\u2028",
    ],
)
def test_nothing_is_left_that_a_terminal_a_log_or_a_database_would_obey(text: str) -> None:
    shown = one_line(text)
    assert shown.isprintable()
    shown.encode()


@given(st.text())
def test_a_line_is_one_line_whatever_the_text(text: str) -> None:
    assert one_line(text).isprintable()
    assert one_line(one_line(text)) == one_line(text)


@pytest.mark.parametrize("value", ["x" * 100_000, "1" * 100_000, "a1" * 50_000, "é" * 50_000, "abc " * 30_000])
def test_a_giant_value_is_starred_out_too(value: str) -> None:
    assert "abc" not in without(f"o valor {value[:5000]}", [value]).lower()
    assert without(f"sim {value}"[:2000], ["Zuleica", "12345678901"]).startswith("sim ")


@given(st.text(max_size=80), st.lists(st.text(min_size=1, max_size=20), max_size=4))
def test_starring_out_fails_at_no_text(text: str, values: list[str]) -> None:
    discreet(text, values)


@given(st.text(alphabet="aáÁßİ1 .-ﬁ", max_size=12), st.sampled_from(["peçanha", "Peçanha", "PECANHA"]))
def test_a_name_is_found_beside_any_letter_that_grows_when_it_is_folded(around: str, name: str) -> None:
    shown = without(f"{around} {name} {around}", ["Peçanha"])
    assert shown == f"{around} *** {around}"


@pytest.mark.parametrize(
    "secret", ["Atzr|IwEB", "Atza|IwEB", "Atz.sprdt|x", "amzn1.oa2-cs.v1.abc", "A" * 100, "(11) 98765-4321"]
)
def test_a_secret_is_known_by_its_form(secret: str) -> None:
    assert secret not in masked(f"token {secret} is invalid")


@pytest.mark.parametrize("text", ["x" * 10**6, "a@" * 10**6, "." * 10**6, "1" * 10**6, "%41" * 10**6, "&#1;" * 10**6])
def test_a_giant_text_takes_no_time(text: str) -> None:
    assert len(discreet(text, VALUES)) <= LONGEST


def test_of_words_about_a_buyer_only_those_stay_that_name_nobody() -> None:
    words = {"invalid", "buyer", "for", "shipment"}
    assert (
        only("Invalid buyer Zuleica D'Ávila (zu@x.com) for shipment 12", words)
        == "Invalid buyer ***'*** (***) for shipment 12"
    )
