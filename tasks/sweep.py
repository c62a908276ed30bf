"""sweep: ring for every row that is due and that nobody rang for; beat starts it every second."""

from tasks.app import app, ring, tools
from workflow.settings import current


@app.task(name="sweep", send_events=False)  # every second: Flower would show nothing else
def sweep() -> int:
    """Claim the due rows' doorbells in one statement and start their chains; returns how many."""
    settings = current()
    return ring(tools().store.sweep(limit=settings.sweep_limit, ring_again=settings.ring_again))
