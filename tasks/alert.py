"""alert: look for what a person should know of, and tell it by NFE_ALERT_URL; beat starts it once a minute."""

from functools import lru_cache

from tasks.app import app, tools
from workflow.alerts import Watch
from workflow.examination import Examination
from workflow.tools import Tools


@lru_cache(maxsize=1)
def _watch(kit: Tools) -> Watch:
    """This process's; its examination remembers what is not counted each time."""
    return Watch(kit, Examination(kit))


@app.task(name="alert", send_events=False)  # every minute: Flower would show nothing else
def alert() -> int:
    """Look once; returns how many messages were taken."""
    return _watch(tools()).look()
