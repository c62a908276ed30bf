"""Every example in a docstring holds, in whichever room it stands."""

import doctest
import importlib
import pkgutil

import pytest

import workflow

#: Alembic's own files run inside a migration only; `__main__` files run when imported.
NOT_IMPORTED = ("workflow.migrations.", "__main__")
MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(workflow.__path__, "workflow.")
    if not any(part in module.name for part in NOT_IMPORTED)
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_there_are_examples_to_hold() -> None:
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [one for name in MODULES for one in finder.find(importlib.import_module(name)) if one.examples]
    assert len(examples) > 20
