"""`nfe doctor`: is everything here that the engine needs? Each check is a function that says what it found."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from sqlalchemy.exc import DBAPIError

from workflow import key_book, key_source, migrations, notice
from workflow.clients import broker
from workflow.clients.mail import MailServer
from workflow.clients.secret_age import LIFE
from workflow.consume import open_queue
from workflow.errors import NfeError, RetryLater
from workflow.models import NumberStatus
from workflow.nfe import schema
from workflow.nfe.signature import agrees_with_signxml
from workflow.nfe.state_registration import is_ie
from workflow.number_book import BRASILIA, WARNING_DAY, NumberBook, void_by
from workflow.purge import REMOVED
from workflow.tools import SellerTools, Tools

#: Days before the end of a certificate from which a person is warned.
WARN_DAYS = 30
#: Days after which a key is to be followed by another: NIST SP 800-57 part 1, 5.3.6, has one to two years.
KEY_DAYS = 365
#: A clock that is further off makes dhEmi wrong: SEFAZ refuses more than five minutes ahead (703).
MAX_CLOCK_ERROR = timedelta(seconds=60)


class Finding(NamedTuple):
    """One check's result: `ok`, `warning` or `failed`, and what to do."""

    check: str
    status: str
    message: str


Check = Callable[[Tools], Iterator[Finding]]


def examine(tools: Tools) -> Iterator[Finding]:
    """Run every check; one that fails hides none of the others."""
    for name, check in CHECKS.items():
        try:
            yield from check(tools)
        except NfeError as error:
            yield Finding(name, "failed", error.message)
        except DBAPIError:
            yield Finding(name, "failed", "the database cannot be asked; see NFE_DATABASE_URL, then: nfe migrate")


def _database(tools: Tools) -> Iterator[Finding]:
    with tools.store.reading() as connection:
        found = migrations.revision(connection)
    name = tools.store.engine.dialect.name
    if migrations.is_later(found):
        status = "warning" if migrations.suits(found) else "failed"
        message = f"{name} is at {found}, of a later version than this one ({migrations.HEAD}): install that one"
        yield Finding("database", status, message)
    elif found != migrations.HEAD:
        yield Finding("database", "failed", f"{name} is at {found}, this version needs {migrations.HEAD}: nfe migrate")
    else:
        yield Finding("database", "ok", f"{name}, revision {found}")


def _clock(tools: Tools) -> Iterator[Finding]:
    error = abs(tools.store.now() - datetime.now(UTC))
    status = "ok" if error <= MAX_CLOCK_ERROR else "failed"
    yield Finding("clock", status, f"{error.total_seconds():.1f} s from the database's; keep both on NTP")


def _broker(tools: Tools) -> Iterator[Finding]:
    tools.check_broker()
    yield Finding("broker", "ok", "answers, evicts nothing")


def _messages(tools: Tools) -> Iterator[Finding]:
    """The broker that NFE_BROKER_URL names beside Redis."""
    url = tools.settings.broker_url
    if url:
        yield Finding("messages", "ok", f"{urlsplit(url).scheme} broker answers, {broker.waiting(url)} messages wait")


def _schema(tools: Tools) -> Iterator[Finding]:
    schema.compile_all()
    yield Finding("schema", "ok", "nfelib's XSD files compile")


def _encryption(tools: Tools) -> Iterator[Finding]:
    """The newest key's age, and that every key is at hand that sealed something."""
    store = tools.store
    newest, older = store.vault.ids[0], key_book.older(store)
    missing = (set(key_book.by_key(store)) if older else set()) - {*store.vault.ids, key_book.OLDER_VERSION}
    for id in sorted(missing):
        yield Finding("encryption", "failed", f"key {id} sealed what is stored, and is not configured; put it back")
    first = key_book.since(store).get(newest)
    days = 0 if first is None else (store.now() - first).days
    told = f"key {newest} of {key_source.source_of(tools.settings).name}, in use for {days} days"
    if older:
        yield Finding("encryption", "warning", f"{told}; {older} stored fields are under older keys: nfe keys reseal")
    elif days > KEY_DAYS:
        yield Finding("encryption", "warning", f"{told}; rotate it: nfe keys rotate")
    else:
        yield Finding("encryption", "ok", f"{told}; nothing is under an older key")


def _sellers(tools: Tools) -> Iterator[Finding]:
    rows = tools.catalog.sellers()
    if not rows:
        yield Finding("sellers", "warning", "none; add one: nfe seller add FILE.toml")
    for row in rows:
        try:
            yield from _seller(tools, row.id, row.stop_code, row.stop_reason)
        except NfeError as error:
            yield Finding(f"seller {row.id}", "failed", error.message)


