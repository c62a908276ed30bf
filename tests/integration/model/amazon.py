"""An Amazon in this process, with its book."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.integration.model.fate import Fate, Fault
from workflow.clients.amazon import InvoiceStatus
from workflow.clients.selling_partner import Throttled
from workflow.errors import Refused
from workflow.sandbox.shipments import Example


@dataclass
class Submission:
    """A file that arrived; who sent it may have slept past its lease before."""

    file: bytes
    from_a_sleeper: bool
    #: Amazon has said since that it has no file.
    is_missed: bool = False
    #: The verdict that was told.
    told: str = ""


class Amazon:
    """An Amazon with its book; a later submission replaces an earlier one.

    A submission is needless when Amazon had the same bytes, and has not said since that it had not: unless its status
    could not tell whether it had them, being perhaps an earlier note's, or the verdict that a person asked to repeat.
    """

    def __init__(self, fate: Fate, examples: Mapping[str, Example]) -> None:
        self._fate = fate
        self._examples = examples
        self.submissions: dict[str, list[Submission]] = defaultdict(list)
        self.needless: Counter[str] = Counter()
        self.verdicts: dict[str, tuple[datetime, str]] = {}
        #: Whether the next status may be a passing NotFound, as of a reader that lags.
        self._lied: set[str] = set()
        self.verdict = "Accepted"
        self.may_lag = False

    def shipment_details(self, shipment_id: str) -> bytes:
        """getShipmentDetails."""
        return bytes(self._fate.ask(lambda fault: self._details(shipment_id, fault), "getShipmentDetails"))

    def submit_invoice(self, shipment_id: str, xml: bytes) -> None:
        """submitInvoice."""
        self._fate.order(lambda fault: self._submit(shipment_id, xml, fault), lambda: None, "submitInvoice")

    def invoice_status(self, shipment_id: str) -> InvoiceStatus:
        """getInvoiceStatus."""
        status = self._fate.ask(lambda fault: self._status(shipment_id, fault), "getInvoiceStatus")
        return InvoiceStatus(status, json.dumps({"payload": status}).encode())

    def forget(self, shipment_id: str) -> None:
        """Lose a submission."""
        self.verdicts.pop(shipment_id, None)

    def _details(self, shipment_id: str, fault: Fault) -> bytes:
        self._refuse(fault, "getShipmentDetails")
        return json.dumps({"payload": self._examples[shipment_id].details}).encode()

    def _submit(self, shipment_id: str, xml: bytes, fault: Fault) -> None:
        self._refuse(fault, "submitInvoice")
        arrived = Submission(xml, self._fate.ordeal.slept)
        self.needless[shipment_id] += self._is_needless(arrived, self.submissions[shipment_id])
        self.submissions[shipment_id].append(arrived)
        self.verdicts[shipment_id] = (self._fate.clock() + timedelta(minutes=3), self.verdict)

    def _is_needless(self, arrived: Submission, before: list[Submission]) -> bool:
        same = [one for one in before if one.file == arrived.file]
        if not same or same[-1].is_missed or arrived.from_a_sleeper:
            return False
        return len(same) == len(before) and not any(one.told == "Errored" for one in same[:-1])

    def _status(self, shipment_id: str, fault: Fault) -> str:
        self._refuse(fault, "getInvoiceStatus")
        found = self.verdicts.get(shipment_id)
        if found is None:
            for one in self.submissions[shipment_id]:
                one.is_missed = True
            return "NotFound"
        if fault is Fault.ODD:
            if self.may_lag and shipment_id not in self._lied:
                self._lied.add(shipment_id)
                return "NotFound"
            return "Weighing"
        self._lied.discard(shipment_id)
        if found[0] > self._fate.clock():
            return "Processing"
        self.submissions[shipment_id][-1].told = found[1]
        return found[1]

    def _refuse(self, fault: Fault, operation: str) -> None:
        if fault is Fault.REFUSED:
            raise Refused("InvalidInput", f"{operation}: Invalid Shipment ID")
        if fault in (Fault.BUSY, Fault.BLOCKED):
            raise Throttled(operation)
