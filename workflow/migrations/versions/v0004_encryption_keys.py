"""Since when an encryption key has been in use, and which key sealed a row.

Revises: 0003
Created: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

from workflow.migrations import online

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SEALED_WITH = sa.text("substr(sealed, 1, 9)")


def upgrade() -> None:
    for table in ("document", "customer_invoice"):
        online.create_index(f"ix_{table}_sealed_with", table, [SEALED_WITH], unique=False)
    op.create_table(
        "encryption_key",
        sa.Column("id", AutoString(), nullable=False),
        sa.Column("first_used_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_encryption_key")),
    )


def downgrade() -> None:
    for table in ("document", "customer_invoice"):
        op.drop_index(f"ix_{table}_sealed_with", table_name=table)
    op.drop_table("encryption_key")
