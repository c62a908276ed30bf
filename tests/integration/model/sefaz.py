"""A SEFAZ in this process: the UF's own and the SVC that stands in for it, each with its notes, and one register of voided
numbers. What it would punish is a complaint.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from lxml import etree

from tests.integration.model.fate import LATEST, Fate, Fault
from workflow.authorization import place_of
from workflow.clients.barrier import MOST_REJECTIONS
from workflow.clients.sefaz import Authorization, Consultation, EventResult, ServiceStatus, VoidResult
from workflow.clients.sefaz_guard import unmended
from workflow.errors import LostAnswer, RetryLater, SellerStopped
from workflow.nfe.protocol import chNFe_of
from workflow.nfe.signature import NFE, digest_value
from workflow.sandbox import sefaz_answers
from workflow.sandbox.stat import refusal, stat
from workflow.tools import UNTIL_CERTAIN

#: SEFAZ answers ten questions about a key in any hour.
MOST_CONSULTS = 10
CANCEL_DEADLINE = timedelta(hours=24)
#: From a 656 on; a call meanwhile begins it anew.
BLOCK = timedelta(hours=1)
#: How long a batch waits at the most.
QUEUE = {Fault.QUEUED: timedelta(minutes=4), Fault.QUEUED_LONG: timedelta(minutes=40), Fault.QUEUED_UNHEARD: LATEST}
#: What SEFAZ answers to everything when it is told to.
ANSWERS = {Fault.BUSY: "108", Fault.BLOCKED: "656", Fault.ODD: "999"}
CORRECTION = "110110"
NORMAL = 1


@dataclass
class Note:
    """An NF-e in SEFAZ's book."""

    key: str
    signed: bytes
    protNFe: bytes
    at: datetime
    cancelled: bool = False
    #: Letters of correction by nSeqEvento: their text, their procEventoNFe.
    letters: dict[int, tuple[str, bytes]] = field(default_factory=dict)

    @property
    def nNF(self) -> int:
        """Its number."""
        return int(self.key[25:34])


class Sent(NamedTuple):
    """What left for an authorisation."""

    nfe: bytes
    at: datetime


@dataclass
class Batch:
    """What waits under a receipt."""

    nfe: bytes
    due: datetime
    decided: Authorization | None = None


@dataclass
class Block:
    """A service that is shut: until when, and since when our side knows."""

    until: datetime
    told: int | None = None


class Event(NamedTuple):
    """What an event says."""

    key: str
    tpEvento: str
    nSeqEvento: int
    text: str

    @classmethod
    def of(cls, signed: bytes) -> "Event":
        """Read one."""
        found = {tag: etree.fromstring(signed).findtext(f".//{{{NFE}}}{tag}") or "" for tag in _EVENT}
        return cls(found["chNFe"], found["tpEvento"], int(found["nSeqEvento"]), found["xCorrecao"])


_EVENT = ("chNFe", "tpEvento", "nSeqEvento", "xCorrecao")
_VOIDING = ("ano", "CNPJ", "mod", "serie", "nNFIni", "nNFFin")


