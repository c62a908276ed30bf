"""The tables.

The shipment's row is the hot one and small; its history and its documents are kept apart and only grow.
What is called `sealed` is encrypted by `workflow.crypto` before it comes here.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Column, ForeignKeyConstraint, Index, MetaData, text
from sqlmodel import Field, SQLModel

from workflow.states import State

#: Which key sealed a row, as its first bytes say (`workflow.crypto`): the text of the indexes, and of what they answer.
SEALED_WITH = text("substr(sealed, 1, 9)")

#: Constraint names that alembic can find again on both databases.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: MetaData = SQLModel.metadata
metadata.naming_convention = NAMES


def table(model: type[SQLModel]) -> Any:
    """The model's table; SQLModel does not type the attribute."""
    return model.__table__  # type: ignore[attr-defined]


#: The history's code of a cancellation after which the shipment is issued anew.
REISSUE = "reissue"
#: The history's outcomes of an order to cancel, and of a person's order to take it back.
ASKED, WITHDRAWN = "asked", "withdrawn"


class DocumentKind(StrEnum):
    """What a stage took and left."""

    NOTIFICATION = "notification"  # JSON, as it came
    DETAILS = "details"  # JSON, Amazon's getShipmentDetails
    NFE = "nfe"  # signed XML, before the first send
    NFEPROC = "nfeproc"  # the same bytes with SEFAZ's protocol
    REJECTION = "rejection"  # XML or JSON: how SEFAZ or Amazon refused
    VERDICT = "verdict"  # JSON, Amazon's getInvoiceStatus
    CANCELLATION = "cancellation"  # XML, procEventoNFe
    CORRECTION = "correction"  # XML, procEventoNFe of a letter of correction


class NumberStatus(StrEnum):
    """What became of an NF-e number."""

    RESERVED = "reserved"  # bound to a shipment, not decided by SEFAZ
    USED = "used"  # an authorised NF-e has it
    UNUSED = "unused"  # its shipment was cancelled before SEFAZ knew it: to be voided
    VOIDED = "voided"
    PERSON = "person"  # SEFAZ does not void it, and says why: a person decides


class VoidingState(StrEnum):
    """How far a request to void a range of numbers is."""

    OPEN = "open"  # its bytes are stored, and may have left
    DONE = "done"
    REFUSED = "refused"


class Seller(SQLModel, table=True):
    """A seller: the NF-e's issuer and Amazon's selling partner."""

    id: str = Field(primary_key=True, description="Amazon's SellerId")
    name: str
    cnpj: str
    issuer: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    sealed_secrets: bytes
    certificate_until: datetime | None = None
    stop_code: str | None = None
    stop_reason: str | None = None
    version: int = 1
    #: Somebody voids the seller's numbers until then.
    voiding_until: datetime | None = None
    created_at: datetime
    updated_at: datetime


class Product(SQLModel, table=True):
    """What the tax document must know of a SKU."""

    seller_id: str = Field(primary_key=True, foreign_key="seller.id")
    sku: str = Field(primary_key=True)
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    updated_at: datetime


