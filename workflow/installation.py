"""This process's installation: its settings, and its database at this version's revision."""

import getpass

from workflow import key_book, migrations, settings
from workflow.errors import Misconfigured
from workflow.tools import Tools


def ready() -> Tools:
    """Its tools; the embedded database is made on first use, another one must be migrated by a person."""
    tools = Tools(settings.current())
    if not tools.settings.database_url:
        tools.settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tools.store.reading() as connection:
        found = migrations.revision(connection)
    if found != migrations.HEAD:
        if tools.settings.database_url:
            raise Misconfigured(
                "database-revision",
                f"the database is at {found}, this version needs {migrations.HEAD}; run: nfe migrate",
            )
        migrations.upgrade(tools.store.engine)
    key_book.enter(tools.store)
    _ = tools.provenance  # its secret is to be in the first backup
    return tools


def me() -> str:
    """Who gives an order, for the history."""
    return getpass.getuser()
