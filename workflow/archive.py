"""The legal archive by months: each authorised NF-e with its events, and each voiding, in the order of the numbers.

A note's month is that of its dhEmi in the issuer's own time zone, which its access key says (AAMM). The archive stays
when personal data are purged, and when a seller is removed. It is read page by page, so that a month of any size fits.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from sqlalchemy import ColumnElement, Select, func, select

from workflow.catalog import SELLER
from workflow.models import DocumentKind, NumberStatus, VoidingState
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE
from workflow.nfe.xml import local_date
from workflow.numbers import NUMBER, SERIES
from workflow.states import State
from workflow.store import DOCUMENT, SHIPMENT, Store
from workflow.voidings import VOIDING

#: Notes whose documents are in memory at once.
PAGE = 100
#: Months before a month in which a note may be of that is cancelled in it: issued, authorised within 30 days, and
#: cancelled within 480 hours where the state takes it so late (`workflow/data/cancel_deadlines.csv`).
REACH = 2


class Month(NamedTuple):
    """A calendar month."""

    year: int
    month: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `2026-11`; raise ValueError.

        >>> Month.parse("2026-11").aamm, str(Month.parse("2026-01").before(1))
        ('2611', '2025-12')
        """
        found = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
        return cls(found.year, found.month)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.month:02}"

    @property
    def aamm(self) -> str:
        """As an access key has it."""
        return f"{self.year % 100:02}{self.month:02}"

    def before(self, months: int) -> "Month":
        """So many months earlier."""
        count = self.year * 12 + self.month - 1 - months
        return Month(count // 12, count % 12 + 1)

    def bounds(self) -> tuple[datetime, datetime]:
        """A day before it begins and a day after it ends (UTC), whatever the time zone."""
        after = self.before(-1)
        day = timedelta(days=1)
        return datetime(*self, 1, tzinfo=UTC) - day, datetime(*after, 1, tzinfo=UTC) + day


class Which(NamedTuple):
    """Whose archive: an environment (tpAmb), and one seller or all."""

    environment: int = 1
    seller_id: str | None = None


class Filed(NamedTuple):
    """A note of the archive.

    `document` is its nfeProc, or where SEFAZ only told that it is cancelled the signed NF-e (`has_protocol` False), or
    None where another system has it. `events` are its procEventoNFe.
    """

    cnpj: str
    chNFe: str
    shipment_id: str
    amazon_shipment_id: str
    amazon_order_id: str | None
    is_cancelled: bool
    has_protocol: bool
    document: bytes | None
    events: tuple[bytes, ...]


class FiledVoiding(NamedTuple):
    """A voided range: its ProcInutNFe, or the signed request where SEFAZ gave no protocol."""

    cnpj: str
    series: int
    first: int
    last: int
    document: bytes


class Archive:
    """Questions to the archive."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def count(self, month: Month, which: Which) -> int:
        """How many notes a month has."""
        statement = select(func.count()).select_from(_notes()).where(*_in(month, which))
        with self._store.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def undecided(self, month: Month, which: Which) -> int:
        """Notes made in the month of which SEFAZ has not decided: the month is not complete."""
        row = SHIPMENT.c
        statement = (
            select(func.count())
            .select_from(_notes())
            .where(NUMBER.c.status == NumberStatus.RESERVED, row.access_key.is_not(None), row.turn == NUMBER.c.turn)
            .where(func.substr(row.access_key, 3, 4) == month.aamm, *_of(which))
        )
        with self._store.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def ownerless(self, month: Month, which: Which) -> int:
        """Notes of the month that SEFAZ was found to have after a restore, and that no shipment here has."""
        number = NUMBER.c
        statement = select(func.count()).where(
            number.shipment_id.is_(None), _is_used(), func.substr(number.access_key, 3, 4) == month.aamm,
            number.environment == which.environment,
        )  # fmt: skip
        with self._store.reading() as connection:
            return int(connection.execute(statement).scalar_one())

    def notes(self, month: Month, which: Which) -> Iterator[Filed]:
        """The month's notes, by CNPJ, series and number."""
        for page in self._pages(which.environment, _in(month, which)):
            yield from self._filed(page)

    def late_events(self, month: Month, which: Which) -> Iterator[tuple[Filed, bytes]]:
        """Events that SEFAZ registered in the month about notes of earlier ones."""
        earlier = [month.before(count).aamm for count in range(1, REACH + 1)]
        is_cancelled = (SHIPMENT.c.state == State.CANCELLED) | (SHIPMENT.c.turn > NUMBER.c.turn)
        letters = (DOCUMENT.c.shipment_id == SHIPMENT.c.id) & (DOCUMENT.c.kind == DocumentKind.CORRECTION)
        has_events = is_cancelled | select(DOCUMENT.c.kind).where(letters).exists()
        wanted = [_is_used(), func.substr(NUMBER.c.access_key, 3, 4).in_(earlier), has_events, *_of(which)]
        for page in self._pages(which.environment, wanted):
            for filed in self._filed(page):
                yield from ((filed, event) for event in filed.events if registered_in(event) == str(month))

    def voidings(self, month: Month, which: Which) -> Iterator[FiledVoiding]:
        """Ranges that were voided in the month, by CNPJ, series and number."""
        row, (begin, end) = VOIDING.c, month.bounds()
        statement = (
            select(row.id, row.cnpj, row.series, row.first, row.last, row.decided_at, SELLER.c.issuer)
            .add_columns(func.coalesce(row.sealed_proof, row.sealed_request).label("sealed"))
            .join_from(VOIDING, SELLER, SELLER.c.id == row.seller_id)
            .where(row.state == VoidingState.DONE, row.decided_at.between(begin, end))
            .where(row.environment == which.environment)
            .where(*([] if which.seller_id is None else [row.seller_id == which.seller_id]))
            .order_by(row.cnpj, row.series, row.first, row.decided_at, row.id)
        )
        with self._store.reading() as connection:
            found = connection.execute(statement).all()
        for one in found:
            day = local_date(one.decided_at, one.issuer["address"]["uf"])
            if (day.year, day.month) == month:
                content = self._store.vault.open(one.sealed, "voiding", one.id)
                yield FiledVoiding(one.cnpj, one.series, one.first, one.last, content)

    # -- inside ---------------------------------------------------------------------------------------------

    def _pages(self, environment: int, wanted: Sequence[ColumnElement[bool]]) -> Iterator[Sequence[Any]]:
        """Page by page and series by series, so that the numbers' own key finds where a page begins."""
        number = NUMBER.c
        series = select(SERIES.c.cnpj, SERIES.c.series).where(SERIES.c.environment == environment)
        for cnpj, one in self._all(series.order_by(SERIES.c.cnpj, SERIES.c.series)):
            of_series = (number.cnpj == cnpj, number.environment == environment, number.series == one)
            last = 0
            while found := self._all(page((*of_series, number.number > last, *wanted))):
                yield found
                last = found[-1].number

    def _all(self, statement: Select[Any]) -> Sequence[Any]:
        with self._store.reading() as connection:
            return connection.execute(statement).all()

    def _filed(self, page: Sequence[Any]) -> Iterator[Filed]:
        authorised = self._documents((row.shipment_id for row in page), DocumentKind.NFEPROC)
        cancelled = self._documents((row.shipment_id for row in page), DocumentKind.CANCELLATION)
        letters: dict[str, list[bytes]] = {}
        for key, letter in self._keyed((row.shipment_id for row in page), DocumentKind.CORRECTION):
            letters.setdefault(key, []).append(letter)
        # Of a note that SEFAZ only said to be cancelled the signed XML is all there is.
        bare = [row.shipment_id for row in page if row.access_key not in authorised]
        signed = self._documents(bare, DocumentKind.NFE)
        for row in page:
            nfeProc, event = authorised.get(row.access_key), cancelled.get(row.access_key)
            yield Filed(
                cnpj=row.cnpj,
                chNFe=row.access_key,
                shipment_id=row.shipment_id,
                amazon_shipment_id=row.amazon_shipment_id,
                amazon_order_id=row.amazon_order_id,
                # A shipment that went on to its next number left a note behind that was cancelled.
                is_cancelled=event is not None or row.state == State.CANCELLED or row.last_turn > row.turn,
                has_protocol=nfeProc is not None,
                document=nfeProc or signed.get(row.access_key),
                events=(*letters.get(row.access_key, ()), *(() if event is None else (event,))),
            )

    def _documents(self, shipments: Iterable[str], kind: DocumentKind) -> dict[str, bytes]:
        """What the shipments left of a kind, by access key; of several of one key the newest."""
        return dict(self._keyed(shipments, kind))

    def _keyed(self, shipments: Iterable[str], kind: DocumentKind) -> list[tuple[str, bytes]]:
        """All that the shipments left of a kind, with the access key, oldest first."""
        row = DOCUMENT.c
        statement = (
            select(row.shipment_id, row.sealed)
            .where(row.shipment_id.in_(sorted(set(shipments))), row.kind == kind)
            .order_by(row.shipment_id, row.version)
        )
        with self._store.reading() as connection:
            found = connection.execute(statement).all()
        opened = (self._store.vault.open(sealed, "document", id, kind) for id, sealed in found)
        return [(key_in(content), content) for content in opened]


def page(wanted: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The first notes of one series that are wanted, in the order of their numbers."""
    number, row = NUMBER.c, SHIPMENT.c
    columns = (number.cnpj, number.number, number.access_key, number.turn, number.shipment_id)
    of_shipment = (row.amazon_shipment_id, row.amazon_order_id, row.state, row.turn.label("last_turn"))
    statement = select(*columns, *of_shipment).select_from(_notes()).where(*wanted)
    return statement.order_by(number.number).limit(PAGE)


def registered_in(event: bytes) -> str:
    """The month in which SEFAZ registered an event, by its own clock: `2026-11`."""
    root = parsed(event)
    for path in ("retEvento/infEvento/dhRegEvento", "evento/infEvento/dhEvento"):
        found = root.findtext("/".join(f"{{{NFE}}}{tag}" for tag in path.split("/")))
        if found:
            return found[:7]
    return ""


def key_in(document: bytes) -> str:
    """The access key of the note that a document is, or is about."""
    root = parsed(document)
    infNFe = root.find(f".//{{{NFE}}}infNFe")
    if infNFe is not None:
        return (infNFe.get("Id") or "").removeprefix("NFe")
    return root.findtext(f".//{{{NFE}}}infEvento/{{{NFE}}}chNFe") or ""


def _notes() -> Any:
    return NUMBER.join(SHIPMENT, SHIPMENT.c.id == NUMBER.c.shipment_id)


def _is_used() -> ColumnElement[bool]:
    used: ColumnElement[bool] = (NUMBER.c.status == NumberStatus.USED) & NUMBER.c.access_key.is_not(None)
    return used


def _in(month: Month, which: Which) -> list[ColumnElement[bool]]:
    return [_is_used(), func.substr(NUMBER.c.access_key, 3, 4) == month.aamm, *_of(which)]


def _of(which: Which) -> list[ColumnElement[bool]]:
    mine = [] if which.seller_id is None else [SHIPMENT.c.seller_id == which.seller_id]
    return [NUMBER.c.environment == which.environment, *mine]
