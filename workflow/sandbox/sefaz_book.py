"""What the local SEFAZ knows: the NF-e it authorised, corrected, cancelled and voided, and its register.

A key is decided once and for ever, and so is a number: (CNPJ, serie, nNF) belongs to the first key authorised.
A refusal leaves no trace but its count. Nothing here knows HTTP or XML beyond the strings it keeps.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from workflow.sandbox.certificates import Authority
from workflow.sandbox.faults import Faults
from workflow.sandbox.journal import Journal
from workflow.sandbox.sefaz_misuse import Misuse
from workflow.sandbox.sefaz_queue import Queue
from workflow.sandbox.sefaz_settings import Refusal, RegisteredTaxpayer, SefazSettings
from workflow.sandbox.stat import Stat, refusal


@dataclass(slots=True)
class Authorised:
    """One authorised NF-e; `at` is Unix time, `protNFe` and `procEventoNFe` the XML as it was answered.

    `corrections` are the letters of correction by nSeqEvento.
    """

    chNFe: str
    cnpj: str
    serie: int
    nNF: int
    tpAmb: str
    digVal: str
    nProt: str
    cStat: str
    at: float
    protNFe: str
    document: str | None = None
    cancelled_at: float | None = None
    procEventoNFe: str | None = None
    corrections: dict[str, str] = field(default_factory=dict)

    @property
    def at_svc(self) -> bool:
        """Whether the contingency authorised it, which alone knows it: tpEmis 6 or 7."""
        return is_of_svc(self.chNFe)


def is_of_svc(chNFe: str) -> bool:
    """Whether a key is of a contingency's note: tpEmis 6 or 7 in its place 35 (MOC 7.0, B22)."""
    return chNFe[34:35] in ("6", "7")


class Voided(NamedTuple):
    """A voided range of numbers, both ends included."""

    cnpj: str
    ano: str
    serie: int
    first: int
    last: int
    nProt: str

    def holds(self, cnpj: str, serie: int, nNF: int) -> bool:
        """Whether the number lies in the range."""
        return (cnpj, serie) == (self.cnpj, self.serie) and self.first <= nNF <= self.last

    def overlaps(self, other: "Voided") -> bool:
        """Whether the ranges share a number."""
        same = (self.cnpj, self.serie) == (other.cnpj, other.serie)
        return same and self.first <= other.last and other.first <= self.last


