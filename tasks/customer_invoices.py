"""customer_invoices: pull what is new for every vendor's connector; beat starts it every hour.

Amazon asks to look "at least once per hour". One task per connector, one at a time; whatever ends it, the next one goes
on where it was. A message holds the connector's name only.
"""

from datetime import timedelta

from celery.exceptions import Retry

from tasks.app import Stopped, app, tools
from workflow.connector import BRIEF, Source
from workflow.customer_invoices import Tally, Wish, pull
from workflow.errors import NfeError, RetryLater
from workflow.vendors import Vendors

#: Longer than one page may take, its tries and its tokens included; held anew after each page.
LEASE = timedelta(minutes=10)


@app.task(name="customer_invoices", send_events=False)  # most installations have no connector
def customer_invoices() -> int:
    """Start a pull for each connector; returns how many."""
    rows = Vendors(tools().store).connectors()
    for row in rows:
        # One that nobody ran in time is worth nothing: the next covers the same.
        pull_customer_invoices.apply_async((row.name,), expires=LEASE.total_seconds())
    return len(rows)


@app.task(name="pull_customer_invoices")
def pull_customer_invoices(connector: str) -> str:
    """Pull what is new for one connector, unless another task does."""
    kit = tools()
    vendors = Vendors(kit.store)
    row = vendors.connector(connector)
    if row is None:
        raise Stopped(f"no connector {connector}")
    if not vendors.take(connector, lease=LEASE):
        return "another pull has it"
    tally = Tally()
    try:
        source = Source(kit, row, waits=BRIEF)
        pull(vendors, row, source, Wish(), tally=tally, on_page=lambda: vendors.hold(connector, lease=LEASE))
    except RetryLater as error:
        raise Retry(f"{error}; {tally}", when=kit.settings.customer_invoices_every.total_seconds()) from error
    except NfeError as error:
        raise Stopped(f"{error}; {tally}") from error
    finally:
        vendors.release(connector)
    return str(tally)
