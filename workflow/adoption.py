"""A shipment of a restored database: has SEFAZ a note of it, has Amazon an invoice, before it gets a number here?

A found key tells by its cNF whose it is. Then the note's bytes are made again from the sale, SEFAZ's digest deciding
whether they are the same; the shipment goes on with them as if it had made them itself. Where they cannot be made
again, and where Amazon has an invoice that no found note explains, a person decides: nothing is issued twice.
"""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from workflow import contingency
from workflow.authorization import place_of, wait_if_told
from workflow.catalog import SELLER_STOPPED, stop_of
from workflow.clients.notifications import announced_at
from workflow.clients.sefaz import Consultation
from workflow.clients.sefaz_endpoints import NORMAL
from workflow.engine import Done
from workflow.errors import Invalid, SellerStopped
from workflow.models import DocumentKind
from workflow.nfe import rebuild, signature, tables, xml
from workflow.nfe.access_key import access_key, split
from workflow.nfe.invoice import Invoice
from workflow.nfe.protocol import AUTHORIZED, Protocol, chNFe_of, parse_protocol
from workflow.nfe.reactions import Reaction, reaction
from workflow.recoveries import Ownerless, bind
from workflow.states import State
from workflow.stops import UNKNOWN_NUMBERS, Side
from workflow.store import Claim, Left
from workflow.tools import SellerTools, Tools

#: Notes of one sale that are looked for: the first, and some reissues.
TURNS = 4
#: Exact keys that one shipment asks SEFAZ about, where nobody has named those of the found numbers.
MOST_ASKED = 120

_NFE = re.compile(rb"<NFe\b.*</NFe>", re.DOTALL)
_BUYER = re.compile(rb"<dest><C(?:PF|NPJ)>([0-9A-Z]+)</C")
#: The invoice as it was computed on a day.
Compute = Callable[[datetime], Invoice]


class Candidate(NamedTuple):
    """A key that may be of the shipment's note of a turn."""

    key: str
    turn: int


class Note(NamedTuple):
    """A note of the shipment that SEFAZ has."""

    key: str
    turn: int
    answer: Consultation

    @property
    def is_cancelled(self) -> bool:
        """Whether it was cancelled."""
        return reaction(self.answer.cStat, "consulta") is Reaction.CANCELLED

    @property
    def protocol(self) -> Protocol | None:
        """Its protocol, where it was authorised."""
        found = None if self.answer.protNFe is None else parse_protocol(self.answer.protNFe)
        return found if found is not None and found.cStat in AUTHORIZED else None


def is_from_before(claim: Claim, tools: Tools, seller: SellerTools) -> bool:
    """Whether the sale was announced before the seller's last recovery: others may have worked on it already."""
    recovery = seller.recovery
    if recovery is None:
        return False
    if claim.since is None or claim.since <= recovery.begun_at:
        return True
    try:
        told = announced_at(tools.store.document(claim.id, DocumentKind.NOTIFICATION) or b"")
    except Invalid:
        return True  # it was purged
    return told is None or told <= recovery.begun_at


def adopt(claim: Claim, tools: Tools, seller: SellerTools, compute: Compute) -> Done | None:
    """What a shipment that has no number of today's comes to: the note that it has already; None: it may get one.

    Raise Invalid where a person must decide, RetryLater, SellerStopped.
    """
    if not is_from_before(claim, tools, seller) or _is_numbered(claim, tools, seller):
        return None
    notes = [note for one in _candidates(claim, tools, seller) if (note := _asked(seller, claim, one))]
    living = [note for note in notes if not note.is_cancelled]
    if len(living) > 1:
        keys = ", ".join(note.key for note in living)
        raise Invalid("two-notes", f"SEFAZ has two living notes of this shipment, {keys}; cancel one there, then retry")
    if living:
        return _go_on(claim, tools, seller, living[0], compute)
    if notes:
        return _end(seller, notes[-1], claim)
    if not _has_had_one(claim, tools):
        _ask_amazon(claim, seller)
    return None


def refuse_where_it_lives(claim: Claim, tools: Tools) -> None:
    """Before a cancellation without SEFAZ: raise Invalid where SEFAZ has a living note that is not adopted yet.

    Raise SellerStopped where nobody has asked SEFAZ yet; no other stop of the seller's matters here.
    """
    row = tools.catalog.seller(claim.seller_id)
    stop = None if row is None else stop_of(row)
    if stop is not None and UNKNOWN_NUMBERS in stop.code.split():
        raise SellerStopped(SELLER_STOPPED, f"{UNKNOWN_NUMBERS}: {stop.reason}")
    if row is None or not is_from_before(claim, tools, tools.look_at(row)):
        return
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    for one in _candidates(claim, tools, seller):
        note = _asked(seller, claim, one)
        if note is not None and not note.is_cancelled:
            raise Invalid(
                "note-not-adopted",
                f"SEFAZ has NF-e {note.key} of this shipment: nfe cancel --withdraw lets it be adopted; then cancel it",
            )


