"""Rows of shipments for a benchmark that needs many at once: written as the store writes them, without its ways."""

from datetime import datetime
from typing import Any

from workflow.states import State


def shipment(seller_id: str, name: str, due: datetime, state: State = State.RECEIVED) -> dict[str, Any]:
    """A row whose turn comes at a moment, and which nobody has touched since it was made."""
    return {
        "id": f"{seller_id}/{name}", "seller_id": seller_id, "amazon_shipment_id": name,
        "amazon_order_id": None, "state": str(state), "cancelling": False, "tries": 0, "crashes": 0, "turn": 1,
        "seq": 0, "due_at": due, "ring_at": due, "created_at": due, "updated_at": due,
    }  # fmt: skip
