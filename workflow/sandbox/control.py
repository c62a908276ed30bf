"""The control API of a counterpart: JSON under `/_control/`, shared by the tests and by `nfe sandbox`.

    GET    /_control/book                what the counterpart knows (`?requests=0` leaves the single requests out)
    POST   /_control/faults   {fault}    let a fault wait        GET: those that wait     DELETE: forget them
    GET    /_control/paused              the requests that a fault holds open     DELETE: let them go on
    POST   /_control/settings {name: value}   change switches    GET: those in force
    POST   /_control/<list>   {…} or [{…}]    put something into one of its lists (shipments, refusals)

It listens on loopback only and asks for no password.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ValidationError
from tornado.routing import URLSpec
from tornado.web import RequestHandler

from workflow.sandbox.faults import Fault, Faults


class Counterpart(Protocol):
    """What the control API needs of Amazon or SEFAZ."""

    faults: Faults

    @property
    def settings(self) -> BaseModel:
        """The switches in force."""

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change switches; raise pydantic's ValidationError at an unknown name or a wrong value."""

    def dump(self, *, requests: bool) -> dict[str, Any]:
        """Everything known, as JSON values."""

    def lists(self) -> Mapping[str, Callable[[dict[str, Any]], None]]:
        """The lists that can be added to, by the name in the address."""


def routes(counterpart: Counterpart) -> list[URLSpec]:
    """The addresses of the control API for one counterpart."""
    about = {"counterpart": counterpart}
    return [
        URLSpec(r"/_control/book", _Book, about),
        URLSpec(r"/_control/faults", _Faults, about),
        URLSpec(r"/_control/paused", _Paused, about),
        URLSpec(r"/_control/settings", _Settings, about),
        URLSpec(r"/_control/(\w+)", _List, about),
    ]


#: What a request that is wrong raises; the last where its JSON is nested without end.
_WRONG = (ValidationError, ValueError, KeyError, TypeError, RecursionError)


class _Control(RequestHandler):
    """JSON in, JSON out; a wrong request is answered with 400 and one line that says what is wrong."""

    def initialize(self, counterpart: Counterpart) -> None:
        self.counterpart = counterpart

    def _read(self) -> Any:
        return json.loads(self.request.body or b"{}")

    def _say(self, value: Any, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps(value, ensure_ascii=False, default=str))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = kwargs.get("exc_info", (None, None, None))[1]
        wrong = isinstance(error, _WRONG)
        self._say({"error": _one_line(error)}, 400 if wrong else status_code)

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        if not isinstance(value, _WRONG):
            super().log_exception(typ, value, tb)


class _Book(_Control):
    def get(self) -> None:
        self._say(self.counterpart.dump(requests=self.get_argument("requests", "1") != "0"))


class _Faults(_Control):
    def get(self) -> None:
        self._say(self.counterpart.faults.dump())

    def post(self) -> None:
        self.counterpart.faults.add(Fault.model_validate(self._read()))
        self._say(self.counterpart.faults.dump(), 201)

    def delete(self) -> None:
        self.counterpart.faults.clear()
        self._say([])


class _Paused(_Control):
    def get(self) -> None:
        self._say(self.counterpart.faults.dump_paused())

    def delete(self) -> None:
        self.counterpart.faults.go_on()
        self._say([])


class _Settings(_Control):
    def get(self) -> None:
        self._say(self.counterpart.settings.model_dump(mode="json"))

    def post(self) -> None:
        self.counterpart.change(self._read())
        self.get()


class _List(_Control):
    def post(self, name: str) -> None:
        add = self.counterpart.lists().get(name)
        if add is None:
            self._say({"error": f"no list {name!r}; there are {sorted(self.counterpart.lists())}"}, 404)
            return
        given = self._read()
        entries = given if isinstance(given, list) else [given]
        for entry in entries:
            add(entry)
        self._say({"added": len(entries)}, 201)


def _one_line(error: BaseException | None) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return f"{type(error).__name__}: {error}" if error else "unknown"
