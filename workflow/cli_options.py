"""Options that several commands share, with what a shell completes: states, sellers, shipments.

Completion looks into the database that is there. Where none is, or it does not answer, nothing is offered: a Tab key
makes no database and prints no error.
"""

from collections.abc import Callable, Iterable
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from workflow.errors import NfeError
from workflow.settings import current
from workflow.states import State
from workflow.tools import Tools

#: Shipments that are offered, newest first.
MOST = 200


def states(incomplete: str) -> list[str]:
    """States as a person types them.

    >>> states("re")
    ['received', 'rejected']
    """
    return [state.lower() for state in State if state.lower().startswith(incomplete.lower())]


def sellers(incomplete: str) -> list[str]:
    """SellerIds."""
    return _offered(lambda tools: (row.id for row in tools.catalog.sellers()), incomplete)


def shipments(incomplete: str) -> list[str]:
    """Amazon's ids of the newest shipments."""
    return _offered(lambda tools: (row.amazon_shipment_id for row in tools.store.shipments(limit=MOST)), incomplete)


def _offered(ask: Callable[[Tools], Iterable[str]], incomplete: str) -> list[str]:
    try:
        settings = current()
        if not (settings.database_url or settings.data_dir.exists()):
            return []
        return [word for word in ask(Tools(settings)) if word.startswith(incomplete)]
    except (NfeError, SQLAlchemyError, OSError):
        return []


Seller = Annotated[str, typer.Option("--seller", metavar="SELLER", help="SellerId", autocompletion=sellers)]
MaybeSeller = Annotated[
    str | None, typer.Option("--seller", metavar="SELLER", help="Only this SellerId.", autocompletion=sellers)
]
NamedSeller = Annotated[str, typer.Argument(metavar="SELLER", help="SellerId", autocompletion=sellers)]
Shipment = Annotated[
    str, typer.Argument(help="Amazon's shipment or order id, or SELLER/SHIPMENT.", autocompletion=shipments)
]
Shipments = Annotated[
    list[str] | None,
    typer.Argument(help="Shipments, each named as for nfe show.", autocompletion=shipments),
]
