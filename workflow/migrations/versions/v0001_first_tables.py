"""The first tables.

Revises: None
Created: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "number_series",
        sa.Column("cnpj", AutoString(), nullable=False),
        sa.Column("environment", sa.Integer(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("cnpj", "environment", "series", name=op.f("pk_number_series")),
    )
    op.create_table(
        "seller",
        sa.Column("id", AutoString(), nullable=False),
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("cnpj", AutoString(), nullable=False),
        sa.Column("issuer", sa.JSON(), nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.Column("certificate_until", UTCDateTime(), nullable=True),
        sa.Column("stop_code", AutoString(), nullable=True),
        sa.Column("stop_reason", AutoString(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seller")),
    )
    op.create_table(
        "product",
        sa.Column("seller_id", AutoString(), nullable=False),
        sa.Column("sku", AutoString(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["seller.id"], name=op.f("fk_product_seller_id")),
        sa.PrimaryKeyConstraint("seller_id", "sku", name=op.f("pk_product")),
    )
    op.create_table(
        "shipment",
        sa.Column("id", AutoString(), nullable=False),
        sa.Column("seller_id", AutoString(), nullable=False),
        sa.Column("amazon_shipment_id", AutoString(), nullable=False),
        sa.Column("amazon_order_id", AutoString(), nullable=True),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("cancelling", sa.Boolean(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("crashes", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("ring_at", UTCDateTime(), nullable=True),
        sa.Column("lease", AutoString(), nullable=True),
        sa.Column("lease_until", UTCDateTime(), nullable=True),
        sa.Column("sent_at", UTCDateTime(), nullable=True),
        sa.Column("stop_code", AutoString(), nullable=True),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("access_key", AutoString(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["seller_id"], ["seller.id"], name=op.f("fk_shipment_seller_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shipment")),
    )
    with op.batch_alter_table("shipment", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_shipment_access_key"), ["access_key"], unique=False)
        batch_op.create_index(batch_op.f("ix_shipment_amazon_order_id"), ["amazon_order_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_shipment_amazon_shipment_id"), ["amazon_shipment_id"], unique=False)
        batch_op.create_index("ix_shipment_created_at", ["created_at"], unique=False)
        batch_op.create_index(
            "ix_shipment_ring_at",
            ["ring_at"],
            unique=False,
            postgresql_where=sa.text("ring_at IS NOT NULL"),
            sqlite_where=sa.text("ring_at IS NOT NULL"),
        )
        batch_op.create_index("ix_shipment_state_created_at", ["state", "created_at"], unique=False)
        batch_op.create_index(
            "ix_shipment_stop_code",
            ["stop_code"],
            unique=False,
            postgresql_where=sa.text("stop_code IS NOT NULL"),
            sqlite_where=sa.text("stop_code IS NOT NULL"),
        )

    op.create_table(
        "document",
        sa.Column("shipment_id", AutoString(), nullable=False),
        sa.Column("kind", AutoString(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sha256", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_document_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "kind", "version", name=op.f("pk_document")),
    )
    op.create_table(
        "history",
        sa.Column("shipment_id", AutoString(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("stage", AutoString(), nullable=False),
        sa.Column("from_state", AutoString(), nullable=True),
        sa.Column("state", AutoString(), nullable=False),
        sa.Column("outcome", AutoString(), nullable=False),
        sa.Column("code", AutoString(), nullable=True),
        sa.Column("reason", AutoString(), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("due_at", UTCDateTime(), nullable=True),
        sa.Column("actor", AutoString(), nullable=False),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_history_shipment_id")),
        sa.PrimaryKeyConstraint("shipment_id", "seq", name=op.f("pk_history")),
    )
    op.create_table(
        "number",
        sa.Column("cnpj", AutoString(), nullable=False),
        sa.Column("environment", sa.Integer(), nullable=False),
        sa.Column("series", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("shipment_id", AutoString(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("random_code", AutoString(), nullable=False),
        sa.Column("status", AutoString(), nullable=False),
        sa.Column("access_key", AutoString(), nullable=True),
        sa.Column("reserved_at", UTCDateTime(), nullable=False),
        sa.Column("decided_at", UTCDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["cnpj", "environment", "series"],
            ["number_series.cnpj", "number_series.environment", "number_series.series"],
            name=op.f("fk_number_cnpj_environment_series"),
        ),
        sa.ForeignKeyConstraint(["shipment_id"], ["shipment.id"], name=op.f("fk_number_shipment_id")),
        sa.PrimaryKeyConstraint("cnpj", "environment", "series", "number", name=op.f("pk_number")),
    )
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.create_index("uq_number_shipment_id_turn", ["shipment_id", "turn"], unique=True)


def downgrade() -> None:
    with op.batch_alter_table("number", schema=None) as batch_op:
        batch_op.drop_index("uq_number_shipment_id_turn")

    op.drop_table("number")
    op.drop_table("history")
    op.drop_table("document")
    with op.batch_alter_table("shipment", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_shipment_stop_code",
            postgresql_where=sa.text("stop_code IS NOT NULL"),
            sqlite_where=sa.text("stop_code IS NOT NULL"),
        )
        batch_op.drop_index("ix_shipment_state_created_at")
        batch_op.drop_index(
            "ix_shipment_ring_at",
            postgresql_where=sa.text("ring_at IS NOT NULL"),
            sqlite_where=sa.text("ring_at IS NOT NULL"),
        )
        batch_op.drop_index("ix_shipment_created_at")
        batch_op.drop_index(batch_op.f("ix_shipment_amazon_shipment_id"))
        batch_op.drop_index(batch_op.f("ix_shipment_amazon_order_id"))
        batch_op.drop_index(batch_op.f("ix_shipment_access_key"))

    op.drop_table("shipment")
    op.drop_table("product")
    op.drop_table("seller")
    op.drop_table("number_series")
