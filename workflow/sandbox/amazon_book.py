"""What the local Amazon knows: its switches, the shipments, what was submitted for each, and who may call how often.

A submission is effective when it starts a verdict; the same bytes again while that verdict is open or good are
counted as a repeat, never as a second invoice. Nothing here knows HTTP.
"""

import base64
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from lxml import etree
from pydantic import BaseModel, ConfigDict, Field

from workflow.nfe.protocol import AUTHORIZED
from workflow.sandbox.faults import Faults
from workflow.sandbox.journal import Journal
from workflow.sandbox.subscriptions import Subscriptions
from workflow.sandbox.vendor_shelf import HeldInvoice, Shelf

Outcome = Literal["accepted", "errored", "errored_once", "notfound"]
Verdict = Literal["Processing", "Accepted", "Errored", "NotFound"]

NFE = "{http://www.portalfiscal.inf.br/nfe}"
DSIG = "{http://www.w3.org/2000/09/xmldsig#}"


class AmazonSettings(BaseModel):
    """The switches of the local Amazon; rates per second, times in seconds, None means anything goes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate_plan: bool = True
    #: shipmentInvoicingV0: 1.133 requests per second, burst 25, for each operation.
    rate: float = Field(default=1.133, gt=0)
    burst: int = Field(default=25, gt=0)
    #: tokens 2021-03-01: 1 per second, burst 10.
    token_rate: float = Field(default=1.0, gt=0)
    token_burst: int = Field(default=10, gt=0)
    #: vendorDirectFulfillmentShippingV1: 10 per second, burst 10, for each operation.
    vendor_rate: float = Field(default=10.0, gt=0)
    vendor_burst: int = Field(default=10, gt=0)
    processing_seconds: float = Field(default=2.0, ge=0)
    #: how long a shipment with the outcome `notfound` hides its submission.
    not_found_seconds: float = Field(default=2.0, ge=0)
    #: The model types `Shipments` as one object; its ancestor was a list.
    status_as_list: bool = False
    md5: Literal["base64", "hex", "any"] = "base64"
    #: deleteSubscriptionById: the model says grantless; developers report that it needs the seller's token.
    grantless_unsubscribe: bool = True
    #: client id to secret, and refresh token to seller id.
    clients: dict[str, str] | None = None
    sellers: dict[str, str] | None = None
    token_seconds: int = Field(default=3600, gt=0)
    #: Unix time; tokens issued before it count as expired.
    tokens_valid_from: float = 0.0


class Shipment(BaseModel):
    """One shipment Amazon announces: its details as they are answered, and how its invoice will end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shipment_id: str = Field(min_length=1)
    details: dict[str, Any]
    outcome: Outcome = "accepted"

    @property
    def seller_id(self) -> str | None:
        """Whose it is, where the details say so."""
        return self.details.get("SellerId")


class Submission(NamedTuple):
    """An effective submission: when (Unix time), which bytes, which NF-e, and what comes of it."""

    at: float
    md5: str
    chNFe: str | None
    final: Verdict
    problem: str | None


class Conflict(Exception):
    """Raised when other bytes are submitted for a shipment whose invoice is being processed or was accepted."""


@dataclass(slots=True)
class _Record:
    shipment: Shipment
    submissions: list[Submission] = field(default_factory=list)
    repeats: int = 0


