from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from workflow.nfe.amounts import cents, prorate, unit_price

money = st.decimals("0.00", "99999.99", places=2)


@given(money, st.lists(st.decimals("0.01", "9999.99", places=2), min_size=1, max_size=20))
def test_shares_sum_to_the_total_and_each_is_within_a_cent_of_its_part(total: Decimal, weights: list[Decimal]) -> None:
    shares = prorate(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - total * weight / sum(weights)) < Decimal("0.01")


@given(st.data())
def test_a_share_never_exceeds_its_weight_when_the_total_fits(data: st.DataObject) -> None:
    weights = data.draw(st.lists(st.decimals("0.00", "99.99", places=2), min_size=1, max_size=9).filter(any))
    total = data.draw(st.decimals("0.00", sum(weights), places=2))
    assert all(share <= weight for share, weight in zip(prorate(total, weights), weights, strict=True))


@given(st.decimals("0.01", "999999.99", places=2), st.integers(1, 9999))
def test_quantity_times_unit_price_gives_the_line_back(line: Decimal, quantity: int) -> None:
    price = unit_price(line, Decimal(quantity))
    assert cents(price * quantity) == line
    assert -10 <= int(price.as_tuple().exponent) <= -2
