"""Which version of this program runs."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

NAME = "nfe-workflow"


@cache
def our_version() -> str:
    """The installed package's, or a word where it is not installed as one."""
    try:
        return version(NAME)
    except PackageNotFoundError:
        return "unknown"
