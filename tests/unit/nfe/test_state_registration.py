"""Registrations of every state, right and with one digit changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.nfe import state_registration, tables
from workflow.nfe.state_registration import is_ie

#: By the states' formulas, and so taken by erpbrasil.base 2.5.1, which has them from SINTEGRA too; TO's of eleven digits by
#: inscricaoestadual 0.0.5.
RIGHT = {
    "AC": ["0106159775502", "0144823576220"], "AL": ["241234816", "245537015"], "AM": ["782986943", "675360510"],
    "AP": ["030170712", "030170763", "030737877", "030123459"], "BA": ["762260334", "878050006", "12345663"],
    "CE": ["282240390", "060000015"], "DF": ["0764490057803", "0859280114878"], "ES": ["210119136", "082560676"],
    "GO": ["103341285", "109450604", "101128630"], "MA": ["124632211", "120139588"],
    "MG": ["0532749373213", "0623079040081"], "MS": ["285720503", "281738297"], "MT": ["13104585902", "00180267876"],
    "PA": ["151335303", "154521370"], "PB": ["644231408", "040729931"], "PE": ["921196547", "032141840"],
    "PI": ["196766222", "191119318"], "PR": ["6544226728", "1234567850"], "RJ": ["92418820", "77123458"],
    "RN": ["2093450410", "200400401", "2000400400"], "RO": ["74711339734161", "00000000625213"],
    "RR": ["247982528", "246218801"], "RS": ["8160101803", "0058503072"], "SC": ["075937182", "786953799"],
    "SE": ["219899789", "013197894"], "SP": ["249863858010", "110042490114"], "TO": ["130703672", "29011844430"],
}  # fmt: skip


@pytest.mark.parametrize(("uf", "ie"), [(uf, ie) for uf, registrations in RIGHT.items() for ie in registrations])
def test_a_right_registration_is_one_and_with_another_last_digit_none(uf: str, ie: str) -> None:
    assert is_ie(uf, ie)
    assert not [digit for digit in "0123456789" if digit != ie[-1] and is_ie(uf, ie[:-1] + digit)]


def test_every_state_has_its_formula() -> None:
    assert set(RIGHT) == set(tables.ufs()) == {uf for uf, _ in state_registration._checks()}


@pytest.mark.parametrize(("uf", "ie"), [(uf, ie) for uf, registrations in RIGHT.items() for ie in registrations])
def test_zeros_before_a_registration_may_be_left_out(uf: str, ie: str) -> None:
    assert uf == "TO" or is_ie(uf, ie.lstrip("0"))


@pytest.mark.parametrize(
    ("uf", "ie"),
    [("SP", ""), ("SP", "0" * 12), ("SP", "ISENTO"), ("SP", "1100424901140"), ("SP", "١10042490114"), ("XX", "110042490114"), ("SP", "0623079040081")],
)  # fmt: skip
def test_what_is_no_registration_of_the_state_is_none(uf: str, ie: str) -> None:
    assert not is_ie(uf, ie)


@given(st.sampled_from(sorted(RIGHT)), st.integers(0, 10**14).map(str))
def test_any_number_is_a_registration_or_none(uf: str, ie: str) -> None:
    assert is_ie(uf, ie) in (True, False)
