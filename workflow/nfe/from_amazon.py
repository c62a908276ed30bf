"""From Amazon's shipment details to the invoice: every amount to the cent, every doubt a warning or a named refusal.

What Amazon does not know comes as arguments: the buyer's state registration and its registered address, which a query
of SEFAZ's register of contributors (ConsultaCadastro) tells, and the day of issue, which selects the rates.
"""

from collections.abc import Mapping
from datetime import date, datetime

from workflow.errors import Invalid
from workflow.nfe import free_text, tables
from workflow.nfe.buyer import buyer, cnpj_in
from workflow.nfe.invoice import Address, Intermediary, Invoice, Issuer, Local, Product, Totals
from workflow.nfe.lines import items as items_of
from workflow.nfe.operation import Operation
from workflow.nfe.payments import payments
from workflow.nfe.shipment_detail import ShipmentDetail
from workflow.nfe.text import fit
from workflow.nfe.totals import totals as totals_of
from workflow.nfe.warehouse import remittances_of, warehouse_of

__all__ = ["ShipmentDetail", "build_invoice"]

_MAX_INFCPL = 5000


def build_invoice(
    detail: ShipmentDetail,
    *,
    issuer: Issuer,
    products: Mapping[str, Product],
    buyer_ie: str | None = None,
    buyer_address: Address | None = None,
    issued_on: date | None = None,
) -> Invoice:
    """The invoice of one shipment; raise Invalid with a stable code where a person must decide.

    `buyer_ie` is the buyer's state registration or ISENTO, None where there is none; `buyer_address` its own address
    where that is not where the goods go; `issued_on` the issuer's local date, by default the day of the purchase.
    """
    _check_seller(detail, issuer)
    dest, entrega, warnings = buyer(detail, issuer, buyer_ie, buyer_address)
    warehouse, retirada, warehouse_doubts = warehouse_of(detail, issuer)
    operation = Operation(
        issuer, (entrega or dest).address.uf, dest.is_contributor, on=issued_on or _bought_on(detail, issuer)
    )
    if dest.foreign_id is not None and operation.is_interstate:
        raise Invalid("no-buyer-id", "a sale to another state needs the buyer's CPF or CNPJ (SEFAZ refuses with 721)")
    items, doubts = items_of(detail.ShipmentItems, operation, products)
    intermediary, intermediary_doubts = _intermediary(detail, issuer)
    totals = totals_of(items)
    paid, payment_doubts = payments(detail, issuer, intermediary.cnpj, totals.vNF)
    references = remittances_of(items, warehouse)
    texts = _texts(detail, totals, retirada, references)
    return Invoice(
        issuer=issuer,
        shipment_id=detail.AmazonShipmentId or "",
        dest=dest,
        items=items,
        payments=paid,
        intermediary=intermediary,
        totals=totals,
        infCpl=_infCpl(texts, issuer.infCpl, warehouse.infCpl if warehouse else ""),
        warnings=(*warnings, *warehouse_doubts, *doubts, *intermediary_doubts, *payment_doubts),
        retirada=retirada,
        entrega=entrega,
        references=references,
    )


def _check_seller(detail: ShipmentDetail, issuer: Issuer) -> None:
    if detail.SellerId not in (None, issuer.seller_id):
        raise Invalid(
            "other-seller",
            f"the shipment belongs to seller {detail.SellerId}, not to {issuer.seller_id}; add that seller",
        )


def _bought_on(detail: ShipmentDetail, issuer: Issuer) -> date | None:
    """The local day of the purchase, None where Amazon tells no moment."""
    try:
        moment = datetime.fromisoformat(detail.PurchaseDate or "")
        return moment.astimezone(tables.ufs()[issuer.address.uf].zone).date() if moment.tzinfo else moment.date()
    except (ValueError, OverflowError):  # the second: the day there would be in the year 0 or 10000
        return None


def _intermediary(detail: ShipmentDetail, issuer: Issuer) -> tuple[Intermediary, tuple[str, ...]]:
    """NT 2020.006, YB: the marketplace's CNPJ, and the seller's profile id or user name in it."""
    cnpj = cnpj_in(detail.MarketplaceTaxInfo) or issuer.intermediary_cnpj
    if cnpj is None:
        raise Invalid(
            "no-intermediary",
            "MarketplaceTaxInfo holds no CNPJ; set the seller's intermediary_cnpj, then retry",
        )
    shown = fit(detail.SellerDisplayName or "", 60)
    if issuer.intermediary_id == "SellerDisplayName" and len(shown) > 1:
        return Intermediary(cnpj, shown), ()
    missing = issuer.intermediary_id == "SellerDisplayName"
    doubts = ("SellerDisplayName is missing: infIntermed holds the SellerId",) if missing else ()
    return Intermediary(cnpj, fit(issuer.seller_id, 60)), doubts


def _texts(
    detail: ShipmentDetail, totals: Totals, retirada: Local | None, references: tuple[str, ...]
) -> Mapping[str, str]:
    """The names that a seller's text may use."""
    place = retirada.address if retirada else None
    return {
        **{name: getattr(detail, name) or "" for name in free_text.FROM_AMAZON},
        **{name: free_text.reais(getattr(totals, name)) for name in ("vTotTrib", "vICMSUFDest", "vFCPUFDest")},
        "warehouse_name": (retirada.name if retirada else None) or "",
        "warehouse_cnpj": (retirada.cnpj if retirada else None) or "",
        "warehouse_ie": (retirada.ie if retirada else None) or "",
        "warehouse_address": f"{place.street}, {place.number}, {place.city}/{place.uf}" if place else "",
        "remittances": free_text.of_remittances(references),
    }


def _infCpl(names: Mapping[str, str], *sources: str) -> str | None:
    written = " ".join(free_text.written(source, names) for source in sources)
    return fit(written, _MAX_INFCPL) or None