class Sefaz:
    """A SEFAZ with its books; it refuses the same data always, and a number that another key has."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
        self.notes: dict[str, Note] = {}
        #: By the place that knows it and its number: the key.
        self.holders: dict[tuple[bool, str], str] = {}
        self.refused: set[str] = set()
        #: What arrived for an authorisation.
        self.received: list[bytes] = []
        self.late: list[tuple[datetime, bytes]] = []
        self.late_events: list[tuple[datetime, bytes]] = []
        self.late_voidings: list[tuple[datetime, bytes]] = []
        self.queue: dict[str, Batch] = {}
        self.consults: dict[str, list[datetime]] = defaultdict(list)
        #: Voided numbers, with the request they were voided by, and what arrived to void any.
        self.voided: dict[int, tuple[int, int]] = {}
        self.voidings: list[bytes] = []
        #: Whether the UF's own is out of order, and what the SVC says of itself.
        self.is_down = False
        self.svc = "114"
        #: What SEFAZ would punish.
        self.complaints: list[str] = []
        self._blocks: dict[str, Block] = {}
        #: By number, what may be on its way to an authorisation.
        self._open: dict[str, list[Sent]] = defaultdict(list)
        #: Refusals of a document that our side has heard of: when, and their place in what it was told.
        self._refusals: dict[str, list[tuple[datetime, int]]] = defaultdict(list)
        self.told = 0
        self._count = 0

    # -- the client's methods -------------------------------------------------------------------------------

    def authorize(self, nfe: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = 1) -> Authorization:
        """NFeAutorizacao4."""
        late = lambda: self.late.append((self._fate.clock() + LATEST, nfe))  # noqa: E731
        process = lambda fault: self._authorize(nfe, tpEmis, fault)  # noqa: E731
        with self._undecided(nfe):
            answer: Authorization = self._fate.order(process, late, "autorizacao")
        if answer.cStat == "237":
            self.told += 1
            self._refusals[unmended(nfe)].append((self._fate.clock(), self.told))
        self._tell(answer.cStat, _service("autorizacao", tpEmis))
        return answer

    def receipt(self, nRec: str, *, uf: str, tpAmb: int, tpEmis: int = 1) -> Authorization:
        """NFeRetAutorizacao4."""
        answer: Authorization = self._fate.ask(lambda fault: self._receipt(nRec, tpEmis, fault), "retautorizacao")
        self._tell(answer.cStat, _service("retautorizacao", tpEmis))
        return answer

    def consult(self, chNFe: str, *, uf: str, tpAmb: int, tpEmis: int = 1) -> Consultation:
        """NFeConsultaProtocolo4."""
        answer: Consultation = self._fate.ask(lambda fault: self._consult(chNFe, tpEmis, fault), "consulta")
        self._tell(answer.cStat, _service("consulta", tpEmis))
        return answer

    def service_status(self, *, uf: str, tpAmb: int, tpEmis: int = 1) -> ServiceStatus:
        """NFeStatusServico4."""
        normal = "108" if self.is_down else "107"
        usual = lambda fault: self._common("status", tpEmis, fault) or (normal if tpEmis == NORMAL else self.svc)  # noqa: E731
        cStat: str = self._fate.ask(usual, "status")
        self._tell(cStat, _service("status", tpEmis))
        return ServiceStatus(cStat, stat_text(cStat), 1, None)

    def send_event(self, signed_event: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = 1) -> EventResult:
        """NFeRecepcaoEvento4."""
        late = lambda: self.late_events.append((self._fate.clock() + LATEST, signed_event))  # noqa: E731
        process = lambda fault: self._event(signed_event, tpEmis, fault)  # noqa: E731
        answer: EventResult = self._fate.order(process, late, "evento")
        self._tell(answer.cStat, _service("evento", tpEmis))
        return answer

    def void(self, signed_inutNFe: bytes, *, uf: str, tpAmb: int) -> VoidResult:
        """NFeInutilizacao4."""
        late = lambda: self.late_voidings.append((self._fate.clock() + LATEST, signed_inutNFe))  # noqa: E731
        answer: VoidResult = self._fate.order(lambda fault: self._void(signed_inutNFe, fault), late, "inutilizacao")
        self._tell(answer.cStat, "inutilizacao")
        return answer

    # -- what others do, what it does -----------------------------------------------------------------------

    def take(self, cnpj: str, *, serie: int, nNF: int) -> None:
        """Another program's NF-e gets the number."""
        self.holders.setdefault((False, f"{cnpj}55{serie:03d}{nNF:09d}"), "another program's key")

    def is_taken(self, nNF: int) -> bool:
        """Whether any NF-e has the number."""
        return any(int(number[-9:]) == nNF for _, number in self.holders)

    def on_their_way(self) -> list[bytes]:
        """NF-e that nobody has decided about yet."""
        waiting = [batch.nfe for batch in self.queue.values() if batch.decided is None]
        return [nfe for _, nfe in self.late] + waiting

    @property
    def rests(self) -> bool:
        """Whether nothing is on its way."""
        return not (self.on_their_way() or self.late_events or self.late_voidings)

    def process_late(self) -> None:
        """What was lost on its way arrives, and what is queued has its turn."""
        now = self._fate.clock()
        for signed in _due(self.late, now):
            self._decide(signed, Fault.NONE)
        for signed in _due(self.late_events, now):
            event = Event.of(signed)
            place = NORMAL if event.tpEvento == CORRECTION else place_of(event.key)
            self._decide_event(event, signed, place, Fault.NONE)
        for signed in _due(self.late_voidings, now):
            self._decide_voiding(signed, Fault.NONE)
        for batch in self.queue.values():
            if batch.decided is None and batch.due <= now:
                batch.decided = self._answer(batch.nfe, self._decide(batch.nfe, Fault.NONE))

    # -- misuse, outages ------------------------------------------------------------------------------------

    def _common(self, word: str, tpEmis: int, fault: Fault) -> str | None:
        """What it answers whatever is asked: None, when the question is answered."""
        service, leave = _service(word, tpEmis), self._fate.ordeal.leave
        self._fate.ordeal.leave = None
        block = self._blocks.get(service)
        if block is not None and block.until > self._fate.clock():
            if block.told is not None and (leave is None or leave >= block.told):
                self.complaints.append(f"656: {service} was called while it was shut")
            self._blocks[service] = Block(self._fate.clock() + BLOCK, block.told)
            return "656"
        if fault is Fault.BLOCKED:
            self._blocks[service] = Block(self._fate.clock() + BLOCK)
        if tpEmis == NORMAL and self.is_down:
            return "656" if fault is Fault.BLOCKED else "108"
        return ANSWERS.get(fault)

    def _tell(self, cStat: str, service: str) -> None:
        """Our side has heard this."""
        if cStat == "656":
            self.told += 1
            self._blocks[service].told = self.told

    def _check_refusals(self, nfe: bytes, leave: int | None) -> None:
        hour_ago = self._fate.clock() - timedelta(hours=1)
        known = [at for at, told in self._refusals[unmended(nfe)] if leave is None or told <= leave]
        if sum(at > hour_ago for at in known) >= MOST_REJECTIONS:
            self.complaints.append("a document was sent a fourth time that was refused three times within the hour")

    # -- notes ----------------------------------------------------------------------------------------------

    @contextmanager
    def _undecided(self, nfe: bytes) -> Iterator[None]:
        """What was sent keeps its number to itself until SEFAZ has decided, or it can no longer arrive."""
        sent = Sent(nfe, self._fate.clock())
        others = self._open[_number_of(chNFe_of(nfe))]
        if any(one.nfe != nfe and sent.at - one.at < UNTIL_CERTAIN for one in others):
            self.complaints.append("other bytes were sent under a number whose first ones were not decided about")
        others.append(sent)
        try:
            yield
        except LostAnswer:
            raise
        except (RetryLater, SellerStopped):
            others.remove(sent)  # it certainly did not leave
            raise
        if sent in others:
            others.remove(sent)

    def _authorize(self, nfe: bytes, tpEmis: int, fault: Fault) -> Authorization:
        leave, key = self._fate.ordeal.leave, chNFe_of(nfe)
        common = self._common("autorizacao", tpEmis, fault)
        if tpEmis != place_of(key):
            self.complaints.append(f"570: {key} was sent to tpEmis {tpEmis}")
        if common is None and tpEmis != NORMAL and self.svc != "107":
            common = self.svc
        if common is not None:
            return self._batch(common)
        self._check_refusals(nfe, leave)
        if any(_number_of(chNFe_of(waiting)) == _number_of(key) for waiting in self.on_their_way()):
            return self._batch("635")
        if fault in QUEUE:
            self._count += 1
            nRec = f"{351000000000000 + self._count}"
            self.queue[nRec] = Batch(nfe, self._fate.clock() + QUEUE[fault])
            return self._batch("103")._replace(nRec=nRec, tMed=1)
        answer = self._answer(nfe, self._decide(nfe, fault))
        return answer._replace(protNFe=None) if fault is Fault.BARE else answer

    def _answer(self, nfe: bytes, cStat: str) -> Authorization:
        key = chNFe_of(nfe)
        if cStat == "100":
            return Authorization(
                "100", "Autorizado", key, "1", None, self.notes[key].protNFe, "104", "Processado", None
            )
        protNFe = sefaz_answers.protNFe(refusal(cStat, None), chNFe=key, at=self._fate.clock().timestamp())
        return Authorization(cStat, stat_text(cStat), key, None, None, protNFe.encode(), "104", "Processado", None)

    def _batch(self, cStat: str) -> Authorization:
        text = stat_text(cStat)
        return Authorization(cStat, text, None, None, None, None, cStat, text, None)

    def _decide(self, nfe: bytes, fault: Fault) -> str:
        self.received.append(nfe)
        key = chNFe_of(nfe)
        self._open[_number_of(key)].clear()
        if key in self.notes:
            return "218" if self.notes[key].cancelled else "204"
        if _held(key) in self.holders:
            return "539"
        if int(key[25:34]) in self.voided:
            return "206"
        if fault is Fault.UNREGISTERED:
            return "203"
        if fault is Fault.REFUSED:
            self.refused.add(unmended(nfe))
        if unmended(nfe) in self.refused:
            return "237"
        self._authorise(key, nfe)
        self.holders[_held(key)] = key
        return "100"

    def _authorise(self, key: str, nfe: bytes) -> None:
        self._count += 1
        now, nProt = self._fate.clock(), f"{135260000000000 + self._count}"
        protNFe = sefaz_answers.protNFe(
            stat("100"), chNFe=key, at=now.timestamp(), nProt=nProt, digVal=digest_value(nfe)
        )
        self.notes[key] = Note(key, nfe, protNFe.encode(), now)

    def _receipt(self, nRec: str, tpEmis: int, fault: Fault) -> Authorization:
        common = self._common("retautorizacao", tpEmis, fault)
        if common is not None:
            return self._batch(common)
        batch = self.queue.get(nRec)
        if batch is None:
            return self._batch("106")
        return batch.decided or self._batch("105")

    def _consult(self, chNFe: str, tpEmis: int, fault: Fault) -> Consultation:
        now = self._fate.clock()
        asked = self.consults[chNFe]
        asked.append(now)
        if sum(now - at < timedelta(hours=1) for at in asked) > MOST_CONSULTS:
            self.complaints.append(f"656: {chNFe} was asked for more than {MOST_CONSULTS} times in an hour")
        common = self._common("consulta", tpEmis, fault)
        if common is not None:
            return Consultation(common, stat_text(common), None, None, None, ())
        note = self.notes.get(chNFe)
        lags = fault is Fault.LAGS and note is not None and now - note.at < LATEST
        if note is None or lags or place_of(chNFe) != tpEmis:
            return Consultation("217", stat_text("217"), None, None, None, ())
        cStat = "101" if note.cancelled else "100"
        letters = tuple(proof for _, proof in note.letters.values())
        return Consultation(cStat, stat_text(cStat), chNFe, "1", note.protNFe, letters)

    # -- events ---------------------------------------------------------------------------------------------

    def _event(self, signed: bytes, tpEmis: int, fault: Fault) -> EventResult:
        common = self._common("evento", tpEmis, fault)
        if common is not None:
            return EventResult(common, stat_text(common), None, None, None, None, common, stat_text(common))
        event = Event.of(signed)
        cStat = self._decide_event(event, signed, tpEmis, fault)
        return EventResult(
            cStat, stat_text(cStat), event.key, None, None, self._registered(event, cStat), "128", "Processado"
        )

    def _registered(self, event: Event, cStat: str) -> bytes:
        about = sefaz_answers.Event("35", event.key, event.tpEvento, str(event.nSeqEvento))
        at = self._fate.clock().timestamp()
        return sefaz_answers.retEvento(
            refusal(cStat, None), about, at=at, nProt="9" if cStat == "135" else None
        ).encode()

    def _decide_event(self, event: Event, signed: bytes, tpEmis: int, fault: Fault) -> str:
        is_letter = event.tpEvento == CORRECTION
        note = self.notes.get(event.key)
        if note is None or tpEmis != (NORMAL if is_letter else place_of(event.key)):
            return "494"
        if note.cancelled:
            return "580" if is_letter else "573"
        if is_letter and event.nSeqEvento in note.letters:
            return "573"
        if not is_letter and self._fate.clock() - note.at > CANCEL_DEADLINE:
            return "501"
        if fault is Fault.REFUSED:
            return "221"
        if not is_letter:
            note.cancelled = True
        else:
            kept = sefaz_answers.procEventoNFe(signed.decode(), self._registered(event, "135").decode())
            note.letters[event.nSeqEvento] = (event.text, kept.encode())
        return "135"

    # -- voiding --------------------------------------------------------------------------------------------

    def _void(self, signed: bytes, fault: Fault) -> VoidResult:
        cStat = self._common("inutilizacao", NORMAL, fault) or self._decide_voiding(signed, fault)
        asked = _asked(signed)
        answer = sefaz_answers.retInutNFe(
            refusal(cStat, None), cUF="35", at=self._fate.clock().timestamp(), asked=asked,
            nProt="9" if cStat == "102" else None,
        )  # fmt: skip
        return VoidResult(cStat, stat_text(cStat), None, None, answer.encode())

    def _decide_voiding(self, signed: bytes, fault: Fault) -> str:
        self.voidings.append(signed)
        asked = _asked(signed)
        wanted = (int(asked["nNFIni"]), int(asked["nNFFin"]))
        numbers = range(wanted[0], wanted[1] + 1)
        found = {self.voided.get(number) for number in numbers}
        if found == {wanted}:
            return "563"
        if any(found):
            return "256"
        if any(self.is_taken(number) for number in numbers):
            return "241"
        if fault is Fault.UNREGISTERED:
            return "203"
        if fault is Fault.REFUSED:
            return "453"
        self.voided |= dict.fromkeys(numbers, wanted)
        return "102"


def stat_text(cStat: str) -> str:
    """SEFAZ's text."""
    return refusal(cStat, None).xMotivo


def _due(waiting: list[tuple[datetime, bytes]], now: datetime) -> list[bytes]:
    """What arrives now, which waits no longer."""
    arrives = [entry for entry in waiting if entry[0] <= now]
    for entry in arrives:
        waiting.remove(entry)
    return [signed for _, signed in arrives]


def _asked(signed: bytes) -> dict[str, str]:
    root = etree.fromstring(signed)
    return {tag: root.findtext(f".//{{{NFE}}}{tag}") or "" for tag in _VOIDING}


def _service(word: str, tpEmis: int) -> str:
    return word if tpEmis == NORMAL else f"svc/{word}"


def _number_of(key: str) -> str:
    """CNPJ, model, series and nNF of a key."""
    return key[6:34]


def _held(key: str) -> tuple[bool, str]:
    """Who knows a note's number: the SVC or the UF."""
    return place_of(key) != NORMAL, _number_of(key)
