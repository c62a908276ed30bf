"""Alerts to a webhook (NFE_ALERT_URL): whoever looks records what there is, and tells what is to be told.

Two look: a task, once a minute, and the part that serves the metrics, which also sees what keeps tasks from running (a
broker that is away, workers that are gone). What each tells the other does not: the book of alerts is theirs together.
Told at least once, without flooding; nothing here stands in a shipment's way.
"""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from workflow.alert_book import AlertBook
from workflow.clients import webhook
from workflow.clients.outage import Outage, Outages
from workflow.clients.webhook import Message
from workflow.conditions import BROKER_DOWN, DATABASE_DOWN, MOST_NAMED, OF_BROKER, OF_DATABASE, of_broker, of_database
from workflow.engine import backoff
from workflow.errors import NfeError, RetryLater
from workflow.examination import Examination
from workflow.logs import logger
from workflow.standing import waiting
from workflow.tools import Tools

log = logger(__name__)

#: Messages of one look: more wait for the next.
MOST_MESSAGES = 20
#: Waits after a failure: the first, doubled each time, and the longest.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)
#: Before the text, for whoever reads it in a chat.
SIGNS = {"critical": "🔴", "warning": "🟠", "info": "🔵", "resolved": "🟢"}


class Watch:
    """One who looks again and again."""

    def __init__(self, tools: Tools, examination: Examination) -> None:
        self._tools = tools
        self._examination = examination
        self._book = AlertBook(tools.store)
        self._outages = Outages(tools.redis)

    def look(self) -> int:
        """Look, and tell what is to be told; returns how many messages were taken by their reader."""
        if not self._tools.settings.alert_url:
            return 0
        found, broker = self._examination.database.ask(), self._examination.broker.ask()
        told = self._tell_outage(is_away=found is None)
        if found is None:
            return told
        settings = self._tools.settings
        conditions = [*of_database(found, waiting(self._tools.store, limit=MOST_NAMED), settings)]
        conditions += [BROKER_DOWN] if broker is None else of_broker(broker)
        kinds = OF_DATABASE | {BROKER_DOWN.kind} | (OF_BROKER if broker is not None else frozenset())
        self._book.see(conditions, kinds=kinds, again=settings.alert_again)
        return told + sum(self._tell())

    def test(self) -> None:
        """Send a message that means nothing; raise RetryLater where nobody took it."""
        now = datetime.now(UTC)
        facts = {"kind": "test", "severity": "info", "text": "This is a test: alerts of nfe-workflow arrive here."}
        self._post(_message("firing", facts, since=now, at=now, of=("test", now)))

    def _tell(self) -> Iterator[bool]:
        """Tell one after the other; the first that is not taken ends it, since the others would not be either."""
        taken = self._book.take(limit=MOST_MESSAGES)
        for place, row in enumerate(taken):
            try:
                self._post(_message_of(row, self._tools.store.now()))
            except NfeError as error:
                self._put_off(row, error)
                for later in taken[place + 1 :]:
                    self._book.let_go(later)
                log.warning("alert not told", alert=row.key, code=error.code, tries=row.tries + 1)
                return
            self._book.told(row)
            log.info("alert told", alert=row.key, status=_status(row))
            yield True

    def _put_off(self, row: Row[Any], error: NfeError) -> None:
        if isinstance(error, RetryLater) and not error.counts:
            self._book.let_go(row)  # its reader did not fail: this process ends
            return
        self._book.postpone(row, backoff(row.tries + 1, base=FIRST_WAIT, cap=LONGEST_WAIT, draw=lambda: 1.0))

    def _tell_outage(self, *, is_away: bool) -> int:
        """The database's own: told at the second look that finds it away, and when it is back."""
        known, now = self._outages.get(), datetime.now(UTC)
        if not is_away and known is None:
            return 0
        if is_away and known is None:
            self._outages.keep(Outage(now, is_told=False))
            return 0
        assert known is not None
        if known.is_told == is_away:
            return 0
        if not known.is_told and not is_away:
            self._outages.forget()
            return 0
        return self._tell_of(known, now, is_away=is_away)

    def _tell_of(self, known: Outage, now: datetime, *, is_away: bool) -> int:
        status = "firing" if is_away else "resolved"
        facts = {"kind": DATABASE_DOWN.kind, "severity": str(DATABASE_DOWN.severity), "text": DATABASE_DOWN.text}
        try:
            self._post(_message(status, facts, since=known.since, at=now, of=(DATABASE_DOWN.kind, known.since, status)))
        except NfeError as error:
            log.warning("alert not told", alert=DATABASE_DOWN.kind, code=error.code)
            return 0
        self._outages.keep(known._replace(is_told=True)) if is_away else self._outages.forget()
        return 1

    def _post(self, message: Message) -> None:
        settings = self._tools.settings
        secret = settings.alert_secret.get_secret_value()
        webhook.post(self._tools.http, settings.alert_url, secret, message, operation="alert")


def _status(row: Row[Any]) -> str:
    return "firing" if row.quiet_since is None else "resolved"


def _message_of(row: Row[Any], now: datetime) -> Message:
    facts = {"kind": row.kind, "key": row.key, **row.facts, "count": row.size}
    of = (row.key, row.since, _status(row), row.level, row.size, row.told_at)
    return _message(_status(row), facts, since=row.since, at=now, of=of)


def _message(status: str, facts: dict[str, Any], *, since: datetime, at: datetime, of: tuple[Any, ...]) -> Message:
    """The message; `of` is what makes it another one: the same tells the reader that it has it already."""
    id = "alert_" + hashlib.sha256(repr(of).encode()).hexdigest()[:32]
    sign = SIGNS["resolved" if status == "resolved" else facts["severity"]]
    ended = "Over: " if status == "resolved" else ""
    body = {
        "type": f"nfe.alert.{status}",
        "timestamp": at.isoformat(timespec="seconds"),
        "data": {"status": status, "since": since.isoformat(timespec="seconds"), **facts},
        "text": f"{sign} {ended}{facts['text']}",
    }
    return Message(id, at, json.dumps(body, ensure_ascii=False).encode())
