"""A shipment's authorised NF-e on paper: the page to print, and the parcel's label."""

from typing import NamedTuple

from workflow.errors import Invalid
from workflow.models import DocumentKind
from workflow.nfe.protocol import protocol_of
from workflow.store import Store


class Paper(NamedTuple):
    """A PDF, and the key of the NF-e that it shows."""

    pdf: bytes
    key: str


def paper_of(store: Store, id: str, *, label: bool = False) -> Paper:
    """The DANFE, or the label; raise Invalid('no-document') before the NF-e is authorised."""
    from workflow.nfe import danfe  # a third of a second: only who prints pays for it

    nfeProc = store.document(id, DocumentKind.NFEPROC)
    if nfeProc is None:
        row = store.shipment(id)
        raise Invalid(
            "no-document", f"{id} has no authorised NF-e (it is {row.state if row else 'gone'}); see: nfe show"
        )
    key = protocol_of(nfeProc).chNFe
    # A reissued shipment has a cancellation of an older NF-e: only the one of this key counts.
    cancelled = f"<chNFe>{key}</chNFe>".encode() in (store.document(id, DocumentKind.CANCELLATION) or b"")
    return Paper((danfe.label if label else danfe.danfe)(nfeProc, cancelled=cancelled), key)
