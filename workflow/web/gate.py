"""The only place that lets anybody in: session, role, form token, origin; and the only one that answers for a failure.

A view runs in a thread, since it asks the database. What it raises on purpose becomes a page that says what happened
and what to do; anything unforeseen is told by its kind and its place alone, because its text may hold a buyer's data.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlsplit

from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from workflow.errors import NfeError
from workflow.logs import frames, logger
from workflow.mends import LANGUAGES, mend_of
from workflow.models import Role
from workflow.web.visit import Site, View, Visit
from workflow.web.words import chosen

log = logger(__name__)

#: The cookies: a session's token, the token of a form before there is a session, the language of who is not logged in.
SESSION, FORM, LANGUAGE = "nfe_session", "nfe_form", "nfe_language"
#: The field of every form that brings the token back.
TOKEN = "form_token"  # noqa: S105  a field's name
#: The header by which a page asks for itself anew while nobody does anything.
ALONE = "x-alone"
#: Bytes of a form; the longest is a product's.
LONGEST_FORM = 64 * 1024
A_YEAR = 365 * 24 * 3600
#: Errors that say that there is no such thing.
NOT_THERE = frozenset({"unknown-shipment", "unknown-seller", "unknown-sku", "no-document"})

Form = Mapping[str, str]


class Page(NamedTuple):
    """One page: how it is asked for, what it shows, and who may (None: anybody)."""

    method: str
    path: str
    view: View
    role: Role | None


class _Denied(Exception):
    """The visitor may not have it: an HTTP status, and the words that say why."""

    def __init__(self, status: int, key: str) -> None:
        super().__init__(status, key)
        self.status = status
        self.key = key


def endpoint(page: Page, site: Site) -> Callable[[Request], Awaitable[Response]]:
    """The page as Starlette calls it."""

    async def serve(request: Request) -> Response:
        form = await _form(request) if page.method == "POST" else {}
        return await run_in_threadpool(_answer, page, site, request, form)

    return serve


async def _form(request: Request) -> Form | None:
    """The form's fields, the last of each name; None where it is no form, or too large a one."""
    if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
        return None
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > LONGEST_FORM:
            return None
    try:
        return dict(parse_qsl(content.decode(), keep_blank_values=True, max_num_fields=200))
    except ValueError:
        return None


def _answer(page: Page, site: Site, request: Request, form: Form | None) -> Response:
    visit = _stranger(site, request, form or {})
    try:
        visit = _known(visit, request)
        _check(page, visit, request, form)
        response = page.view(visit)
    except _Denied as denied:
        response = _denied(page, visit, denied)
    except NfeError as error:
        told = mend_of(error.code).told(visit.language)
        facts = {"title": told.what, "mend": told.mend, "code": error.code, "reason": error.message}
        response = visit.show("problem.html", 404 if error.code in NOT_THERE else 400, **facts)
    except DBAPIError:
        log.error("database away", page=page.path)
        response = _failure(visit, 503, "problem.database")
    except Exception as error:
        # Its text may hold a buyer's data: the log gets the kind and the place only.
        log.error("unforeseen", page=page.path, kind=type(error).__name__, frames=frames(error))
        response = _failure(visit, 500, "problem.bug")
    _set_cookies(response, visit, request)
    return response


# -- who asks -------------------------------------------------------------------------------------------------


def _stranger(site: Site, request: Request, form: Form) -> Visit:
    """The request of somebody who is not known yet."""
    query = dict(request.query_params)
    wishes = (query.get("lang"), request.cookies.get(LANGUAGE))
    return Visit(
        site=site,
        user=None,
        language=chosen(*wishes, header=request.headers.get("accept-language", "")),
        address=request.client.host if request.client else "",
        path=request.url.path,
        params=dict(request.path_params),
        query=query,
        form=form,
        csrf=request.cookies.get(FORM) or secrets.token_urlsafe(32),
        is_secure=request.url.scheme == "https",
    )


def _known(visit: Visit, request: Request) -> Visit:
    """The same of whose session it is, where it is anybody's."""
    token = request.cookies.get(SESSION, "")
    is_used = ALONE not in request.headers
    user = visit.site.users.of(token, is_used=is_used) if token else None
    if user is None:
        return visit
    asked = visit.query.get("lang")
    if asked in LANGUAGES and asked != user.language:
        visit.site.users.choose_language(user.name, asked)
    language = chosen(asked, user.language, visit.language)
    csrf = hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()
    return replace(visit, user=user, language=language, csrf=csrf, token=token)


def _check(page: Page, visit: Visit, request: Request, form: Form | None) -> None:
    """Raise _Denied unless this visitor may have this page by this request."""
    if page.method == "POST" and not _is_from_here(request):
        raise _Denied(403, "problem.origin")
    if page.role is not None and visit.user is None:
        raise _Denied(401, "problem.login")
    if page.method == "POST" and (form is None or not hmac.compare_digest(_token(form), visit.csrf.encode())):
        raise _Denied(403, "problem.form")
    if page.role is Role.OPERATOR and not visit.is_operator:
        raise _Denied(403, "problem.role")


def _token(form: Form) -> bytes:
    return form.get(TOKEN, "").encode()


def _is_from_here(request: Request) -> bool:
    """Whether a form was sent by one of our own pages, as far as the browser tells."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")


# -- what is answered -----------------------------------------------------------------------------------------


def _denied(page: Page, visit: Visit, denied: _Denied) -> Response:
    if denied.status == 401:
        wanted = visit.path.removeprefix(visit.site.root) if page.method == "GET" else "/"
        return visit.go(f"/login?next={quote(wanted)}")
    return _failure(visit, denied.status, denied.key)


def _failure(visit: Visit, status: int, key: str) -> Response:
    title, mend = visit.t(key), visit.t(f"{key}_mend")
    return visit.show("problem.html", status, title=title, mend=mend, code="", reason="")


def _set_cookies(response: Response, visit: Visit, request: Request) -> None:
    """Remember a stranger's form, and whose language it was that somebody chose."""
    if visit.user is None and request.cookies.get(FORM) != visit.csrf:
        keep(response, visit, FORM, visit.csrf)
    if visit.query.get("lang") in LANGUAGES:
        keep(response, visit, LANGUAGE, visit.language, max_age=A_YEAR)


def keep(response: Response, visit: Visit, name: str, value: str, *, max_age: int | None = None) -> None:
    """Let the browser keep a value: for us alone, out of reach of scripts, not sent from other sites' forms."""
    response.set_cookie(
        name, value, max_age=max_age, path=visit.site.root or "/", secure=visit.is_secure, httponly=True, samesite="lax"
    )
