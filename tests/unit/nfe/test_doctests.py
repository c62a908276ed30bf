import doctest
import importlib

import pytest

MODULES = ("access_key", "address", "amounts", "free_text", "tables", "tax_ids", "text", "xml")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"workflow.nfe.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
