"""One seller with everything real but the processes: the stages in this one, a database, a Redis, and both counterparts
over HTTP. The store and the counterparts share a clock that goes on when told.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from tasks.authorize import authorize
from tasks.cancel import cancel
from tasks.fetch import fetch
from tasks.generate import generate
from tasks.poll import poll
from tasks.submit import submit
from tests.acceptance.conftest import seller_toml
from workflow import seller_file
from workflow.engine import Done, Outcome
from workflow.migrations import upgrade
from workflow.models import DocumentKind
from workflow.nfe.protocol import chNFe_of
from workflow.numbers import NUMBER
from workflow.sandbox.amazon_book import AmazonBook, AmazonSettings
from workflow.sandbox.faults import Fault
from workflow.sandbox.sefaz_book import Authorised, SefazBook
from workflow.sandbox.server import Started, start_amazon, start_sefaz
from workflow.sandbox.shipments import SELLER_ID, Example, demo_products, demo_shipments, notification
from workflow.settings import Settings
from workflow.states import Stage, State, next_stage
from workflow.store import Claim, shipment_id
from workflow.tools import Tools

ACTS = {act.__name__: act for act in (fetch, generate, authorize, submit, poll, cancel)}


class Clock:
    """Starts now, since certificates do, and goes on when told."""

    def __init__(self) -> None:
        self.moment = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.moment

    def unix(self) -> float:
        """For the counterparts."""
        return self.moment.timestamp()

    def pass_(self, **duration: float) -> None:
        """Let time pass."""
        self.moment += timedelta(**duration)


class Desk:
    """Where one seller's shipments are worked on, one stage at a time."""

    def __init__(self, tools: Tools, clock: Clock, amazon: Started[AmazonBook], sefaz: Started[SefazBook]) -> None:
        self.tools, self.clock, self.amazon, self.sefaz = tools, clock, amazon, sefaz
        self._examples = iter(demo_shipments(400, seed=11, now=clock(), only_good=True))
        self._details: dict[str, Example] = {}

    # -- shipments ------------------------------------------------------------------------------------------------

    def announce(self) -> str:
        """A shipment that Amazon has, just announced; its id."""
        example = next(self._examples)
        self.amazon.book.add(example.shipment())
        id = shipment_id(SELLER_ID, example.shipment_id)
        self._details[id] = example
        self.tell(id, "Created")
        return id

    def tell(self, id: str, status: str) -> None:
        """Amazon's notification."""
        said = notification(self._details[id].details, status)
        self.tools.engine.receive(json.dumps(said).encode())

    def go(self, id: str) -> Outcome:
        """Run the stage whose turn it is, as soon as it is due."""
        row = self.row(id)
        stage = next_stage(State(row.state), cancelling=row.cancelling)
        assert stage is not None
        self.clock.moment = max(self.clock.moment, row.due_at)
        return self.tools.engine.advance(id, stage, partial(self._act, stage))

    def go_to(self, id: str, state: State) -> str:
        """Run stages, all of which succeed, up to a state."""
        while self.row(id).state != state:
            outcome = self.go(id)
            assert outcome.state is not None, outcome
            assert outcome.kind in ("done", "waiting"), outcome
        return id

    def rest(self, id: str) -> State:
        """Run stages until nothing is due by itself."""
        while self.row(id).due_at is not None:
            self.go(id)
        return State(self.row(id).state)

    def _act(self, stage: Stage, claim: Claim) -> Done:
        return ACTS[stage](claim, self.tools)

    # -- what is known --------------------------------------------------------------------------------------------

    def row(self, id: str) -> Any:
        """The shipment's."""
        return self.tools.store.shipment(id)

    def numbers(self, id: str) -> list[tuple[int, str]]:
        """nNF and status of each of its turns."""
        with self.tools.store.reading() as connection:
            found = NUMBER.select().where(NUMBER.c.shipment_id == id).order_by(NUMBER.c.turn)
            return [(row.number, row.status) for row in connection.execute(found)]

    def document(self, id: str, kind: DocumentKind = DocumentKind.NFE) -> bytes:
        """The newest of that kind."""
        return self.tools.document(id, kind)

    def authorised(self, id: str) -> list[Authorised]:
        """The NF-e in SEFAZ's book that are of the shipment."""
        mine = {chNFe_of(signed) for signed in self.tools.store.versions(id, DocumentKind.NFE)}
        return [note for key, note in self.sefaz.book.by_key.items() if key in mine]

    def submissions(self, id: str) -> dict[str, Any]:
        """What Amazon says of the shipment's files."""
        found: dict[str, Any] = self.amazon.book.dump(requests=False)["shipments"][id.partition("/")[2]]
        return found

    def asked(self, operation: str) -> int:
        """How often SEFAZ was."""
        return int(self.sefaz.book.dump(requests=False)["counts"].get(operation, 0))

    # -- what goes wrong ------------------------------------------------------------------------------------------

    def spoil(self, book: AmazonBook | SefazBook, operation: str, kind: Any, **more: Any) -> None:
        """Let the next request of the operation go wrong."""
        book.faults.add(Fault(operation=operation, kind=kind, **more))

    def refuse(self, match: str, cStat: str, operation: str = "NFeAutorizacao4", **more: Any) -> None:
        """Let SEFAZ refuse the next message about it."""
        told = {"match": match, "cStat": cStat, "operation": operation, "times": 1}
        self.sefaz.book.lists()["refusals"](told | more)

    def forget(self) -> None:
        """Forget SEFAZ's blocks, and what stops the seller."""
        for key in self.tools.redis.scan_iter("nfe:misuse:*"):
            self.tools.redis.delete(key)
        seller = self.tools.catalog.seller(SELLER_ID)
        if seller is not None and seller.stop_code is not None:
            self.tools.catalog.resume_seller(SELLER_ID, actor="test")
        self.a_second_later()

    def a_second_later(self) -> None:
        """The seller's row is read anew."""
        self.tools._rows.clear()


@contextmanager
def open_desk(folder: Path, redis_url: str, **chosen: Any) -> Iterator[Desk]:
    """A desk whose database is in the folder; `chosen` are settings of ours."""
    clock = Clock()
    at_once = AmazonSettings(processing_seconds=0, rate_plan=False)
    with (
        start_amazon(settings=at_once, clock=clock.unix) as amazon,
        start_sefaz(folder / "sandbox", clock=clock.unix) as sefaz,
    ):
        settings = Settings(
            data_dir=folder, redis_url=redis_url, amazon_url=amazon.url, lwa_url=f"{amazon.url}/auth/o2/token",
            lwa_client_id="client", lwa_client_secret="secret", sefaz_url=sefaz.url,
            sefaz_ca_file=Path(str(sefaz.announcement.ca_file)), amazon_rate=10_000, amazon_burst=10_000,
            **{"sefaz_timeout": 2, "amazon_timeout": 2, "contingency": False} | chosen,
        )  # fmt: skip
        tools = Tools(settings)
        upgrade(tools.store.engine)
        tools.store.set_clock(clock)
        tools.redis.flushdb()
        (folder / "seller.toml").write_text(seller_toml(sefaz))
        seller_file.register(tools, folder / "seller.toml", actor="test")
        tools.catalog.put_products(SELLER_ID, [(row["sku"], row) for row in demo_products()])
        yield Desk(tools, clock, amazon, sefaz)
        tools.store.engine.dispose()
