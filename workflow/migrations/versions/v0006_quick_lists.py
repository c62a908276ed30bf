"""Lists whose price does not grow with the table: a seller's shipments, and what waits for a person.

Revises: 0005
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op

from workflow.migrations import online

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STOPPED = sa.text("stop_code IS NOT NULL")


def upgrade() -> None:
    online.create_index("ix_shipment_seller_id_created_at", "shipment", ["seller_id", "created_at"], unique=False)
    online.create_index(
        "ix_shipment_stopped",
        "shipment",
        ["created_at"],
        unique=False,
        postgresql_where=STOPPED,
        sqlite_where=STOPPED,
    )


def downgrade() -> None:
    op.drop_index("ix_shipment_stopped", table_name="shipment")
    op.drop_index("ix_shipment_seller_id_created_at", table_name="shipment")
