"""Handing a note on to the buyer, or to whom its seller names: the authorised XML and its DANFE, by mail or webhook.

Amazon tells no buyer's mail address: mails go to addresses in the seller's file, and a webhook's program may know more.
What is handed on is read from the archive, and goes out at least once, each time under the same name (Message-ID,
`webhook-id`). It takes few seconds at a time and one at a time: shipments go first.
"""

import base64
import hashlib
import json
import time
from datetime import timedelta
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, NamedTuple

from workflow.archive import key_in
from workflow.clients import webhook
from workflow.clients.mail import MailServer
from workflow.clients.webhook import Message
from workflow.engine import backoff
from workflow.errors import Invalid, Misconfigured, NfeError, RetryLater
from workflow.handovers import Handovers, Taken
from workflow.logs import logger
from workflow.models import Channel, DocumentKind, Handed
from workflow.nfe.summary import Summary, summary_of
from workflow.store import seller_of
from workflow.tools import SellerTools, Tools

log = logger(__name__)

#: The history's stage.
STAGE = "hand_over"
#: The first wait after a failure, doubled each time, and the longest.
FIRST_WAIT, LONGEST_WAIT = timedelta(minutes=1), timedelta(hours=6)
#: Tries before a person is asked: about five days.
MOST_TRIES = 30
#: Seconds of one run: what is left has its turn in the next.
BUDGET = 20.0


class Package(NamedTuple):
    """What is handed on: files by name, and the facts of the note."""

    facts: Summary
    seller_name: str
    order: str | None
    files: dict[str, bytes]


def hand_over(tools: Tools, *, budget: float = BUDGET) -> int:
    """Hand on what is due, one note after the other; returns how many were taken.

    A reader that is away ends the run: the next ones would only wait for it too.
    """
    handovers, end, count = Handovers(tools.store), time.monotonic() + budget, 0
    while time.monotonic() < end and (taken := handovers.take()) is not None:
        try:
            _act(tools, taken)
        except NfeError as error:
            _settle_failure(tools, handovers, taken, error)
            if isinstance(error, RetryLater | Misconfigured):
                break
        else:
            if handovers.done(taken):
                _note(tools, taken, "done", f"{taken.what} handed on by {taken.channel}")
                count += 1
    return count


def _settle_failure(tools: Tools, handovers: Handovers, taken: Taken, error: NfeError) -> None:
    log.warning("not handed on", shipment=taken.shipment_id, channel=str(taken.channel), code=error.code)
    if isinstance(error, RetryLater) and not error.counts:
        handovers.postpone(taken, error.after or timedelta(), error.code, counts=False)
        return
    if not isinstance(error, RetryLater | Misconfigured) or taken.tries + 1 >= MOST_TRIES:
        if handovers.stop(taken, error.code):
            _note(
                tools, taken, "ignored", f"{taken.what} not handed on by {taken.channel}: {error.message}", error.code
            )
        return
    wait = backoff(taken.tries + 1, base=FIRST_WAIT, cap=LONGEST_WAIT, draw=lambda: 1.0)
    if handovers.postpone(taken, wait, error.code) and taken.tries == 0:
        told = f"{taken.what} not handed on by {taken.channel} yet: {error.message}; tried again"
        _note(tools, taken, "waiting", told, error.code)


def _note(tools: Tools, taken: Taken, outcome: str, reason: str, code: str | None = None) -> None:
    tools.store.note(taken.shipment_id, stage=STAGE, outcome=outcome, reason=reason, code=code)


def _act(tools: Tools, taken: Taken) -> None:
    """Send one note; raise NfeError where nobody took it."""
    seller = _seller(tools, taken)
    package = _package(tools, seller, taken)
    if taken.channel is Channel.MAIL:
        whom = seller.buyer_mail
        if whom is None:
            raise Invalid("not-wanted", "the seller's file has no [buyer_mail] any more")
        server = MailServer.of(tools.settings)
        server.send(_mail(tools, taken, package, whom), whom["to"], operation="handover")
    else:
        hook = seller.buyer_webhook
        if hook is None:
            raise Invalid("not-wanted", "the seller's file has no [buyer_webhook] any more")
        webhook.post(tools.http, hook["url"], hook["secret"], _message(tools, taken, package), operation="handover")