def _is_numbered(claim: Claim, tools: Tools, seller: SellerTools) -> bool:
    """Whether its number was given after the recovery, when all this had been asked."""
    own = tools.recoveries.own(claim.id, claim.turn)
    return own is not None and seller.recovery is not None and own.reserved_at > seller.recovery.begun_at


def give(tools: Tools, id: str, document: bytes, *, actor: str) -> str:
    """Take from a person the XML of a shipment's NF-e, and let the shipment go on with it; its key.

    SEFAZ decides by the digest whether these are the bytes. Raise Invalid where it cannot be the shipment's note.
    """
    found = _NFE.search(document)
    signed = found[0] if found else document
    signature.verify(signed)
    key = chNFe_of(signed)
    row = tools.store.shipment(id)
    seller = tools.look_at(tools.catalog.seller(row.seller_id)) if row is not None else None
    if row is None or seller is None or seller.issuer.cnpj != split(key).CNPJ:
        raise Invalid("not-its-note", f"NF-e {key} was not issued by the shipment's seller")
    details = tools.document(id, DocumentKind.DETAILS)
    buyer = _BUYER.search(signed)
    if buyer is None or buyer[1] not in re.sub(rb"[./-]", b"", details):
        raise Invalid("not-its-note", f"the buyer of NF-e {key} is not the shipment's")
    left = Left(DocumentKind.NFE, signed)
    tools.store.note(id, stage="adopt", outcome="done", reason=f"NF-e {key} given", actor=actor, documents=(left,))
    tools.store.retry(id, actor=actor)
    return key


def _has_had_one(claim: Claim, tools: Tools) -> bool:
    """Whether it is issued anew: the note of before explains that Amazon has an invoice."""
    before = tools.recoveries.own(claim.id, claim.turn - 1)
    return before is not None and before.access_key is not None


# -- which keys may be of the shipment ------------------------------------------------------------------------


def _candidates(claim: Claim, tools: Tools, seller: SellerTools) -> list[Candidate]:
    """The found keys whose cNF is of this shipment, and where the keys were not told, those that it would have."""
    ownerless = tools.recoveries.ownerless(seller.series)
    given = {chNFe_of(one) for one in tools.store.versions(claim.id, DocumentKind.NFE)}
    named = [Candidate(key, claim.turn) for key in given if any(_has(one, key) for one in ownerless)]
    guessed: list[Candidate] = []
    for number, key in ownerless:
        for turn in range(claim.turn, claim.turn + TURNS):
            if key is None:
                cNF = tools.provenance.cNF(claim.id, turn, seller.series, number)
                guessed += [Candidate(one, turn) for one in _keys(tools, seller, number, cNF)]
            elif key not in given and tools.provenance.is_of(split(key), claim.id, turn, seller.series.environment):
                named.append(Candidate(key, turn))
    own = tools.recoveries.own(claim.id, claim.turn)
    if own is not None:
        guessed += [Candidate(one, claim.turn) for one in _keys(tools, seller, own.number, own.random_code)]
    if named:
        return named
    if len(guessed) > MOST_ASKED:
        raise Invalid(
            "too-many-numbers",
            f"SEFAZ does not tell whose {len(guessed)} keys of found numbers are; look at its portal whether this "
            "shipment has an NF-e: then nfe adopt, else issue it by other means and cancel it here",
        )
    return guessed


def _has(number: Ownerless, key: str) -> bool:
    """Whether a found number may be the one in a key."""
    return number.access_key == key or (number.access_key is None and number.number == int(split(key).nNF))


def _keys(tools: Tools, seller: SellerTools, nNF: int, cNF: str) -> Iterator[str]:
    """The keys that a number and a cNF may make: of each month since the database was made, at the UF and the SVC."""
    places = [NORMAL, seller.svc] if tools.settings.contingency else [NORMAL]
    for month in _months(tools, seller):
        for place in places:
            yield access_key(
                cUF=tables.ufs()[seller.uf].cUF,
                issued_on=month.date(),
                cnpj=seller.series.cnpj,
                serie=seller.series.series,
                nNF=nNF,
                tpEmis=place,
                cNF=cNF,
            )


