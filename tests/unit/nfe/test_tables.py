import itertools
from importlib import resources

from workflow.nfe import tables, tax_tables

TABLES = (
    "municipalities", "municipality_aliases", "ufs", "tax_situations", "payment_methods", "card_brands", "icms_ufs",
    "icms_interstate", "ibs_cbs_rates", "pis_cofins_rates", "cclasstrib", "cfops",
)  # fmt: skip


def test_there_are_27_units_and_5571_municipalities() -> None:
    assert len(tables.ufs()) == 27
    assert len(tables.municipalities_by_code()) == 5571


def test_no_two_municipalities_of_a_unit_have_the_same_folded_name() -> None:
    # Another spelling must not shadow IBGE's own name either.
    listed = list(tables.rows("municipalities.csv"))
    assert all(tables.municipalities_by_code()[row["code"]].name == row["name"] for row in listed)


def test_a_code_begins_with_its_unit() -> None:
    for place in tables.municipalities_by_code().values():
        assert place.code[:2] == tables.ufs()[place.uf].cUF


def test_cep_ranges_do_not_overlap() -> None:
    ranges = sorted(pair for unit in tables.ufs().values() for pair in unit.cep_ranges)
    assert all(first < last for first, last in ranges)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(ranges))


def test_every_situation_names_a_packaged_fragment() -> None:
    for situation in tax_tables.situations().values():
        assert resources.files("templates").joinpath(situation.fragment).is_file()


def test_every_table_says_its_source_and_date() -> None:
    for name in TABLES:
        head = resources.files("workflow.data").joinpath(f"{name}.csv").read_text(encoding="utf-8")[:1200]
        assert "ource" in head
        assert "2026-11-22" in head