def _seller(tools: Tools, taken: Taken) -> SellerTools:
    """The note's seller, whether it is stopped or not: what was accepted may be told."""
    row = tools.catalog.seller(seller_of(taken.shipment_id))
    if row is None or not row.sealed_secrets:
        raise Invalid("not-wanted", "the seller was removed")
    return tools.look_at(row)


def _package(tools: Tools, seller: SellerTools, taken: Taken) -> Package:
    from workflow.nfe import danfe  # a second, and few processes draw

    key, is_over = taken.access_key, taken.what is Handed.CANCELLATION
    nfeProc = _kept(tools, taken, DocumentKind.NFEPROC)
    if nfeProc is None:
        raise Invalid("no-document", f"the archive has no nfeProc of {key}")
    files = {} if is_over else {f"{key}-procNFe.xml": nfeProc}
    # SEFAZ may have told that the note is cancelled, and not the event.
    if is_over and (event := _kept(tools, taken, DocumentKind.CANCELLATION)) is not None:
        files[f"{key}-procEventoNFe.xml"] = event
    files[f"DANFE-{key}.pdf"] = danfe.danfe(nfeProc, cancelled=is_over)
    row = tools.store.shipment(taken.shipment_id)
    order = None if row is None else row.amazon_order_id
    return Package(summary_of(nfeProc), seller.issuer.trade_name or seller.issuer.name, order, files)


def _kept(tools: Tools, taken: Taken, kind: DocumentKind) -> bytes | None:
    """The archive's document of that note: a reissued shipment has several notes."""
    versions = tools.store.versions(taken.shipment_id, kind)
    return next((one for one in versions if key_in(one) == taken.access_key), None)


def _id(taken: Taken) -> str:
    """What is handed on, as its reader may know it: the same however often it is sent."""
    return hashlib.sha256("/".join((taken.shipment_id, taken.access_key, taken.what)).encode()).hexdigest()[:32]


# -- by mail ------------------------------------------------------------------------------------------------


def _mail(tools: Tools, taken: Taken, package: Package, whom: dict[str, Any]) -> EmailMessage:
    sender, facts = tools.settings.smtp_from, package.facts
    is_over = taken.what is Handed.CANCELLATION
    mail = EmailMessage()
    mail["From"], mail["To"] = sender, ", ".join(whom["to"])
    if whom.get("reply_to"):
        mail["Reply-To"] = whom["reply_to"]
    about = f"NF-e {facts.nNF}, série {facts.serie}" + (f", pedido {package.order}" if package.order else "")
    mail["Subject"] = f"{'Cancelada: ' if is_over else ''}{about}"
    mail["Message-ID"] = f"<{_id(taken)}@{sender.rpartition('@')[2]}>"
    mail["Date"] = format_datetime(tools.store.now())
    mail["Auto-Submitted"] = "auto-generated"  # no machine answers it
    mail.set_content(
        f"{package.seller_name}\n\n{about}\n"
        + (
            "Esta NF-e foi cancelada. Seguem o evento e o DANFE.\n"
            if is_over
            else "Seguem o XML autorizado e o DANFE.\n"
        )
        + f"\nChave de acesso: {facts.chNFe}\nConsulta: https://www.nfe.fazenda.gov.br/portal\n"
    )
    for name, content in package.files.items():
        kind = "pdf" if name.endswith(".pdf") else "xml"
        mail.add_attachment(content, maintype="application", subtype=kind, filename=name)
    return mail


# -- by webhook ---------------------------------------------------------------------------------------------


def _message(tools: Tools, taken: Taken, package: Package) -> Message:
    facts, now = package.facts, tools.store.now()
    seller, _, shipment = taken.shipment_id.partition("/")
    body = {
        "type": "nfe.note.cancelled" if taken.what is Handed.CANCELLATION else "nfe.note.accepted",
        "timestamp": now.isoformat(timespec="seconds"),
        "data": {
            "seller": seller, "shipment": shipment, "order": package.order, "chNFe": facts.chNFe, "serie": facts.serie,
            "nNF": facts.nNF, "dhEmi": facts.dhEmi, "vNF": str(facts.vNF),
            "files": {name: base64.b64encode(content).decode() for name, content in package.files.items()},
        },
    }  # fmt: skip
    return Message(f"note_{_id(taken)}", now, json.dumps(body).encode())
