"""Notes that are to be handed on to the buyer, or to whom their seller names.

Revises: 0007
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handover",
        sa.Column("shipment_id", AutoString(), nullable=False),
        sa.Column("access_key", AutoString(), nullable=False),
        sa.Column("what", AutoString(), nullable=False),
        sa.Column("channel", AutoString(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("lease", AutoString(), nullable=True),
        sa.Column("code", AutoString(), nullable=True),
        sa.Column("stop_code", AutoString(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_handover_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "access_key", "what", "channel", name=op.f("pk_handover")),
    )
    for column in ("due_at", "stop_code"):
        condition = sa.text(f"{column} IS NOT NULL")
        op.create_index(
            f"ix_handover_{column}",
            "handover",
            [column],
            unique=False,
            postgresql_where=condition,
            sqlite_where=condition,
        )


def downgrade() -> None:
    op.drop_table("handover")
