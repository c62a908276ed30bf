"""The steps to the database's shape lead where the models say, and back."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.command import downgrade
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from workflow import migrations, models
from workflow.store import connect


def config_for(connection: Any = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "workflow:migrations")
    config.attributes["connection"] = connection
    return config


def tables(engine: Engine) -> set[str]:
    return set(inspect(engine).get_table_names())


def revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return migrations.revision(connection)


def plain(condition: object) -> str:
    """An index's condition without the brackets that each database puts elsewhere."""
    return str(condition).replace("(", "").replace(")", "")


def over_expressions(engine: Engine, table: str) -> set[str]:
    """SQLite's indexes over expressions, which SQLAlchemy cannot look at; each with the models' expression."""
    if engine.dialect.name == "postgresql":
        return set()
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = :table"), {"table": table}
        )
        return {row.name for row in rows if row.sql and f"({models.SEALED_WITH})" in row.sql}


def test_an_empty_database_has_no_revision(database_url: str) -> None:
    engine = connect(database_url)
    assert revision(engine) is None
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection", "ignore:autogenerate skipping")
def test_the_steps_lead_to_exactly_what_the_models_say(database_url: str) -> None:
    engine = connect(database_url)
    migrations.upgrade(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, models.metadata) == []
    assert revision(engine) == migrations.HEAD
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_every_index_and_key_has_the_models_name(database_url: str) -> None:
    """compare_metadata does not look at the conditions of indexes."""
    engine = connect(database_url)
    migrations.upgrade(engine)
    dialect = engine.dialect.name
    for table in models.metadata.sorted_tables:
        found = {str(index["name"]): index for index in inspect(engine).get_indexes(table.name)}
        assert set(found) | over_expressions(engine, table.name) == {str(index.name) for index in table.indexes}
        for index in table.indexes:
            if index.name not in found:
                continue
            condition = found[str(index.name)].get("dialect_options", {}).get(f"{dialect}_where")
            expected = index.dialect_options[dialect]["where"]
            assert (condition is None) == (expected is None)
            if expected is not None:
                assert plain(condition) == plain(expected)
    engine.dispose()


def test_an_upgrade_twice_is_once(database_url: str) -> None:
    engine = connect(database_url)
    migrations.upgrade(engine)
    migrations.upgrade(engine)
    assert revision(engine) == migrations.HEAD
    engine.dispose()


def test_the_way_back_leaves_nothing_and_the_way_forth_works_again(database_url: str) -> None:
    engine = connect(database_url)
    migrations.upgrade(engine)
    with engine.begin() as connection:
        downgrade(config_for(connection), "base")
    assert tables(engine) == {"alembic_version"}
    assert revision(engine) is None
    migrations.upgrade(engine)
    assert tables(engine) == {"alembic_version", *models.metadata.tables}
    engine.dispose()


def test_head_is_the_newest_step() -> None:
    assert ScriptDirectory.from_config(config_for()).get_heads() == [migrations.HEAD]


def test_every_file_of_the_steps_is_a_step() -> None:
    folder = Path(migrations.__file__).parent / "versions"
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    steps = {Path(step.path).name for step in ScriptDirectory.from_config(config_for()).walk_revisions()}
    assert files == steps


@pytest.mark.parametrize("workers", [4])
def test_upgrades_at_once_wait_for_each_other(database_url: str, workers: int) -> None:
    barrier = threading.Barrier(workers)

    def upgrade(_: int) -> str | None:
        engine = connect(database_url)
        barrier.wait(10)
        migrations.upgrade(engine)
        try:
            return revision(engine)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(workers) as pool:
        assert list(pool.map(upgrade, range(workers))) == [migrations.HEAD] * workers


def test_a_step_that_fails_leaves_the_database_as_it_was(database_url: str) -> None:
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE number (n INTEGER)")  # the first step's last table
    with pytest.raises(Exception, match="number"):
        migrations.upgrade(engine)
    assert tables(engine) <= {"number", "alembic_version"}
    assert revision(engine) is None
    engine.dispose()
