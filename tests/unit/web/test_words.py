"""The page says the same in every language, and everything that it may have to say."""

import doctest
import re
from pathlib import Path

import pytest

from workflow.audit import Action
from workflow.engine import Kind
from workflow.mends import LANGUAGES
from workflow.models import ASKED, WITHDRAWN, DocumentKind, NumberStatus, Role
from workflow.orders import Order
from workflow.states import Stage, State
from workflow.store import PURGED
from workflow.web import words as module
from workflow.web.products import FIELDS
from workflow.web.words import CODES, NAMES, words

WEB = Path(module.__file__).parent
SOURCES = "\n".join(
    path.read_text(encoding="utf-8") for path in [*WEB.glob("*.py"), *(WEB / "templates").glob("*.html")]
)
#: What is put together from a word and one of the program's own: each of these must be there.
FAMILIES = {
    "state": State,
    "stage": [*Stage, "receive", "retry", "purge", "correct", "hand_over"],
    "outcome": [*Kind, ASKED, WITHDRAWN, "ignored", PURGED],
    "document": DocumentKind,
    "number": NumberStatus,
    "role": Role,
    "action": Action,
    "field": FIELDS,
    "hint": FIELDS,
    "done": [*Order, "product", "nothing"],
    "nav": ["shipments", "products", "sellers", "numbers", "audit"],
    "buyer": ["name", "tax_id", "street", "district", "city", "cep", "phone"],
    "sellers": ["tpAmb_1", "tpAmb_2"],
    "order": [*Order, *(f"{order}_{part}" for order in ("cancel", "reissue", "withdraw") for part in ("title", "before", "note", "confirm"))],
    "problem": [f"{one}{part}" for one in ("origin", "login", "form", "role", "database", "bug") for part in ("", "_mend")],
}  # fmt: skip


def used() -> set[str]:
    """Every key that the page may ask for."""
    written = set(re.findall(r"""['"]([a-z]+\.\w*[a-z])['"]""", SOURCES)) | {"brand"}
    return {key for key in written if key in words("pt") or f"t('{key}'" in SOURCES} | {
        f"{family}.{one}" for family, members in FAMILIES.items() for one in members
    }


def test_the_examples_hold() -> None:
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_that_the_page_may_say_is_there_and_no_other(language: str) -> None:
    assert set(words(language)) == used()


def test_every_language_has_the_same_words_with_the_same_places_to_fill() -> None:
    first, *others = (words(language) for language in LANGUAGES)
    for other in others:
        assert set(other) == set(first)
        for key, text in first.items():
            assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", other[key])), key


def test_every_language_has_a_name_and_a_code() -> None:
    assert set(NAMES) == set(CODES) == set(LANGUAGES)
