"""Alembic's entry: runs in the connection that `workflow.migrations.upgrade` opened, and in its transaction if any."""

from alembic import context

from workflow import models

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=models.metadata,
    render_as_batch=True,
    transaction_per_migration=context.config.attributes.get("online", False),
)
with context.begin_transaction():
    context.run_migrations()
