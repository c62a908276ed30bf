"""The document as values: the buyer, the items with their taxes, the payments, the totals.

Everything here is computed and frozen. The seller (`Issuer`) and its catalogue (`Product`) come from people's files:
their mistakes are told field by field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from workflow.nfe.fields import Address, complaints
from workflow.nfe.issuer import MAX_NNF, Issuer, RespTec, Warehouse
from workflow.nfe.product import Product

__all__ = [
    "MAX_NNF",
    "Address",
    "Card",
    "Intermediary",
    "Invoice",
    "Issuer",
    "Item",
    "Local",
    "Party",
    "Payment",
    "Product",
    "RespTec",
    "TaxGroup",
    "Totals",
    "Warehouse",
    "complaints",
]


@dataclass(frozen=True, slots=True)
class Party:
    """The buyer as `dest`; exactly one of `cpf`, `cnpj` and `foreign_id` is set.

    indIEDest is 1 with an IE, 2 for a contributor exempt of one, 9 for who is no contributor of ICMS.
    """

    cpf: str | None
    cnpj: str | None
    name: str
    address: Address
    foreign_id: str | None = None
    indIEDest: str = "9"
    ie: str | None = None

    @property
    def is_contributor(self) -> bool:
        """Whether the buyer is a contributor of ICMS."""
        return self.indIEDest != "9"


@dataclass(frozen=True, slots=True)
class Local:
    """A place that goods leave from (`retirada`) or are taken to (`entrega`); one of `cpf` and `cnpj` is set."""

    cpf: str | None
    cnpj: str | None
    name: str | None
    address: Address
    ie: str | None = None


@dataclass(frozen=True, slots=True)
class TaxGroup:
    """One group of `imposto`: the tax, the fragment that writes it, its fields, and what it adds to the totals."""

    tax: str
    fragment: str
    fields: Mapping[str, str | Decimal | None]
    totals: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Item:
    """One `det`: amounts in reais with two places, `quantity` with up to four, `unit_price` with up to ten."""

    nItem: int
    sku: str
    title: str
    product: Product
    cfop: str
    quantity: Decimal
    unit_price: Decimal
    vProd: Decimal
    vFrete: Decimal
    vDesc: Decimal
    vOutro: Decimal
    taxes: tuple[TaxGroup, ...]
    infAdProd: str | None
    cBenef: str | None = None
    vTotTrib: Decimal | None = None
    vItem: Decimal | None = None

    @property
    def value(self) -> Decimal:
        """The line without the taxes that come on top of it; with them it is what the buyer paid."""
        return self.vProd - self.vDesc + self.vFrete + self.vOutro


@dataclass(frozen=True, slots=True)
class Card:
    """The card group of one payment; tpIntegra 1 needs both `cnpj` and `cAut` (rejection 392)."""

    tpIntegra: str
    cnpj: str | None
    tBand: str | None
    cAut: str | None


@dataclass(frozen=True, slots=True)
class Payment:
    """One `detPag`; `xPag` is there if and only if tPag is 99 (rejections 441, 442)."""

    tPag: str
    vPag: Decimal
    xPag: str | None = None
    card: Card | None = None


@dataclass(frozen=True, slots=True)
class Intermediary:
    """`infIntermed`: the marketplace's CNPJ and the seller's id in it."""

    cnpj: str
    idCadIntTran: str


@dataclass(frozen=True, slots=True)
class Totals:
    """ICMSTot, ISTot and IBSCBSTot: each field the sum of the items', vNF what the buyer paid."""

    vBC: Decimal
    vICMS: Decimal
    vICMSDeson: Decimal
    vFCPUFDest: Decimal
    vICMSUFDest: Decimal
    vICMSUFRemet: Decimal
    vFCP: Decimal
    vBCST: Decimal
    vST: Decimal
    vFCPST: Decimal
    vFCPSTRet: Decimal
    vProd: Decimal
    vFrete: Decimal
    vSeg: Decimal
    vDesc: Decimal
    vII: Decimal
    vIPI: Decimal
    vIPIDevol: Decimal
    vPIS: Decimal
    vCOFINS: Decimal
    vOutro: Decimal
    vNF: Decimal
    vIS: Decimal
    vBCIBSCBS: Decimal
    vIBSUF: Decimal
    vIBSMun: Decimal
    vIBS: Decimal
    vCBS: Decimal
    vTotTrib: Decimal | None = None
    vNFTot: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Invoice:
    """One NF-e but for its number, code and moment (`xml.Numbering`); `warnings` go to the history."""

    issuer: Issuer
    shipment_id: str
    dest: Party
    items: tuple[Item, ...]
    payments: tuple[Payment, ...]
    intermediary: Intermediary
    totals: Totals
    infCpl: str | None
    warnings: tuple[str, ...] = ()
    retirada: Local | None = None
    entrega: Local | None = None
    #: The keys of the documents that this one refers to (NFref).
    references: tuple[str, ...] = ()

    @property
    def destination(self) -> str:
        """The UF where the goods arrive (NT 2022.005: the place of delivery goes before the buyer's)."""
        return (self.entrega or self.dest).address.uf

    @property
    def idDest(self) -> str:
        """1 inside the state, 2 to another."""
        return "1" if self.destination == self.issuer.address.uf else "2"

    @property
    def iest(self) -> str | None:
        """The seller's registration as a taxpayer of the destination."""
        return self.issuer.iest.get(self.destination)

    @property
    def taxes(self) -> frozenset[str]:
        """The taxes that any item has a group of."""
        return frozenset([group.tax for item in self.items for group in item.taxes])
