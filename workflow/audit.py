"""Who did what on the operator's page, from where: every order, every look at a buyer's data, every login.

A login is written down before its password is looked at, so that whoever tries many at once is counted too.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Row, func, insert, select

from workflow.models import AuditLine, table
from workflow.store import Store

LINE = table(AuditLine)

#: Logins that may be tried in that time: by one name from one address, from one address, by one name from anywhere.
WINDOW = timedelta(minutes=15)
TRIES, TRIES_BY_ADDRESS, TRIES_BY_NAME = 10, 30, 100
#: What a name or a detail is cut to: they come from outside.
LONGEST = 200


class Action(StrEnum):
    """What a person did."""

    LOGIN_TRIED = "login-tried"
    LOGIN = "login"
    LOGOUT = "logout"
    RETRY = "retry"
    REFETCH = "refetch"
    REISSUE = "reissue"
    CANCEL = "cancel"
    WITHDRAW = "withdraw"
    RESUME = "resume"
    PRODUCT = "product"
    SAW_BUYER = "saw-buyer"
    SAW_DOCUMENT = "saw-document"


class Audit:
    """Questions about the audit log, beside the store's about shipments."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def note(
        self, action: Action, *, actor: str, address: str, shipment_id: str | None = None, detail: str | None = None
    ) -> None:
        """Write a line."""
        with self._store.writing() as connection:
            connection.execute(
                insert(LINE).values(
                    at=self._store.now(),
                    actor=actor[:LONGEST],
                    action=action,
                    shipment_id=shipment_id,
                    detail=None if detail is None else detail[:LONGEST],
                    address=address[:LONGEST],
                )
            )

    def may_try(self, actor: str, address: str) -> bool:
        """Write down that a login is tried; whether it may be, after those of the last minutes.

        It is counted before and after it is written: many at once are not let through, and whoever goes on after the
        last one leaves no line.
        """
        name = actor[:LONGEST]
        if self._is_too_often(name, address, own=0):
            return False
        self.note(Action.LOGIN_TRIED, actor=name, address=address)
        return not self._is_too_often(name, address, own=1)

    def _is_too_often(self, name: str, address: str, *, own: int) -> bool:
        """Whether the limits are reached, without our `own` line; a login that succeeded begins its pair anew."""
        since = self._store.now() - WINDOW
        line = LINE.c
        pair = (line.actor == name) & (line.address == address)
        with self._store.reading() as connection:
            begun = connection.execute(
                select(func.max(line.at)).where(pair, line.action == Action.LOGIN, line.at > since)
            ).scalar_one()

            def tries(which: ColumnElement[bool], after: datetime) -> int:
                counted = select(func.count()).where(which, line.action == Action.LOGIN_TRIED, line.at > after)
                return int(connection.execute(counted).scalar_one()) - own

            return (
                tries(pair, begun or since) >= TRIES
                or tries(line.address == address, since) >= TRIES_BY_ADDRESS
                or tries(line.actor == name, since) >= TRIES_BY_NAME
            )

    def lines(
        self,
        *,
        shipment_id: str | None = None,
        actor: str | None = None,
        action: Action | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> Sequence[Row[Any]]:
        """Lines, newest first; `before` is the id of the oldest line that was seen."""
        line = LINE.c
        wanted: list[ColumnElement[bool]] = []
        for column, value in ((line.shipment_id, shipment_id), (line.actor, actor), (line.action, action)):
            if value is not None:
                wanted.append(column == value)
        if before is not None:
            wanted.append(line.id < before)
        with self._store.reading() as connection:
            return connection.execute(select(*line).where(*wanted).order_by(line.id.desc()).limit(limit)).all()