class SefazBook:
    """The state of the local SEFAZ; `clock` gives Unix time, `journal` is the file that outlives a restart."""

    def __init__(
        self,
        settings: SefazSettings,
        *,
        clock: Callable[[], float] = time.time,
        journal: Path | None = None,
    ) -> None:
        self._settings = settings
        self.clock = clock
        self.faults = Faults()
        self.authority: Authority | None = None
        self.by_key: dict[str, Authorised] = {}
        self._by_number: dict[tuple[str, int, int], str] = {}
        self.voided: list[Voided] = []
        self._refusals: list[Refusal] = []
        self._protocols = 0
        self.taxpayers: list[RegisteredTaxpayer] = []
        self.misuse = Misuse(lambda: self._settings, clock)
        self.queue = Queue()
        self._requests: list[tuple[float, str, list[str], str]] = []
        self._counts: Counter[str] = Counter()
        self._stats: Counter[str] = Counter()
        self._journal = Journal(journal)
        self._journal.replay(
            {
                "authorised": lambda entry: self._keep(Authorised(**entry)),
                "corrected": lambda entry: self._keep_correction(**entry),
                "cancelled": lambda entry: self._mark_cancelled(**entry),
                "voided": lambda entry: self._keep_voided(Voided(**entry)),
            }
        )

    @property
    def settings(self) -> SefazSettings:
        """The switches in force."""
        return self._settings

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change switches; raise ValidationError at an unknown name or a wrong value."""
        self._settings = SefazSettings.model_validate({**self._settings.model_dump(), **changes})

    def lists(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """What the control API may add to."""
        return {
            "refusals": lambda entry: self._refusals.append(Refusal.model_validate(entry)),
            "taxpayers": lambda entry: self.taxpayers.append(RegisteredTaxpayer.model_validate(entry)),
        }

    def trust(self, authority: Authority) -> None:
        """Take the authority that signers' certificates must come from."""
        self.authority = authority

    def now(self) -> datetime:
        """The clock as an aware moment."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def next_protocol(self, cUF: str) -> str:
        """A new protocol number: 1, cUF, year, ten digits."""
        self._protocols += 1
        return f"1{cUF}{self.now():%y}{self._protocols:010d}"

    def holder(self, cnpj: str, serie: int, nNF: int) -> str | None:
        """The key that holds a number, None while it is free."""
        return self._by_number.get((cnpj, serie, nNF))

    def is_voided(self, cnpj: str, serie: int, nNF: int) -> bool:
        """Whether the number was voided."""
        return any(entry.holds(cnpj, serie, nNF) for entry in self.voided)

    def authorise(self, entry: Authorised) -> None:
        """Keep an authorised NF-e; its key and its number are taken for ever."""
        self._keep(entry)
        self._journal.write("authorised", asdict(entry))

    def _keep(self, entry: Authorised) -> None:
        self.by_key[entry.chNFe] = entry
        self._by_number[entry.cnpj, entry.serie, entry.nNF] = entry.chNFe
        self._count_protocol(entry.nProt)

    def cancel(self, chNFe: str, *, at: float, nProt: str, procEventoNFe: str) -> None:
        """Mark an authorised NF-e as cancelled by the event of that protocol."""
        self._mark_cancelled(chNFe, at, nProt, procEventoNFe)
        about = {"chNFe": chNFe, "at": at, "nProt": nProt, "procEventoNFe": procEventoNFe}
        self._journal.write("cancelled", about)

    def _mark_cancelled(self, chNFe: str, at: float, nProt: str, procEventoNFe: str) -> None:
        known = self.by_key[chNFe]
        known.cancelled_at, known.procEventoNFe = at, procEventoNFe
        self._count_protocol(nProt)

    def correct(self, chNFe: str, *, nSeqEvento: str, nProt: str, procEventoNFe: str) -> None:
        """Keep a letter of correction of an authorised NF-e."""
        self._keep_correction(chNFe, nSeqEvento, nProt, procEventoNFe)
        about = {"chNFe": chNFe, "nSeqEvento": nSeqEvento, "nProt": nProt, "procEventoNFe": procEventoNFe}
        self._journal.write("corrected", about)

    def _keep_correction(self, chNFe: str, nSeqEvento: str, nProt: str, procEventoNFe: str) -> None:
        self.by_key[chNFe].corrections[nSeqEvento] = procEventoNFe
        self._count_protocol(nProt)

    def void(self, entry: Voided) -> None:
        """Keep a voided range."""
        self._keep_voided(entry)
        self._journal.write("voided", entry._asdict())

    def _keep_voided(self, entry: Voided) -> None:
        self.voided.append(entry)
        self._count_protocol(entry.nProt)

    def _count_protocol(self, nProt: str) -> None:
        self._protocols = max(self._protocols, int(nProt[5:]))

    def close(self) -> None:
        """Let go of the journal."""
        self._journal.close()

    def numbers_used(self, asked: Voided) -> bool:
        """Whether an NF-e was authorised with a number of the range."""
        return any(
            asked.holds(cnpj, serie, nNF)
            for cnpj, serie, nNF in self._by_number
            if (cnpj, serie) == (asked.cnpj, asked.serie)
        )

    def refused_on_demand(self, names: Collection[str], operation: str = "NFeAutorizacao4") -> Stat | None:
        """The refusal somebody asked for about one of these names, used up by one; None without any."""
        for place, entry in enumerate(self._refusals):
            if entry.operation == operation and entry.match in names:
                if entry.times == 1:
                    del self._refusals[place]
                elif entry.times is not None:
                    self._refusals[place] = entry.model_copy(update={"times": entry.times - 1})
                return refusal(entry.cStat, entry.xMotivo)
        return None

    def count(self, cStat: str) -> None:
        """Count one decision."""
        self._stats[cStat] += 1

    def record(self, operation: str, names: Collection[str], result: str) -> None:
        """Write one request down; `result` is the HTTP status or the fault that took its place."""
        self._counts[operation] += 1
        self._requests.append((self.clock(), operation, [name for name in names if len(name) == 44], result))

    def holds(self) -> dict[str, Any]:
        """What the counterpart has at start, for its first line."""
        return {"authorised": len(self.by_key), "environment": "homologation only", "credentials": "A1 of its CA"}

    def dump(self, *, requests: bool = True) -> dict[str, Any]:
        """Everything known, as JSON values; times are Unix seconds. Buyers are left out."""
        self.queue.settle(self.clock())
        book: dict[str, Any] = {
            "authorised": {key: _entry(entry) for key, entry in self.by_key.items()},
            "voided": [entry._asdict() for entry in self.voided],
            "refusals": [entry.model_dump() for entry in self._refusals],
            "blocked": self.misuse.dump(),
            "waiting": self.queue.dump(),
            "taxpayers": [entry.model_dump() for entry in self.taxpayers],
            "counts": dict(self._counts),
            "stats": dict(self._stats),
            "faults": self.faults.dump(),
            "paused": self.faults.dump_paused(),
        }
        if requests:
            keys = ("at", "operation", "keys", "result")
            book["requests"] = [dict(zip(keys, entry, strict=True)) for entry in self._requests]
        return book


def _entry(entry: Authorised) -> dict[str, Any]:
    return {
        "cnpj": entry.cnpj,
        "serie": entry.serie,
        "nNF": entry.nNF,
        "tpAmb": entry.tpAmb,
        "digVal": entry.digVal,
        "nProt": entry.nProt,
        "cStat": entry.cStat,
        "at": entry.at,
        "cancelled_at": entry.cancelled_at,
        "corrections": len(entry.corrections),
    }
