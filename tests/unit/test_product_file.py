"""People's files of products: good ones are read whole, each mistake is told with its line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.nfe.conftest import ISSUER
from workflow.errors import Invalid
from workflow.nfe.invoice import Issuer, Product
from workflow.product_file import SHOWN_MISTAKES, flat, read_products, written

# -- CSV ----------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def written(content: str | bytes) -> Path:
        path = tmp_path / "products.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


Table = Callable[[str | bytes], Path]


@pytest.fixture
def toml(tmp_path: Path) -> Callable[[str], Path]:
    def written(content: str) -> Path:
        path = tmp_path / "products.toml"
        path.write_text(content, encoding="utf-8")
        return path

    return written


Toml = Callable[[str], Path]
#: A field of Product that holds others, one table per destination.
NESTED = "by_uf"
has_nested = pytest.mark.skipif(NESTED not in Product.model_fields, reason="products have no nested field")


def mistakes(path: Path) -> str:
    with pytest.raises(Invalid, match=r"bad-products|unreadable-file") as raised:
        read_products(path)
    return raised.value.message


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["no BOM", "BOM"])
def test_products_are_read_as_spreadsheets_write_them(table: Table, separator: str, end: str, mark: str) -> None:
    lines = ["sku,ncm,title,cest", "A-1,8518.30.00,Fone,21.050.00", "", "B 2,49019900,,"]
    path = table(mark + end.join(line.replace(",", separator) for line in lines) + end)
    rows = dict(read_products(path))
    assert list(rows) == ["A-1", "B 2"]
    assert {name: rows["A-1"][name] for name in ("ncm", "title", "cest")} == {
        "ncm": "85183000",
        "title": "Fone",
        "cest": "2105000",
    }
    assert "title" not in rows["B 2"]
    assert rows["B 2"]["origin"] == "0"


def test_a_quoted_cell_may_hold_separators_quotes_and_line_ends(table: Table) -> None:
    path = table('sku,title,ncm\nA,"Cabo, ""USB""\n2 m",85183000\nB,"a\u2028b",85183000\n')
    rows = dict(read_products(path))
    assert list(rows) == ["A", "B"]
    assert rows["A"]["title"].startswith('Cabo, "USB"')


def test_leading_zeros_stay(table: Table) -> None:
    assert dict(read_products(table("sku,ncm\n007,01012100\n")))["007"]["ncm"] == "01012100"


def test_a_file_of_a_header_only_has_no_products(table: Table) -> None:
    assert read_products(table("sku,ncm\n")) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("A", "ncm: Field required"),
        ("A,123", "ncm: "),
        (",85183000", "sku: Field required"),
        ("A,85183000,9", "origin: "),
        ("A,85183000,0,x", "more cells than the header"),
    ],
)
def test_a_bad_line_is_told_with_its_number(table: Table, line: str, says: str) -> None:
    path = table(f"sku,ncm,origin\nGOOD,85183000,0\n{line}\n")
    message = mistakes(path)
    assert message.splitlines()[0] == "nothing was imported"
    assert message.splitlines()[1].startswith(f"{path}:3: ")
    assert says in message


def test_the_line_number_counts_lines_of_the_file(table: Table) -> None:
    path = table('sku,title,ncm\nA,"two\nlines",85183000\n\nB,b,1\n')
    assert f"{path}:5: " in mistakes(path)


def test_a_sku_that_stands_twice_is_told(table: Table) -> None:
    path = table("sku,ncm\nA,85183000\nB,85183000\nA,49019900\n")
    assert f"{path}:4: sku A stands twice" in mistakes(path)


def test_many_mistakes_are_counted_and_the_first_are_told(table: Table) -> None:
    bad = "".join(f"S{number},x\n" for number in range(SHOWN_MISTAKES + 5))
    lines = mistakes(table("sku,ncm\n" + bad)).splitlines()
    assert len(lines) == 1 + SHOWN_MISTAKES + 1
    assert lines[-1] == "… and 5 more"


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("sku,ncm,price", "unknown column price"),
        ("SKU,ncm", "unknown column SKU"),
        ("ncm,title", "the column sku is missing"),
        ("sku,ncm,ncm", "column ncm stands twice"),
        ("sku|ncm", "unknown column sku|ncm"),
        ("", "the column sku is missing"),
        ("sku,ncm.", "unknown column ncm."),
        ("sku,.ncm", "unknown column .ncm"),
        ("sku,ncm,ncm.a", "column ncm stands beside columns inside it"),
    ],
)
def test_a_header_that_is_none_is_told(table: Table, header: str, says: str) -> None:
    path = table(f"{header}\nA,85183000\n") if header else table("")
    message = mistakes(path)
    assert message.startswith(f"{path}:1: {says}")
    assert "the columns are: sku, " in message


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00", "sku,ncm\nAção,85183000\n".encode("latin-1"), b'sku,ncm\nA,"' + b"x" * 200_000],
    ids=["binary", "latin-1", "an open quote"],
)
def test_what_is_no_csv_is_told(table: Table, content: bytes) -> None:
    path = table(content)
    assert mistakes(path).startswith(str(path))


def test_a_missing_products_file_is_told(tmp_path: Path) -> None:
    assert str(tmp_path / "none.csv") in mistakes(tmp_path / "none.csv")


@has_nested
def test_a_dotted_column_stands_inside_another(table: Table) -> None:
    rows = dict(read_products(table("sku,ncm,by_uf.RJ.fcp_rate,by_uf.MG.icms_rate\nA,85183000,2,\nB,85183000,,12\n")))
    assert list(rows["A"][NESTED]) == ["RJ"]
    assert flat(rows["A"])["by_uf.RJ.fcp_rate"] == "2"
    assert flat(rows["B"])["by_uf.MG.icms_rate"] == "12"


@has_nested
def test_a_mistake_inside_another_field_names_the_way_to_it(table: Table) -> None:
    assert ":2: product: by_uf.RJ.fcp_rate: " in mistakes(table("sku,ncm,by_uf.RJ.fcp_rate\nA,85183000,much\n"))


# -- TOML ---------------------------------------------------------------------------------------------------


def test_each_table_is_a_product(toml: Toml) -> None:
    rows = read_products(toml('[[product]]\nsku = "A"\nncm = "8518.30.00"\n\n[[product]]\nsku = "B"\nncm = 49019900\n'))
    assert [(sku, values["ncm"]) for sku, values in rows] == [("A", "85183000"), ("B", "49019900")]


def test_an_empty_toml_has_no_products(toml: Toml) -> None:
    assert read_products(toml("")) == []


@has_nested
def test_csv_and_toml_say_the_same(toml: Toml, table: Table) -> None:
    nested = toml('[[product]]\nsku = "A"\nncm = "85183000"\n[product.by_uf.RJ]\nfcp_rate = "2"\n')
    assert read_products(nested) == read_products(table("sku;ncm;by_uf.RJ.fcp_rate\nA;85183000;2\n"))


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        ('[[product]]\nsku = "A"\nncm = "85183000"\n\n  [[ product ]]\nsku = "B"\n', 5, "ncm: Field required"),
        ('[[product]]\nsku = "A"\nncm = "85183000"\n[[product]]\nsku = "A"\nncm = "85183000"\n', 4, "stands twice"),
        ('[[product]]\nsku = "A"\nncm = "85183000"\nprice = 1\n', 1, "price: Extra inputs"),
        ('[[product]]\nsku = "A"\nncm = [1]\n', 1, "ncm: "),
        ('[[product]]\nsku = "A"\nncm = 01\n', 3, "no TOML: "),
    ],
)
def test_a_bad_table_is_told_with_the_line_it_begins_at(toml: Toml, content: str, line: int, says: str) -> None:
    path = toml(content)
    told = [one for one in mistakes(path).splitlines() if one != "nothing was imported"]
    assert told[0].startswith(f"{path}:{line}: ")
    assert says in told[0]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[product]\nsku = "A"\n', "with two brackets"),
        ('[[products]]\nsku = "A"\n', "unknown products"),
        ("product = [1]\n", "product 1: no table"),
        ('product = [{sku = "A", ncm = "85183000"}, {sku = "B"}]\n', "product 2: product: ncm: Field required"),
        ("[[product", "no TOML: "),
    ],
)
def test_a_toml_of_another_form_is_told(toml: Toml, content: str, says: str) -> None:
    path = toml(content)
    assert str(path) in mistakes(path)
    assert says in mistakes(path)


# -- what an issuer's NF-e may say --------------------------------------------------------------------------


def test_with_an_issuer_a_line_is_held_against_the_rules(table: Table) -> None:
    path = table("sku,ncm\nA,85183000\nB,77010000\nC,99999999\n")
    assert len(read_products(path)) == 3
    with pytest.raises(Invalid, match="bad-products") as raised:
        read_products(path, issuer=Issuer.parse(ISSUER))
    lines = raised.value.message.splitlines()
    assert [line.removeprefix(str(path))[:3] for line in lines[1:]] == [":3:", ":4:"]
    assert "77 is no chapter of the NCM" in lines[1]


def test_flat_names_are_those_of_the_columns() -> None:
    assert flat({"a": 1, "b": {"c": {"d": 2}, "e": None}}) == {"a": 1, "b.c.d": 2, "b.e": None}


def test_what_is_written_can_be_read_again(table: Table) -> None:
    path = table('sku,ncm,title,cest\nA,85183000,"""Cabo"", 2 m",\nB,85183000,,2105000\n')
    read = read_products(path)
    assert read_products(table(written([flat(values) for _, values in read]))) == read
    assert read_products(table(written([]))) == []
