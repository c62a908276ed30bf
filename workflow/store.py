"""Every question to the database, by name.

Each method is one transaction. A shipment is claimed and settled by guarded UPDATEs whose row count is the answer:
reading first and writing then would let two workers through. Moments come from the database's clock, so that a
worker with a wrong clock harms nobody.
"""

import hashlib
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    and_,
    case,
    create_engine,
    event,
    func,
    make_url,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, IntegrityError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from workflow import statements
from workflow.crypto import Vault
from workflow.errors import Invalid, Misconfigured
from workflow.models import ASKED, REISSUE, WITHDRAWN, Document, DocumentKind, History, Shipment, table
from workflow.statements import Order, given
from workflow.states import REFETCH, RETRY, SETTLED, Stage, State

#: How long a writer waits for another one on SQLite, in seconds.
SQLITE_BUSY_TIMEOUT = 30
#: How long a connection may rest and still be used without asking whether it lives, in seconds.
UNASKED = 5.0
#: How long PostgreSQL may take to be connected to, and to take what it is sent (ms); and how its death is noticed while
#: we wait: asked after 30 s, three times. What NFE_DATABASE_URL says otherwise goes first.
ALIVE: dict[str, Any] = {
    "connect_timeout": 10, "tcp_user_timeout": 30_000,
    "keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3,
}  # fmt: skip
#: Due rows among which a sweep chooses fairly, oldest first: more than one seller's worst day.
SWEPT_FRONT = 50_000
#: How often the offset of the database's clock is measured again, in seconds.
CLOCK_CHECK = 60.0
#: How far two workers' measurements of that clock may be apart: what one has just made due, another must not refuse.
CLOCK_TOLERANCE = timedelta(seconds=1)


SHIPMENT, HISTORY, DOCUMENT = table(Shipment), table(History), table(Document)

#: The history's outcome of a purge; its reason names the kinds of documents that were removed.
PURGED = "purged"


class Claim(NamedTuple):
    """A shipment that is ours until `until`, or until we settle it."""

    id: str
    seller_id: str
    amazon_shipment_id: str
    state: State
    tries: int
    crashes: int
    turn: int
    sent_at: datetime | None
    access_key: str | None
    lease: str
    until: datetime
    at: datetime
    #: When the shipment was announced.
    since: datetime | None = None
    #: Its seller's version as it was claimed; None: the seller is stopped.
    seller_version: int | None = None


class Left(NamedTuple):
    """A document that a stage leaves."""

    kind: DocumentKind
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Settlement:
    """What a stage came to: the state's new truth, its history line and its documents, for one transaction."""

    state: State
    outcome: str
    #: From now to the next try; None: nothing is due.
    due: timedelta | None
    tries: int = 0
    crashes: int = 0
    code: str | None = None
    reason: str | None = None
    stop_code: str | None = None
    documents: tuple[Left, ...] = ()
    access_key: str | None = None
    #: False: a wait in which nothing happened needs no line.
    told: bool = True
    #: What else belongs to the same transaction (an NF-e number's fate).
    also: Callable[[Connection, datetime], None] | None = None


class Due(NamedTuple):
    """A row whose doorbell the sweeper rings."""

    id: str
    state: State
    cancelling: bool


class Notice(NamedTuple):
    """What a notification says, without its envelope."""

    seller_id: str
    amazon_shipment_id: str
    amazon_order_id: str | None
    content: bytes


def shipment_id(seller_id: str, amazon_shipment_id: str) -> str:
    """The id of a shipment's row and of its messages.

    >>> shipment_id("A1SELLER", "FBA15DJ8K1")
    'A1SELLER/FBA15DJ8K1'
    """
    return f"{seller_id}/{amazon_shipment_id}"


def seller_of(id: str) -> str:
    """Whose shipment it is, by its id.

    >>> seller_of("A1SELLER/FBA15DJ8K1")
    'A1SELLER'
    """
    return id.partition("/")[0]


def connect(url: str) -> Engine:
    """An engine for SQLite (WAL, durable commits, writers in line) or PostgreSQL."""
    try:
        if url.startswith("sqlite"):
            return _sqlite(url)
        return _server(url)
    except ModuleNotFoundError as error:
        raise Misconfigured(
            "no-database-driver", f"the driver {error.name} is missing; pip install 'nfe-workflow[postgresql]'"
        ) from error
    except (ArgumentError, ValueError) as error:
        raise Misconfigured("bad-database-url", "NFE_DATABASE_URL is no SQLAlchemy URL; mend it") from error


