from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.nfe.access_key import access_key, derived_cNF, draw_cNF, is_valid, split


@given(
    cUF=st.sampled_from(["11", "35", "53"]),
    issued_on=st.dates(date(2020, 1, 1), date(2099, 12, 31)),
    cnpj=st.from_regex("[0-9A-Z]{12}[0-9]{2}", fullmatch=True, alphabet=st.characters(codec="ascii")),
    serie=st.integers(0, 889),
    nNF=st.integers(1, 999_999_999),
    cNF=st.from_regex("[0-9]{8}", fullmatch=True, alphabet=st.characters(codec="ascii")),
)
def test_a_key_is_valid_and_gives_its_parts_back(
    cUF: str, issued_on: date, cnpj: str, serie: int, nNF: int, cNF: str
) -> None:
    key = access_key(cUF=cUF, issued_on=issued_on, cnpj=cnpj, serie=serie, nNF=nNF, tpEmis=1, cNF=cNF)
    assert is_valid(key)
    parts = split(key)
    assert (parts.cUF, parts.CNPJ, int(parts.serie), int(parts.nNF), parts.cNF) == (cUF, cnpj, serie, nNF, cNF)


@pytest.mark.parametrize(
    "key", ["", "3" * 44, "35261199999999000191550010000000011482109372", "3526119999999900019155001000000001148210937"]
)
def test_a_wrong_check_digit_or_width_is_no_key(key: str) -> None:
    assert not is_valid(key)


def test_parts_of_the_wrong_width_make_no_key() -> None:
    with pytest.raises(ValueError, match="width"):
        access_key(cUF="35", issued_on=date(2026, 1, 1), cnpj="1", serie=1, nNF=1, tpEmis=1, cNF="12345670")


def test_a_weak_code_is_drawn_again() -> None:
    drawn = iter([0, 11_111_111, 12_345_678, 77, 48_210_937])
    assert draw_cNF(77, lambda limit: next(drawn)) == "48210937"


def test_a_derived_code_is_the_same_for_the_same_facts_and_another_for_any_other() -> None:
    facts = [
        (b"one", 7, "A/1", 1),
        (b"two", 7, "A/1", 1),
        (b"one", 8, "A/1", 1),
        (b"one", 7, "A/2", 1),
        (b"one", 7, "A/1", 2),
    ]
    codes = [derived_cNF(*fact) for fact in facts]
    assert codes == [derived_cNF(*fact) for fact in facts]
    assert len(set(codes)) == len(facts)


def test_a_derived_code_is_never_weak(monkeypatch: pytest.MonkeyPatch) -> None:
    weak = iter([(11_111_111).to_bytes(32, "big"), (7).to_bytes(32, "big"), (48_210_937).to_bytes(32, "big")])
    monkeypatch.setattr("hmac.digest", lambda *_: next(weak))
    assert derived_cNF(b"secret", 7, "A/1", 1) == "48210937"


def test_a_code_keeps_its_leading_zeros() -> None:
    assert draw_cNF(1, lambda limit: 42) == "00000042"
