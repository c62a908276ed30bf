"""Requests to void numbers, and the numbers they are about; beside the store's shipments.

A request is stored with its signed bytes before it is sent, and stays open until SEFAZ has answered: whoever is killed
meanwhile sends the same bytes again. Its answer and what that means for the numbers are one transaction.
Only UNUSED numbers are ever in one: of a RESERVED number nobody has proven yet that SEFAZ has no NF-e (217).
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, func, insert, select, update

from workflow.models import NumberStatus, Voiding, VoidingState, table
from workflow.nfe.voiding import LARGEST_RANGE
from workflow.nfe.xml import local_date
from workflow.numbers import NUMBER, SELLER, of_seller
from workflow.states import State
from workflow.store import SHIPMENT, Store

VOIDING = table(Voiding)


class Range(NamedTuple):
    """Consecutive numbers of one CNPJ, tpAmb, series and year, both ends included."""

    cnpj: str
    environment: int
    series: int
    year: int
    first: int
    last: int

    @property
    def size(self) -> int:
        """How many numbers."""
        return self.last - self.first + 1

    def __str__(self) -> str:
        numbers = str(self.first) if self.size == 1 else f"{self.first}-{self.last}"
        return f"series {self.series}, tpAmb {self.environment}: {numbers}"

    def halves(self) -> tuple["Range", "Range"]:
        """Two ranges of about the same size; not for a single number."""
        middle = (self.first + self.last) // 2
        return self._replace(last=middle), self._replace(first=middle + 1)


class Made(NamedTuple):
    """A stored request that SEFAZ has not answered."""

    id: str
    range: Range
    signed: bytes


class Verdict(NamedTuple):
    """What SEFAZ decided about a request, and what it means for the numbers; a None status leaves them."""

    state: VoidingState
    code: str
    reason: str
    answer: bytes
    status: NumberStatus | None = None
    proof: bytes | None = None


class Unused(NamedTuple):
    """An unused number and the moment it was reserved."""

    cnpj: str
    environment: int
    series: int
    number: int
    reserved_at: datetime


class Voidings:
    """Questions about requests to void."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- one at a time --------------------------------------------------------------------------------------

    def take(self, seller_id: str, *, lease: timedelta) -> datetime | None:
        """Begin to void a seller's numbers; returns until when they are ours, or None when somebody has them."""
        now, until = self._store.now(), SELLER.c.voiding_until
        return self._lease(seller_id, until.is_(None) | (until <= now), now + lease)

    def hold(self, seller_id: str, until: datetime, *, lease: timedelta) -> datetime | None:
        """Keep them for longer; None when they are no longer ours."""
        now = self._store.now()
        return self._lease(seller_id, (SELLER.c.voiding_until == until) & (SELLER.c.voiding_until > now), now + lease)

    def release(self, seller_id: str, until: datetime) -> None:
        """Let go of them."""
        self._lease(seller_id, SELLER.c.voiding_until == until, None)

    def _lease(self, seller_id: str, which: ColumnElement[bool], until: datetime | None) -> datetime | None:
        statement = update(SELLER).where(SELLER.c.id == seller_id, which).values(voiding_until=until)
        with self._store.writing() as connection:
            return until if connection.execute(statement).rowcount else None

    # -- what there is to void ------------------------------------------------------------------------------

    def sellers(self, *, before: datetime) -> list[str]:
        """Who has numbers that were unused by then, or requests that SEFAZ has not answered."""
        unused = (
            select(func.coalesce(SHIPMENT.c.seller_id, SELLER.c.id))
            .outerjoin_from(NUMBER, SHIPMENT, SHIPMENT.c.id == NUMBER.c.shipment_id)
            .outerjoin(SELLER, NUMBER.c.shipment_id.is_(None) & (SELLER.c.cnpj == NUMBER.c.cnpj))
            .where(_is_free(), NUMBER.c.decided_at <= before)
        )
        waiting = select(VOIDING.c.seller_id).where(VOIDING.c.state == VoidingState.OPEN)
        with self._store.reading() as connection:
            return sorted(connection.execute(unused.union(waiting)).scalars())

    def ranges(
        self, seller_id: str, uf: str, *, before: datetime | None = None, within: Range | None = None
    ) -> list[Range]:
        """The seller's unused numbers that no open request holds, in ranges; the UF's calendar tells their year."""
        wanted = [_is_free(), of_seller(seller_id), ~_is_asked()]
        if before is not None:
            wanted.append(NUMBER.c.decided_at <= before)
        if within is not None:
            wanted.append(_is_in(within))
        key = (NUMBER.c.cnpj, NUMBER.c.environment, NUMBER.c.series, NUMBER.c.number)
        statement = (
            select(*key, NUMBER.c.reserved_at)
            .outerjoin_from(NUMBER, SHIPMENT, SHIPMENT.c.id == NUMBER.c.shipment_id)
            .where(*wanted)
            .order_by(*key)
        )
        with self._store.reading() as connection:
            return list(grouped([Unused(*row) for row in connection.execute(statement)], uf))

    def recall(self, seller_id: str) -> int:
        """Take the numbers that wait for a person for unused again; returns how many."""
        mine = select(SHIPMENT.c.id).where(SHIPMENT.c.seller_id == seller_id)
        cnpj = select(SELLER.c.cnpj).where(SELLER.c.id == seller_id).scalar_subquery()
        is_mine = NUMBER.c.shipment_id.in_(mine) | (NUMBER.c.shipment_id.is_(None) & (NUMBER.c.cnpj == cnpj))
        with self._store.writing() as connection:
            return connection.execute(
                update(NUMBER)
                .where(NUMBER.c.status == NumberStatus.PERSON, is_mine)
                .values(status=NumberStatus.UNUSED, reason=None)
            ).rowcount

    # -- requests -------------------------------------------------------------------------------------------

    def open(self, seller_id: str) -> list[Made]:
        """The requests that SEFAZ has not answered, oldest first."""
        statement = (
            select(*VOIDING.c)
            .where(VOIDING.c.seller_id == seller_id, VOIDING.c.state == VoidingState.OPEN)
            .order_by(VOIDING.c.made_at, VOIDING.c.first)
        )
        with self._store.reading() as connection:
            return [
                Made(row.id, _range(row), self._store.vault.open(row.sealed_request, "voiding", row.id))
                for row in connection.execute(statement)
            ]

    def make(self, seller_id: str, wanted: Range, signed: bytes) -> Made | None:
        """Keep a request before it is sent; None when one of its numbers is no longer unused."""
        made = Made(uuid4().hex, wanted, signed)
        with self._store.writing() as connection:
            locked = select(NUMBER.c.number).where(_is_in(wanted), NUMBER.c.status == NumberStatus.UNUSED)
            if len(connection.execute(locked.with_for_update()).all()) != wanted.size:
                return None
            connection.execute(
                insert(VOIDING).values(
                    id=made.id, seller_id=seller_id, **wanted._asdict(), state=VoidingState.OPEN,
                    sealed_request=self._store.vault.seal(signed, "voiding", made.id), made_at=self._store.now(),
                )
            )  # fmt: skip
        return made

    def mark_sent(self, made: Made) -> None:
        """Record, before it goes, that the request may have left."""
        with self._store.writing() as connection:
            connection.execute(update(VOIDING).where(VOIDING.c.id == made.id).values(sent_at=self._store.now()))

    def settle(self, made: Made, verdict: Verdict) -> None:
        """Keep the answer and what it means for the numbers, in one transaction."""
        now, seal = self._store.now(), self._store.vault.seal
        values: dict[str, Any] = {
            "state": verdict.state, "code": verdict.code, "reason": verdict.reason, "decided_at": now,
            "sealed_answer": seal(verdict.answer, "voiding", made.id),
            "sealed_proof": None if verdict.proof is None else seal(verdict.proof, "voiding", made.id),
        }  # fmt: skip
        with self._store.writing() as connection:
            connection.execute(update(VOIDING).where(VOIDING.c.id == made.id).values(values))
            if verdict.status is not None:
                self._decide(connection, made.range, verdict, now)

    def _decide(self, connection: Connection, of: Range, verdict: Verdict, now: datetime) -> None:
        reason = f"{verdict.code} {verdict.reason}" if verdict.status is NumberStatus.PERSON else None
        connection.execute(
            update(NUMBER)
            .where(_is_in(of), NUMBER.c.status == NumberStatus.UNUSED)
            .values(status=verdict.status, decided_at=now, reason=reason)
        )

    def voidings(self, *, seller_id: str | None = None, limit: int | None = None) -> Sequence[Any]:
        """All requests without their documents, newest first."""
        facts = [column for column in VOIDING.c if not column.name.startswith("sealed_")]
        mine = [] if seller_id is None else [VOIDING.c.seller_id == seller_id]
        statement = select(*facts).where(*mine).order_by(VOIDING.c.made_at.desc(), VOIDING.c.id).limit(limit)
        with self._store.reading() as connection:
            return connection.execute(statement).all()

    def proof(self, seller_id: str, series: int, number: int) -> bytes | None:
        """What proves that a number is voided: the ProcInutNFe, or the signed request where SEFAZ gave no protocol."""
        row = VOIDING.c
        statement = (
            select(row.id, func.coalesce(row.sealed_proof, row.sealed_request).label("sealed"))
            .where(row.seller_id == seller_id, row.series == series, row.state == VoidingState.DONE)
            .where(row.first <= number, row.last >= number)
            .order_by(row.decided_at.desc())
            .limit(1)
        )
        with self._store.reading() as connection:
            found = connection.execute(statement).one_or_none()
        return None if found is None else self._store.vault.open(found.sealed, "voiding", found.id)


