"""What a step does to a table that has rows already, many perhaps, and writers."""

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import text
from sqlalchemy.sql.elements import TextClause

from workflow.migrations import LOCK_TIMEOUT


def create_index(name: str, table: str, columns: Sequence[str | TextClause], **options: Any) -> None:
    """An index that is built while the table is written to, where the database can (PostgreSQL); else at once.

    It stands before all else in its step: what precedes it there would be committed without the step's name.
    """
    config = op.get_context().config
    if config is None or not config.attributes.get("online"):
        op.create_index(name, table, columns, **options)
        return
    connection = op.get_bind()
    connection.execution_options(once=True)  # of `workflow.store`: no BEGIN
    with op.get_context().autocommit_block():
        try:
            # It waits for everybody and keeps nobody waiting: no time limit. What an earlier try left is no index.
            connection.execute(text("SET lock_timeout = 0"))
            op.drop_index(name, table, if_exists=True, postgresql_concurrently=True)
            op.create_index(name, table, columns, postgresql_concurrently=True, **options)
            connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
        finally:
            connection.execution_options(once=False)
