"""Numbers that no shipment here is known to have, and when SEFAZ was last asked for them.

Revises: 0009
Created: 2026-11-25
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recovery",
        sa.Column("cnpj", AutoString(), nullable=False),
        sa.Column("environment", sa.Integer(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("begun_at", UTCDateTime(), nullable=False),
        sa.Column("known_until", UTCDateTime(), nullable=True),
        sa.Column("done_at", UTCDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("cnpj", "environment", "series", name=op.f("pk_recovery")),
    )
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.alter_column("shipment_id", existing_type=AutoString(), nullable=True)


def downgrade() -> None:
    op.execute("DELETE FROM number WHERE shipment_id IS NULL")
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.alter_column("shipment_id", existing_type=AutoString(), nullable=False)
    op.drop_table("recovery")
