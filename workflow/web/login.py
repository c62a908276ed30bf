"""In and out: the only pages that strangers see."""

import re
from collections.abc import Mapping

from starlette.responses import Response

from workflow.audit import Action
from workflow.web.gate import SESSION, keep
from workflow.web.visit import Visit

_OWN = re.compile(r"/(?![/\\])[A-Za-z0-9._~%/@:+-]*")


def form(visit: Visit) -> Response:
    """The form; who is in already goes on."""
    return visit.go(_wanted(visit.query)) if visit.user else _show(visit)


def enter(visit: Visit) -> Response:
    """A session for whoever knows a password; too many tries have to wait, also with the right one."""
    name = visit.form.get("name", "").strip()
    audit = visit.site.audit
    if not audit.may_try(name, visit.address):
        return _show(visit, 429, problem="login.wait", name=name)
    user = visit.site.users.check(name, visit.form.get("password", ""))
    if user is None:
        return _show(visit, 401, problem="login.wrong", name=name)
    audit.note(Action.LOGIN, actor=user.name, address=visit.address)
    response = visit.go(_wanted(visit.form))
    keep(response, visit, SESSION, visit.site.users.begin(user, visit.address))
    return response


def leave(visit: Visit) -> Response:
    """The session's end."""
    visit.note(Action.LOGOUT)
    visit.site.users.end(visit.token)
    response = visit.go("/login")
    response.delete_cookie(SESSION, path=visit.site.root or "/")
    return response


def _show(visit: Visit, status: int = 200, *, problem: str = "", name: str = "") -> Response:
    wanted = _wanted(visit.form or visit.query)
    return visit.show("login.html", status, problem=problem, typed=name, wanted=wanted)


def _wanted(given: Mapping[str, str]) -> str:
    """Where to go afterwards: a path of ours, never another site's.

    >>> [_wanted({"next": path}) for path in ("/s/A/B", "//evil.example", "https://evil.example", "/\\\\evil.example")]
    ['/s/A/B', '/', '/', '/']
    """
    path = given.get("next", "/")
    return path if _OWN.fullmatch(path) else "/"
