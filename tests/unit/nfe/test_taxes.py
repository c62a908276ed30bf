from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.nfe.conftest import ISSUER
from workflow.errors import Invalid
from workflow.nfe import icms, tax_tables, taxes
from workflow.nfe.icms import Computed, Line
from workflow.nfe.invoice import Invoice, Issuer, Product, TaxGroup
from workflow.nfe.operation import Operation

ON = date(2026, 11, 22)
NORMAL = {"crt": 3, "pis_cofins": "non-cumulative"}


def line(
    price: str = "101.80",
    *,
    to: str = "MG",
    contributor: bool = False,
    on: date | None = ON,
    issuer: dict[str, Any] | None = None,
    **product: Any,
) -> Line:
    """One sale of a seller in SP, CRT 3 lucro real unless said."""
    seller = Issuer.parse(ISSUER | NORMAL | (issuer or {}))
    goods = Product.parse({"sku": "SKU-1", "ncm": "85183000"} | product)
    return Line(Operation(seller, to, contributor, on), goods, Decimal(price), Decimal(2))


def groups(one: Line) -> dict[str, TaxGroup]:
    return {group.tax: group for group in taxes.taxed(one).groups}


def amounts(group: TaxGroup, *names: str) -> tuple[str, ...]:
    return tuple(str(group.fields[name]) for name in names)


def refusal(one: Line) -> str:
    with pytest.raises(Invalid) as refused:
        taxes.taxed(one)
    return refused.value.code


def test_the_groups_come_in_the_order_of_the_schema(invoice: Invoice) -> None:
    (item,) = invoice.items
    assert [group.tax for group in item.taxes] == ["ICMS", "PIS", "COFINS"]
    full = line(to="RJ", issuer={"industrial": True}, ipi_rate="10")
    assert [group.tax for group in taxes.taxed(full).groups] == ["ICMS", "IPI", "PIS", "COFINS", "ICMSUFDest", "IBSCBS"]


def test_a_new_situation_is_a_row_and_a_fragment(monkeypatch: pytest.MonkeyPatch) -> None:
    row = tax_tables.Situation("ICMS", "77", frozenset({3}), "icms/new.xml.j2", "taxed", consumer="77")
    known = {**tax_tables.situations(), ("ICMS", "77"): row}
    monkeypatch.setattr(tax_tables, "situations", lambda: known)
    group = groups(line("100.00", cst="77"))["ICMS"]
    assert (group.fragment, group.totals["vICMS"]) == ("icms/new.xml.j2", Decimal("12.00"))


def test_a_new_way_to_compute_is_a_function_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def half(one: Line) -> Computed:
        return Computed({"vBC": one.price}, {"vBC": one.price, "vICMS": one.price / 2})

    row = tax_tables.Situation("ICMS", "77", frozenset({3}), "icms/new.xml.j2", "half", consumer="77")
    known = {**tax_tables.situations(), ("ICMS", "77"): row}
    monkeypatch.setattr(tax_tables, "situations", lambda: known)
    monkeypatch.setattr(taxes, "CALCULATIONS", {**icms.CALCULATIONS, "half": half})
    assert groups(line("10.00", cst="77"))["ICMS"].totals["vICMS"] == 5


def test_a_sale_to_another_state_by_a_company_of_the_normal_regime() -> None:
    # The numbers of the worked example: 101.80 from SP to MG, 12 and 18 %.
    found = groups(line(issuer={"pis_cofins_base_without": ["vICMS", "vICMSUFDest"]}))
    assert amounts(found["ICMS"], "vBC", "pICMS", "vICMS") == ("101.80", "12.00", "12.22")
    assert amounts(found["ICMSUFDest"], "vBCUFDest", "pICMSInter", "vICMSUFDest") == ("101.80", "12.00", "6.11")
    assert amounts(found["PIS"], "vBC", "vPIS") == ("83.47", "1.38")
    assert amounts(found["COFINS"], "vBC", "vCOFINS") == ("83.47", "6.34")
    assert amounts(found["IBSCBS"], "vBC", "vIBSUF", "vIBSMun", "vIBS", "vCBS") == (
        "75.75", "0.08", "0.00", "0.08", "0.68",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "carries"),
    [
        ({}, True),
        ({"to": "SP"}, False),
        ({"contributor": True}, False),
        ({"cst": "40"}, False),
        ({"cst": "41"}, False),
        ({"cst": "20", "icms_reduction": "33.33"}, True),
        ({"cst": "60"}, True),
        ({"issuer": {"crt": 2}}, True),
        ({"issuer": {"crt": 1}}, False),
        ({"issuer": {"crt": 4}}, False),
    ],
)
def test_difal_goes_with_a_consumer_of_another_state_and_with_no_simples(
    changes: dict[str, Any], carries: bool
) -> None:
    assert ("ICMSUFDest" in groups(line(**changes))) is carries


