"""A store with an archive of some months: golden documents as if SEFAZ had authorised them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import update

from tests.unit.conftest import SELLER, notification
from workflow.engine import Engine
from workflow.models import DocumentKind, NumberStatus
from workflow.nfe.protocol import joined
from workflow.nfe.signature import NFE
from workflow.numbers import Range, decide, reserve
from workflow.sandbox import sefaz_answers
from workflow.sandbox.stat import stat
from workflow.states import State
from workflow.store import SHIPMENT, Left, Store

CNPJ = "99999999000191"
GOLDEN = Path(__file__).parents[1] / "golden" / "expected"
#: In the state, to another one, and three items of two CFOPs.
CASES = ("17-normal-in-state", "18-normal-to-mg", "36-normal-substitution-reduced")


@dataclass
class Shelf:
    """Puts notes into the archive; SEFAZ said it all at `moment`."""

    store: Store
    engine: Engine
    moment: datetime = datetime(2026, 11, 22, 12, tzinfo=UTC)
    count: int = 0

    def put(
        self, month: str = "2026-11", *, case: str = CASES[0], environment: int = 1, state: State = State.ACCEPTED,
        cancelled_on: str | None = None, corrected_on: tuple[str, ...] = (), protocol: bool = True, document: bool = True, turn: int = 1,
    ) -> str:  # fmt: skip
        """A note issued in that month; returns its key."""
        self.count += 1
        shipment, _ = self.engine.receive(notification(f"FBA{self.count}"))
        signed, key = self._signed(case, month, self.count)
        kept: list[Left] = []
        if document:
            kept.append(Left(DocumentKind.NFE, signed))
        if document and protocol:
            kept.append(Left(DocumentKind.NFEPROC, self._authorised(signed, key)))
        if cancelled_on:
            kept.append(Left(DocumentKind.CANCELLATION, an_event(key, cancelled_on)))
        for place, day in enumerate(corrected_on, start=1):
            kept.append(Left(DocumentKind.CORRECTION, an_event(key, day, "110110", place)))
        with self.store.writing() as connection:
            where = Range(CNPJ, environment, 1)
            reserve(connection, shipment, turn, where, lambda nNF: "1", self.store.now())
            decide(connection, shipment, turn, NumberStatus.USED, now=self.store.now(), access_key=key)
            self.store._leave(connection, shipment, kept, self.store.now())
            values = {"state": state, "due_at": None, "ring_at": None, "access_key": key}
            connection.execute(update(SHIPMENT).where(SHIPMENT.c.id == shipment).values(values))
        return key

    def _signed(self, case: str, month: str, number: int) -> tuple[bytes, str]:
        """The golden document of that case with this month and number, and its key."""
        text = (GOLDEN / f"{case}.xml").read_text()
        old = text.split('Id="NFe', 1)[1][:44]
        key = f"{old[:2]}{month[2:4]}{month[5:7]}{old[6:25]}{number:09}{old[34:]}"
        text = text.replace(old, key).replace("<dhEmi>2026-11", f"<dhEmi>{month}")
        return text.replace("<nNF>1</nNF>", f"<nNF>{number}</nNF>").encode(), key

    def _authorised(self, signed: bytes, key: str) -> bytes:
        protNFe = sefaz_answers.protNFe(
            stat("100"), chNFe=key, at=self.moment.timestamp(), nProt=f"{135260000000000 + self.count}"
        )
        return joined("nfeProc", "4.00", signed, protNFe.encode())


def an_event(key: str, day: str, kind: str = "110111", place: int = 1) -> bytes:
    """A procEventoNFe, registered on that day."""
    at = f"{day}T10:00:00-03:00"
    return (
        f'<procEventoNFe xmlns="{NFE}" versao="1.00"><evento versao="1.00"><infEvento><chNFe>{key}</chNFe>'
        f"<dhEvento>{at}</dhEvento><tpEvento>{kind}</tpEvento><nSeqEvento>{place}</nSeqEvento></infEvento></evento>"
        f'<retEvento versao="1.00"><infEvento><cStat>135</cStat><chNFe>{key}</chNFe><tpEvento>{kind}</tpEvento>'
        f"<nSeqEvento>{place}</nSeqEvento><dhRegEvento>{at}</dhRegEvento></infEvento></retEvento></procEventoNFe>"
    ).encode()


Put = Callable[..., str]
__all__ = ["CASES", "CNPJ", "SELLER", "Put", "Shelf"]
