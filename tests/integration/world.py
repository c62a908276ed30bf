"""A SEFAZ, an Amazon and a limiter in this process, stateful, which fail at every call in every way they are told to.

Faults come from a plan: each external call takes the next `Fault`, each place where a worker may die or be suspended is
a numbered point. A worker is killed by `Killed`, which nothing in the product catches.
"""

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Any

from lxml import etree
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from workflow.clients.amazon import InvoiceStatus
from workflow.clients.rate_limit import Plan
from workflow.clients.sefaz import Authorization, Consultation, EventResult
from workflow.clients.selling_partner import Throttled
from workflow.errors import LostAnswer, Refused, RetryLater, SellerStopped
from workflow.nfe.certificate import SigningKey
from workflow.nfe.protocol import chNFe_of
from workflow.nfe.signature import NFE, digest_value
from workflow.sandbox import sefaz_answers
from workflow.sandbox.shipments import Example
from workflow.sandbox.stat import refusal, stat
from workflow.settings import Settings
from workflow.stops import Side
from workflow.store import Store
from workflow.tools import SellerTools, Tools

#: From a lost request to its processing, and from a suspended worker's sleep to its waking: at the most.
LATEST = timedelta(minutes=10)
#: SEFAZ answers ten questions about a key in any hour.
MOST_CONSULTS = 10
CANCEL_DEADLINE = timedelta(hours=24)


class Killed(BaseException):
    """The worker's process ends here, as by SIGKILL."""


class Fault(StrEnum):
    """How an external call goes."""

    NONE = "none"
    AWAY = "away"  # certainly not sent
    LOST = "lost"  # no answer, never arrived
    UNHEARD = "unheard"  # processed, no answer
    LATE = "late"  # no answer, processed some minutes later
    REFUSED = "refused"
    BUSY = "busy"  # SEFAZ paused, Amazon throttles
    BLOCKED = "blocked"  # SEFAZ: 656
    SELLER = "seller"  # nothing of this seller can be done
    ODD = "odd"  # an answer nobody expects
    BUG = "bug"  # an exception nobody foresaw, before the call
    BUG_AFTER = "bug-after"


class Trouble(StrEnum):
    """What befalls a worker at a point."""

    DIES = "dies"
    SLEEPS = "sleeps"  # suspended, perhaps past its lease; then goes on
    DATABASE = "database"  # the database goes away


@dataclass
class Clock:
    """The world's clock."""

    moment: datetime

    def __call__(self) -> datetime:
        return self.moment

    def pass_(self, duration: timedelta) -> None:
        """Let time pass."""
        self.moment += duration


@dataclass
class Ordeal:
    """What one run of a worker meets."""

    faults: deque[Fault] = field(default_factory=deque)
    #: At which point, counted from now.
    at: int = -1
    trouble: Trouble | None = None
    meanwhile: Callable[[], None] | None = None


@dataclass
class Note:
    """An NF-e in SEFAZ's book."""

    key: str
    signed: bytes
    protNFe: bytes
    at: datetime
    cancelled: bool = False