def test_the_states_fund_is_the_destinations_or_the_sellers_own_never_both() -> None:
    found = groups(line("100.00", to="RJ"))
    assert found["ICMS"].fields["pFCP"] is None
    assert amounts(found["ICMSUFDest"], "pFCPUFDest", "vFCPUFDest") == ("2", "2.00")
    at_home = groups(line("100.00", to="SP", by_uf={"SP": {"fcp_rate": "2"}}))
    assert amounts(at_home["ICMS"], "pFCP", "vFCP") == ("2", "2.00")
    assert groups(line("100.00"))["ICMSUFDest"].fields["pFCPUFDest"] is None


def test_the_products_word_on_a_rate_goes_before_the_sellers_and_the_sellers_before_the_tables() -> None:
    rates = [{"ncm": "8518", "uf": "MG", "icms_rate": 25}, {"ncm": "85", "icms_rate": 7}, {"uf": "RJ", "fcp_rate": 0}]
    seller = {"rates": rates}

    def inside(**changes: Any) -> Any:
        return groups(line("100.00", **changes))["ICMSUFDest"].fields["pICMSUFDest"]

    assert inside() == 18
    assert inside(issuer=seller) == 25
    assert inside(issuer=seller, to="BA") == 7
    assert inside(issuer=seller, by_uf="MG icms_rate=12,5") == Decimal("12.5")
    assert groups(line(to="RJ", issuer=seller, ncm="33030010"))["ICMSUFDest"].fields["pFCPUFDest"] is None


def test_a_rate_of_the_seller_holds_for_its_time() -> None:
    seller = {"rates": [{"uf": "MG", "icms_rate": 25, "valid_from": "2026-12-01"}]}
    assert groups(line(issuer=seller))["ICMSUFDest"].fields["pICMSUFDest"] == 18
    assert groups(line(issuer=seller, on=date(2026, 12, 1)))["ICMSUFDest"].fields["pICMSUFDest"] == 25


def test_the_double_base_is_a_switch_per_unit() -> None:
    found = groups(line("1000.00", issuer={"rates": [{"uf": "MG", "difal_base": "double"}]}))["ICMSUFDest"]
    assert amounts(found, "vBCUFDest", "vICMSUFDest") == ("1073.17", "73.17")


def test_imported_goods_leave_the_state_with_four_percent() -> None:
    found = groups(line("100.00", origin="1"))
    assert amounts(found["ICMS"], "pICMS", "vICMS") == ("4.00", "4.00")
    assert amounts(found["ICMSUFDest"], "pICMSInter", "vICMSUFDest") == ("4.00", "14.00")


def test_goods_taxed_before_at_home_may_be_taxed_anew_elsewhere() -> None:
    goods = {"cst": "60", "cst_interstate": "00"}
    assert groups(line(to="SP", **goods))["ICMS"].fragment == "icms/cst60.xml.j2"
    assert groups(line(to="MG", **goods))["ICMS"].fragment == "icms/cst00.xml.j2"


def test_what_was_retained_is_told_per_unit_times_the_quantity() -> None:
    goods = {"st_retained_base": "10", "st_retained_rate": "18", "st_retained_icms": "1.80", "st_substitute_icms": "1"}
    fields = groups(line(to="SP", cst="60", **goods))["ICMS"].fields
    assert (fields["vBCSTRet"], fields["vICMSSTRet"], fields["vICMSSubstituto"]) == (20, Decimal("3.60"), 2)


def test_a_reduced_base_and_what_it_forgoes() -> None:
    fields = groups(line("100.00", to="SP", cst="20", icms_reduction="33.33", icms_relief="9"))["ICMS"].fields
    assert (fields["vBC"], fields["vICMS"], fields["vICMSDeson"]) == (
        Decimal("66.67"), Decimal("12.00"), Decimal("6.00"),
    )  # fmt: skip


