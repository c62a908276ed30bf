"""hand_over: notes to buyers, or to whom their sellers name; beat starts it every few seconds."""

from tasks.app import app, tools
from workflow import handover as job


@app.task(name="hand_over", send_events=False)  # every few seconds: Flower would show nothing else
def hand_over() -> int:
    """Hand on what is due, for some seconds at the most; returns how many notes were taken."""
    return job.hand_over(tools())
