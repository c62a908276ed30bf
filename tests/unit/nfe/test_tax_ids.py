import pytest

from workflow.nfe.tax_ids import compact, is_cnpj, is_cpf


@pytest.mark.parametrize("digit", "0123456789")
def test_a_repeated_digit_is_no_cpf_and_no_cnpj(digit: str) -> None:
    assert not is_cpf(digit * 11)
    assert not is_cnpj(digit * 14)


@pytest.mark.parametrize("value", ["12ABC34501DE35", "15436940000103", "11222333000181"])
def test_a_cnpj_may_have_letters(value: str) -> None:
    assert is_cnpj(value)


@pytest.mark.parametrize("value", ["12ABC34501DE36", "12abc34501DE35", "1543694000010", "١5436940000103", ""])
def test_wrong_digits_lower_case_and_foreign_digits_are_no_cnpj(value: str) -> None:
    assert not is_cnpj(value)


def test_punctuation_is_dropped() -> None:
    assert compact(" 111.444.777-35 ") == "11144477735"
