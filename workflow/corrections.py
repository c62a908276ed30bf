"""Letters of correction (CC-e, event 110110) of an authorised NF-e, as a person orders them.

A letter may put words right, never amounts, parties or dates, and replaces the ones before it (Ajuste SINIEF 07/05,
clause 14-A). The same order given again after a lost answer registers nothing twice: SEFAZ takes each place among an
NF-e's letters once (573) and tells by key what is there, and the letter that has our text is ours.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from workflow.authorization import place_of, wait_if_told
from workflow.clients.sefaz import EventResult
from workflow.errors import Invalid, LostAnswer
from workflow.models import DocumentKind
from workflow.nfe import event, signature
from workflow.nfe.protocol import Protocol, protocol_of
from workflow.nfe.reactions import Reaction, reaction
from workflow.nfe.schema import parsed
from workflow.nfe.signature import NFE
from workflow.states import AUTHORIZED_AND_LATER, State
from workflow.stops import Side
from workflow.store import Left
from workflow.tools import SellerTools, Tools

#: From the authorisation on (MOC 7.0: 596 after it).
DEADLINE = timedelta(days=30)


class Letter(NamedTuple):
    """A registered letter: its number among those of its NF-e, its text, SEFAZ's protocol, its procEventoNFe."""

    nSeqEvento: int
    xCorrecao: str
    nProt: str
    document: bytes


def correct(tools: Tools, id: str, text: str, *, actor: str) -> Letter:
    """Register a letter of correction for the shipment's NF-e, unless its last one says the same.

    Raises Invalid, SellerStopped, RetryLater; after a LostAnswer the same order may be given again.
    """
    row = tools.store.shipment(id)
    if row is None or State(row.state) not in AUTHORIZED_AND_LATER or row.cancelling:
        raise Invalid("no-authorised-note", f"{id} has no authorised NF-e to correct; see: nfe show {id}")
    protocol = protocol_of(tools.document(id, DocumentKind.NFEPROC))
    if tools.store.now() - protocol.dhRecbto > DEADLINE:
        raise Invalid("correction-deadline-over", f"authorised more than {DEADLINE.days} days ago: SEFAZ takes none")
    known = _stored(tools, id, protocol.chNFe)
    if known and known[-1].xCorrecao == event.correction_text(text):
        return known[-1]
    seller = tools.seller(row.seller_id, Side.SEFAZ)
    last = known[-1].nSeqEvento if known else 0
    for nSeqEvento in range(last + 1, event.MOST_CORRECTIONS + 2):  # one too many is refused with a reason
        letter = _register(tools, seller, id, protocol, nSeqEvento, text)
        _keep(tools, id, letter, actor)
        if letter.xCorrecao == event.correction_text(text):
            return letter
    raise AssertionError("the letter beyond the last is refused where it is made")


def _register(tools: Tools, seller: SellerTools, id: str, protocol: Protocol, nSeqEvento: int, text: str) -> Letter:
    """The letter of that number: ours, or the one that SEFAZ has already."""
    unsigned = event.render_correction(
        chNFe=protocol.chNFe, correction=text, nSeqEvento=nSeqEvento, dhEvento=tools.store.now(),
        cnpj=seller.issuer.cnpj, uf=seller.uf, tpAmb=seller.issuer.tpAmb, templates=seller.templates,
    )  # fmt: skip
    signed = signature.sign(unsigned, seller.signing_key)
    answer = _send(tools, seller, signed)
    if answer.cStat in event.REGISTERED and answer.retEvento is not None:
        return _letter(event.splice_event(signed, answer.retEvento))
    if reaction(answer.cStat, "evento") is Reaction.ASK_BY_KEY:
        there = [one for one in _at_sefaz(seller, id, protocol.chNFe) if one.nSeqEvento == nSeqEvento]
        if there:
            return there[0]
    wait_if_told(answer.cStat, answer.xMotivo, "evento")
    raise Invalid(answer.cStat, answer.xMotivo)


def _send(tools: Tools, seller: SellerTools, signed: bytes) -> EventResult:
    """To the UF, whatever place the note was authorised at."""
    try:
        return seller.sefaz.send_event(signed, uf=seller.uf, tpAmb=seller.issuer.tpAmb, idLote=tools.batch_id())
    except LostAnswer as error:
        raise LostAnswer(error.code, f"{error.message}; order the same again: it is not registered twice") from error


def _at_sefaz(seller: SellerTools, id: str, chNFe: str) -> Iterator[Letter]:
    """The letters that SEFAZ tells by key."""
    with seller.consult_permit(chNFe, id):
        answer = seller.sefaz.consult(chNFe, uf=seller.uf, tpAmb=seller.issuer.tpAmb, tpEmis=place_of(chNFe))
    wait_if_told(answer.cStat, answer.xMotivo)
    return (_letter(kept) for kept in answer.events if b"<tpEvento>110110<" in kept)


def _stored(tools: Tools, id: str, chNFe: str) -> list[Letter]:
    """The letters of that NF-e, in order; a reissued shipment has those of its earlier ones too.

    Two orders at once may have kept one twice.
    """
    kept = tools.store.versions(id, DocumentKind.CORRECTION)
    return sorted(_letter(one) for one in kept if f"<chNFe>{chNFe}<".encode() in one)


def _keep(tools: Tools, id: str, letter: Letter, actor: str) -> None:
    # The text stays in the sealed document: it may tell a buyer's data.
    told = f"letter of correction {letter.nSeqEvento} registered, protocol {letter.nProt}"
    left = Left(DocumentKind.CORRECTION, letter.document)
    tools.store.note(id, stage="correct", outcome="done", reason=told, actor=actor, documents=(left,))


def _letter(procEventoNFe: bytes) -> Letter:
    root: Any = parsed(procEventoNFe)
    asked, answered = (root.find(f"{{{NFE}}}{one}/{{{NFE}}}infEvento") for one in ("evento", "retEvento"))
    return Letter(
        int(asked.findtext(f"{{{NFE}}}nSeqEvento")),
        asked.findtext(f".//{{{NFE}}}xCorrecao") or "",
        answered.findtext(f"{{{NFE}}}nProt") or "",
        procEventoNFe,
    )
