"""What the engine's tests share: a seller, a notification, a clock that stands still."""

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select

from workflow.catalog import Catalog
from workflow.engine import Engine
from workflow.settings import Settings
from workflow.store import Store

SELLER = "A1TESTSELLER"
NFE = "http://www.portalfiscal.inf.br/nfe"


@dataclass
class Clock:
    """A clock that moves when told."""

    moment: datetime = field(default_factory=lambda: datetime(2026, 11, 22, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**duration)


#: For what is ours and not the database's, of which others prove that it does as both do.
one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def clock(store: Store) -> Clock:
    """The store's clock, standing still."""
    stopped = Clock()
    store.set_clock(stopped)
    return stopped


@pytest.fixture
def settings() -> Settings:
    """The defaults."""
    return Settings()


@pytest.fixture
def engine(store: Store, clock: Clock, settings: Settings) -> Engine:
    """An engine with one seller and no randomness: a backoff is always its longest."""
    Catalog(store).put_seller(
        {"id": SELLER, "name": "LOJA", "cnpj": "99999999000191", "issuer": {}, "certificate_until": None},
        secrets=b"{}",
    )
    return Engine(store, settings, draw=lambda: 1.0)


def plan_of(store: Store, statement: Select[Any]) -> str:
    """How the database would answer, were the tables large."""
    is_postgresql = store.engine.dialect.name == "postgresql"
    sql = str(statement.compile(store.engine, compile_kwargs={"literal_binds": True}))
    with store.writing() as connection:  # one transaction, in which the setting holds
        if is_postgresql:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        explain = "EXPLAIN" if is_postgresql else "EXPLAIN QUERY PLAN"
        return " ".join(str(line) for line in connection.exec_driver_sql(f"{explain} {sql}").all())


def notification(shipment: str = "FBA1", status: str = "Created", seller: str = SELLER) -> bytes:
    """Amazon's JSON."""
    return json.dumps(
        {
            "NotificationVersion": "1.0",
            "NotificationType": "FBA_OUTBOUND_SHIPMENT_STATUS",
            "PayloadVersion": "1.0",
            "EventTime": "2026-11-22T12:00:00.000Z",
            "Payload": {
                "FBAOutboundShipmentStatusNotification": {
                    "SellerId": seller,
                    "AmazonOrderId": "701-1234567-1234567",
                    "AmazonShipmentId": shipment,
                    "ShipmentStatus": status,
                }
            },
            "NotificationMetadata": {"NotificationId": "n-1"},
        }
    ).encode()


@pytest.fixture
def notify(engine: Engine) -> Callable[..., str]:
    """Hand a notification in; returns the shipment's id."""

    def hand_in(shipment: str = "FBA1", status: str = "Created") -> str:
        return engine.receive(notification(shipment, status))[0]

    return hand_in


def nfeproc() -> bytes:
    """An authorised NF-e."""
    golden = ET.parse(Path(__file__).parents[1] / "golden" / "expected" / "01-in-state.xml").getroot()
    key = golden[0].attrib["Id"].removeprefix("NFe")
    protNFe = (
        f'<protNFe versao="4.00"><infProt><chNFe>{key}</chNFe><dhRecbto>2026-11-22T10:00:05-03:00</dhRecbto>'
        "<nProt>135260000000001</nProt><cStat>100</cStat><xMotivo>Autorizado</xMotivo></infProt></protNFe>"
    )
    ET.register_namespace("", NFE)
    return f'<nfeProc xmlns="{NFE}" versao="4.00">{ET.tostring(golden, encoding="unicode")}{protNFe}</nfeProc>'.encode()
