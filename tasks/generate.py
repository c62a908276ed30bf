"""generate: FETCHED → GENERATED. The invoice is computed, numbered, rendered, signed and checked, then stored."""

from datetime import datetime

from lxml import etree

from tasks.app import stage
from workflow import adoption, contingency, notice, numbers
from workflow.engine import Done
from workflow.errors import Invalid, RetryLater
from workflow.models import DocumentKind
from workflow.nfe import rules, schema, signature, xml
from workflow.nfe.from_amazon import ShipmentDetail, build_invoice
from workflow.nfe.invoice import Invoice, Product
from workflow.registrations import registration_of_buyer
from workflow.states import State
from workflow.stops import Side
from workflow.store import Claim, Left
from workflow.tools import Tools


@stage
def generate(claim: Claim, tools: Tools) -> Done:
    """Make the signed NF-e; what is known to be wrong before it is numbered takes no number."""
    now = tools.store.now()
    seller = tools.seller(claim.seller_id, Side.SEFAZ)
    key = seller.signing_key
    detail = ShipmentDetail.parse(tools.document(claim.id, DocumentKind.DETAILS))
    skus = {item.SellerSKU for item in detail.ShipmentItems if item.SellerSKU}
    known = tools.catalog.products(claim.seller_id, skus)
    products = {sku: Product.parse(data) for sku, data in known.items()}
    buyer_ie = registration_of_buyer(claim, tools, detail)

    def compute(moment: datetime) -> Invoice:
        issued_on = xml.local_date(moment, seller.uf)
        return build_invoice(detail, issuer=seller.issuer, products=products, issued_on=issued_on, buyer_ie=buyer_ie)

    invoice = compute(now)
    had = adoption.adopt(claim, tools, seller, compute)
    if had is not None:
        return had
    reserved = _numbered(claim, tools, seller.series, now)
    place = contingency.in_force(tools, seller)
    numbering = xml.Numbering(nNF=reserved.nNF, cNF=reserved.cNF, dhEmi=now, **(place._asdict() if place else {}))
    signed = signature.signed(xml.render(invoice, numbering, seller.templates), key)
    schema.validate(signed.root)
    warnings = (*invoice.warnings, *_held_to_the_rules(signed.root, now))
    return Done(
        state=State.GENERATED,
        documents=(Left(DocumentKind.NFE, signed.xml),),
        access_key=xml.chNFe_of(invoice, numbering),
        reason="; ".join(warnings) or None,
    )


def _numbered(claim: Claim, tools: Tools, where: numbers.Range, now: datetime) -> numbers.Reserved:
    """The shipment's number and cNF; Redis knows the number before anything with it can leave."""
    highest, provenance = tools.highest.get(*where.key), tools.provenance

    def make_cNF(nNF: int) -> str:
        notice.check_new(highest, where, nNF)
        return provenance.cNF(claim.id, claim.turn, where, nNF)

    with tools.store.writing() as connection:
        if not tools.store.is_ours(connection, claim):
            # Whoever cancelled the shipment meanwhile has decided about its number: a new one would belong to nobody.
            raise RetryLater("lease-lost", "the stage took longer than its lease; no number was taken", counts=False)
        reserved = numbers.reserve(connection, claim.id, claim.turn, where, make_cNF, now)
    tools.highest.keep(*where.key, reserved.nNF)
    return reserved


def _held_to_the_rules(document: bytes | etree._Element, now: datetime) -> list[str]:
    """The warnings of SEFAZ's rules; raise Invalid with the cStat that the document would get."""
    found = rules.breaches(document, now=now)
    error = rules.first_error(found)
    if error is not None:
        raise Invalid(error.cStat, f"{error.xMotivo}: {error.told}")
    return [f"{breach.cStat} {breach.told}".strip() for breach in found]
