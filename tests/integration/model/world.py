"""All that is outside of an installation: a SEFAZ, an Amazon, and time."""

from tests.integration.model.amazon import Amazon
from tests.integration.model.fate import Clock, Fate
from tests.integration.model.sefaz import Sefaz
from workflow.sandbox.shipments import Example


class World(Fate):
    """Counterparts in this process, stateful, which fail at every call in every way they are told to."""

    def __init__(self, clock: Clock, examples: list[Example]) -> None:
        super().__init__(clock)
        self.examples = {example.shipment_id: example for example in examples}
        self.sefaz = Sefaz(self)
        self.amazon = Amazon(self, self.examples)
        self.arrive = self.sefaz.process_late
