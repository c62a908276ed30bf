"""purge: remove personal data that have served; beat starts it once a day."""

from tasks.app import app, tools
from workflow import purge as job


@app.task(name="purge")
def purge() -> str:
    """Purge what has rested for longer than NFE_PURGE_AFTER; batch by batch, so that a lost message costs a day."""
    kit = tools()
    if not kit.settings.purge_after:
        return "switched off"
    gone = job.purge(kit.store, before=kit.store.now() - kit.settings.purge_after, actor="schedule")
    return f"{gone.shipments} shipments, {gone.documents} documents, {gone.invoices} customer invoices"
