"""The embedded broker's places: private, short enough, and one installation's only."""

import os
from pathlib import Path

import pytest

from workflow import embedded
from workflow.errors import Misconfigured
from workflow.settings import load


def test_a_long_data_folder_gets_a_short_private_socket(tmp_path: Path) -> None:
    deep = load(data_dir=tmp_path / ("x" * 120))
    assert len(os.fsencode(deep.socket_path)) <= 100
    assert deep.socket_path != load(data_dir=tmp_path / ("y" * 120)).socket_path
    embedded.private_folder(deep.socket_path.parent)
    assert deep.resolved_redis_url == f"redis+socket://{deep.socket_path}"
    deep.socket_path.parent.chmod(0o755)
    try:
        with pytest.raises(Misconfigured, match="not-private"):
            _ = deep.resolved_redis_url
    finally:
        deep.socket_path.parent.rmdir()


def test_a_data_folder_is_one_installations_only(tmp_path: Path) -> None:
    with embedded.hold(tmp_path), pytest.raises(Misconfigured, match=f"process {os.getpid()}"), embedded.hold(tmp_path):
        pass
    with embedded.hold(tmp_path):
        assert tmp_path.stat().st_mode & 0o077 == 0


def test_a_data_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Misconfigured, match="data-dir"):
        embedded.private_folder(tmp_path / "file" / "data")
