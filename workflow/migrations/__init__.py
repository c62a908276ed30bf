"""The database's shape, step by step (alembic). The newest step's name is `HEAD`."""

from sqlalchemy import Connection, Engine, inspect, text

#: What `alembic_version` must hold for this version of the code.
HEAD = "0009"
#: Any number, the same in all processes: one migrates, the others wait (PostgreSQL's advisory lock).
LOCK = 5_500_400


def upgrade(engine: Engine) -> None:
    """Bring the database to HEAD; safe to call from several processes at once, and when there is nothing to do."""
    from alembic.command import upgrade as _upgrade  # a tenth of a second, and seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "workflow:migrations")
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        config.attributes["connection"] = connection
        _upgrade(config, "head")


def revision(connection: Connection) -> str | None:
    """The database's step, or None for an empty one."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
