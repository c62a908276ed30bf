"""The file of products that people write, as CSV or TOML: read whole or not at all, each mistake told with its line.

No field is named here: the columns are those of `Product`. What is nested has a dotted name in CSV (`by_uf.RJ.…`, one
column each) and a table of its own in TOML (`[product.by_uf.RJ]`).
"""

import csv
import io
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from workflow.errors import Invalid
from workflow.input_file import MEGABYTE, content_of
from workflow.nfe.invoice import Issuer, Product
from workflow.nfe.product_rules import problems

#: Half a million products.
LARGEST = 64 * MEGABYTE
#: Mistakes of a file that are listed; the rest is counted.
SHOWN_MISTAKES = 20
#: Of columns so many are named, and so much of each name.
SHOWN_NAMES, LONGEST_NAME = 10, 40

_TABLE = re.compile(r"""^[ \t]*\[\[[ \t]*["']?product["']?[ \t]*\]\]""", re.MULTILINE)
#: What a spreadsheet computes, and what would lose its apostrophe for it.
_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_AT_LINE = re.compile(r"at line (\d+)")


class _Entry(NamedTuple):
    """One product of a file: where it stands, and its values or what is wrong with its form."""

    place: str
    values: Mapping[str, Any]
    mistake: str | None = None


def read_products(path: Path, *, issuer: Issuer | None = None) -> list[tuple[str, dict[str, Any]]]:
    """Read `FILE.toml` ([[product]] tables) or `FILE.csv` (comma, semicolon or tab; a header): (sku, values) each.

    With an issuer, each product is also held against what its NF-e may say. All good or Invalid('bad-products').
    """
    text = _text(path)
    entries = _toml_entries(path, text) if path.suffix.lower() == ".toml" else _csv_entries(path, text)
    return _checked(entries, issuer)


def checked_product(row: Mapping[str, str], issuer: Issuer) -> dict[str, Any]:
    """One product from the names of CSV's columns, as it is stored; raise Invalid('bad-product'), a line each."""
    try:
        product = _product(_Entry("", _nested(row), _header_mistake(list(row))))
    except Invalid as error:
        raise Invalid("bad-product", error.message.removeprefix("product: ").replace("; ", "\n")) from error
    wrong = problems(product, issuer)
    if wrong:
        raise Invalid("bad-product", "\n".join(wrong))
    return product.model_dump(mode="json", exclude_none=True)


def flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """A product's values by the names of CSV's columns.

    >>> flat({'sku': 'A', 'by_uf': {'RJ': {'fcp_rate': '2'}}})
    {'sku': 'A', 'by_uf.RJ.fcp_rate': '2'}
    """
    leaves: dict[str, Any] = {}
    for name, value in values.items():
        leaves |= flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {above + name: value}
    return leaves