def grouped(numbers: Sequence[Unused], uf: str) -> Iterator[Range]:
    """Consecutive numbers of one series and year as ranges of at most 10,000; the numbers come in order.

    >>> from datetime import UTC
    >>> of = [Unused("1", 2, 1, number, datetime(2026, 11, 22, tzinfo=UTC)) for number in (3, 4, 7)]
    >>> [str(found) for found in grouped(of, "SP")]
    ['series 1, tpAmb 2: 3-4', 'series 1, tpAmb 2: 7']
    """
    singles = [Range(*one[:3], local_date(one.reserved_at, uf).year, one.number, one.number) for one in numbers]
    start = 0
    for place, (one, following) in enumerate(pairwise([*singles, None]), 1):
        assert one is not None
        goes_on = following is not None and following[:4] == one[:4] and following.first == one.first + 1
        if not goes_on or place - start == LARGEST_RANGE:
            yield singles[start]._replace(last=one.last)
            start = place


def _is_free() -> ColumnElement[bool]:
    """Unused, and its shipment has given it up for good: cancelled, or long at another number; or none has it."""
    given_up = (SHIPMENT.c.state == State.CANCELLED) | (SHIPMENT.c.turn > NUMBER.c.turn) | SHIPMENT.c.id.is_(None)
    free: ColumnElement[bool] = (NUMBER.c.status == NumberStatus.UNUSED) & given_up
    return free


def _is_in(of: Range) -> ColumnElement[bool]:
    row = NUMBER.c
    inside: ColumnElement[bool] = (
        (row.cnpj == of.cnpj)
        & (row.environment == of.environment)
        & (row.series == of.series)
        & row.number.between(of.first, of.last)
    )
    return inside


def _is_asked() -> ColumnElement[bool]:
    """Whether a request that SEFAZ has not answered holds the number."""
    row, number = VOIDING.c, NUMBER.c
    asked: ColumnElement[bool] = (
        select(row.id)
        .where(row.state == VoidingState.OPEN, row.cnpj == number.cnpj, row.environment == number.environment)
        .where(row.series == number.series, row.first <= number.number, row.last >= number.number)
        .correlate(NUMBER)
        .exists()
    )
    return asked


def _range(row: Any) -> Range:
    return Range(row.cnpj, row.environment, row.series, row.year, row.first, row.last)