@pytest.mark.parametrize(("relief", "forgone"), [("simple", "18.00"), ("inside", "21.95")])
def test_an_exempt_sale_tells_what_it_forgoes_where_a_reason_is_named(relief: str, forgone: str) -> None:
    found = groups(line("100.00", to="SP", cst="40", icms_relief="9", issuer={"relief": relief}))["ICMS"]
    assert found.totals == {"vICMSDeson": Decimal(forgone)}
    assert groups(line("100.00", to="SP", cst="40"))["ICMS"].totals == {}


def test_a_part_of_the_tax_may_be_deferred() -> None:
    fields = groups(line("100.00", to="SP", cst="51", icms_deferral="33.33", contributor=True))["ICMS"].fields
    assert (fields["vICMSOp"], fields["vICMSDif"], fields["vICMS"]) == (18, 6, 12)


def test_a_credit_is_for_a_contributor_and_a_consumer_has_none() -> None:
    seller = {"crt": 1, "simples_credit": "1.25"}
    group = groups(line("100.00", csosn="101", contributor=True, issuer=seller))["ICMS"]
    assert (group.fragment, group.fields["vCredICMSSN"]) == ("icms/csosn101.xml.j2", Decimal("1.25"))
    assert groups(line(csosn="101", issuer=seller))["ICMS"].fields["code"] == "102"
    assert refusal(line(csosn="101", contributor=True, issuer={"crt": 1})) == "no-credit-rate"


@pytest.mark.parametrize("code", ["10", "70"])
def test_substitution_is_for_contributors(code: str) -> None:
    assert refusal(line(cst=code, st_margin="40")) == "contributor-only"


def test_substitution_is_part_of_what_the_buyer_pays() -> None:
    # 91.59 of goods with a margin of 40 % are 128.23; 18 % of it less 12 % of 91.59: 12.09... solved to the cent.
    found = taxes.taxed(line("103.68", cst="10", st_margin="40", contributor=True))
    fields = found.groups[0].fields
    goods, collected = fields["vBC"], fields["vICMSST"]
    assert isinstance(goods, Decimal)
    assert isinstance(collected, Decimal)
    assert goods + collected == Decimal("103.68")
    assert collected == icms.of(icms.cents(goods * Decimal("1.4")), Decimal(18)) - icms.of(goods, Decimal(12))
    assert found.on_top == collected


def test_the_price_of_an_industrial_seller_holds_the_ipi() -> None:
    found = taxes.taxed(line("110.00", to="SP", issuer={"industrial": True}, ipi_rate="10"))
    by_tax = {group.tax: group for group in found.groups}
    assert amounts(by_tax["IPI"], "vBC", "vIPI", "cEnq") == ("100.00", "10.00", "999")
    assert by_tax["ICMS"].fields["vBC"] == 110
    assert by_tax["PIS"].fields["vBC"] == Decimal("80.20")
    assert found.on_top == 10


def test_a_seller_who_is_no_industry_writes_no_ipi() -> None:
    assert "IPI" not in groups(line(ipi_rate="10"))
    assert groups(line(issuer={"industrial": True}))["IPI"].fragment == "ipi/nt.xml.j2"
    assert refusal(line(issuer={"industrial": True}, ipi_cst="50")) == "no-ipi-rate"


@pytest.mark.parametrize(
    ("regime", "pis", "cofins"), [("cumulative", "0.53", "2.46"), ("non-cumulative", "1.35", "6.23")]
)
def test_the_contributions_follow_the_regime(regime: str, pis: str, cofins: str) -> None:
    found = groups(line("100.00", to="SP", issuer={"pis_cofins": regime}))
    assert (found["PIS"].totals["vPIS"], found["COFINS"].totals["vCOFINS"]) == (Decimal(pis), Decimal(cofins))


def test_a_rate_needs_a_regime() -> None:
    assert refusal(line(pis_cst="01", issuer={"crt": 2, "pis_cofins": None})) == "no-pis-cofins-rate"


def test_the_contributions_of_goods_taxed_at_their_maker_are_not_levied() -> None:
    found = groups(line(pis_cst="04", cofins_cst="04"))
    assert found["PIS"].fragment == "pis/nt.xml.j2"
    assert found["PIS"].totals == {}


