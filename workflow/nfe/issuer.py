"""A seller: what `emit` says of it, and the settings of its documents and its taxes."""

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from workflow.nfe import free_text, tables
from workflow.nfe.fields import (
    AccessKey,
    Address,
    Cfop,
    ClassTrib,
    Cnpj,
    Csosn,
    Email,
    EmptyIsNone,
    FreeText,
    Frozen,
    Ie,
    MaybePercent,
    Phone,
    TaxId,
    Text1To60,
    Text2To60,
    TwoDigits,
    UfLetters,
    parsed,
)

#: TNF: a number has nine digits at the most.
MAX_NNF = 999_999_999
#: What may be taken out of a base, in the fields' own names.
OwnTax = Literal["vICMS", "vFCP", "vICMSUFDest", "vFCPUFDest"]
AnyTax = Literal["vICMS", "vFCP", "vICMSUFDest", "vFCPUFDest", "vPIS", "vCOFINS"]


class RespTec(Frozen):
    """Who answers for the software (infRespTec); `csrt` is a secret that never enters the XML, only its hash."""

    cnpj: Cnpj
    contact: Text2To60
    email: Email
    phone: Phone
    id_csrt: Annotated[TwoDigits | None, EmptyIsNone] = None
    csrt: SecretStr | None = None

    @model_validator(mode="after")
    def _csrt_is_whole(self) -> Self:
        if (self.id_csrt is None) != (self.csrt is None):
            raise ValueError("id_csrt and csrt go together")
        return self


class Warehouse(Frozen):
    """A third party's warehouse that goods leave from (`retirada`), by Amazon's WarehouseId."""

    cnpj: Cnpj
    name: Text2To60
    ie: Annotated[Ie | None, EmptyIsNone] = None
    address: Address
    #: The key of the NF-e by which goods went there, where one stands for all.
    remittance: Annotated[AccessKey | None, EmptyIsNone] = None
    #: Said after the seller's own infCpl, with the same names and `remittances`.
    infCpl: FreeText = ""


class Rate(Frozen):
    """The seller's word on a rate: for goods whose NCM begins so, in a unit, for a time; empty is any."""

    ncm: Annotated[str, StringConstraints(pattern="^[0-9]{0,8}$")] = ""
    uf: Annotated[UfLetters | None, EmptyIsNone] = None
    icms_rate: MaybePercent = None
    fcp_rate: MaybePercent = None
    difal_base: Annotated[Literal["single", "double"] | None, EmptyIsNone] = None
    valid_from: date = date.min
    valid_to: date = date.max

    def fits(self, ncm: str, uf: str, issued_on: date) -> bool:
        """Whether it speaks of these goods, there and then."""
        return ncm.startswith(self.ncm) and self.uf in (None, uf) and self.valid_from <= issued_on <= self.valid_to


class IbsCbsRates(Frozen):
    """Rates that the dated table does not know (yet), in percent; what it knows it says itself."""

    pIBSUF: MaybePercent = None
    pIBSMun: MaybePercent = None
    pCBS: MaybePercent = None


def _with_digits_5(value: str) -> str:
    if not value.startswith("5"):
        raise ValueError("must begin with 5")
    return value


def _with_digits_6(value: str) -> str:
    if not value.startswith("6"):
        raise ValueError("must begin with 6")
    return value


