"""Users of the operator's page, their sessions, and what they did.

Revises: 0004
Created: 2026-11-22
"""

import sqlalchemy as sa
from alembic import op
from sqlmodel.sql.sqltypes import AutoString, UTCDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "web_user",
        sa.Column("name", AutoString(), nullable=False),
        sa.Column("role", AutoString(), nullable=False),
        sa.Column("password_hash", AutoString(), nullable=False),
        sa.Column("language", AutoString(), nullable=True),
        sa.Column("disabled_at", UTCDateTime(), nullable=True),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("updated_at", UTCDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_web_user")),
    )
    op.create_table(
        "web_session",
        sa.Column("token_hash", AutoString(), nullable=False),
        sa.Column("user_name", AutoString(), nullable=False),
        sa.Column("address", AutoString(), nullable=False),
        sa.Column("created_at", UTCDateTime(), nullable=False),
        sa.Column("seen_at", UTCDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["user_name"], ["web_user.name"], name=op.f("fk_web_session_user_name")),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_web_session")),
    )
    op.create_index("ix_web_session_user_name", "web_session", ["user_name"], unique=False)
    op.create_table(
        "audit_line",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("at", UTCDateTime(), nullable=False),
        sa.Column("actor", AutoString(), nullable=False),
        sa.Column("action", AutoString(), nullable=False),
        sa.Column("shipment_id", AutoString(), nullable=True),
        sa.Column("detail", AutoString(), nullable=True),
        sa.Column("address", AutoString(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_line")),
    )
    for columns in (["at"], ["shipment_id", "at"], ["actor", "at"], ["address", "at"]):
        op.create_index(f"ix_audit_line_{'_'.join(columns)}", "audit_line", columns, unique=False)


def downgrade() -> None:
    op.drop_table("audit_line")
    op.drop_table("web_session")
    op.drop_table("web_user")
