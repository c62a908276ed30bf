"""A buyer's data: masked for everybody, whole for an operator, whose look is written down."""

from typing import NamedTuple

from starlette.responses import Response

from workflow.audit import Action
from workflow.errors import Invalid
from workflow.models import DocumentKind
from workflow.nfe.shipment_detail import ShipmentDetail
from workflow.web.visit import Visit


class Fact(NamedTuple):
    """One thing about a buyer: the key of its name, and its value."""

    key: str
    value: str


def whole(detail: ShipmentDetail) -> list[Fact]:
    """Who buys and where it goes, as Amazon told."""
    address = detail.ShippingAddress
    classes = detail.BuyerTaxInfo.TaxClassifications if detail.BuyerTaxInfo else ()
    facts = [Fact("name", detail.BuyerName or (address.Name if address else None) or "")]
    facts += [Fact("tax_id", f"{one.Name or ''} {one.Value or ''}".strip()) for one in classes]
    if address is not None:
        lines = (address.AddressLine1, address.AddressLine2, address.AddressLine3)
        facts.append(Fact("street", ", ".join(line for line in lines if line)))
        facts.append(Fact("district", address.District or address.County or detail.BuyerCounty or ""))
        facts.append(Fact("city", _city(detail)))
        facts.append(Fact("cep", address.PostalCode or ""))
        facts.append(Fact("phone", address.Phone or ""))
    return [fact for fact in facts if fact.value]


def masked(detail: ShipmentDetail) -> list[Fact]:
    """What tells two buyers apart and nobody who they are: initials, two digits, the city."""
    hidden = {"name": _initials, "tax_id": _last_digits}
    facts = [Fact(key, hidden[key](value)) for key, value in whole(detail) if key in hidden]
    city = _city(detail)
    return [*facts, Fact("city", city)] if city else facts


def _city(detail: ShipmentDetail) -> str:
    address = detail.ShippingAddress
    return " / ".join(part for part in (address.City, address.StateOrRegion) if part) if address else ""


def _initials(name: str) -> str:
    """
    >>> _initials("Maria da Silva")
    'M. d. S.'
    """
    return " ".join(f"{word[0]}." for word in name.split())


def _last_digits(tax_id: str) -> str:
    """
    >>> _last_digits("CPF 123.456.789-09")
    'CPF •••09'
    """
    kind, _, value = tax_id.rpartition(" ")
    return f"{kind} •••{value[-2:]}".strip()


def shown(visit: Visit) -> Response:
    """The whole of it."""
    shipment = visit.shipment()
    raw = visit.store.document(shipment.id, DocumentKind.DETAILS)
    if raw is None:
        raise Invalid("no-document", f"{shipment.id} has no details of Amazon's yet")
    visit.note(Action.SAW_BUYER, shipment.id)
    return visit.show("buyer.html", shipment=shipment, buyer=whole(ShipmentDetail.parse(raw)))