class Issuer(Frozen):
    """A seller: what `emit` says, and the settings of its documents. Read with `Issuer.parse`."""

    #: Part of ids, of URLs, and of a folder's name.
    seller_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{1,59}\Z")]
    name: Text2To60
    trade_name: Annotated[Text1To60 | None, EmptyIsNone] = None
    cnpj: Cnpj
    ie: Ie
    #: Registrations as a taxpayer of other units (IEST), for substitution and DIFAL.
    iest: dict[UfLetters, Annotated[str, StringConstraints(pattern="^[0-9]{2,14}$")]] = Field(default_factory=dict)
    #: 1 Simples Nacional, 2 Simples above its sub-limit, 3 normal, 4 MEI.
    crt: Annotated[int, Field(ge=1, le=4)]
    address: Address
    tpAmb: Literal[1, 2] = 2
    serie: Annotated[int, Field(ge=0, le=889)] = 1  # MOC 7.0 Anexo I, C02-30/B26-10: 890 and over are not ours
    first_nNF: Annotated[int, Field(ge=1, le=MAX_NNF)] = 1

    natOp: Text1To60 = "Venda de mercadoria"
    #: None: the row of `data/cfops.csv`.
    cfop_in_state: Annotated[Cfop, AfterValidator(_with_digits_5)] | None = None
    cfop_interstate: Annotated[Cfop, AfterValidator(_with_digits_6)] | None = None
    #: The situation of products that name none: of CRT 1 and 4, of CRT 2 and 3.
    csosn: Csosn = "102"
    cst: TwoDigits = "00"
    #: None: 01 in CRT 3; 49, zeroed, in the others, whose contributions are in the single document of the Simples.
    pis_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    cofins_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    #: Lucro presumido is cumulative, lucro real is not. CRT 3 must say which.
    pis_cofins: Annotated[Literal["cumulative", "non-cumulative"] | None, EmptyIsNone] = None
    #: What the base of PIS and COFINS leaves out: the ICMS of the operation (STF, Tema 69).
    pis_cofins_base_without: tuple[OwnTax, ...] = ("vICMS",)
    #: The percentage of credit that CSOSN 101, 201 and 900 grant (pCredSN).
    simples_credit: MaybePercent = None
    #: How the tax that a relief does not charge is counted: on the price, or on the price with the tax inside it.
    relief: Literal["simple", "inside"] = "simple"
    #: Rates that differ from the table's, the longest NCM first.
    rates: tuple[Rate, ...] = ()
    #: Writes IPI.
    industrial: bool = False
    ipi_cst: TwoDigits = "53"
    cclasstrib: ClassTrib = "000001"
    ibs_cbs: IbsCbsRates = IbsCbsRates()
    #: What the base of IBS and CBS leaves out (NT 2025.002, UB16-10, which NT 2026.008 takes back).
    ibs_cbs_base_without: tuple[AnyTax, ...] = ("vPIS", "vCOFINS", "vICMS", "vICMSUFDest", "vFCP", "vFCPUFDest")
    #: Approximate taxes of Lei 12.741/2012 in percent, where the product says nothing; None writes none.
    approximate_tax: MaybePercent = None

    #: FBA's freight is contracted with the seller's account: by the sender (CIF).
    modFrete: Literal["0", "1", "2", "3", "4", "9"] = "0"
    #: Third parties' warehouses by WarehouseId, and the WarehouseIds of the seller's own; both empty: no `retirada`.
    warehouses: dict[str, Warehouse] = Field(default_factory=dict)
    own_warehouses: tuple[str, ...] = ()
    #: Who may download the XML besides seller and buyer: CPF or CNPJ.
    autXML: Annotated[tuple[TaxId, ...], Field(max_length=10)] = ()
    #: Names of tax classifications that hold a foreigner's document.
    foreign_ids: tuple[str, ...] = ("PASSPORT", "PASSAPORTE", "RNE", "RNM")

    #: Used where MarketplaceTaxInfo is missing.
    intermediary_cnpj: Annotated[Cnpj | None, EmptyIsNone] = None
    intermediary_id: Literal["SellerId", "SellerDisplayName"] = "SellerId"
    #: Whose CNPJ card/CNPJ says: NT 2020.006, 6.2 wants the intermediary's, when it pays the seller.
    card_cnpj: Literal["intermediary", "acquirer"] = "intermediary"
    gift_card_tPag: Literal["12", "19", "21"] = "12"
    #: Where Amazon tells no payment method at all.
    unknown_payment: Text2To60 = "Pagamento pela Amazon"

    #: Where the bairro is looked for, in this order.
    district_fields: tuple[Literal["District", "County", "BuyerCounty", "AddressLine2", "AddressLine3"], ...] = (
        "District",
        "County",
        "BuyerCounty",
        "AddressLine3",
    )
    infCpl: FreeText = free_text.DEFAULT
    resp_tec: RespTec | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.resp_tec is None and tables.ufs()[self.address.uf].needs_resp_tec:
            raise ValueError(f"resp_tec is required in {self.address.uf} (SEFAZ refuses with 972)")
        if self.crt == 3 and self.pis_cofins is None:
            raise ValueError(
                "pis_cofins is required with crt 3: cumulative (lucro presumido) or non-cumulative (lucro real)"
            )
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An issuer from a plain dictionary; raise Invalid('bad-issuer') with every field that is wrong."""
        return parsed(cls, data, code="bad-issuer", what="seller")

    @property
    def is_simples(self) -> bool:
        """Whether its ICMS has a CSOSN (CRT 1 and 4) and not a CST (rejections 590 and 591)."""
        return self.crt in (1, 4)

    def rate(self, ncm: str, uf: str, issued_on: date) -> Rate | None:
        """The seller's own word on the rates of these goods: the longest NCM, then the named unit."""
        fitting = [rate for rate in self.rates if rate.fits(ncm, uf, issued_on)]
        return max(fitting, key=lambda rate: (len(rate.ncm), rate.uf is not None), default=None)
