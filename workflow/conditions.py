"""What a person should know of, as an examination shows it: pure, and without a word of a buyer.

A condition's key says what it is and of whom; its level may change and its size may grow while it goes on.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from workflow.catalog import SELLER_STOPPED
from workflow.examination import BrokerFound, DatabaseFound
from workflow.mends import mend_of
from workflow.purge import REMOVED
from workflow.settings import Settings
from workflow.standing import SellerStanding, Waiting

#: Days to a certificate's end at which its level changes, and how urgent it is from there on.
CERTIFICATE_DAYS = ((1, "critical"), (7, "warning"), (30, "info"))
#: From the last sweep until it is clear that nobody sweeps.
SWEEP_LATE = timedelta(minutes=2)
#: Shipments that are named; the count has all.
MOST_NAMED = 10
#: Of the table of codes and their mends; the rest of the text is in it too.
LANGUAGE = "en"
#: A part that is away for a moment, or has just been started, is told of after this.
GRACE = timedelta(minutes=1)


class Severity(StrEnum):
    """Who is to be disturbed."""

    CRITICAL = "critical"  # wakes somebody up
    WARNING = "warning"  # for the working day
    INFO = "info"  # to be known


class Condition(NamedTuple):
    """Something that is not as it should be."""

    kind: str
    severity: Severity
    text: str
    #: Of whom; empty for the installation.
    whom: str = ""
    level: str = ""
    size: int = 1
    facts: Mapping[str, Any] = MappingProxyType({})
    #: From its beginning until it is worth telling.
    grace: timedelta = timedelta()

    @property
    def key(self) -> str:
        """What it is and of whom."""
        return f"{self.kind}:{self.whom}" if self.whom else self.kind


#: What an examination of either can show.
OF_DATABASE = frozenset(
    {
        *("database-revision", "seller-stopped", "certificate", "overdue", "person", "not-handed-on"),
        "nothing-accepted",
    }
)
OF_BROKER = frozenset({"nobody-sweeps", "sefaz-blocked"})

DATABASE_DOWN = Condition(
    "database-down", Severity.CRITICAL, "The database does not answer. Nothing moves until it does; nothing is lost."
)
BROKER_DOWN = Condition(
    "broker-down",
    Severity.CRITICAL,
    "The broker does not answer. Work stops until it does; nothing is lost.",
    grace=GRACE,
)


def of_database(found: DatabaseFound, waiting: Sequence[Waiting], settings: Settings) -> Iterator[Condition]:
    """What the database shows; `waiting` are some shipments that wait for a person."""
    now = found.standing
    if not found.is_current:
        text = "The database is not at this version's revision: nfe migrate"
        yield Condition("database-revision", Severity.CRITICAL, text)
    for seller in now.sellers:
        yield from _of_seller(seller, found)
    if now.oldest_due > settings.alert_overdue:
        text = f"{now.due} shipments are due, the first for {_told(now.oldest_due)}. Are there enough workers?"
        yield Condition("overdue", Severity.CRITICAL, text, size=now.due)
    own = now.for_person - now.stopped.get(SELLER_STOPPED, 0)
    if own > 0:
        text = f"{own} shipments wait for a person: nfe list --stopped, and --state rejected or errored"
        facts = {"shipments": [one._asdict() for one in waiting[:MOST_NAMED]]}
        yield Condition("person", Severity.WARNING, text, size=own, facts=facts)
    if now.handovers.stopped:
        text = f"{now.handovers.stopped} notes were not taken by whom their seller names: nfe hand-over list --stopped"
        yield Condition("not-handed-on", Severity.WARNING, text, size=now.handovers.stopped)
    yield from _of_silence(found, settings)


def _of_silence(found: DatabaseFound, settings: Settings) -> Iterator[Condition]:
    now, limit = found.standing, settings.alert_nothing_accepted
    is_silent = now.accepted is None or now.accepted > limit
    if now.on_their_way and is_silent and found.moving is not None and now.at - found.moving > limit:
        since = "for more than a day" if now.accepted is None else f"for {_told(now.accepted)}"
        text = f"Amazon has accepted nothing {since}, and {now.on_their_way} shipments are on their way: nfe list"
        yield Condition("nothing-accepted", Severity.CRITICAL, text)


def _of_seller(seller: SellerStanding, found: DatabaseFound) -> Iterator[Condition]:
    if seller.stop_code == REMOVED:
        return
    if seller.stop_code is not None:
        told = [mend_of(code).told(LANGUAGE) for code in seller.stop_code.split()]
        text = f"Seller {seller.id} is stopped: {seller.stop_code}. " + " ".join(
            f"{one.what} {one.mend}" for one in told
        )
        facts = {"seller": seller.id, "code": seller.stop_code}
        yield Condition("seller-stopped", Severity.CRITICAL, text, seller.id, level=seller.stop_code, facts=facts)
    if seller.certificate_until is None:
        return
    left = seller.certificate_until - found.standing.at
    for days, severity in CERTIFICATE_DAYS:
        if left < timedelta(days=days):
            when = f"ends in {_told(left)}" if left > timedelta() else "has ended"
            text = f"The certificate of seller {seller.id} {when}. Renew the A1, then: nfe seller add FILE.toml"
            level = str(days) if left > timedelta() else "ended"
            facts = {"seller": seller.id, "until": seller.certificate_until.isoformat()}
            yield Condition("certificate", Severity(severity), text, seller.id, level=level, facts=facts)
            return


def of_broker(found: BrokerFound) -> Iterator[Condition]:
    """What Redis shows."""
    if found.since_sweep is None or found.since_sweep > SWEEP_LATE:
        text = "Nobody sweeps: what waits is not looked at again. Do beat and a worker run?"
        yield Condition("nobody-sweeps", Severity.CRITICAL, text, grace=GRACE)
    shut = {service: left for service, left in found.blocks.items() if left}
    if shut:
        services, longest = ", ".join(sorted(shut)), max(max(left) for left in shut.values())
        text = f"SEFAZ shut {services} (656). Nothing is sent there for {_told(longest)}: find out what asks too often."
        size = sum(len(left) for left in shut.values())
        yield Condition("sefaz-blocked", Severity.CRITICAL, text, level=services, size=size)


def _told(duration: timedelta) -> str:
    """A duration for a person.

    >>> _told(timedelta(seconds=59)), _told(timedelta(hours=3, minutes=5)), _told(timedelta(days=7, hours=2))
    ('59 s', '3 h 5 min', '7 days')
    """
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours // 24} days"
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts) or f"{seconds} s"
