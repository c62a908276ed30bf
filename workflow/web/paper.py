"""How a page becomes HTML: Jinja with everything escaped, and what the templates may call."""

from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from workflow.web.words import CODES, NAMES

#: What people read; SEFAZ's own moments are in the XML.
ZONE = ZoneInfo("America/Sao_Paulo")


def paper(template: str, **facts: Any) -> str:
    """The template filled in."""
    return _environment().get_template(template).render(facts)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("workflow.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters |= {"moment": moment, "minute": minute, "segment": segment, "age": age}
    environment.globals |= {"urlencode": urlencode, "languages": NAMES, "codes": CODES}
    return environment


def moment(at: datetime | None, form: str = "%d/%m/%Y %H:%M:%S") -> Markup:
    """A moment as people in Brazil write it, with the exact one behind it; nothing for None."""
    if at is None:
        return Markup("")
    shown = at.astimezone(ZONE).strftime(form)
    return Markup('<time datetime="{}">{}</time>').format(at.astimezone(UTC).isoformat(timespec="seconds"), shown)


def minute(at: datetime | None) -> Markup:
    """The same without seconds."""
    return moment(at, "%d/%m/%Y %H:%M")


def age(since: datetime, now: datetime) -> str:
    """How long ago, in its two largest units.

    >>> from datetime import timedelta
    >>> noon = datetime(2026, 11, 22, 12, tzinfo=UTC)
    >>> [age(noon - timedelta(seconds=passed), noon) for passed in (5, 65, 3725, 90061)]
    ['5 s', '1 min 5 s', '1 h 2 min', '1 d 1 h']
    """
    left = max(int((now - since).total_seconds()), 0)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def segment(text: str) -> str:
    """A text as one segment of a path."""
    return quote(text, safe="")