def columns_of(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns that any of the flat rows fills."""
    return list(dict.fromkeys(name for row in rows for name in row)) or ["sku"]


def written(rows: Sequence[Mapping[str, Any]]) -> str:
    """Flat rows as a file with tabs that `read_products` reads."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns_of(rows), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _unharmed(cell) for name, cell in row.items()} for row in rows)
    return text.getvalue()


def _unharmed(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: behind an apostrophe, which `_as_meant` takes away."""
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell


def _as_meant(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _text(path: Path) -> str:
    try:
        return content_of(path, LARGEST).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("unreadable-file", f"{path}: cannot be read as UTF-8 text; check the path") from error


def _checked(entries: Iterable[_Entry], issuer: Issuer | None) -> list[tuple[str, dict[str, Any]]]:
    good: dict[str, dict[str, Any]] = {}
    mistakes: list[str] = []
    for entry in entries:
        try:
            product = _product(entry)
        except Invalid as error:
            mistakes.append(f"{entry.place}: {error.message}")
            continue
        if product.sku in good:
            mistakes.append(f"{entry.place}: sku {product.sku} stands twice")
        if issuer is not None:
            mistakes += (f"{entry.place}: {problem}" for problem in problems(product, issuer))
        good[product.sku] = product.model_dump(mode="json", exclude_none=True)
    if mistakes:
        more = len(mistakes) - SHOWN_MISTAKES
        tail = f"\n… and {more} more" if more > 0 else ""
        raise Invalid("bad-products", "nothing was imported\n" + "\n".join(mistakes[:SHOWN_MISTAKES]) + tail)
    return list(good.items())


def _product(entry: _Entry) -> Product:
    if entry.mistake is not None:
        raise Invalid("bad-product", entry.mistake)
    return Product.parse(entry.values)


# -- CSV ----------------------------------------------------------------------------------------------------


def _csv_entries(path: Path, text: str) -> Iterator[_Entry]:
    header = text.split("\n", 1)[0]
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        mistake = _header_mistake(list(rows.fieldnames or []))
        if mistake is not None:
            raise Invalid("bad-products", f"{path}:1: {mistake}; the columns are: {', '.join(Product.model_fields)}")
        for row in rows:
            place = f"{path}:{rows.line_num}"
            if None in row:
                yield _Entry(place, {}, "more cells than the header has columns")
            else:
                yield _Entry(place, _nested(row))
    except csv.Error as error:
        raise Invalid("bad-products", f"{path}:{rows.line_num}: no CSV: {error}; is a quote left open?") from error


def _header_mistake(names: list[str]) -> str | None:
    """What is wrong with a products file's first line."""
    unknown = [name for name in names if name.split(".")[0] not in Product.model_fields or "" in name.split(".")]
    if unknown:
        return f"unknown column {_shown(unknown)}"
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        return f"column {_shown(sorted(twice))} stands twice"
    above = [name for name in names if any(other.startswith(f"{name}.") for other in names)]
    if above:
        return f"column {_shown(above)} stands beside columns inside it"
    return None if "sku" in names else "the column sku is missing"


def _shown(names: Sequence[str]) -> str:
    """Some of the names, each as long as one may be: a wrong file may be one long line."""
    more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
    return ", ".join(name[:LONGEST_NAME] for name in names[:SHOWN_NAMES]) + more


def _nested(row: Mapping[str, str | None]) -> dict[str, Any]:
    """The filled cells; a dotted name's stands in the value of the name before the dot."""
    values: dict[str, Any] = {}
    for name, cell in row.items():
        if cell is None or not cell.strip():
            continue
        inside = values
        *path, last = name.split(".")
        for part in path:
            inside = inside.setdefault(part, {})
        inside[last] = _as_meant(cell)
    return values


# -- TOML ---------------------------------------------------------------------------------------------------


def _toml_entries(path: Path, text: str) -> Iterator[_Entry]:
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # the former also for a number of thousands of digits
        line = _AT_LINE.search(str(error))
        raise Invalid("bad-products", f"{path}:{line[1] if line else 1}: no TOML: {error}") from error
    tables = values.pop("product", [])
    if values:
        raise Invalid("bad-products", f"{path}: unknown {_shown(list(values))}; each product is a table [[product]]")
    if not isinstance(tables, list):
        raise Invalid("bad-products", f"{path}: product is no list of tables; write [[product]] with two brackets")
    places = _places(path, text, len(tables))
    for place, table in zip(places, tables, strict=True):
        yield _Entry(place, table) if isinstance(table, dict) else _Entry(place, {}, "no table")


def _places(path: Path, text: str, count: int) -> list[str]:
    """The line of each [[product]]; tomllib keeps none, so where the headings do not add up, each one's number."""
    lines = [text.count("\n", 0, heading.start()) + 1 for heading in _TABLE.finditer(text)]
    if len(lines) == count:
        return [f"{path}:{line}" for line in lines]
    return [f"{path}: product {number}" for number in range(1, count + 1)]