def _months(tools: Tools, seller: SellerTools) -> Iterator[datetime]:
    """A local moment of each month from the last that the database knew to that of the recovery."""
    assert seller.recovery is not None
    zone = tables.ufs()[seller.uf].zone
    last = seller.recovery.begun_at.astimezone(zone).replace(day=1)
    first = (seller.recovery.known_until or seller.recovery.begun_at).astimezone(zone).replace(day=1)
    while first.date() <= last.date():
        yield first
        first = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def _asked(seller: SellerTools, claim: Claim, one: Candidate) -> Note | None:
    """The note of a key; None where SEFAZ has no such key."""
    with seller.consult_permit(one.key, claim.id):
        answer = seller.sefaz.consult(one.key, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place_of(one.key))
    found = reaction(answer.cStat, "consulta")
    if found in (Reaction.RESEND, Reaction.NUMBER_TAKEN, Reaction.NUMBER_BURNT):
        return None
    if found in (Reaction.DONE, Reaction.CANCELLED):
        return Note(one.key, one.turn, answer)
    wait_if_told(answer.cStat, answer.xMotivo)
    raise Invalid(answer.cStat, answer.xMotivo)


# -- what follows ---------------------------------------------------------------------------------------------


def _go_on(claim: Claim, tools: Tools, seller: SellerTools, note: Note, compute: Compute) -> Done:
    signed = _stored(claim, tools, note) or _made_again(tools, seller, note, compute)
    if signed is None:
        raise Invalid(
            "bytes-lost",
            f"SEFAZ authorised NF-e {note.key} for this shipment, and its bytes cannot be made again from seller and "
            "products of today; give its XML (an export, SEFAZ's portal): nfe adopt, or set the data back and retry",
        )
    return Done(
        state=State.GENERATED,
        documents=(Left(DocumentKind.NFE, signed),),
        access_key=note.key,
        reason="SEFAZ had authorised it already: the same bytes, made again",
        also=_bound(claim, seller, note),
    )


def _end(seller: SellerTools, note: Note, claim: Claim) -> Done:
    events = [kept for kept in note.answer.events if b"<tpEvento>110111<" in kept]
    return Done(
        state=State.CANCELLED,
        documents=tuple(Left(DocumentKind.CANCELLATION, kept) for kept in events),
        access_key=note.key,
        code=note.answer.cStat,
        reason=note.answer.xMotivo,
        also=_bound(claim, seller, note),
    )


def _bound(claim: Claim, seller: SellerTools, note: Note) -> Callable[[Any, datetime], None]:
    def also(connection: Any, now: datetime) -> None:
        bind(connection, seller.series, claim.id, note.turn, key=note.key, now=now)

    return also


def _stored(claim: Claim, tools: Tools, note: Note) -> bytes | None:
    """The note's bytes, where they are here: a person gave them, or an earlier stage left them."""
    protocol = note.protocol
    for one in tools.store.versions(claim.id, DocumentKind.NFE):
        if protocol is not None and chNFe_of(one) == note.key and signature.digest_value(one) == protocol.digVal:
            return one
    return None


def _made_again(tools: Tools, seller: SellerTools, note: Note, compute: Compute) -> bytes | None:
    protocol, place = note.protocol, _place(tools, seller, note.key)
    if protocol is None or protocol.digVal is None or place is None:
        return None
    parts = split(note.key)
    render = partial(_rendered, seller, note.key, compute, partial(xml.Numbering, int(parts.nNF), parts.cNF, **place))
    moment = rebuild.moment_of(render, digVal=protocol.digVal, received=protocol.dhRecbto, uf=seller.uf)
    unsigned = None if moment is None else render(moment)
    signed = None if unsigned is None else signature.sign(unsigned, seller.signing_key)
    return signed if signed is not None and signature.digest_value(signed) == protocol.digVal else None


def _rendered(
    seller: SellerTools, key: str, compute: Compute, numbering: Callable[..., xml.Numbering], moment: datetime
) -> bytes | None:
    """The note as it was made at a moment; None where that makes another key."""
    invoice, made = compute(moment), numbering(dhEmi=moment)
    return xml.render(invoice, made, seller.templates) if xml.chNFe_of(invoice, made) == key else None


def _place(tools: Tools, seller: SellerTools, key: str) -> dict[str, Any] | None:
    """What a contingency's note says of it; None where nobody knows any more."""
    if place_of(key) == NORMAL:
        return {}
    found = contingency.in_force(tools, seller)
    return found._asdict() if found is not None and found.tpEmis == place_of(key) else None


def _ask_amazon(claim: Claim, seller: SellerTools) -> None:
    """Raise Invalid where Amazon has an invoice of the shipment, though no found note is its."""
    with seller.permit("getInvoiceStatus", claim.id):
        status = seller.submission.invoice_status(claim.amazon_shipment_id).status
    if status != "NotFound":
        raise Invalid(
            "invoice-without-note",
            f"Amazon has an invoice of this shipment ({status}), and none of the notes found at SEFAZ is its; find its "
            "NF-e (Seller Central, SEFAZ's portal) and give its XML: nfe adopt",
        )
