import re

from hypothesis import given
from hypothesis import strategies as st

from workflow.nfe.text import fit, folded

#: TString of tiposBasico_v4.00.xsd.
TSTRING = re.compile("[!-ÿ]{1}[ -ÿ]{0,}[!-ÿ]{1}|[!-ÿ]{1}")


@given(st.text(), st.integers(1, 120))
def test_any_text_becomes_a_tstring_of_that_length_or_nothing(text: str, length: int) -> None:
    fitted = fit(text, length)
    assert fitted == "" or TSTRING.fullmatch(fitted)
    assert len(fitted) <= length
    assert "  " not in fitted


@given(st.text(), st.integers(1, 120))
def test_fitting_twice_changes_nothing(text: str, length: int) -> None:
    assert fit(fit(text, length), length) == fit(text, length)


@given(st.text(st.characters(codec="ascii")), st.integers(1, 120))
def test_of_plain_text_only_the_blanks_and_the_length_change(text: str, length: int) -> None:
    words = "".join(" " if one.isspace() or not one.isprintable() else one for one in text).split()
    assert fit(text, length) == " ".join(words)[:length].strip()


@given(st.text(st.characters(min_codepoint=0xC0, max_codepoint=0xFF)))
def test_portuguese_letters_stay(text: str) -> None:
    assert fit(text, 1000) == text


def test_a_decomposed_accent_is_composed() -> None:
    assert fit("Sa\u0303o", 60) == "São"


def test_names_compare_without_accents_case_and_punctuation() -> None:
    assert folded("Mogi-Guaçu") == folded("MOGI GUACU")
