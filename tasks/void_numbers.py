"""void_numbers: void what has been unused for more than a day; beat starts it once a day.

SEFAZ wants unused numbers voided by the tenth of the month after. One task per seller, one at a time; what it leaves,
the next day's takes. A message holds the seller's id only.
"""

from celery.exceptions import Retry

from tasks.app import Stopped, app, tools
from workflow.errors import NfeError, RetryLater
from workflow.void_numbers import RESTED, Answered, void
from workflow.voidings import Voidings

#: Whoever could not run it by then leaves it to the next day.
EXPIRES = 6 * 3600


@app.task(name="void_numbers")
def void_numbers() -> int:
    """Start a task for each seller that has unused numbers; returns how many."""
    store = tools().store
    sellers = Voidings(store).sellers(before=store.now() - RESTED)
    for seller in sellers:
        void_numbers_of.apply_async((seller,), expires=EXPIRES)
    return len(sellers)


@app.task(name="void_numbers_of")
def void_numbers_of(seller: str) -> str:
    """Void one seller's numbers, unless somebody does."""
    told: list[str] = []

    def tell(answered: Answered) -> None:
        told.append(f"{answered.range} {answered.fate} {answered.code}")

    try:
        void(tools(), seller, rested=RESTED, tell=tell)
    except RetryLater as error:
        raise Retry("; ".join([*told, str(error)]), when=24 * 3600) from error
    except NfeError as error:
        raise Stopped("; ".join([*told, str(error)])) from error
    return "; ".join(told) or "nothing to void"
