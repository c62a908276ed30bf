"""sweep: ring for every row that is due and that nobody rang for; beat starts it every second.

Only as many as the workers soon get to: whatever stands in the broker's queue is served in the order it came, and one
seller's thousands would stand before another's single shipment there. In the database they stand beside each other.
And in a queue of their own: what was just announced, and each further stage of what has begun, overtakes them.
"""

from tasks.app import app, ring, tools, waiting, watch
from workflow.clients.broker import SWEPT as SWEPT_QUEUE
from workflow.clients.counters import SWEPT
from workflow.settings import current


@app.task(name="sweep", send_events=False)  # every second: Flower would show nothing else
def sweep() -> int:
    """Claim the due rows' doorbells in one statement and start their chains; returns how many."""
    settings, kit = current(), tools()
    watch().over_all()
    room = settings.sweep_limit - waiting()
    count = ring(kit.store.sweep(limit=room, ring_again=settings.ring_again), SWEPT_QUEUE) if room > 0 else 0
    kit.counters.sign(SWEPT)
    return count
