"""The steps to the database's shape lead where the models say, and back."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
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


# -- each step only adds ------------------------------------------------------------------------------------


class Recorder:
    """Stands where a step finds alembic's operations, and writes down what it does, in order."""

    def __init__(self, seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]], prefix: str = "") -> None:
        self._seen, self._prefix = seen, prefix

    def __getattr__(self, name: str) -> Any:
        def operation(*words: Any, **options: Any) -> Any:
            if name == "f":
                return words[0]
            self._seen.append((self._prefix + name, words, options))
            return nullcontext(BatchRecorder(self._seen, words[0])) if name == "batch_alter_table" else None

        return operation


class BatchRecorder(Recorder):
    """The same inside a batch: each operation is on the batch's table."""

    def __init__(self, seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]], table: str) -> None:
        super().__init__(seen)
        self._table = table

    def __getattr__(self, name: str) -> Any:
        operation = super().__getattr__(name)
        at = 1 if name == "create_index" else 0
        return lambda *words, **options: operation(*words[:at], self._table, *words[at:], **options)


def operations(step: ModuleType) -> list[tuple[str, tuple[Any, ...], dict[str, Any]]]:
    seen: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(step, "op", Recorder(seen))
        if hasattr(step, "online"):
            patch.setattr(step, "online", Recorder(seen, "online."))
        step.upgrade()
    return seen


#: What a step does beside adding, or to a table that has rows already without `online`, and why that harms nobody.
ALLOWED = {
    ("0003", "execute UPDATE number_series"): "a row for each series, in no worker's way for long",
    ("0003", "create_index ix_number_status"): "older than the first version: nobody has rows at 0002",
    ("0003", "create_index ix_shipment_updated_at"): "older than the first version: nobody has rows at 0002",
    ("0003", "create_index ix_customer_invoice_kept"): "older than the first version: nobody has rows at 0002",
    ("0010", "alter_column number"): "it may be empty now: no row is read, and older programs leave such rows out",
}


def not_additive(step: ModuleType) -> list[str]:
    """What of a step could break, or hold up, programs of the version before."""
    found, made = [], set()
    for place, (name, words, options) in enumerate(operations(step)):
        what = f"{name} {' '.join(str(words[0]).split()[:2])}" if words else name
        if name == "create_table":
            made.add(words[0])
        elif name == "add_column":
            column = words[1]
            if not (column.nullable or column.server_default is not None) or column.foreign_keys or column.unique:
                found.append(what)
        elif name in ("create_index", "online.create_index"):
            is_first = all(earlier == name for earlier, *_ in operations(step)[:place])
            is_online = name == "online.create_index" and is_first
            if (words[1] not in made and not is_online) or (options.get("unique") and words[1] not in made):
                found.append(what)
        elif name != "batch_alter_table":
            found.append(what)
    return found


STEPS = [step.module for step in ScriptDirectory.from_config(config_for()).walk_revisions()]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.revision)
def test_a_step_only_adds_and_holds_nobody_up_or_begins_a_generation(step: ModuleType) -> None:
    """Programs of the version before go on while it is taken, and after it."""
    begins_a_generation = step.down_revision is not None and step.revision[0] != step.down_revision[0]
    wrong = [what for what in not_additive(step) if (step.revision, what) not in ALLOWED]
    assert begins_a_generation or wrong == []


def test_every_exception_is_one() -> None:
    wrong = {(step.revision, what) for step in STEPS for what in not_additive(step)}
    assert set(ALLOWED) == wrong


def a_step(upgrade: Callable[[Any, Any], None]) -> ModuleType:
    """A step that does this with `op` and `online`."""
    step = ModuleType("step")
    vars(step).update(op=None, online=None, upgrade=lambda: upgrade(vars(step)["op"], vars(step)["online"]))
    return step


@pytest.mark.parametrize(
    "upgrade",
    [
        lambda op, online: op.drop_column("shipment", "tries"),
        lambda op, online: op.drop_table("alert"),
        lambda op, online: op.drop_index("ix_shipment_ring_at"),
        lambda op, online: op.rename_table("alert", "alarm"),
        lambda op, online: op.alter_column("shipment", "tries", new_column_name="attempts"),
        lambda op, online: op.execute("DELETE FROM alert"),
        lambda op, online: op.add_column("shipment", sa.Column("must", sa.Integer(), nullable=False)),
        lambda op, online: op.create_index("ix_new", "shipment", ["tries"]),
        lambda op, online: online.create_index("ix_new", "shipment", ["tries"], unique=True),
        lambda op, online: (op.create_table("new"), online.create_index("ix_new", "shipment", ["tries"])),
        lambda op, online: op.create_unique_constraint("uq_new", "shipment", ["tries"]),
    ],
)
def test_what_would_break_or_hold_up_a_program_of_before_is_found(upgrade: Callable[[Any, Any], None]) -> None:
    assert len(not_additive(a_step(upgrade))) == 1


def test_what_adds_is_not_found() -> None:
    def upgrade(op: Any, online: Any) -> None:
        online.create_index("ix_new", "shipment", ["tries"])
        op.create_table("new")
        op.create_index("ix_new_at", "new", ["at"], unique=True)
        op.add_column("shipment", sa.Column("may", sa.Integer(), nullable=True))
        op.add_column("shipment", sa.Column("has", sa.Integer(), nullable=False, server_default="0"))

    assert not_additive(a_step(upgrade)) == []


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
