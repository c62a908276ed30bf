"""Files that people hand in, read no further than one may be long: a wrong path, even /dev/zero, ends with a line."""

import sys
from pathlib import Path
from typing import BinaryIO

from workflow.errors import Invalid

MEGABYTE = 1024 * 1024


def content_of(path: Path, largest: int = MEGABYTE) -> bytes:
    """The file's bytes; raise Invalid('file-too-large'), and OSError as it comes."""
    with path.open("rb") as file:
        return _whole(file, largest, str(path))


def standard_input(largest: int = MEGABYTE) -> bytes:
    """All of standard input; raise Invalid('file-too-large')."""
    return _whole(sys.stdin.buffer, largest, "standard input")


def _whole(file: BinaryIO, largest: int, name: str) -> bytes:
    content = file.read(largest + 1)
    if len(content) > largest:
        raise Invalid("file-too-large", f"{name} is larger than {largest // MEGABYTE or 1} MB; is it the right file?")
    return content