def test_other_outgoings_may_have_a_rate_of_their_own() -> None:
    found = groups(line("100.00", to="SP", pis_cst="99", pis_rate="1", cofins_cst="49"))
    assert found["PIS"].totals["vPIS"] == Decimal("0.82")
    assert amounts(found["COFINS"], "vBC", "pCOFINS", "vCOFINS") == ("0.00", "0.00", "0.00")


def test_a_company_above_the_sub_limit_of_the_simples_pays_icms_and_no_ibs() -> None:
    found = groups(line(issuer={"crt": 2}))
    assert found["ICMS"].fragment == "icms/cst00.xml.j2"
    assert found["PIS"].fields["code"] == "49"
    assert "IBSCBS" not in found


def test_a_reduced_class_has_effective_rates() -> None:
    found = groups(line("1000.00", to="SP", cclasstrib="200034", issuer={"ibs_cbs_base_without": []}))["IBSCBS"]
    assert found.fragment == "ibscbs/reduced.xml.j2"
    assert amounts(found, "vBC", "pAliqEfetUF", "pAliqEfetCBS", "vIBSUF", "vCBS") == (
        "1000.00", "0.0400", "0.3600", "0.40", "3.60",
    )  # fmt: skip


def test_books_have_a_class_and_no_amounts() -> None:
    found = groups(line(cclasstrib="410008"))["IBSCBS"]
    assert (found.fragment, found.totals) == ("ibscbs/untaxed.xml.j2", {})


def test_an_unknown_class_is_refused() -> None:
    assert refusal(line(cclasstrib="999999")) == "unknown-cclasstrib"


def test_the_first_day_of_2027_is_data() -> None:
    day = date(2027, 1, 1)
    assert refusal(line(on=day)) == "no-ibs-cbs-rate"
    rates = {"ibs_cbs": {"pCBS": "8.70"}}
    found = groups(line("1000.00", to="SP", on=day, issuer=rates))
    assert found["PIS"].fragment == "pis/nt.xml.j2"
    # 1000 less 180 of ICMS holds the base and 8.80 % of it: 753.68.
    assert amounts(found["IBSCBS"], "vBC", "vIBSUF", "vIBSMun", "vCBS") == ("753.68", "0.38", "0.38", "65.57")


def test_the_sellers_rates_wait_until_the_table_knows_none() -> None:
    found = groups(line(issuer={"ibs_cbs": {"pIBSUF": "0.05", "pCBS": "8.70"}}))["IBSCBS"]
    assert (found.fields["pIBSUF"], found.fields["pCBS"]) == (Decimal("0.10"), Decimal("0.90"))


def test_the_selective_tax_begins_with_2027_and_is_part_of_the_base() -> None:
    goods = {"is_cst": "000", "is_class": "000001", "is_rate": "10"}
    assert "IS" not in groups(line(**goods))
    rates = {"ibs_cbs": {"pCBS": "8.70"}}
    found = groups(line("1000.00", to="SP", on=date(2027, 1, 1), issuer=rates, **goods))
    assert amounts(found["IS"], "vBCIS", "vIS") == ("685.16", "68.52")
    assert found["IBSCBS"].fields["vBC"] == Decimal("753.68")


def test_a_day_without_rates_is_refused() -> None:
    assert refusal(line(on=date(2020, 1, 1))) == "no-icms-rate"
    assert refusal(line(on=None)) == "no-date"
    assert refusal(line(to="AL", on=date(2026, 1, 1))) == "no-icms-rate"


def test_the_simples_needs_no_date() -> None:
    assert "ICMS" in groups(line(on=None, issuer={"crt": 1}))


def test_a_catalogue_is_tried_without_a_date() -> None:
    one = line()
    assert len(taxes.taxes(one.operation.issuer, one.product, Decimal(100))) == 4
    with pytest.raises(Invalid, match="ICMS 99"):
        taxes.taxes(one.operation.issuer, Product.parse({"sku": "A", "ncm": "85183000", "cst": "99"}), Decimal(100))


def test_nothing_paid_is_nothing_taxed() -> None:
    for group in groups(line("0.00", to="RJ")).values():
        assert not any(group.totals.values())


def test_a_line_of_another_quantity_has_the_same_taxes() -> None:
    one = line()
    assert taxes.taxed(one) == taxes.taxed(replace(one, quantity=Decimal(3)))