class Shipment(SQLModel, table=True):
    """The truth about one shipment, one NF-e. Its id is `SellerId/AmazonShipmentId`."""

    __table_args__ = (
        # The sweeper's only question: small, since most rows are settled and have no `ring_at`.
        Index(
            "ix_shipment_ring_at",
            "ring_at",
            postgresql_where=text("ring_at IS NOT NULL"),
            sqlite_where=text("ring_at IS NOT NULL"),
        ),
        Index("ix_shipment_state_created_at", "state", "created_at"),
        Index("ix_shipment_created_at", "created_at"),
        # Lists, newest first: of a seller, and of what waits for a person.
        Index("ix_shipment_seller_id_created_at", "seller_id", "created_at"),
        Index(
            "ix_shipment_stopped",
            "created_at",
            postgresql_where=text("stop_code IS NOT NULL"),
            sqlite_where=text("stop_code IS NOT NULL"),
        ),
        Index(
            "ix_shipment_stop_code",
            "stop_code",
            postgresql_where=text("stop_code IS NOT NULL"),
            sqlite_where=text("stop_code IS NOT NULL"),
        ),
        # The purge's question: what rests, by how long.
        Index(
            "ix_shipment_updated_at",
            "updated_at",
            postgresql_where=text("(due_at IS NULL) AND (purged_at IS NULL)"),
            sqlite_where=text("(due_at IS NULL) AND (purged_at IS NULL)"),
        ),
    )

    id: str = Field(primary_key=True)
    seller_id: str = Field(foreign_key="seller.id")
    amazon_shipment_id: str = Field(index=True)
    amazon_order_id: str | None = Field(default=None, index=True)
    state: str = State.RECEIVED
    #: A cancellation was asked for: nothing but `cancel` may run.
    cancelling: bool = False
    #: Tries of the current stage, counted at claim.
    tries: int = 0
    #: Of them, in a row, those that ended in a dead worker or an unforeseen exception.
    crashes: int = 0
    #: When the next stage may run; None: settled, or a person decides.
    due_at: datetime | None = None
    #: When the sweeper rings for it next; later than `due_at` while a message or a worker is on its way.
    ring_at: datetime | None = None
    lease: str | None = None
    lease_until: datetime | None = None
    #: The current stage's irreversible request may have left: ask before sending again.
    sent_at: datetime | None = None
    #: Why a person must decide; None when none must.
    stop_code: str | None = None
    #: Rises with each reissue: one NF-e number per shipment and turn.
    turn: int = 1
    #: Length of the history.
    seq: int = 0
    access_key: str | None = Field(default=None, index=True, description="chNFe of the newest document")
    #: When its personal data were removed; None again once something more has happened.
    purged_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class History(SQLModel, table=True):
    """One line per thing that happened to a shipment; never changed, and removed only with its whole seller."""

    shipment_id: str = Field(primary_key=True, foreign_key="shipment.id")
    seq: int = Field(primary_key=True)
    at: datetime
    stage: str
    from_state: str | None = None
    state: str
    outcome: str
    code: str | None = None
    reason: str | None = None
    tries: int = 0
    due_at: datetime | None = None
    actor: str = "engine"


class Document(SQLModel, table=True):
    """What a stage left, sealed. A later one of the same kind has a higher version; none is overwritten.

    What the law does not want kept is removed by `workflow.purge`.
    """

    __table_args__ = (Index("ix_document_sealed_with", SEALED_WITH),)

    shipment_id: str = Field(primary_key=True, foreign_key="shipment.id")
    kind: str = Field(primary_key=True)
    version: int = Field(primary_key=True)
    sealed: bytes
    sha256: str
    created_at: datetime


class NumberSeries(SQLModel, table=True):
    """The next NF-e number of an issuer's series in an environment (1 production, 2 homologation)."""

    __tablename__ = "number_series"

    cnpj: str = Field(primary_key=True)
    environment: int = Field(primary_key=True)
    series: int = Field(primary_key=True)
    next_number: int
    #: Where it began here: every number from it to the next one is accounted for.
    first_number: int = Field(default=1, sa_column_kwargs={"server_default": text("1")})


class NumberForeign(SQLModel, table=True):
    """Numbers of a series that another system has, both ends included: an operator began again above them."""

    __tablename__ = "number_foreign"
    __table_args__ = (
        ForeignKeyConstraint(
            ["cnpj", "environment", "series"],
            ["number_series.cnpj", "number_series.environment", "number_series.series"],
        ),
    )

    cnpj: str = Field(primary_key=True)
    environment: int = Field(primary_key=True)
    series: int = Field(primary_key=True)
    first: int = Field(primary_key=True)
    last: int
    at: datetime
    actor: str


class Recovery(SQLModel, table=True):
    """The last time that SEFAZ was asked what a series has that this database did not know."""

    cnpj: str = Field(primary_key=True)
    environment: int = Field(primary_key=True)
    series: int = Field(primary_key=True)
    #: What was announced before is asked for at SEFAZ and Amazon before it gets a number.
    begun_at: datetime
    #: When the last number was reserved that the database did know: how old it was.
    known_until: datetime | None = None
    #: None while it is under way.
    done_at: datetime | None = None


