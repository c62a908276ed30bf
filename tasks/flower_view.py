"""What a person reads in Flower: whose task it is, what stopped it, and the way to the shipment's own page.

A task's argument is told as seller and shipment, its result also where it is an exception, and the list has a column
for the chain that a task belongs to. Flower's files stay as they are: what is ours is put into a page as it is read.
"""

import re
from functools import partial
from pathlib import Path
from typing import Any

from flower import options, urls
from flower.views import tasks
from tornado.template import Loader, Template

from workflow.parts import FLOWER_COLUMNS, web_url
from workflow.settings import Settings

#: A stage's only argument, as its message tells it.
_ID = re.compile(r"[(\[]'([^'/]+)/([^'/]+)',?[)\]]")
#: The same as a person reads it.
_TOLD = re.compile(r"seller (\S+), shipment (\S+)")
#: `Stopped('REJECTED 232 …')`, `'GENERATED'`: what an exception or a result says.
_SAID = re.compile(r"(?:\w+\()?(['\"])(.*)\1,?\)?", re.DOTALL)

#: Behind this row of a task's page comes ours.
_ARGUMENTS = '<dd><pre class="detail-code"><code>{{ task.args }}</code></pre></dd>\n      </div>'
_ROW = """
      {% if page_of(task.args) %}
      <div class="detail-row task-data-row">
        <dt>Operator's page</dt>
        <dd><a href="{{ page_of(task.args) }}">{{ page_of(task.args) }}</a></dd>
      </div>
      {% end %}"""

#: Before the list of tasks comes how it is laid out: a line for each task, ids by their first eight signs.
_LIST = '<div class="page-section tasks-page">'
_STYLE = f"""<style>
#tasks-table td {{ white-space: nowrap; }}
#tasks-table .task-uuid-full {{ display: none; }}
#tasks-table .task-uuid-short {{ display: inline; }}
#tasks-table td:nth-child({FLOWER_COLUMNS.split(",").index("root_id") + 1}) {{
  max-width: 8ch; overflow: hidden; font-family: monospace;
}}
</style>
"""
_PATCHES = {"task.html": (_ARGUMENTS, _ARGUMENTS + _ROW), "tasks.html": (_LIST, _STYLE + _LIST)}


def install(settings: Settings) -> None:
    """Let the Flower of this process show it so; before it starts."""
    options.default_options.format_task = told
    tasks.TASK_COLUMNS["root_id"] = "Chain"
    root = urls.settings["template_path"]
    urls.settings["template_loader"] = _Pages(root, namespace={"page_of": partial(page_of, web_url(settings))})


def told(task: Any) -> Any:
    """A task, Flower's own copy of it, in a person's words."""
    found = _ID.fullmatch(task.args or "")
    if found:
        task.args = f"seller {found[1]}, shipment {found[2]}"
    result = getattr(task, "exception", None) or task.result
    said = _SAID.fullmatch(result or "")
    task.result = said[2] if said else result
    return task


def page_of(page: str, args: str | None) -> str:
    """The shipment's page, by a task's arguments as they are told; nothing where the task is no shipment's.

    >>> page_of("https://shop.example/nfe/", "seller A1SELLER, shipment FBA1")
    'https://shop.example/nfe/s/A1SELLER/FBA1'
    >>> page_of("https://shop.example/nfe/", "()")
    ''
    """
    found = _TOLD.fullmatch(args or "")
    return f"{page}s/{found[1]}/{found[2]}" if found else ""


class _Pages(Loader):
    """Flower's pages, with what we put into two of them."""

    def _create_template(self, name: str) -> Template:
        path = Path(name)
        if path.name not in _PATCHES:
            made: Template = super()._create_template(name)
            return made
        text = Path(self.root, path.name).read_text(encoding="utf-8")
        return Template(text.replace(*_PATCHES[path.name]), name=name, loader=self)