def is_away(engine: Engine, error: DBAPIError) -> bool:
    """Whether the server cannot be reached, or takes nobody for the moment; a login that it refuses is neither."""
    of_tls = "SSL" in str(error.orig) or "certificate" in str(error.orig)
    if engine.dialect.name != "postgresql" or of_tls or not isinstance(error, OperationalError):
        return False
    # Its texts may be in any language; this is what `pg_isready` asks.
    driver: Any = engine.dialect.loaded_dbapi
    known = {one.keyword.decode() for one in driver.pq.Conninfo.get_defaults()}
    wanted = ALIVE | dict(engine.dialect.create_connect_args(engine.url)[1])
    asked = driver.conninfo.make_conninfo(**{name: value for name, value in wanted.items() if name in known})
    answer = driver.pq.PGconn.ping(asked.encode())
    return answer in (driver.pq.Ping.NO_RESPONSE, driver.pq.Ping.REJECT) or _takes_us(engine)


def _takes_us(engine: Engine) -> bool:
    """Whether it has come meanwhile."""
    try:
        with engine.connect():
            return True
    except DBAPIError:
        return False


def _server(url: str) -> Engine:
    engine = create_engine(
        url,
        connect_args={name: value for name, value in ALIVE.items() if name not in make_url(url).query},
        hide_parameters=True,
        pool_size=5,
        max_overflow=5,
        pool_recycle=1800,
        # A statement by itself saves the way there and back of BEGIN and of COMMIT; others are begun below.
        isolation_level="AUTOCOMMIT",
    )

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if not connection.get_execution_options().get("once", False):
            _start(connection, "BEGIN")

    # Like SQLAlchemy's pre-ping, which would ask before every transaction, but only after a rest.
    @event.listens_for(engine, "checkin")
    def _rests(_: Any, record: ConnectionPoolEntry) -> None:
        record.info["rests_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _is_alive(connection: Any, record: ConnectionPoolEntry, _: Any) -> None:
        since = record.info.get("rests_since")
        if since is not None and time.monotonic() - since > UNASKED and not _answers(engine, connection):
            raise DisconnectionError

    return engine


def _answers(engine: Engine, connection: Any) -> bool:
    dialect: Any = engine.dialect
    try:
        return bool(dialect.do_ping(connection))
    except dialect.loaded_dbapi.Error:
        return False


def _sqlite(url: str) -> Engine:
    options = {"timeout": SQLITE_BUSY_TIMEOUT, "check_same_thread": False}
    engine = create_engine(url, hide_parameters=True, connect_args=options)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _: Any) -> None:
        # SQLAlchemy begins transactions itself, below: the driver's lazy BEGIN would let reads race.
        connection.isolation_level = None
        _use_wal(connection)
        for pragma in ("synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading", False)
        _start(connection, "BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


def _start(connection: Connection, statement: str) -> None:
    """Begin a transaction by the driver itself: for SQLAlchemy it were a statement like any other, at its price."""
    driver: Any = connection.connection.driver_connection
    dialect: Any = connection.dialect
    try:
        driver.execute(statement)
    except dialect.loaded_dbapi.Error as error:
        if dialect.is_disconnect(error, driver, None):
            connection.invalidate(error)
        raise OperationalError(statement, None, error) from error


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL; for this alone SQLite does not wait when others open the new file at the same moment."""
    end = time.monotonic() + SQLITE_BUSY_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


class Store:
    """The database of one installation, through one engine and one vault."""

    def __init__(self, engine: Engine, vault: Vault) -> None:
        self.engine = engine
        self.vault = vault
        #: Begins every lease that is taken here, so that it is known whose it is.
        self.owner = ""
        self._own_clock: Callable[[], datetime] | None = None
        self._offset = timedelta()
        self._offset_at = -CLOCK_CHECK

    # -- time and transactions ------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The database's time, aware UTC; its distance from ours is measured once a minute."""
        if self._own_clock is not None:
            return self._own_clock()
        if self.engine.dialect.name == "postgresql" and time.monotonic() - self._offset_at > CLOCK_CHECK:
            with self.engine.connect() as connection:
                asked = datetime.now(UTC)
                theirs: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
                took = datetime.now(UTC) - asked
            self._offset, self._offset_at = theirs - (asked + took / 2), time.monotonic()
        return datetime.now(UTC) + self._offset

    def set_clock(self, clock: Callable[[], datetime]) -> None:
        """Use this clock instead of the database's."""
        self._own_clock = clock

    @contextmanager
    def writing(self, *, once: bool = False) -> Iterator[Connection]:
        """One transaction that may write; `once`: it is a single statement."""
        with self.engine.connect().execution_options(once=once) as connection, connection.begin():
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Only reads: on SQLite one transaction, which waits for no writer; on PostgreSQL each question by itself."""
        with self.engine.connect().execution_options(reading=True, once=True) as connection, connection.begin():
            yield connection

    # -- receive --------------------------------------------------------------------------------------------

    def receive(
        self, notice: Notice, *, ring_after: timedelta, actor: str = "engine", reason: str | None = None
    ) -> bool:
        """Make the shipment's row, due now; False when it exists (a notification is only a hint)."""
        return self._create(notice, state=State.RECEIVED, reason=reason, actor=actor, ring_after=ring_after)

    def bury(self, notice: Notice, *, actor: str = "engine") -> bool:
        """Leave a tombstone for a cancellation that came before its shipment; False when the row exists."""
        reason = "cancelled before it was announced"
        return self._create(notice, state=State.CANCELLED, reason=reason, actor=actor)

    def _create(
        self,
        notice: Notice,
        *,
        state: State,
        reason: str | None,
        actor: str,
        ring_after: timedelta | None = None,
    ) -> bool:
        now = self.now()
        id = shipment_id(notice.seller_id, notice.amazon_shipment_id)
        row: dict[str, Any] = {
            "id": id,
            "seller_id": notice.seller_id,
            "amazon_shipment_id": notice.amazon_shipment_id,
            "amazon_order_id": notice.amazon_order_id,
            "state": state,
            "due_at": None if ring_after is None else now,
            "ring_at": None if ring_after is None else now + ring_after,
            "seq": 1,
            "created_at": now,
            "updated_at": now,
        } | {"cancelling": False, "tries": 0, "crashes": 0, "turn": 1}
        with self.writing() as connection:
            made = self.insert(SHIPMENT).values(row).on_conflict_do_nothing().returning(SHIPMENT.c.id)
            if connection.execute(made).one_or_none() is None:
                return False
            self._tell(
                connection, id, 1, at=now, stage="receive", state=state, outcome="done", reason=reason, actor=actor
            )
            self._leave(connection, id, (Left(DocumentKind.NOTIFICATION, notice.content),), now)
        return True

    def note(
        self,
        id: str,
        *,
        stage: str,
        outcome: str,
        reason: str,
        code: str | None = None,
        actor: str = "engine",
        documents: tuple[Left, ...] = (),
    ) -> None:
        """Add a history line, and documents, without moving anything."""
        with self.writing() as connection:
            row = connection.execute(
                update(SHIPMENT).where(SHIPMENT.c.id == id).values(seq=SHIPMENT.c.seq + 1).returning(*SHIPMENT.c)
            ).one()
            self._tell(
                connection, id, row.seq, at=self.now(), stage=stage, state=row.state, outcome=outcome,
                code=code, reason=reason, actor=actor,
            )  # fmt: skip
            self._leave(connection, id, documents, self.now())

    # -- claim, settle --------------------------------------------------------------------------------------

    def claim(self, id: str, stage: Stage, *, lease: timedelta) -> Claim | None:
        """Take the shipment for one stage; None when it has moved on, is not due, or is somebody's already."""
        now, token = self.now(), self.owner + uuid4().hex
        values = given(id=id, lease=token, until=now + lease, now=now, latest=now + CLOCK_TOLERANCE)
        with self.writing(once=True) as connection:
            got = connection.execute(statements.claim(stage), values).one_or_none()
        if got is None:
            return None
        return Claim(
            id, got.seller_id, got.amazon_shipment_id, State(got.state), got.tries, got.crashes, got.turn, got.sent_at,
            got.access_key, token, now + lease, now, got.created_at, got.seller_version,
        )  # fmt: skip

    def is_ours(self, connection: Connection, claim: Claim) -> bool:
        """Whether the shipment is still this claim's; if so, it stays so to the end of the transaction."""
        found = connection.execute(statements.LEASE_LOCKED, given(id=claim.id))
        return bool(found.scalar_one() == claim.lease)

    def mark_sent(self, claim: Claim) -> bool:
        """Record, before it goes, that what cannot be undone may have left; False: the lease is lost, send nothing.

        The lease begins again: whoever sends has all of it to wait for the answer.
        """
        now = self.now()
        values = given(id=claim.id, lease=claim.lease, until=now + (claim.until - claim.at), now=now)
        with self.writing(once=True) as connection:
            done = connection.execute(statements.MARK_SENT, values)
        return done.rowcount == 1

    def mark_unsent(self, claim: Claim) -> None:
        """Take this try's mark back: its request is known not to have been processed; an earlier try's mark stays."""
        values = given(id=claim.id, lease=claim.lease, sent_at=claim.sent_at)
        with self.writing(once=True) as connection:
            connection.execute(statements.MARK_UNSENT, values)

    def settle(self, claim: Claim, stage: Stage, result: Settlement, *, ring_after: timedelta) -> bool:
        """State, history line and documents in one transaction, only if the lease is still ours.

        Returns False when it was not: nothing is written then.
        `ring_after` is how long the sweeper keeps quiet when the next stage is due at once.
        """
        now = self.now()
        due = None if result.due is None else now + result.due
        ring = due if result.due else (None if due is None else now + ring_after)
        order = _order(stage, result.state)
        values = given(
            id=claim.id, lease=claim.lease, now=now, lines=int(result.told), state=result.state, tries=result.tries,
            crashes=result.crashes, stop_code=result.stop_code, due_at=due, ring_at=ring, access_key=result.access_key,
        )  # fmt: skip
        line = {
            "shipment_id": claim.id, "at": now, "stage": stage, "from_state": claim.state, "state": result.state,
            "outcome": result.outcome, "code": result.code, "reason": result.reason, "tries": claim.tries,
            "actor": "engine",
        }  # fmt: skip
        papers = [self._paper(claim.id, left, now) for left in result.documents]
        if self._at_once and result.told and result.also is None and order is not Order.ANEW:
            with suppress(IntegrityError):  # a document that came while it waited for the row: the long way sees it
                return self._settle_at_once(order, values, line, papers)
        with self.writing() as connection:
            if order is Order.ANEW:
                # Before the UPDATE, which would not see an order that was committed while it waited for the row.
                connection.execute(statements.LEASE_LOCKED, given(id=claim.id))
            got = connection.execute(statements.settle(order), values).one_or_none()
            if got is None:
                return False
            if result.told:
                connection.execute(statements.TELL, line | {"seq": got.seq, "due_at": got.due_at})
            for paper in papers:
                connection.execute(statements.LEAVE, given(**paper))
            if result.also is not None:
                result.also(connection, now)
        return True

    @property
    def _at_once(self) -> bool:
        """Whether the database takes several changes as one statement."""
        return self.engine.dialect.name == "postgresql"

    def _settle_at_once(
        self, order: Order, values: dict[str, Any], line: dict[str, Any], papers: Sequence[dict[str, Any]]
    ) -> bool:
        told = {f"line_{name}": value for name, value in line.items()}
        left = {f"left_{name}_{place}": value for place, paper in enumerate(papers) for name, value in paper.items()}
        with self.writing(once=True) as connection:
            done = connection.execute(statements.settle_at_once(order, len(papers)), values | given(**told, **left))
            return done.one_or_none() is not None

    def release(self, ids: Sequence[str], *, owner: str) -> int:
        """Give back those of the shipments that the owner, who is dead, had claimed; returns how many."""
        row = SHIPMENT.c
        mine = update(SHIPMENT).where(row.id.in_(ids), row.lease.startswith(owner, autoescape=True))
        with self.writing(once=True) as connection:
            return connection.execute(mine.values(lease=None, lease_until=None, ring_at=self.now())).rowcount

    # -- sweep ----------------------------------------------------------------------------------------------

    def sweep(self, *, limit: int, ring_again: timedelta) -> list[Due]:
        """The rows whose doorbell is to be rung now; each is silent for `ring_again` afterwards.

        Every seller's oldest comes before any seller's second: 10,000 due rows of one do not stand before another's.
        """
        now = self.now()
        row = SHIPMENT.c
        due = select(row.id, row.seller_id, row.ring_at).where(row.ring_at <= now).order_by(row.ring_at)
        front = due.limit(SWEPT_FRONT).subquery("front")
        turn = func.row_number().over(partition_by=front.c.seller_id, order_by=front.c.ring_at)
        fair = select(front.c.id).order_by(turn, front.c.ring_at).limit(limit).cte("fair")
        # A CTE, which runs once: PostgreSQL may run a subquery again for each row, and the limit would not hold.
        chosen = (
            select(row.id)
            .where(row.id.in_(select(fair.c.id)), row.ring_at <= now)
            .with_for_update(skip_locked=True)
            .cte("chosen")
        )
        statement = (
            update(SHIPMENT)
            .where(row.id.in_(select(chosen.c.id)))
            .values(ring_at=now + ring_again)
            .returning(row.id, row.seller_id, row.state, row.cancelling, row.due_at)
        )
        with self.reading() as connection:
            if connection.execute(select(row.id).where(row.ring_at <= now).limit(1)).one_or_none() is None:
                return []
        with self.writing() as connection:
            rows = connection.execute(statement).all()
        return [Due(got.id, State(got.state), got.cancelling) for got in _in_turn(rows, now)]

    # -- documents and history ------------------------------------------------------------------------------

    def document(self, id: str, kind: DocumentKind) -> bytes | None:
        """The newest document of that kind, opened; None when there is none.

        Raise Invalid('no-document') where it may have been purged.
        """
        with self.reading() as connection:
            sealed = connection.execute(statements.NEWEST, given(shipment_id=id, kind=kind)).scalar_one_or_none()
            if sealed is None:
                self._check_not_purged(connection, id, kind)
        return None if sealed is None else self.vault.open(sealed, "document", id, kind)

    def _check_not_purged(self, connection: Connection, id: str, kind: DocumentKind) -> None:
        line = HISTORY.c
        purged = select(line.at, line.reason).where(line.shipment_id == id, line.outcome == PURGED)
        for row in connection.execute(purged.order_by(line.seq.desc())):
            if kind in (row.reason or "").replace(",", "").split():
                raise Invalid(
                    "no-document",
                    f"the {kind} document was purged on {row.at.date()}; "
                    "`nfe retry --refetch` asks Amazon for the details anew",
                )

    def versions(self, id: str, kind: DocumentKind) -> list[bytes]:
        """Every document of that kind, opened, newest first."""
        statement = (
            select(DOCUMENT.c.sealed)
            .where(DOCUMENT.c.shipment_id == id, DOCUMENT.c.kind == kind)
            .order_by(DOCUMENT.c.version.desc())
        )
        with self.reading() as connection:
            return [self.vault.open(sealed, "document", id, kind) for sealed in connection.execute(statement).scalars()]

    def documents(self, id: str) -> Sequence[Row[Any]]:
        """Kind, version, sha256 and moment of all documents, oldest first."""
        columns = (DOCUMENT.c.kind, DOCUMENT.c.version, DOCUMENT.c.sha256, DOCUMENT.c.created_at)
        with self.reading() as connection:
            return connection.execute(
                select(*columns).where(DOCUMENT.c.shipment_id == id).order_by(DOCUMENT.c.created_at, DOCUMENT.c.kind)
            ).all()

    def history(self, id: str) -> Sequence[Row[Any]]:
        """All that happened to a shipment, oldest first."""
        with self.reading() as connection:
            return connection.execute(
                select(*HISTORY.c).where(HISTORY.c.shipment_id == id).order_by(HISTORY.c.seq)
            ).all()

    # -- an operator's questions ----------------------------------------------------------------------------

    def find(self, name: str) -> list[str]:
        """The ids that a person may mean: a full id, or Amazon's shipment id or order id alone."""
        row = SHIPMENT.c
        with self.reading() as connection:
            return list(
                connection.execute(
                    select(row.id)
                    .where((row.id == name) | (row.amazon_shipment_id == name) | (row.amazon_order_id == name))
                    .order_by(row.created_at)
                ).scalars()
            )

    def shipment(self, id: str) -> Row[Any] | None:
        """The whole row."""
        with self.reading() as connection:
            return connection.execute(select(*SHIPMENT.c).where(SHIPMENT.c.id == id)).one_or_none()

    def shipments(
        self,
        *,
        state: State | None = None,
        seller_id: str | None = None,
        stopped: bool = False,
        limit: int = 50,
    ) -> Sequence[Any]:
        """Rows with their last history line's `outcome`, `code` and `reason`, newest first."""
        row = SHIPMENT.c
        last = (HISTORY.c.shipment_id == row.id) & (HISTORY.c.seq == row.seq)
        wanted: list[ColumnElement[bool]] = []
        if state is not None:
            wanted.append(row.state == state)
        if seller_id is not None:
            wanted.append(row.seller_id == seller_id)
        if stopped:
            wanted.append(row.stop_code.is_not(None))
        statement = (
            select(*row, HISTORY.c.outcome, HISTORY.c.code, HISTORY.c.reason)
            .outerjoin_from(SHIPMENT, HISTORY, last)
            .where(*wanted)
            .order_by(row.created_at.desc(), row.id)
            .limit(limit)
        )
        with self.reading() as connection:
            return connection.execute(statement).all()

    def counts(self) -> dict[tuple[State, bool], int]:
        """How many shipments there are by state and by whether a person must decide."""
        stopped = SHIPMENT.c.stop_code.is_not(None)
        with self.reading() as connection:
            rows = connection.execute(
                select(SHIPMENT.c.state, stopped, func.count()).group_by(SHIPMENT.c.state, stopped)
            )
            return {(State(state), bool(needs)): count for state, needs, count in rows}

    def unfinished(self) -> int:
        """How many shipments are still on their way by themselves: something is due, or a worker has them.

        Both have a `ring_at`: a claim sets it to its lease's end.
        """
        with self.reading() as connection:
            return connection.execute(select(func.count()).where(SHIPMENT.c.ring_at.is_not(None))).scalar_one()

    # -- an operator's orders -------------------------------------------------------------------------------

    def retry(self, id: str, *, actor: str, refetch: bool = False) -> State | None:
        """Make a stopped or refused shipment due again; its new state, or None when there is nothing to retry.

        With `refetch` Amazon's details are asked for anew, where no document of the shipment may be on its way.
        """
        with self.writing() as connection:
            return self.retry_in(connection, SHIPMENT.c.id == id, actor=actor, refetch=refetch).get(id)

    def has_a_retry(self, id: str) -> bool:
        """Whether `retry` would make the shipment due again."""
        with self.reading() as connection:
            asked = select(SHIPMENT.c.id).where(SHIPMENT.c.id == id, _has_a_retry(self.now()))
            return connection.execute(asked).first() is not None

    def retry_in(
        self, connection: Connection, which: ColumnElement[bool], *, actor: str, refetch: bool = False
    ) -> dict[str, State]:
        """As retry, of all shipments that `which` picks, in the caller's transaction; their new states."""
        now = self.now()
        row = SHIPMENT.c
        ways = RETRY | REFETCH if refetch else RETRY
        back = case({state: target.value for state, target in ways.items()}, value=row.state, else_=row.state)
        held = connection.execute(select(row.id, row.state).where(which).with_for_update())
        before: dict[str, str] = {found.id: found.state for found in held}
        made = connection.execute(
            update(SHIPMENT)
            .where(which, _has_a_retry(now))
            .values(
                state=case((row.cancelling, row.state), else_=back),
                tries=0, crashes=0, lease=None, lease_until=None, due_at=now, ring_at=now, stop_code=None,
                seq=row.seq + 1, updated_at=now,
            )
            .returning(row.id, row.seq, row.state)
        ).all()  # fmt: skip
        for got in made:
            self._tell(
                connection, got.id, got.seq, at=now, stage="retry", from_state=before.get(got.id), state=got.state,
                outcome="done", due_at=now, actor=actor,
            )  # fmt: skip
        return {got.id: State(got.state) for got in made}

    def cancel(self, id: str, *, reason: str, actor: str, code: str | None = None) -> bool:
        """Ask for a cancellation; False when the shipment is cancelled or asked for already.

        With the code REISSUE the shipment begins anew afterwards, from what Amazon told, with the next number.
        A cancellation takes the place of a reissue that is under way.
        """
        now = self.now()
        row = SHIPMENT.c
        is_new = (
            row.cancelling.is_(False)
            if code == REISSUE
            else row.cancelling.is_(False) | (statements.last_order() == REISSUE)
        )
        with self.writing() as connection:
            got = connection.execute(
                update(SHIPMENT)
                .where(row.id == id, row.state != State.CANCELLED, is_new)
                .values(
                    cancelling=True, tries=0, crashes=0, due_at=now, stop_code=None, seq=row.seq + 1, updated_at=now,
                    ring_at=case((_is_free(now), now), else_=row.ring_at),
                )
                .returning(row.seq, row.state)
            ).one_or_none()  # fmt: skip
            if got is None:
                return False
            self._tell(
                connection, id, got.seq, at=now, stage="cancel", from_state=got.state, state=got.state,
                outcome=ASKED, code=code, reason=reason, due_at=now, actor=actor,
            )  # fmt: skip
        return True

    def withdraw(self, id: str, *, seq: int, reason: str, actor: str) -> bool:
        """Take back a cancellation or a reissue that nobody works on; what is next in the state is due again.

        False when anything has happened since the history had `seq` lines, or a worker has the shipment.
        """
        now = self.now()
        row = SHIPMENT.c
        due = case((row.state.in_(SETTLED), None), else_=now)
        with self.writing() as connection:
            got = connection.execute(
                update(SHIPMENT)
                .where(row.id == id, row.cancelling, row.seq == seq, _is_free(now))
                .values(
                    cancelling=False, tries=0, crashes=0, lease=None, lease_until=None, stop_code=None, due_at=due,
                    ring_at=due, seq=row.seq + 1, updated_at=now,
                )
                .returning(row.seq, row.state, row.due_at)
            ).one_or_none()  # fmt: skip
            if got is None:
                return False
            self._tell(
                connection, id, got.seq, at=now, stage="cancel", from_state=got.state, state=got.state,
                outcome=WITHDRAWN, reason=reason, due_at=got.due_at, actor=actor,
            )  # fmt: skip
        return True

    # -- inside ---------------------------------------------------------------------------------------------

    def insert(self, into: Any) -> Any:
        """An INSERT of the database's own dialect: both know ON CONFLICT."""
        return (postgresql if self.engine.dialect.name == "postgresql" else sqlite).insert(into)

    def _tell(self, connection: Connection, id: str, seq: int, *, state: str, **line: Any) -> None:
        connection.execute(statements.TELL, {"tries": 0, "actor": "engine"} | line | {
            "shipment_id": id, "seq": seq, "state": state,
        })  # fmt: skip

    def _leave(self, connection: Connection, id: str, documents: Iterable[Left], now: datetime) -> None:
        for left in documents:
            connection.execute(statements.LEAVE, given(**self._paper(id, left, now)))

    def _paper(self, id: str, left: Left, now: datetime) -> dict[str, Any]:
        """A document's columns but for its version."""
        kind, content = left
        return {
            "shipment_id": id, "kind": kind, "sealed": self.vault.seal(content, "document", id, kind),
            "sha256": hashlib.sha256(content).hexdigest(), "created_at": now,
        }  # fmt: skip


def _order(stage: Stage, state: State) -> Order:
    """What settling a stage in a state does about a cancellation that was asked for."""
    if state is State.CANCELLED:
        return Order.DONE
    if stage is not Stage.CANCEL:
        return Order.FIRST
    return Order.ANEW if state is State.FETCHED else Order.KEPT


def _in_turn(rows: Iterable[Row[Any]], now: datetime) -> list[Row[Any]]:
    """Every seller's oldest, then every seller's second, and so on."""
    before: Counter[str] = Counter()
    placed = []
    for row in sorted(rows, key=lambda row: row.due_at or now):
        placed.append((before[row.seller_id], row))
        before[row.seller_id] += 1
    return [row for _, row in sorted(placed, key=lambda place: place[0])]


def _is_free(now: datetime) -> ColumnElement[bool]:
    """In nobody's hands, or in a dead worker's."""
    free: ColumnElement[bool] = SHIPMENT.c.lease.is_(None) | (SHIPMENT.c.lease_until <= now)
    return free


def _has_a_retry(now: datetime) -> ColumnElement[bool]:
    """What stopped, was refused or waits, and no worker holds."""
    row = SHIPMENT.c
    rests = row.stop_code.is_not(None) | (row.state.in_(RETRY) & row.due_at.is_(None))
    return and_(_is_free(now), rests | _is_waiting(now))


def _is_waiting(now: datetime) -> ColumnElement[bool]:
    """A shipment that waits for a later try: an operator may hurry it."""
    waiting: ColumnElement[bool] = SHIPMENT.c.due_at > now + CLOCK_TOLERANCE
    return waiting