class World:
    """All that is outside."""

    def __init__(self, clock: Clock, examples: list[Example]) -> None:
        self.clock = clock
        self.examples = {example.shipment_id: example for example in examples}
        self.ordeal = Ordeal()
        self.sefaz = Sefaz(self)
        self.amazon = Amazon(self)

    @contextmanager
    def meets(self, ordeal: Ordeal) -> Iterator[None]:
        """A worker's run; a suspended worker's is interrupted by others'."""
        before, self.ordeal = self.ordeal, ordeal
        try:
            yield
        finally:
            self.ordeal = before

    def fault(self) -> Fault:
        """How the call that begins now goes."""
        self.sefaz.process_late()
        return self.ordeal.faults.popleft() if self.ordeal.faults else Fault.NONE

    def point(self, *, in_database: bool = False) -> None:
        """A place where a worker may die or be suspended."""
        ordeal = self.ordeal
        ordeal.at -= 1
        if ordeal.at != -1 or ordeal.trouble is None:
            return
        if ordeal.trouble is Trouble.DIES:
            raise Killed
        if ordeal.trouble is Trouble.DATABASE and in_database:
            raise OperationalError("", {}, Exception("the server closed the connection"))
        if ordeal.trouble is Trouble.SLEEPS and ordeal.meanwhile is not None:
            ordeal.meanwhile()

    def ask(self, answer: Callable[[Fault], Any], *, party: str) -> Any:
        """A question: repeating it changes nothing."""
        self.point()
        fault = self.fault()
        self._raise_common(fault, party)
        if fault in (Fault.LOST, Fault.UNHEARD, Fault.LATE):
            raise RetryLater(f"{party}-timeout", "no answer")
        found = answer(fault)
        self.point()
        if fault is Fault.BUG_AFTER:
            raise KeyError("a bug")
        return found

    def order(self, process: Callable[[Fault], Any], late: Callable[[], None], *, party: str) -> Any:
        """A request that changes something."""
        self.point()
        fault = self.fault()
        self._raise_common(fault, party)
        if fault is Fault.LATE:
            late()
        if fault in (Fault.LOST, Fault.LATE):
            raise LostAnswer(f"{party}-timeout", "no answer")
        found = process(fault)
        self.point()
        if fault is Fault.UNHEARD:
            raise LostAnswer(f"{party}-connection-lost", "no answer")
        if fault is Fault.BUG_AFTER:
            raise KeyError("a bug")
        return found

    def _raise_common(self, fault: Fault, party: str) -> None:
        if fault is Fault.AWAY:
            raise RetryLater(f"{party}-unreachable", "cannot be reached")
        if fault is Fault.SELLER:
            raise SellerStopped(f"{party}-certificate-refused", "refused the client certificate")
        if fault is Fault.BUG:
            raise KeyError("a bug")


