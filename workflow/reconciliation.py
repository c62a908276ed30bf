"""Shipments whose notification never came, from a list or a report that a person hands in.

A file is one of three: a shipment id per line; a table with a header (comma, semicolon or tab) of which one column is
the shipment's id; or notifications, one JSON object per line. Nothing else of a table is read or told: reports hold
buyers' names.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from workflow.clients.notifications import CREATED, IDENTIFIER, parse
from workflow.engine import Engine, Reception
from workflow.errors import Invalid
from workflow.input_file import MEGABYTE
from workflow.store import shipment_id

#: Of a list: a million shipments.
LARGEST_LIST = 64 * MEGABYTE
#: How the columns are called, without case, blanks and signs: Amazon's reports write `shipment-id`.
SHIPMENT_COLUMNS = ("shipmentid", "amazonshipmentid")
ORDER_COLUMNS = ("orderid", "amazonorderid")


class Wanted(NamedTuple):
    """One line's shipment; `raw` is its notification where the line is one."""

    line: int
    shipment_id: str
    order_id: str | None
    raw: bytes | None = None
    is_creation: bool = True


class Wrong(NamedTuple):
    """A line that names no shipment of the seller's, and why; never what it says."""

    line: int
    reason: str


class Reconciled(NamedTuple):
    """What came of a file: how many lines of each fate, by name, the rows that are due now, and the wrong lines."""

    counts: Counter[str]
    due: tuple[str, ...]
    wrong: tuple[Wrong, ...]


def reconcile(
    engine: Engine, seller_id: str, content: bytes, *, actor: str, dry_run: bool = False, rings: int = 0
) -> Reconciled:
    """Make the rows that are missing; a wrong line keeps no other from being taken.

    The caller `rings` for the first so many of them, the sweeper for the rest.
    Raises Invalid, before anything is taken, when the seller is unknown or the file is none of the three.
    """
    engine.check_seller(seller_id)
    counts: Counter[str] = Counter()
    due: list[str] = []
    wrong: list[Wrong] = []
    take = _foresee(engine, seller_id) if dry_run else _take(engine, seller_id, actor=actor)
    for found in read(content, seller_id):
        if isinstance(found, Wrong):
            wrong.append(found)
            continue
        id, came = take(found, len(due) < rings)
        counts[str(came)] += 1
        if came in (Reception.CREATED, Reception.CANCELLING):
            due.append(id)
    return Reconciled(counts, tuple(due), tuple(wrong))


def _take(engine: Engine, seller_id: str, *, actor: str) -> Callable[[Wanted, bool], tuple[str, Reception]]:
    def take(wanted: Wanted, rings: bool) -> tuple[str, Reception]:
        if wanted.raw is not None:
            return engine.receive(wanted.raw, actor=actor, rings=rings)
        return engine.adopt(seller_id, wanted.shipment_id, wanted.order_id, actor=actor, rings=rings)

    return take


def _foresee(engine: Engine, seller_id: str) -> Callable[[Wanted, bool], tuple[str, Reception]]:
    """What taking would come to, without taking: a creation is new once, everything else is not told apart."""
    seen: set[str] = set()

    def foresee(wanted: Wanted, _: bool) -> tuple[str, Reception]:
        id = shipment_id(seller_id, wanted.shipment_id)
        known = id in seen or engine.store.shipment(id) is not None
        seen.add(id)
        if wanted.is_creation:
            return id, Reception.REPEATED if known else Reception.CREATED
        return id, Reception.CANCELLING if known else Reception.BURIED

    return foresee


def read(content: bytes, seller_id: str) -> list[Wanted | Wrong]:
    """The file's lines in order; raise Invalid when it is none of the three."""
    text = _text(content)
    lines = [(number, line.strip()) for number, line in enumerate(io.StringIO(text, newline=None), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if not lines:
        raise Invalid("empty-list", "the file names no shipment; one id per line, or a table with a column shipment-id")
    if lines[0][1].startswith("{"):
        return [_of_notification(number, line, seller_id) for number, line in lines]
    header = _header(lines[0][1])
    if header is None:
        return [_wanted(number, line.strip('"'), None) for number, line in lines]
    try:
        return list(_of_table(text, *header))
    except csv.Error as error:
        raise Invalid("bad-list", f"the table cannot be read: {error}") from error


def _text(content: bytes) -> str:
    """Amazon's reports come in UTF-8, older ones in Windows' Latin-1."""
    if b"\0" in content:
        raise Invalid("bad-list", "the file is no text; save the table as CSV in UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _of_notification(number: int, line: str, seller_id: str) -> Wanted | Wrong:
    try:
        said = parse(line.encode())
    except Invalid as error:
        return Wrong(number, error.message)
    if said.seller_id != seller_id:
        return Wrong(number, "the notification is another seller's")
    return Wanted(number, said.shipment_id, said.order_id, line.encode(), said.status == CREATED)


def _of_table(text: str, delimiter: str, shipment: int, order: int | None) -> Iterator[Wanted | Wrong]:
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    header_seen = False
    for row in rows:
        if not any(cell.strip() for cell in row) or row[0].startswith("#"):
            continue
        if not header_seen:
            header_seen = True
            continue
        yield _wanted(rows.line_num, _cell(row, shipment), _cell(row, order) or None)


def _header(line: str) -> tuple[str, int, int | None] | None:
    """The table's delimiter, and the places of the shipment's and the order's ids; None where this is no header."""
    try:
        splits = {delimiter: next(csv.reader([line], delimiter=delimiter)) for delimiter in "\t;,"}
    except csv.Error as error:
        raise Invalid("bad-list", f"the first line is neither an id nor a header: {error}") from error
    for delimiter, cells in splits.items():
        names = [re.sub(r"[^a-z]", "", name.lower()) for name in cells]
        shipment = next((place for place, name in enumerate(names) if name in SHIPMENT_COLUMNS), None)
        if shipment is not None:
            return delimiter, shipment, next((place for place, name in enumerate(names) if name in ORDER_COLUMNS), None)
    if any(len(cells) > 1 for cells in splits.values()):
        raise Invalid("bad-list", "no column of the table is called shipment-id or AmazonShipmentId; name it so")
    return None


def _cell(row: list[str], place: int | None) -> str:
    return row[place].strip() if place is not None and place < len(row) else ""


def _wanted(number: int, shipment: str, order: str | None) -> Wanted | Wrong:
    if not shipment:
        return Wrong(number, "the shipment's id is missing")
    if not IDENTIFIER.fullmatch(shipment):
        return Wrong(number, "this is no shipment id of Amazon's: letters, digits, - _ . only")
    return Wanted(number, shipment, order if order and IDENTIFIER.fullmatch(order) else None)
