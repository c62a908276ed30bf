"""Passwords are kept as what cannot be turned back, and only their owner's fits."""

import pytest

from workflow import passwords
from workflow.errors import Invalid


def test_the_same_password_is_kept_differently_each_time() -> None:
    one, two = passwords.hashed("correct horse"), passwords.hashed("correct horse")
    assert one != two
    assert "correct" not in one
    assert passwords.fits("correct horse", two)


@pytest.mark.parametrize("password", ["", "ninechars", "x" * 257])
def test_one_too_short_or_too_long_is_refused(password: str) -> None:
    with pytest.raises(Invalid, match="bad-password"):
        passwords.hashed(password)


def test_a_hash_of_other_parameters_still_fits() -> None:
    n, passwords_n = 2**10, passwords.N
    try:
        passwords.N = n
        old = passwords.hashed("correct horse")
    finally:
        passwords.N = passwords_n
    assert f"${n}$" in old
    assert passwords.fits("correct horse", old)


def test_a_drawn_password_is_never_the_same() -> None:
    assert len({passwords.drawn() for _ in range(100)}) == 100
    assert passwords.hashed(passwords.drawn())
