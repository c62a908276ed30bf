"""What SEFAZ decided, as values: cStat and xMotivo verbatim, and the XML that proves it, fit to be spliced.

What a cStat means for a shipment is in `workflow.nfe.reactions`.
"""

import re
from typing import NamedTuple

from workflow.clients.soap import Part

#: The batch was processed: the decision is the protocol's cStat.
BATCH_PROCESSED = "104"
#: The batch of events was processed: the decision is the event's cStat.
EVENTS_PROCESSED = "128"
#: The register has no such CNPJ, IE or CPF (MOC 7.0 Anexo I, 4.4).
NOT_REGISTERED = frozenset({"259", "261", "264"})


class Authorization(NamedTuple):
    """The decision about one NF-e; `protNFe` is its protocol with its own xmlns, or None where SEFAZ gave none.

    cStat and xMotivo are the protocol's where the batch was processed (104), else the batch's. `nRec` is the
    receipt of an authorizer that queued the batch (103) in spite of indSinc=1, `tMed` its mean time in seconds.
    """

    cStat: str
    xMotivo: str
    chNFe: str | None
    nProt: str | None
    dhRecbto: str | None
    protNFe: bytes | None
    batch_cStat: str
    batch_xMotivo: str
    nRec: str | None
    tMed: int | None = None

    @classmethod
    def of(cls, batch: Part) -> "Authorization":
        """Read retEnviNFe or retConsReciNFe."""
        protocol = batch.child("protNFe")
        decided = batch
        if batch.text("cStat") == BATCH_PROCESSED:
            decided = batch.inside("protNFe").inside("infProt")
        return cls(
            cStat=decided.cStat,
            xMotivo=decided.xMotivo,
            chNFe=decided.text("chNFe"),
            nProt=decided.text("nProt"),
            dhRecbto=decided.text("dhRecbto"),
            protNFe=protocol.xml() if protocol else None,
            batch_cStat=batch.cStat,
            batch_xMotivo=batch.xMotivo,
            nRec=_receipt(batch.text("infRec", "nRec") or batch.text("nRec")),
            tMed=_whole(batch.text("infRec", "tMed")),
        )


class Consultation(NamedTuple):
    """What SEFAZ knows about a key; `events` are the procEventoNFe it keeps, oldest first as sent."""

    cStat: str
    xMotivo: str
    chNFe: str | None
    nProt: str | None
    protNFe: bytes | None
    events: tuple[bytes, ...]

    @classmethod
    def of(cls, found: Part) -> "Consultation":
        """Read retConsSitNFe."""
        protocol = found.child("protNFe")
        return cls(
            cStat=found.cStat,
            xMotivo=found.xMotivo,
            chNFe=found.text("chNFe"),
            nProt=protocol.text("infProt", "nProt") if protocol else None,
            protNFe=protocol.xml() if protocol else None,
            events=tuple(event.xml() for event in found.children("procEventoNFe")),
        )


class ServiceStatus(NamedTuple):
    """Whether the service works: 107; `tMed` is the mean time of an answer in seconds, where SEFAZ tells it."""

    cStat: str
    xMotivo: str
    tMed: int | None
    dhRetorno: str | None

    @classmethod
    def of(cls, found: Part) -> "ServiceStatus":
        """Read retConsStatServ."""
        return cls(
            cStat=found.cStat,
            xMotivo=found.xMotivo,
            tMed=_whole(found.text("tMed")),
            dhRetorno=found.text("dhRetorno"),
        )


class EventResult(NamedTuple):
    """The decision about one event; `retEvento` is its receipt with its own xmlns, or None where SEFAZ gave none."""

    cStat: str
    xMotivo: str
    chNFe: str | None
    nProt: str | None
    dhRegEvento: str | None
    retEvento: bytes | None
    batch_cStat: str
    batch_xMotivo: str

    @classmethod
    def of(cls, batch: Part) -> "EventResult":
        """Read retEnvEvento."""
        receipt = batch.child("retEvento")
        decided = batch
        if batch.text("cStat") == EVENTS_PROCESSED:
            decided = batch.inside("retEvento").inside("infEvento")
        return cls(
            cStat=decided.cStat,
            xMotivo=decided.xMotivo,
            chNFe=decided.text("chNFe"),
            nProt=decided.text("nProt"),
            dhRegEvento=decided.text("dhRegEvento"),
            retEvento=receipt.xml() if receipt else None,
            batch_cStat=batch.cStat,
            batch_xMotivo=batch.xMotivo,
        )


class VoidResult(NamedTuple):
    """The decision about a range of numbers; `retInutNFe` is the whole answer, for the procInutNFe."""

    cStat: str
    xMotivo: str
    nProt: str | None
    dhRecbto: str | None
    retInutNFe: bytes

    @classmethod
    def of(cls, found: Part) -> "VoidResult":
        """Read retInutNFe."""
        decided = found.inside("infInut")
        return cls(
            cStat=decided.cStat,
            xMotivo=decided.xMotivo,
            nProt=decided.text("nProt"),
            dhRecbto=decided.text("dhRecbto"),
            retInutNFe=found.xml(),
        )


class Registration(NamedTuple):
    """One taxpayer's registration in a UF; `ie` is what goes into dest/IE while `is_active`."""

    ie: str
    uf: str
    cnpj: str | None
    cpf: str | None
    is_active: bool

    @classmethod
    def of(cls, found: Part) -> "Registration":
        """Read one infCad: its name and address stay behind."""
        return cls(
            ie=found.text("IE") or "",
            uf=found.text("UF") or "",
            cnpj=found.text("CNPJ"),
            cpf=found.text("CPF"),
            is_active=found.text("cSit") == "1",
        )


class Taxpayer(NamedTuple):
    """What a UF's register knows of a CNPJ, CPF or IE: 111 one registration, 112 several, 259, 261 or 264 none."""

    cStat: str
    xMotivo: str
    registrations: tuple[Registration, ...]

    @classmethod
    def of(cls, found: Part) -> "Taxpayer":
        """Read retConsCad."""
        told = found.inside("infCons")
        return cls(
            cStat=told.cStat,
            xMotivo=told.xMotivo,
            registrations=tuple(Registration.of(one) for one in told.children("infCad")),
        )

    @property
    def is_offered(self) -> bool:
        """Whether the UF answers such questions at all: see NOT_OFFERED."""
        return self != NOT_OFFERED

    @property
    def is_unknown(self) -> bool:
        """Whether the register says that there is no such taxpayer."""
        return self.cStat in NOT_REGISTERED

    @property
    def active(self) -> tuple[Registration, ...]:
        """The registrations that are in force."""
        return tuple(one for one in self.registrations if one.is_active)


#: The answer for a UF without the service (MOC 7.0: it is the UF's choice); nothing was asked.
NOT_OFFERED = Taxpayer("not-offered", "the UF does not tell who its taxpayers are", ())


def _receipt(number: str | None) -> str | None:
    return number if number and re.fullmatch(r"[0-9]{15}", number) else None


def _whole(number: str | None) -> int | None:
    """Up to four digits, as the schema has it: more are no seconds."""
    return int(number) if number and re.fullmatch(r"[0-9]{1,4}", number) else None