class Sefaz:
    """A SEFAZ with its book; it refuses the same bytes always, and a number that another key has."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.notes: dict[str, Note] = {}
        self.holders: dict[str, str] = {}
        self.refused: set[str] = set()
        #: What arrived for an authorisation.
        self.received: list[bytes] = []
        self.late: list[tuple[datetime, bytes]] = []
        self.late_events: list[tuple[datetime, str]] = []
        self.consults: dict[str, list[datetime]] = defaultdict(list)
        #: What SEFAZ would punish.
        self.complaints: list[str] = []
        self._count = 0

    # -- the client's methods -------------------------------------------------------------------------------

    def authorize(self, nfe: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = 1) -> Authorization:
        """NFeAutorizacao4."""
        late = lambda: self.late.append((self._world.clock() + LATEST, nfe))  # noqa: E731
        answer: Authorization = self._world.order(lambda fault: self._authorize(nfe, fault), late, party="sefaz")
        return answer

    def consult(self, chNFe: str, *, uf: str, tpAmb: int, tpEmis: int = 1) -> Consultation:
        """NFeConsultaProtocolo4."""
        answer: Consultation = self._world.ask(lambda fault: self._consult(chNFe, fault), party="sefaz")
        return answer

    def send_event(self, signed_event: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = 1) -> EventResult:
        """NFeRecepcaoEvento4, 110111 only."""
        key = etree.fromstring(signed_event).findtext(f".//{{{NFE}}}chNFe") or ""
        late = lambda: self.late_events.append((self._world.clock() + LATEST, key))  # noqa: E731
        answer: EventResult = self._world.order(lambda fault: self._event(key, fault), late, party="sefaz")
        return answer

    # -- what others do, what it does -----------------------------------------------------------------------

    def take(self, cnpj: str, *, serie: int, nNF: int) -> None:
        """Another program's NF-e gets the number."""
        self.holders.setdefault(f"{cnpj}55{serie:03d}{nNF:09d}", "another program's key")

    def is_taken(self, nNF: int) -> bool:
        """Whether any NF-e has the number."""
        return any(int(number[-9:]) == nNF for number in self.holders)

    def process_late(self) -> None:
        """What was lost on its way arrives."""
        now = self._world.clock()
        due = [signed for at, signed in self.late if at <= now]
        self.late = [(at, signed) for at, signed in self.late if at > now]
        for signed in due:
            self._decide(signed, Fault.NONE)
        for at, key in [entry for entry in self.late_events if entry[0] <= now]:
            self.late_events.remove((at, key))
            self._register(key)

    def _authorize(self, nfe: bytes, fault: Fault) -> Authorization:
        if fault in (Fault.BUSY, Fault.BLOCKED, Fault.ODD):
            cStat = {Fault.BUSY: "108", Fault.BLOCKED: "656", Fault.ODD: "999"}[fault]
            return self._batch(cStat)
        number = _number_of(chNFe_of(nfe))
        if any(_number_of(chNFe_of(waiting)) == number for _, waiting in self.late):
            return self._batch("635")
        cStat = self._decide(nfe, fault)
        key = chNFe_of(nfe)
        if cStat == "100":
            return Authorization(
                "100", "Autorizado", key, "1", None, self.notes[key].protNFe, "104", "Processado", None
            )
        protNFe = sefaz_answers.protNFe(refusal(cStat, None), chNFe=key, at=self._world.clock().timestamp())
        return Authorization(cStat, stat_text(cStat), key, None, None, protNFe.encode(), "104", "Processado", None)

    def _batch(self, cStat: str) -> Authorization:
        text = stat_text(cStat)
        return Authorization(cStat, text, None, None, None, None, cStat, text, None)

    def _decide(self, nfe: bytes, fault: Fault) -> str:
        self.received.append(nfe)
        key, digest = chNFe_of(nfe), sha256(nfe).hexdigest()
        number = _number_of(key)
        if key in self.notes:
            return "218" if self.notes[key].cancelled else "204"
        if number in self.holders:
            return "539"
        if fault is Fault.REFUSED:
            self.refused.add(digest)
        if digest in self.refused:
            return "237"
        self._count += 1
        now = self._world.clock()
        protNFe = sefaz_answers.protNFe(
            stat("100"),
            chNFe=key,
            at=now.timestamp(),
            nProt=f"{135260000000000 + self._count}",
            digVal=digest_value(nfe),
        ).encode()
        self.notes[key] = Note(key, nfe, protNFe, now)
        self.holders[number] = key
        return "100"

    def _consult(self, chNFe: str, fault: Fault) -> Consultation:
        now = self._world.clock()
        asked = self.consults[chNFe]
        asked.append(now)
        if sum(now - at < timedelta(hours=1) for at in asked) > MOST_CONSULTS:
            self.complaints.append(f"656: {chNFe} was asked for more than {MOST_CONSULTS} times in an hour")
        if fault in (Fault.BUSY, Fault.BLOCKED, Fault.ODD):
            cStat = {Fault.BUSY: "108", Fault.BLOCKED: "656", Fault.ODD: "999"}[fault]
            return Consultation(cStat, stat_text(cStat), None, None, None, ())
        note = self.notes.get(chNFe)
        if note is None:
            return Consultation("217", stat_text("217"), None, None, None, ())
        cStat = "101" if note.cancelled else "100"
        return Consultation(cStat, stat_text(cStat), chNFe, "1", note.protNFe, ())

    def _event(self, key: str, fault: Fault) -> EventResult:
        cStat = self._decide_event(key, fault)
        at = self._world.clock().timestamp()
        if cStat in ("108", "656", "999"):
            return EventResult(cStat, stat_text(cStat), None, None, None, None, cStat, stat_text(cStat))
        event = sefaz_answers.Event("35", key, "110111", "1")
        registered = sefaz_answers.retEvento(refusal(cStat, None), event, at=at, nProt="9" if cStat == "135" else None)
        return EventResult(cStat, stat_text(cStat), key, None, None, registered.encode(), "128", "Processado")

    def _decide_event(self, key: str, fault: Fault) -> str:
        if fault in (Fault.BUSY, Fault.BLOCKED, Fault.ODD):
            return {Fault.BUSY: "108", Fault.BLOCKED: "656", Fault.ODD: "999"}[fault]
        note = self.notes[key]
        if note.cancelled:
            return "573"
        if self._world.clock() - note.at > CANCEL_DEADLINE:
            return "501"
        if fault is Fault.REFUSED:
            return "221"
        self._register(key)
        return "135"

    def _register(self, key: str) -> None:
        note = self.notes[key]
        if self._world.clock() - note.at <= CANCEL_DEADLINE + LATEST:
            note.cancelled = True


def stat_text(cStat: str) -> str:
    """SEFAZ's text."""
    return refusal(cStat, None).xMotivo


def _number_of(key: str) -> str:
    """CNPJ, model, series and nNF of a key."""
    return key[6:34]


