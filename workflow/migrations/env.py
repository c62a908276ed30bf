"""Alembic's entry: runs in the connection and the transaction that `workflow.migrations.upgrade` opened."""

from alembic import context

from workflow import models

context.configure(
    connection=context.config.attributes["connection"], target_metadata=models.metadata, render_as_batch=True
)
context.run_migrations()