class Number(SQLModel, table=True):
    """One NF-e number, and the shipment it belongs to for ever."""

    __table_args__ = (
        ForeignKeyConstraint(
            ["cnpj", "environment", "series"],
            ["number_series.cnpj", "number_series.environment", "number_series.series"],
        ),
        Index("uq_number_shipment_id_turn", "shipment_id", "turn", unique=True),
        Index("ix_number_status", "status"),
    )

    cnpj: str = Field(primary_key=True)
    environment: int = Field(primary_key=True)
    series: int = Field(primary_key=True)
    number: int = Field(primary_key=True)
    #: None where SEFAZ has, or may have, a note with it and no shipment here is known to be its.
    shipment_id: str | None = Field(default=None, foreign_key="shipment.id")
    turn: int = 1
    random_code: str = Field(description="cNF, made once")
    status: str = NumberStatus.RESERVED
    access_key: str | None = None
    reserved_at: datetime
    decided_at: datetime | None = None
    #: What SEFAZ said of it, where that needs a person.
    reason: str | None = None


class Voiding(SQLModel, table=True):
    """A request to void a range of numbers (inutNFe), and SEFAZ's answer: kept for five years like an NF-e."""

    __table_args__ = (Index("ix_voiding_seller_id_state", "seller_id", "state"),)

    id: str = Field(primary_key=True)
    seller_id: str = Field(foreign_key="seller.id")
    cnpj: str
    environment: int
    series: int
    year: int
    first: int
    last: int
    state: str = VoidingState.OPEN
    #: The signed inutNFe: whatever happens, only these bytes are sent again.
    sealed_request: bytes
    sealed_answer: bytes | None = None
    #: ProcInutNFe: the request and its answer in one.
    sealed_proof: bytes | None = None
    code: str | None = None
    reason: str | None = None
    made_at: datetime
    sent_at: datetime | None = None
    decided_at: datetime | None = None


class VendorConnector(SQLModel, table=True):
    """A vendor of Direct Fulfillment: which Amazon to ask, and as whom."""

    __tablename__ = "vendor_connector"

    name: str = Field(primary_key=True)
    base_url: str
    ship_from_party_id: str | None = None
    sealed_secrets: bytes
    #: A scheduled pull has it until then.
    pulling_until: datetime | None = None
    created_at: datetime
    updated_at: datetime


class CustomerInvoice(SQLModel, table=True):
    """A vendor's customer invoice. Other content is another version; the same is only seen again."""

    __tablename__ = "customer_invoice"
    __table_args__ = (
        Index("ix_customer_invoice_fetched_at", "fetched_at"),
        Index("ix_customer_invoice_sealed_with", SEALED_WITH),
        Index(
            "ix_customer_invoice_kept",
            "fetched_at",
            postgresql_where=text("purged_at IS NULL"),
            sqlite_where=text("purged_at IS NULL"),
        ),
    )

    connector: str = Field(primary_key=True, foreign_key="vendor_connector.name")
    purchase_order_number: str = Field(primary_key=True)
    sha256: str = Field(primary_key=True, description="Of what is sealed")
    version: int
    #: The file; where there is a problem, the text that came instead of it; nothing once it was purged.
    sealed: bytes
    media_type: str
    size: int
    #: Why the content is no file; None when it is one.
    problem: str | None = None
    fetched_at: datetime
    #: When Amazon last gave this content: the newest is what it says now.
    seen_at: datetime
    #: When its content was removed; all else stays.
    purged_at: datetime | None = None


class VendorWindow(SQLModel, table=True):
    """How far the list between two moments has been read: written with the invoices of each page."""

    __tablename__ = "vendor_window"

    connector: str = Field(primary_key=True, foreign_key="vendor_connector.name")
    party: str = Field(primary_key=True, description="shipFromPartyId; empty for all")
    created_after: datetime = Field(primary_key=True)
    created_before: datetime = Field(primary_key=True)
    #: A next token is worth something only to the query that got it.
    page_size: int
    sort_order: str
    next_token: str | None = None
    pages: int = 0
    done: bool = False
    updated_at: datetime


class EncryptionKey(SQLModel, table=True):
    """Since when a key has been in use here. The key itself is never in the database."""

    __tablename__ = "encryption_key"

    id: str = Field(primary_key=True, description="As `workflow.crypto` derives it from the key")
    first_used_at: datetime


