"""A backup is a whole copy of the database, for its owner only; nothing is overwritten."""

import sqlite3
import stat
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.unit.conftest import one_database
from workflow import backup
from workflow.errors import Invalid, Misconfigured
from workflow.store import Store, connect


@one_database
def test_a_copy_has_all_that_was_committed_and_needs_no_file_beside_it(store: Store, tmp_path: Path) -> None:
    with store.writing() as connection:
        connection.execute(text("CREATE TABLE told (n INTEGER)"))
        connection.execute(text("INSERT INTO told VALUES (7)"))
    with store.writing() as connection:
        connection.execute(text("INSERT INTO told VALUES (8)"))
        connection.rollback()
    file = tmp_path / "copy.sqlite3"
    assert backup.write(store, file) == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True) as copy:
        assert copy.execute("SELECT n FROM told").fetchall() == [(7,)]
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.sqlite3"]


@one_database
def test_a_file_that_is_there_is_kept(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "copy.sqlite3"
    file.write_text("mine")
    with pytest.raises(Invalid, match="file-exists"):
        backup.write(store, file)
    assert file.read_text() == "mine"


@one_database
def test_a_damaged_database_makes_no_backup(tmp_path: Path, store: Store) -> None:
    engine = connect(f"sqlite:///{tmp_path / 'bad.sqlite3'}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE told (n TEXT)"))
        connection.execute(text("INSERT INTO told VALUES (hex(randomblob(20000)))"))
        connection.execute(text("CREATE INDEX ix ON told (n)"))
    engine.dispose()
    with (tmp_path / "bad.sqlite3").open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 2048)
    with pytest.raises(Invalid, match="damaged-data"):
        backup.write(Store(connect(f"sqlite:///{tmp_path / 'bad.sqlite3'}"), store.vault), tmp_path / "copy.sqlite3")
    assert not (tmp_path / "copy.sqlite3").exists()


def test_another_database_is_its_own_tools_to_copy(store: Store, tmp_path: Path) -> None:
    if store.engine.dialect.name == "sqlite":
        pytest.skip("this one is copied")
    with pytest.raises(Misconfigured, match="pg_dump"):
        backup.write(store, tmp_path / "copy.sqlite3")