class Amazon:
    """An Amazon with its book; a later submission replaces an earlier one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.submitted: dict[str, list[bytes]] = defaultdict(list)
        self.verdicts: dict[str, tuple[datetime, str]] = {}
        #: Submissions that Amazon lost by itself.
        self.forgotten: Counter[str] = Counter()
        #: Whether the next status may be a passing NotFound, as of a reader that lags.
        self._lied: set[str] = set()
        self.verdict = "Accepted"
        self.may_lag = False

    def shipment_details(self, shipment_id: str) -> bytes:
        """getShipmentDetails."""
        return bytes(self._world.ask(lambda fault: self._details(shipment_id, fault), party="amazon"))

    def submit_invoice(self, shipment_id: str, xml: bytes) -> None:
        """submitInvoice."""
        self._world.order(lambda fault: self._submit(shipment_id, xml, fault), lambda: None, party="amazon")

    def invoice_status(self, shipment_id: str) -> InvoiceStatus:
        """getInvoiceStatus."""
        status = self._world.ask(lambda fault: self._status(shipment_id, fault), party="amazon")
        return InvoiceStatus(status, json.dumps({"payload": status}).encode())

    def forget(self, shipment_id: str) -> None:
        """Lose a submission."""
        if self.verdicts.pop(shipment_id, None) is not None:
            self.forgotten[shipment_id] += 1

    def _details(self, shipment_id: str, fault: Fault) -> bytes:
        self._refuse(fault, "getShipmentDetails")
        return json.dumps({"payload": self._world.examples[shipment_id].details}).encode()

    def _submit(self, shipment_id: str, xml: bytes, fault: Fault) -> None:
        self._refuse(fault, "submitInvoice")
        self.submitted[shipment_id].append(xml)
        self.verdicts[shipment_id] = (self._world.clock() + timedelta(minutes=3), self.verdict)

    def _status(self, shipment_id: str, fault: Fault) -> str:
        self._refuse(fault, "getInvoiceStatus")
        found = self.verdicts.get(shipment_id)
        if found is None:
            return "NotFound"
        if fault is Fault.ODD:
            if self.may_lag and shipment_id not in self._lied:
                self._lied.add(shipment_id)
                return "NotFound"
            return "Weighing"
        self._lied.discard(shipment_id)
        return "Processing" if found[0] > self._world.clock() else found[1]

    def _refuse(self, fault: Fault, operation: str) -> None:
        if fault is Fault.REFUSED:
            raise Refused("InvalidInput", f"{operation}: Invalid Shipment ID")
        if fault in (Fault.BUSY, Fault.BLOCKED):
            raise Throttled(operation)


class Permits:
    """The rate limiter's rule (GCRA without reservations) on the world's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._full: dict[str, datetime] = {}

    def wait(self, bucket: str, plan: Plan, who: str, *, version: int = 0) -> timedelta:
        """Zero is the permit."""
        now, interval = self._clock(), timedelta(microseconds=plan.interval)
        full = max(self._full.get(bucket, now), now)
        at = full - (plan.burst - 1) * interval
        if at > now:
            return at - now
        self._full[bucket] = full + interval
        return timedelta()

    def drain(self, bucket: str, plan: Plan) -> None:
        """Empty the bucket."""
        self._full[bucket] = self._clock() + plan.burst * timedelta(microseconds=plan.interval)


class ValidTokens:
    """Login with Amazon has never failed."""

    def access_token(self) -> str:
        """For submission and status."""
        return "Atza|world"

    def restricted_token(self, path_template: str, method: str = "GET") -> str:
        """For the details."""
        return "Atz.sprdt|world"


class FrailStore(Store):
    """The store, whose transactions are points: before they begin, and after they are committed."""

    world: World | None = None

    @contextmanager
    def writing(self, *, once: bool = False) -> Iterator[Connection]:
        """As the store's."""
        if self.world is not None:
            self.world.point(in_database=True)
        with super().writing(once=once) as connection:
            yield connection
        if self.world is not None:
            self.world.point(in_database=True)


class Kit(Tools):
    """A worker's tools, with this world's clients and limiter."""

    def __init__(self, settings: Settings, store: Store, world: World, key: SigningKey) -> None:
        super().__init__(settings)
        self._world = world
        self._key = key
        vars(self)["store"] = store
        vars(self)["limiter"] = Permits(world.clock)

    def seller(self, id: str, side: Side | None = None) -> SellerTools:
        """The real seller, but for its clients; the key is parsed once for all."""
        kept = super().seller(id, side)
        world = self._world
        vars(kept).update(amazon=world.amazon, sefaz=world.sefaz, _tokens=ValidTokens(), _key=self._key)
        return kept
