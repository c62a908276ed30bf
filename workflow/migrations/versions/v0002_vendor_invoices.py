"""Vendors' connectors, their customer invoices, and how far each list has been read.

Revises: 0001
Created: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "vendor_connector",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("base_url", AutoString(), nullable=False),
        sa.Column("ship_from_party_id", AutoString(), nullable=True),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.Column("pulling_until", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_vendor_connector")),
    )
    op.create_table(
        "customer_invoice",
        sa.Column("connector", AutoString(), nullable=False),
        sa.Column("purchase_order_number", AutoString(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("media_type", AutoString(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("problem", AutoString(), nullable=True),
        sa.Column("fetched_at", UTCDateTime(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["connector"], ["vendor_connector.name"], name=op.f("fk_customer_invoice_connector")),
        sa.PrimaryKeyConstraint("connector", "purchase_order_number", "sha256", name=op.f("pk_customer_invoice")),
    )
    with op.batch_alter_table("customer_invoice", schema=None) as batch_op:
        batch_op.create_index("ix_customer_invoice_fetched_at", ["fetched_at"], unique=False)

    op.create_table(
        "vendor_window",
        sa.Column("connector", AutoString(), nullable=False),
        sa.Column("party", AutoString(), nullable=False),
        sa.Column("created_after", UTCDateTime(), nullable=False),
        sa.Column("created_before", UTCDateTime(), nullable=False),
        sa.Column("page_size", sa.Integer(), nullable=False),
        sa.Column("sort_order", AutoString(), nullable=False),
        sa.Column("next_token", AutoString(), nullable=True),
        sa.Column("pages", sa.Integer(), nullable=False),
        sa.Column("done", sa.Boolean(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["connector"], ["vendor_connector.name"], name=op.f("fk_vendor_window_connector")),
        sa.PrimaryKeyConstraint("connector", "party", "created_after", "created_before", name=op.f("pk_vendor_window")),
    )


def downgrade() -> None:
    op.drop_table("vendor_window")
    with op.batch_alter_table("customer_invoice", schema=None) as batch_op:
        batch_op.drop_index("ix_customer_invoice_fetched_at")

    op.drop_table("customer_invoice")
    op.drop_table("vendor_connector")
