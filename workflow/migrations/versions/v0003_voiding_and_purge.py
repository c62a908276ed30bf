"""Voidings, numbers of other systems, and when personal data were removed.

Revises: 0002
Created: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RESTS = sa.text("(due_at IS NULL) AND (purged_at IS NULL)")
KEPT = sa.text("purged_at IS NULL")


def upgrade() -> None:
    op.create_table(
        "voiding",
        sa.Column("id", AutoString(), nullable=False),
        sa.Column("seller_id", AutoString(), nullable=False),
        sa.Column("cnpj", AutoString(), nullable=False),
        sa.Column("environment", sa.Integer(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("sealed_request", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_answer", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_proof", sa.LargeBinary(), nullable=True),
        sa.Column("code", AutoString(), nullable=True),
        sa.Column("reason", AutoString(), nullable=True),
        sa.Column("made_at", UTCDateTime(), nullable=False),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(["seller_id"], ["seller.id"], name=op.f("fk_voiding_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voiding")),
    )
    op.create_index("ix_voiding_seller_id_state", "voiding", ["seller_id", "state"], unique=False)
    op.create_table(
        "number_foreign",
        sa.Column("cnpj", AutoString(), nullable=False),
        sa.Column("environment", sa.Integer(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cnpj", "environment", "series"],
            ["number_series.cnpj", "number_series.environment", "number_series.series"],
            name=op.f("fk_number_foreign_cnpj_environment_series"),
        ),
        sa.PrimaryKeyConstraint("cnpj", "environment", "series", "first", name=op.f("pk_number_foreign")),
    )
    op.add_column("seller", sa.Column("voiding_until", UTCDateTime(), nullable=True))
    op.add_column("number", sa.Column("reason", AutoString(), nullable=True))
    op.create_index("ix_number_status", "number", ["status"], unique=False)
    op.add_column("number_series", sa.Column("first_number", sa.Integer(), server_default=sa.text("1"), nullable=False))
    # Until now a series began at its lowest number.
    op.execute(
        "UPDATE number_series SET first_number = coalesce((SELECT min(n.number) FROM number AS n WHERE"
        " n.cnpj = number_series.cnpj AND n.environment = number_series.environment"
        " AND n.series = number_series.series), next_number)"
    )
    op.add_column("shipment", sa.Column("purged_at", UTCDateTime(), nullable=True))
    op.create_index(
        "ix_shipment_updated_at", "shipment", ["updated_at"], unique=False, postgresql_where=RESTS, sqlite_where=RESTS
    )
    op.add_column("customer_invoice", sa.Column("purged_at", UTCDateTime(), nullable=True))
    op.create_index(
        "ix_customer_invoice_kept",
        "customer_invoice",
        ["fetched_at"],
        unique=False,
        postgresql_where=KEPT,
        sqlite_where=KEPT,
    )


def downgrade() -> None:
    op.drop_index("ix_customer_invoice_kept", table_name="customer_invoice")
    op.drop_column("customer_invoice", "purged_at")
    op.drop_index("ix_shipment_updated_at", table_name="shipment")
    op.drop_column("shipment", "purged_at")
    op.drop_column("number_series", "first_number")
    op.drop_index("ix_number_status", table_name="number")
    op.drop_column("number", "reason")
    op.drop_column("seller", "voiding_until")
    op.drop_table("number_foreign")
    op.drop_index("ix_voiding_seller_id_state", table_name="voiding")
    op.drop_table("voiding")
