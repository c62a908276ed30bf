"""A SEFAZ in this process, with its book."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from lxml import etree

from tests.integration.model.fate import LATEST, Fate, Fault
from workflow.clients.sefaz import Authorization, Consultation, EventResult
from workflow.nfe.protocol import chNFe_of
from workflow.nfe.signature import NFE, digest_value
from workflow.sandbox import sefaz_answers
from workflow.sandbox.stat import refusal, stat

#: SEFAZ answers ten questions about a key in any hour.
MOST_CONSULTS = 10
CANCEL_DEADLINE = timedelta(hours=24)


@dataclass
class Note:
    """An NF-e in SEFAZ's book."""

    key: str
    signed: bytes
    protNFe: bytes
    at: datetime
    cancelled: bool = False


class Sefaz:
    """A SEFAZ with its book; it refuses the same bytes always, and a number that another key has."""

    def __init__(self, fate: Fate) -> None:
        self._fate = fate
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
        late = lambda: self.late.append((self._fate.clock() + LATEST, nfe))  # noqa: E731
        answer: Authorization = self._fate.order(lambda fault: self._authorize(nfe, fault), late, party="sefaz")
        return answer

    def consult(self, chNFe: str, *, uf: str, tpAmb: int, tpEmis: int = 1) -> Consultation:
        """NFeConsultaProtocolo4."""
        answer: Consultation = self._fate.ask(lambda fault: self._consult(chNFe, fault), party="sefaz")
        return answer

    def send_event(self, signed_event: bytes, *, uf: str, tpAmb: int, idLote: str, tpEmis: int = 1) -> EventResult:
        """NFeRecepcaoEvento4, 110111 only."""
        key = etree.fromstring(signed_event).findtext(f".//{{{NFE}}}chNFe") or ""
        late = lambda: self.late_events.append((self._fate.clock() + LATEST, key))  # noqa: E731
        answer: EventResult = self._fate.order(lambda fault: self._event(key, fault), late, party="sefaz")
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
        now = self._fate.clock()
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
        protNFe = sefaz_answers.protNFe(refusal(cStat, None), chNFe=key, at=self._fate.clock().timestamp())
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
        now = self._fate.clock()
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
        now = self._fate.clock()
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
        at = self._fate.clock().timestamp()
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
        if self._fate.clock() - note.at > CANCEL_DEADLINE:
            return "501"
        if fault is Fault.REFUSED:
            return "221"
        self._register(key)
        return "135"

    def _register(self, key: str) -> None:
        note = self.notes[key]
        if self._fate.clock() - note.at <= CANCEL_DEADLINE + LATEST:
            note.cancelled = True


def stat_text(cStat: str) -> str:
    """SEFAZ's text."""
    return refusal(cStat, None).xMotivo


def _number_of(key: str) -> str:
    """CNPJ, model, series and nNF of a key."""
    return key[6:34]