def _seller(tools: Tools, id: str, stop_code: str | None, stop_reason: str | None) -> Iterator[Finding]:
    name = f"seller {id}"
    if stop_code == REMOVED:
        yield Finding(name, "ok", "removed on demand; its archive is kept")
        return
    if stop_code is not None:
        yield Finding(name, "failed", f"stopped: {stop_code}: {stop_reason}; mend it, then: nfe seller resume {id}")
        return
    seller = tools.seller(id)
    left = seller.signing_key.not_valid_after - tools.store.now()
    status = "ok" if left.days > WARN_DAYS else "warning"
    yield Finding(name, status, f"A1 certificate valid for {left.days} days, tpAmb {seller.issuer.tpAmb}")
    for message in _worth_a_look(tools, seller):
        yield Finding(name, "warning", message)
    seller.templates.compile_all()
    if not seller.has_application:
        yield Finding(name, "failed", "no LWA client id and secret; set NFE_LWA_CLIENT_ID and NFE_LWA_CLIENT_SECRET")


def _worth_a_look(tools: Tools, seller: SellerTools) -> Iterator[str]:
    if seller.issuer.ie.isdigit() and not is_ie(seller.uf, seller.issuer.ie):
        yield f"ie has a wrong length or wrong check digits for {seller.uf}: SEFAZ would refuse it (209)"
    if not agrees_with_signxml(seller.signing_key):
        yield "signs by signxml alone, which is slower; report it with: pip freeze"
    with suppress(RetryLater):  # that Redis is away is told already
        since = seller.secret_since()
        used = timedelta() if since is None else tools.store.now() - since
        if used >= LIFE - timedelta(days=WARN_DAYS):
            yield f"LWA client secret in use for {used.days} of {LIFE.days} days; rotate it at Amazon"


def _numbers(tools: Tools) -> Iterator[Finding]:
    """None missing, and none unused for so long that its voiding would come too late."""
    book = NumberBook(tools.store)
    standings = book.standings()
    missing = [standing for standing in standings if standing.gaps]
    for standing in missing:
        message = f"series {standing.series.series} lacks {standing.missing} numbers; see: nfe numbers list"
        yield Finding("numbers", "failed", message)
    oldest = book.unused_since()
    if oldest is not None and tools.store.now().astimezone(BRASILIA).date() > void_by(oldest).replace(day=WARNING_DAY):
        message = f"unused ones must be voided by {void_by(oldest)}: nfe numbers void"
        yield Finding("numbers", "warning", message)
    refused = sum(standing.counts.get(NumberStatus.PERSON, 0) for standing in standings)
    if refused:
        message = f"SEFAZ does not void {refused} of them; see: nfe numbers list --status person"
        yield Finding("numbers", "warning", message)
    elif not missing:
        yield Finding("numbers", "ok", f"{len(standings)} series, gaps: 0")


def _highest(tools: Tools) -> Iterator[Finding]:
    """Whether this database knows every number that was given, and whose each is."""
    try:
        behind = list(notice.behind(tools))
    except RetryLater:
        behind = []  # a Redis that is away is the broker's finding
    for seller, reason in behind:
        yield Finding(f"seller {seller}", "failed", reason)
    ownerless = tools.recoveries.waiting()
    if ownerless:
        message = (
            f"{ownerless} notes found at SEFAZ belong to no shipment here; hand in again what Amazon announced: "
            "nfe receive, nfe reconcile"
        )
        yield Finding("numbers", "warning", message)


def _queue(tools: Tools) -> Iterator[Finding]:
    if not tools.settings.sqs_queue_url:
        return
    queue = open_queue(tools.settings)
    standing = queue.standing()
    if not queue.has_dead_letters and standing.max_receives is None:
        message = "no dead-letter queue: what nobody understands keeps coming back; set NFE_SQS_DLQ_URL"
        yield Finding("queue", "warning", message)
    else:
        yield Finding("queue", "ok", f"answers, {standing.waiting} messages wait")


def _mail(tools: Tools) -> Iterator[Finding]:
    """The mail server, where one is set or a seller needs it."""
    needs = [row.id for row in tools.catalog.sellers() if row.sealed_secrets and tools.look_at(row).buyer_mail]
    if tools.settings.smtp_host or needs:
        MailServer.of(tools.settings).check()
        yield Finding("mail", "ok", f"the mail server takes mails; sellers that use it: {len(needs)}")


CHECKS: dict[str, Check] = {
    "database": _database,
    "encryption": _encryption,
    "clock": _clock,
    "broker": _broker,
    "messages": _messages,
    "queue": _queue,
    "schema": _schema,
    "numbers": _numbers,
    "highest": _highest,
    "mail": _mail,
    "sellers": _sellers,
}
