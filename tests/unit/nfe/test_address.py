import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.errors import Invalid
from workflow.nfe.address import municipality, parse_lines, uf_of


@pytest.mark.parametrize(
    ("lines", "street", "number", "complement"),
    [
        (("Rua da Consolação, 700", "Apto 32"), "Rua da Consolação", "700", "Apto 32"),
        (("Rua X,45",), "Rua X", "45", None),
        (("Av. Brasil nº 1500-B - fundos",), "Av. Brasil", "1500-B", "fundos"),
        (("Rua X N 12",), "Rua X", "12", None),
        (("Rua 25 de Março 1000",), "Rua 25 de Março", "1000", None),
        (("Rua 15 de Novembro",), "Rua 15 de Novembro", "S/N", None),
        (("Praça, 7 de Setembro, 10",), "Praça, 7 de Setembro", "10", None),
        (("Rua X, s/n",), "Rua X", "S/N", None),
        (("Rua X S/N", "Casa"), "Rua X", "S/N", "Casa"),
        (("Rua 7",), "Rua 7", "S/N", None),
        (("Rua 7, 30",), "Rua 7", "30", None),
        (("Avenida Paulista 1578", "conj 12"), "Avenida Paulista", "1578", "conj 12"),
        (("Rodovia BR 101 km 12",), "Rodovia BR 101 km 12", "S/N", None),
        (("SQS 308 Bloco C Apto 201",), "SQS 308 Bloco C Apto 201", "S/N", None),
        (("Quadra 5, Lote 3",), "Quadra 5, Lote 3", "S/N", None),
        (("Rua das Flores", "25 apto 3"), "Rua das Flores", "25", "apto 3"),
        (("Rua das Flores", "Casa 2"), "Rua das Flores", "S/N", "Casa 2"),
        (("700, Rua X",), "Rua X", "700", None),
        (("Rua X, 2º andar",), "Rua X, 2º andar", "S/N", None),
        (("Rua X, 33, 2º andar", "Sala 5"), "Rua X", "33", "2º andar, Sala 5"),
        (("Rua X, 123 A, bloco 2",), "Rua X", "123 A", "bloco 2"),
        (("Rua X 700 Apto 32",), "Rua X", "700", "Apto 32"),
        (("Rua A - 45 - ap 2",), "Rua A", "45", "ap 2"),
        (("Rua João XXIII, 12/14",), "Rua João XXIII", "12/14", None),
        (("Rod. SP-101, km 5",), "Rod. SP-101, km 5", "S/N", None),
        (("Rua X, 10", None, "Fundos"), "Rua X", "10", "Fundos"),
    ],
)
def test_lines_as_people_write_them(lines: tuple[str, ...], street: str, number: str, complement: str | None) -> None:
    assert parse_lines(*lines) == (street, number, complement)


@given(st.text(), st.text())
def test_any_line_is_parsed_and_a_number_is_never_empty(line_1: str, line_2: str) -> None:
    assert parse_lines(line_1, line_2).number


@pytest.mark.parametrize(
    ("uf", "city", "cep", "code"),
    [
        ("SP", "SAO PAULO", "01302000", "3550308"),
        ("SP", "Santa Bárbara D´Oeste", "13450000", "3545803"),
        ("SP", "São Paulo - SP", "01302000", "3550308"),
        ("DF", "Taguatinga", "72010000", "5300108"),
        ("RJ", "Parati", "23970000", "3303807"),
        ("MT", "Boa Esperança do Norte", "78890000", "5101837"),
        (None, "Bom Jesus", "95290000", "4302303"),
        (None, "Bom Jesus", "64900000", "2201903"),
    ],
)
def test_a_municipality_by_uf_name_and_cep(uf: str | None, city: str, cep: str, code: str) -> None:
    assert municipality(uf, city, cep)[0].code == code


def test_agreement_gives_no_warning() -> None:
    assert municipality("SP", "Campinas", "13010111")[1] == ()


def test_a_cep_outside_the_uf_is_a_warning_and_the_uf_stays() -> None:
    place, warnings = municipality("SP", "Campinas", "20040020")
    assert place.uf == "SP"
    assert len(warnings) == 1
    assert "PostalCode" in warnings[0]


def test_a_city_of_another_uf_goes_where_the_cep_says_with_a_warning() -> None:
    place, warnings = municipality("SP", "Belo Horizonte", "30130005")
    assert place == ("3106200", "Belo Horizonte", "MG")
    assert len(warnings) == 1


def test_an_unknown_municipality_is_refused_without_naming_it() -> None:
    with pytest.raises(Invalid, match=r"ShippingAddress\.City") as refused:
        municipality("SP", "Gotham", "01302000")
    assert refused.value.code == "unknown-municipality"
    assert "Gotham" not in refused.value.message


@pytest.mark.parametrize("state", ["SP", "sp", "São Paulo", "SAO PAULO", "BR-SP"])
def test_a_state_by_letters_or_by_name(state: str) -> None:
    assert uf_of(state) == "SP"