class InstallationSecret(SQLModel, table=True):
    """A secret that the installation made for itself, for as long as the database lives; each backup has it."""

    __tablename__ = "installation_secret"

    name: str = Field(primary_key=True)
    sealed: bytes
    created_at: datetime


class Role(StrEnum):
    """What a person may do on the operator's page."""

    VIEWER = "viewer"  # looks; a buyer's data are masked
    OPERATOR = "operator"  # sees them, and gives orders


class WebUser(SQLModel, table=True):
    """A person who may log in to the operator's page."""

    __tablename__ = "web_user"

    name: str = Field(primary_key=True)
    role: str
    #: scrypt, with its parameters and its salt.
    password_hash: str
    #: The language that was chosen; None: what the browser asks for.
    language: str | None = None
    disabled_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class WebSession(SQLModel, table=True):
    """One login. The browser holds the token, the row only what it hashes to."""

    __tablename__ = "web_session"
    __table_args__ = (Index("ix_web_session_user_name", "user_name"),)

    token_hash: str = Field(primary_key=True)
    user_name: str = Field(foreign_key="web_user.name")
    address: str
    created_at: datetime
    seen_at: datetime


class AuditLine(SQLModel, table=True):
    """One thing that a person did or looked at on the operator's page; never changed.

    It names a shipment by its id and holds nothing of a buyer. A failed login's `actor` may be no user.
    """

    __tablename__ = "audit_line"
    __table_args__ = (
        Index("ix_audit_line_at", "at"),
        Index("ix_audit_line_shipment_id_at", "shipment_id", "at"),
        Index("ix_audit_line_actor_at", "actor", "at"),
        Index("ix_audit_line_address_at", "address", "at"),
    )

    id: int | None = Field(default=None, primary_key=True)
    at: datetime
    actor: str
    action: str
    shipment_id: str | None = None
    detail: str | None = None
    address: str


class Alert(SQLModel, table=True):
    """Something that a person should know of, from its beginning until its end was told. Its key says what and of whom.

    It is told when it begins, when its level changes, when it has grown, now and then while it goes on, and at its end.
    """

    key: str = Field(primary_key=True)
    kind: str
    level: str
    #: How much of it there is.
    size: int = 1
    #: What is told: text, severity, and of whom.
    facts: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    since: datetime
    #: Since when it has not been there; None while it is.
    quiet_since: datetime | None = None
    told_level: str | None = None
    told_size: int = 0
    told_at: datetime | None = None
    #: Failed tries to tell it.
    tries: int = 0
    #: When it may be told (again).
    due_at: datetime | None = None
    lease: str | None = None
    lease_until: datetime | None = None


class Channel(StrEnum):
    """How a seller hands its notes on."""

    MAIL = "mail"
    WEBHOOK = "webhook"


class Handed(StrEnum):
    """What is handed on of a note."""

    NOTE = "note"  # its nfeProc and its DANFE
    CANCELLATION = "cancellation"  # the event, and the DANFE that says so


class Handover(SQLModel, table=True):
    """A note that is to be handed on to the buyer, or to whom its seller names; made when its shipment is settled.

    It never stands in the shipment's way, and holds nothing of the buyer: documents and addresses are sealed elsewhere.
    """

    __table_args__ = (
        Index(
            "ix_handover_due_at",
            "due_at",
            postgresql_where=text("due_at IS NOT NULL"),
            sqlite_where=text("due_at IS NOT NULL"),
        ),
        Index(
            "ix_handover_stop_code",
            "stop_code",
            postgresql_where=text("stop_code IS NOT NULL"),
            sqlite_where=text("stop_code IS NOT NULL"),
        ),
    )

    shipment_id: str = Field(primary_key=True, foreign_key="shipment.id")
    access_key: str = Field(primary_key=True)
    what: str = Field(primary_key=True)
    channel: str = Field(primary_key=True)
    tries: int = 0
    #: When it may be tried; None: it is done, or a person decides.
    due_at: datetime | None = None
    lease_until: datetime | None = None
    lease: str | None = None
    #: Why the last try failed.
    code: str | None = None
    #: Why a person must decide; None when none must.
    stop_code: str | None = None
    done_at: datetime | None = None
    created_at: datetime
