"""The templates: Jinja pages written for people, made ready for a process that fills them in all day.

The packaged ones are one page when they are loaded: without the blanks between their tags, each fragment in the place
of its include. What they write is canonical XML as it stands, so nothing need parse it. A seller's own are left as
they are, and what comes of them is parsed and written canonically.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import (
    ChoiceLoader,
    Environment,
    FileSystemLoader,
    FunctionLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    nodes,
)
from jinja2.compiler import CodeGenerator, Frame
from jinja2.loaders import split_template_path
from jinja2.sandbox import SandboxedEnvironment
from lxml import etree

from workflow.errors import Invalid
from workflow.nfe.amounts import trimmed

_SAME: Mapping[str, Any] = {
    "undefined": StrictUndefined,
    "auto_reload": False,
    "trim_blocks": True,
    "lstrip_blocks": True,
}

#: What a seller's own page may raise beside Jinja's errors, whatever it computes.
_RAISED_BY_PAGES = (
    TypeError, ValueError, ArithmeticError, LookupError, AttributeError, NameError, RecursionError, MemoryError,
    SyntaxError,
)  # fmt: skip

_BLANKS = re.compile(r"(?:(?<=>)|(?<=[%#]\}))\s+(?=<|\{[%#])")
_INCLUDE = re.compile(r'\{% include "([^"]+)" %\}')
_INCLUDE_BY_NAME = "{% include group.fragment %}"
#: How a page of a tax begins to tell a field.
_TAX = "{{ tax."


class TemplateSet:
    """The packaged templates, any of which a file of the same name in `folder` replaces; compiled once."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._environment = _packaged_environment() if folder is None else _own_environment(folder)

    def compile_all(self) -> None:
        """Compile every template, a seller's own too; raise Invalid('bad-template') naming the first that is wrong."""
        names = set(_packaged_names())
        if self._folder is not None:
            names |= {path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*.j2")}
        for name in sorted(names):
            try:
                self._environment.get_template(name)
            except (TemplateError, *_RAISED_BY_PAGES) as error:
                raise Invalid("bad-template", f"template {name}: {_reason(error)}; mend the template") from error

    def text(self, name: str, context: Mapping[str, Any]) -> str:
        """One template filled in; raise Invalid('bad-template') naming the file and the mistake."""
        try:
            return self._environment.get_template(name).render(context)
        except TemplateNotFound as error:
            raise Invalid("bad-template", f"template {name}: no file {error.name} among the templates") from error
        except (TemplateError, *_RAISED_BY_PAGES) as error:
            raise Invalid("bad-template", f"template {name}: {_reason(error)}; mend the template") from error

    def document(self, name: str, context: Mapping[str, Any]) -> bytes:
        """One template filled in, as canonical XML in one line; raise Invalid('bad-template')."""
        text = self.text(name, context)
        return text.encode() if self._folder is None else _canonical(name, text)


def _reason(error: Exception) -> str | None:
    """Jinja's own words only: another error may quote a value of the buyer."""
    return error.message if isinstance(error, TemplateError) else type(error).__name__


def _canonical(name: str, text: str) -> bytes:
    """What a seller's templates wrote, without blanks between tags, comments and instructions."""
    try:
        root = etree.fromstring(text.strip(), _parser())
    except etree.XMLSyntaxError as error:
        reason = f"not well-formed near line {error.lineno} of its output"
        raise Invalid("bad-template", f"template {name}: {reason}; mend the template") from error
    return etree.tostring(root, method="c14n", with_comments=False)


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        remove_blank_text=True,
        remove_comments=True,
        remove_pis=True,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )


@cache
def _packaged_environment() -> Environment:
    # Not in the sandbox: these templates are ours.
    environment = Environment(
        loader=FunctionLoader(_page),
        autoescape=False,  # noqa: S701  # `finalize` escapes, and each value: no page has markup in a value
        finalize=_in_text,
        **_SAME,
    )
    environment.code_generator_class = _PlainAttributes
    environment.globals.clear()  # no page uses `range` and its like, which each document would copy
    environment.filters.update(FILTERS)
    return environment


def _own_environment(folder: Path) -> Environment:
    loader = ChoiceLoader([FileSystemLoader(folder), FunctionLoader(_packaged)])
    environment = SandboxedEnvironment(loader=loader, autoescape=True, **_SAME)
    environment.filters.update(FILTERS)
    return environment


class _PlainAttributes(CodeGenerator):
    """Writes `value.name` of a packaged page as that, where Jinja calls a method: half of the time of a page."""

    def visit_Getattr(self, node: nodes.Getattr, frame: Frame) -> None:
        """One attribute; those of a tax are in a dictionary."""
        is_tax = isinstance(node.node, nodes.Name) and node.node.name == "tax"
        self.write("(")
        self.visit(node.node, frame)
        self.write(f")[{node.attr!r}]" if is_tax else f").{node.attr}")


def _in_text(value: Any) -> str:
    """A value as C14N writes it between tags, where quotes stay; the packaged pages write none into an attribute.

    >>> _in_text('"a" & <b>')
    '"a" &amp; &lt;b&gt;'
    """
    text = value if type(value) is str else str(value)
    if "&" in text:
        text = text.replace("&", "&amp;")
    if "<" in text:
        text = text.replace("<", "&lt;")
    return text.replace(">", "&gt;") if ">" in text else text


def _decimals(at_least: int) -> Callable[[Decimal | str], str]:
    """A filter that remembers: quantities and rates are few, and trimming one costs twenty times looking it up."""
    return lru_cache(maxsize=1024)(lambda value: f"{trimmed(Decimal(value), at_least=at_least):f}")


#: How an amount is written: money to the cent, the others with as many decimals as they have beyond the least.
FILTERS: Mapping[str, Callable[[Decimal], str]] = {
    "money": lambda value: f"{value:.2f}",
    "quantity": _decimals(4),
    "unit_price": _decimals(2),
    "rate": _decimals(2),
    "rate4": _decimals(4),
}


def _packaged_names() -> Iterator[str]:
    for top in resources.files("templates").iterdir():
        files = top.iterdir() if top.is_dir() else (top,)
        prefix = f"{top.name}/" if top.is_dir() else ""
        yield from (prefix + file.name for file in files if file.name.endswith(".j2"))


def _packaged(name: str) -> str | None:
    # split_template_path refuses `..`: a template may not read beyond the templates.
    file = resources.files("templates").joinpath(*split_template_path(name))
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _page(name: str) -> str | None:
    """A packaged template with its fragments in the place of their includes, without blanks between tags."""
    source = _packaged(name)
    if source is None:
        return None
    page = _BLANKS.sub("", source.strip())
    if _INCLUDE_BY_NAME in page:
        page = page.replace(_INCLUDE_BY_NAME, _choice())
    return _INCLUDE.sub(lambda include: _page(include[1]) or include[0], page)


def _choice() -> str:
    """The page of a tax by its name: Jinja's own include makes a template and a context of it each time."""
    names = [name for name in sorted(_packaged_names()) if _TAX in (_packaged(name) or "")]
    choices = "".join(f'{{% elif name == "{name}" %}}{_page(name)}' for name in names).replace("elif", "if", 1)
    return f"{{% with name = group.fragment %}}{choices}{{% else %}}{{% include name %}}{{% endif %}}{{% endwith %}}"
