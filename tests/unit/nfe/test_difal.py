from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from workflow.nfe.difal import double_base, single_base

values = st.decimals("0.00", "99999.99", places=2)
insides = st.decimals("7", "25", places=1)
betweens = st.sampled_from([Decimal(4), Decimal(7), Decimal(12)])
fcps = st.sampled_from([Decimal(0), Decimal(1), Decimal(2)])


@given(values, insides, betweens, fcps)
def test_the_single_base_is_the_value_and_the_share_its_difference(
    value: Decimal, inside: Decimal, between: Decimal, fcp: Decimal
) -> None:
    share = single_base(value, inside=inside, between=between, fcp=fcp)
    assert share.vBCUFDest == value
    assert abs(share.vICMSUFDest - max(value * (inside - between) / 100, Decimal(0))) <= Decimal("0.005")
    assert abs(share.vFCPUFDest - value * fcp / 100) <= Decimal("0.005")


@given(values, insides, betweens, fcps)
def test_the_double_base_never_gives_the_destination_less_where_it_charges_more(
    value: Decimal, inside: Decimal, between: Decimal, fcp: Decimal
) -> None:
    single = single_base(value, inside=inside, between=between, fcp=fcp)
    double = double_base(value, inside=inside, between=between, fcp=fcp)
    if inside >= between:
        assert double.vICMSUFDest >= single.vICMSUFDest - Decimal("0.01")


def test_a_destination_that_charges_less_than_the_route_gets_nothing() -> None:
    share = single_base(Decimal(100), inside=Decimal(7), between=Decimal(12), fcp=Decimal(0))
    assert share.vICMSUFDest == 0
