import doctest
import importlib

import pytest

MODULES = (
    "access_key", "address", "amounts", "buyer", "difal", "free_text", "ibs_cbs", "icms", "ipi", "pis_cofins", "product",
    "tables", "tax_ids", "tax_tables", "text", "xml",
)  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_in_the_docstrings_hold(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"workflow.nfe.{name}"))
    assert result.attempted > 0
    assert result.failed == 0
