"""receive: take one of Amazon's notifications, and start its shipment's chain.

For integrators who already have the notification in a Celery producer; `nfe receive` and `nfe consume` do the same
without Celery. A notification holds ids only, no buyer's data.
"""

from tasks.app import app, ring, tools
from workflow.states import State
from workflow.store import Due


@app.task(name="receive")
def receive(notification: str) -> str:
    """Make the shipment's row, or ask for its cancellation, then ring; the JSON is Amazon's, as it came."""
    engine = tools().engine
    id, came = engine.receive(notification.encode(), rings=True)
    row = engine.store.shipment(id)
    if row is not None and row.due_at is not None:
        ring([Due(id, State(row.state), row.cancelling)])
    return f"{id} {came}"
