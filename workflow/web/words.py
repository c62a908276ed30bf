"""What the page says, in each language: one file per language in `words/`, all with the same keys."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from workflow.mends import LANGUAGES

#: How each language calls itself, and its code for the browser.
NAMES = {"pt": "Português", "en": "English"}
CODES = {"pt": "pt-BR", "en": "en"}


@cache
def words(language: str) -> Mapping[str, str]:
    """All words of a language, by keys such as `list.title`."""
    text = resources.files("workflow.web").joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
    return MappingProxyType(dict(_flat(tomllib.loads(text))))


def _flat(values: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value


def chosen(*wishes: str | None, header: str = "") -> str:
    """The first language of the wishes that there is, else the browser's (Accept-Language), else the first of ours.

    >>> chosen("xx", "en"), chosen(None, header="fr;q=0.9, en-GB;q=0.8, pt;q=0.1"), chosen(header="fr")
    ('en', 'en', 'pt')
    """
    known = next((wish for wish in wishes if wish in LANGUAGES), None)
    return known or next((language for language in _accepted(header) if language in LANGUAGES), LANGUAGES[0])


def _accepted(header: str) -> list[str]:
    """The header's languages without their countries, the dearest first."""
    found = []
    for place, part in enumerate(header.lower().split(",")[:20]):
        name, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        found.append((-weight, place, name.split("-")[0]))
    return [name for _, _, name in sorted(found)]