class AmazonBook:
    """The state of the local Amazon; `clock` gives Unix time, `journal` is the file that outlives a restart."""

    def __init__(
        self,
        settings: AmazonSettings,
        *,
        clock: Callable[[], float] = time.time,
        journal: Path | None = None,
    ) -> None:
        self._settings = settings
        self.clock = clock
        self.faults = Faults()
        self.customer_invoices = Shelf()
        self._records: dict[str, _Record] = {}
        self._owner: dict[str, str] = {}
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}
        self._requests: list[tuple[float, str, str | None, str]] = []
        self._counts: Counter[str] = Counter()
        self._throttled: Counter[str] = Counter()
        self._journal = Journal(journal)
        self.subscriptions = Subscriptions(self._journal)
        self._journal.replay(
            {
                **self.subscriptions.replays(),
                "shipment": lambda entry: self._keep(Shipment(**entry)),
                "submitted": lambda entry: self._keep_submission(**entry),
                "repeated": lambda entry: self._count_repeat(**entry),
                "customer_invoice": lambda entry: self.customer_invoices.put(HeldInvoice(**entry)),
            }
        )

    @property
    def settings(self) -> AmazonSettings:
        """The switches in force."""
        return self._settings

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change switches; raise ValidationError at an unknown name or a wrong value."""
        self._settings = AmazonSettings.model_validate({**self._settings.model_dump(), **changes})

    def lists(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """What the control API may add to."""
        return {
            "shipments": lambda entry: self.add(Shipment.model_validate(entry)),
            "customer_invoices": lambda entry: self.add_customer_invoice(HeldInvoice.model_validate(entry)),
        }

    def add(self, shipment: Shipment) -> None:
        """Announce a shipment, or replace its details and outcome; what was submitted for it stays."""
        self._keep(shipment)
        self._journal.write("shipment", shipment.model_dump())

    def add_customer_invoice(self, invoice: HeldInvoice) -> None:
        """Hold a vendor's customer invoice, or replace the order's."""
        self.customer_invoices.put(invoice)
        self._journal.write("customer_invoice", invoice.model_dump(mode="json"))

    def _keep(self, shipment: Shipment) -> None:
        known = self._records.get(shipment.shipment_id)
        if known is None:
            self._records[shipment.shipment_id] = _Record(shipment)
        else:
            known.shipment = shipment

    def find(self, shipment_id: str, seller_id: str | None) -> Shipment | None:
        """The shipment, if it is there and (where the caller's seller is known) the caller's own."""
        record = self._records.get(shipment_id)
        if record is None:
            return None
        foreign = seller_id is not None and record.shipment.seller_id not in (None, seller_id)
        return None if foreign else record.shipment

    def shipment_of(self, order_id: str) -> str | None:
        """The first shipment of an order; an order may have several."""
        held = (record.shipment for record in self._records.values())
        return next((one.shipment_id for one in held if one.details.get("AmazonOrderId") == order_id), None)

    def permit(self, client: str, seller: str, operation: str, *, rate: float, burst: int) -> bool:
        """Take one token from the bucket of (application, seller, operation); False when it is empty."""
        if not self._settings.rate_plan:
            return True
        now = self.clock()
        level, then = self._buckets.get((client, seller, operation), (float(burst), now))
        level = min(float(burst), level + max(0.0, now - then) * rate)
        allowed = level >= 1
        self._buckets[client, seller, operation] = (level - 1 if allowed else level, now)
        if not allowed:
            self._throttled[operation] += 1
        return allowed

    def submit(self, shipment_id: str, xml: bytes) -> None:
        """Take the invoice of a known shipment; raise Conflict when another one stands in its way."""
        record = self._records[shipment_id]
        md5 = base64.b64encode(hashlib.md5(xml, usedforsecurity=False).digest()).decode()
        last = record.submissions[-1] if record.submissions else None
        if last is not None and self._verdict(record.shipment, last) != "Errored":
            if last.md5 != md5:
                raise Conflict(shipment_id)
            self._count_repeat(shipment_id)
            self._journal.write("repeated", {"shipment_id": shipment_id})
            return
        submission = self._judge(record, xml, md5)
        self._keep_submission(shipment_id, submission)
        self._journal.write("submitted", {"shipment_id": shipment_id, "submission": submission})

    def _keep_submission(self, shipment_id: str, submission: Iterable[Any]) -> None:
        kept = Submission(*submission)
        self._records[shipment_id].submissions.append(kept)
        if kept.chNFe is not None and kept.problem is None:
            self._owner.setdefault(kept.chNFe, shipment_id)

    def _count_repeat(self, shipment_id: str) -> None:
        self._records[shipment_id].repeats += 1

    def _judge(self, record: _Record, xml: bytes, md5: str) -> Submission:
        chNFe, problem = authorised_key(xml)
        shipment = record.shipment
        if chNFe is not None and problem is None:
            owner = self._owner.get(chNFe, shipment.shipment_id)
            if owner != shipment.shipment_id:
                problem = "the NF-e belongs to another shipment"
        refused = shipment.outcome == "errored" or (shipment.outcome == "errored_once" and not record.submissions)
        final: Verdict = "Errored" if problem or refused else "Accepted"
        return Submission(self.clock(), md5, chNFe, final, problem)

    def verdict(self, shipment_id: str) -> Verdict:
        """What getInvoiceStatus says now of a known shipment."""
        record = self._records[shipment_id]
        if not record.submissions:
            return "NotFound"
        return self._verdict(record.shipment, record.submissions[-1])

    def _verdict(self, shipment: Shipment, submission: Submission) -> Verdict:
        age = self.clock() - submission.at
        if shipment.outcome == "notfound":
            if age < self._settings.not_found_seconds:
                return "NotFound"
            age -= self._settings.not_found_seconds
        return "Processing" if age < self._settings.processing_seconds else submission.final

    def record(self, operation: str, names: Collection[str], result: str) -> None:
        """Write one request down; `result` is the HTTP status or the fault that took its place."""
        self._counts[operation] += 1
        self._requests.append((self.clock(), operation, next(iter(names), None), result))

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def holds(self) -> dict[str, Any]:
        """What the counterpart has at start, for its first line."""
        plan = f"{self._settings.rate:g}/s burst {self._settings.burst}" if self._settings.rate_plan else "off"
        known = self._settings.clients is not None or self._settings.sellers is not None
        return {
            "shipments": len(self._records),
            "credentials": "known only" if known else "any",
            "rate plan": plan,
            "verdict after": f"{self._settings.processing_seconds:g} s",
        }

    def dump(self, *, requests: bool = True) -> dict[str, Any]:
        """Everything known, as JSON values; times are Unix seconds."""
        book: dict[str, Any] = {
            "shipments": {key: self._entry(record) for key, record in self._records.items()},
            "customer_invoices": len(self.customer_invoices),
            **self.subscriptions.dump(),
            "counts": dict(self._counts),
            "throttled": dict(self._throttled),
            "faults": self.faults.dump(),
            "paused": self.faults.dump_paused(),
        }
        if requests:
            keys = ("at", "operation", "subject", "result")
            book["requests"] = [dict(zip(keys, entry, strict=True)) for entry in self._requests]
        return book

    def _entry(self, record: _Record) -> dict[str, Any]:
        return {
            "outcome": record.shipment.outcome,
            "status": self.verdict(record.shipment.shipment_id),
            "effective": len(record.submissions),
            "repeats": record.repeats,
            "submissions": [submission._asdict() for submission in record.submissions],
        }


def authorised_key(xml: bytes) -> tuple[str | None, str | None]:
    """The key of a distribution file (nfeProc), and what is wrong with it, None when SEFAZ authorised it."""
    try:
        root = etree.fromstring(xml, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    except etree.XMLSyntaxError:
        return None, "not XML"
    infNFe = root.find(f"{NFE}NFe/{NFE}infNFe")
    infProt = root.find(f"{NFE}protNFe/{NFE}infProt")
    if root.tag != f"{NFE}nfeProc" or infNFe is None or infProt is None:
        return None, "not an nfeProc with NFe and protNFe"
    chNFe = (infNFe.get("Id") or "").removeprefix("NFe")
    if infProt.findtext(f"{NFE}chNFe") != chNFe:
        return chNFe, "the protocol is of another NF-e"
    if infProt.findtext(f"{NFE}cStat") not in AUTHORIZED:
        return chNFe, "not authorised by SEFAZ"
    digVal = infProt.findtext(f"{NFE}digVal")
    if digVal is not None and digVal != root.findtext(f".//{DSIG}DigestValue"):
        return chNFe, "digVal differs from the DigestValue"
    return chNFe, None
