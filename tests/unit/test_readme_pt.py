"""README.pt-BR.md says what README.md says: the same headings, blocks, tables and names, in the same order."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENGLISH, PORTUGUESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.pt-BR.md"))

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: Languages whose comments begin with a sign that nothing else has there.
COMMENTED = ("sh", "toml", "ini", "python")


def prose(text: str) -> str:
    return FENCE.sub("", text)


def blocks(text: str) -> list[tuple[str, list[str]]]:
    """Each fenced block: its language and its lines, without comments where it has any."""
    found = []
    for language, content in FENCE.findall(text):
        lines = content.splitlines()
        if language in COMMENTED:
            lines = [re.sub(r"(^|\s+)# .*$", "", line).rstrip() for line in lines]
        found.append((language, [line for line in lines if line]))
    return found


def names(text: str) -> list[str]:
    """What stands in backticks in prose and tables, paragraph by paragraph: a sentence may turn its words around."""
    return [name for part in prose(text).split("\n\n") for name in sorted(set(re.findall(r"`([^`\n]+)`", part)))]


def test_the_headings_have_the_same_levels() -> None:
    levels = [re.findall(r"^(#+) ", prose(text), re.MULTILINE) for text in (ENGLISH, PORTUGUESE)]
    assert levels[0] == levels[1]


@pytest.mark.parametrize("number", range(len(FENCE.findall(ENGLISH))))
def test_each_block_is_the_same_but_for_its_comments(number: int) -> None:
    english, portuguese = blocks(ENGLISH), blocks(PORTUGUESE)
    assert len(english) == len(portuguese)
    language, lines = english[number]
    if language == "text":  # pictures and output, whose words may be told in the other language
        assert (portuguese[number][0], len(portuguese[number][1])) == (language, len(lines))
    else:
        assert portuguese[number] == (language, lines)


def test_the_tables_have_the_same_rows_and_columns() -> None:
    shapes = [
        [line.replace("\\|", "").count("|") for line in prose(text).splitlines() if line.startswith("|")]
        for text in (ENGLISH, PORTUGUESE)
    ]
    assert shapes[0] == shapes[1]


def test_the_same_names_stand_in_the_same_places() -> None:
    assert names(PORTUGUESE) == names(ENGLISH)


def test_every_anchor_leads_to_a_heading() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).strip().lower().replace(" ", "-")
        for line in PORTUGUESE.splitlines()
        if line.startswith("#")
    }
    assert set(re.findall(r"\]\(#([\w-]+)\)", PORTUGUESE)) <= headings
