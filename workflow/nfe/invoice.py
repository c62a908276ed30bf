"""The document as values: the seller, its products, the buyer, the items, the payments, the totals.

`Issuer` and `Product` come from people's files (TOML, CSV, JSON): their mistakes are told field by field.
Everything else is computed and frozen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from stdnum import ean

from workflow.errors import Invalid
from workflow.nfe import free_text, tables
from workflow.nfe.tax_ids import compact, is_cnpj
from workflow.nfe.text import digits, fit, folded

#: TNF: a number has nine digits at the most.
MAX_NNF = 999_999_999


def _fitted(value: object) -> object:
    return fit(value, 10_000) if isinstance(value, str) else value


def _compacted(value: object) -> object:
    return compact(value) if isinstance(value, str) else value


def _digits_only(value: object) -> object:
    return digits(value) if isinstance(value, str) else value


def _unless_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _checked_cnpj(value: str) -> str:
    if not is_cnpj(value):
        raise ValueError("must be a CNPJ, 14 characters with right check digits")
    return value


def _checked_gtin(value: str) -> str:
    if len(value) not in (8, 12, 13, 14) or not ean.is_valid(value):
        raise ValueError("must be a GTIN with a right check digit, or empty for SEM GTIN")
    return value


def _checked_infCpl(value: str) -> str:
    try:
        free_text.written(value, dict.fromkeys(free_text.NAMES, "x"))
    except Invalid as error:
        raise ValueError(error.message) from error
    return value


EmptyIsNone = BeforeValidator(_unless_empty)
Cnpj = Annotated[str, BeforeValidator(_compacted), AfterValidator(_checked_cnpj)]
Text2To60 = Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=2, max_length=60)]
Text1To60 = Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=1, max_length=60)]
Cfop = Annotated[str, StringConstraints(pattern="^[56][0-9]{3}$")]
TwoDigits = Annotated[str, StringConstraints(pattern="^[0-9]{2}$")]
Phone = Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{6,14}$")]


class _Frozen(BaseModel):
    # Inputs stay out of error texts: an address is personal data.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        coerce_numbers_to_str=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        regex_engine="python-re",
    )


Model = TypeVar("Model", bound=BaseModel)


class Address(_Frozen):
    """One Brazilian address as TEndereco wants it: `cep` is eight digits, `city_code` the 7-digit IBGE code.

    A missing `city_code` is found by `uf` and `city`.
    """

    street: Text2To60
    number: Text1To60 = "S/N"
    complement: Annotated[Text1To60 | None, EmptyIsNone] = None
    district: Text2To60
    city_code: Annotated[str, StringConstraints(pattern="^[0-9]{7}$")]
    city: Text2To60
    uf: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")]
    cep: Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{8}$")]
    phone: Annotated[Phone | None, EmptyIsNone] = None

    @model_validator(mode="before")
    @classmethod
    def _find_city(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("city_code"):
            return data
        place = tables.municipalities().get((str(data.get("uf")), folded(str(data.get("city")))))
        if place is None:
            raise ValueError("uf and city name no municipality of IBGE's table; give city_code")
        return {**data, "city_code": place.code}

    @model_validator(mode="after")
    def _agree(self) -> Self:
        place = tables.municipalities_by_code().get(self.city_code)
        if place is None or place.uf != self.uf:
            raise ValueError("city_code is not a municipality of uf in IBGE's table")
        return self


class RespTec(_Frozen):
    """Who answers for the software (infRespTec); `csrt` is a secret that never enters the XML, only its hash."""

    cnpj: Cnpj
    contact: Text2To60
    email: Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=6, max_length=60)]
    phone: Phone
    id_csrt: Annotated[TwoDigits | None, EmptyIsNone] = None
    csrt: SecretStr | None = None

    @model_validator(mode="after")
    def _csrt_is_whole(self) -> Self:
        if (self.id_csrt is None) != (self.csrt is None):
            raise ValueError("id_csrt and csrt go together")
        return self


class Issuer(_Frozen):
    """A seller: what `emit` says, and the settings of its documents. Read with `Issuer.parse`."""

    seller_id: Annotated[str, StringConstraints(min_length=2, max_length=60)]
    name: Text2To60
    trade_name: Annotated[Text1To60 | None, EmptyIsNone] = None
    cnpj: Cnpj
    ie: Annotated[str, BeforeValidator(_compacted), StringConstraints(pattern="^([0-9]{2,14}|ISENTO)$")]
    #: Which regimes can be issued is said in `taxes.SUPPORTED_REGIMES`.
    crt: Annotated[int, Field(ge=1, le=4)]
    address: Address
    tpAmb: Literal[1, 2] = 2
    serie: Annotated[int, Field(ge=0, le=889)] = 1  # MOC 7.0 Anexo I, C02-30/B26-10: 890 and over are not ours
    first_nNF: Annotated[int, Field(ge=1, le=MAX_NNF)] = 1

    natOp: Text1To60 = "Venda de mercadoria"
    cfop_in_state: Cfop = "5102"
    cfop_interstate: Cfop = "6108"
    csosn: Annotated[str, StringConstraints(pattern="^[0-9]{3}$")] = "102"
    pis_cst: TwoDigits = "49"
    cofins_cst: TwoDigits = "49"
    #: FBA's freight is contracted with the seller's account: by the sender (CIF).
    modFrete: Literal["0", "1", "2", "3", "4", "9"] = "0"

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
    infCpl: Annotated[str, AfterValidator(_checked_infCpl)] = free_text.DEFAULT
    resp_tec: RespTec | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.cfop_in_state.startswith("5"):
            raise ValueError("cfop_in_state must begin with 5")
        if not self.cfop_interstate.startswith("6"):
            raise ValueError("cfop_interstate must begin with 6")
        if self.resp_tec is None and tables.ufs()[self.address.uf].needs_resp_tec:
            raise ValueError(f"resp_tec is required in {self.address.uf} (SEFAZ refuses with 972)")
        return self

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """An issuer from a plain dictionary; raise Invalid('bad-issuer') with every field that is wrong."""
        return _parsed(cls, data, code="bad-issuer", what="seller")


class Product(_Frozen):
    """What the catalogue knows of one SKU; a plain dictionary of strings is enough for `Product.parse`."""

    sku: Text1To60
    title: Annotated[str | None, EmptyIsNone, BeforeValidator(_fitted)] = None
    ncm: Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{8}$")]
    cest: Annotated[
        Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{7}$")] | None, EmptyIsNone
    ] = None
    origin: Annotated[str, StringConstraints(pattern="^[0-8]$")] = "0"
    unit: Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=1, max_length=6)] = "UN"
    gtin: Annotated[Annotated[str, AfterValidator(_checked_gtin)] | None, EmptyIsNone] = None
    #: None here and below: the issuer's own setting.
    csosn: Annotated[Annotated[str, StringConstraints(pattern="^[0-9]{3}$")] | None, EmptyIsNone] = None
    pis_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    cofins_cst: Annotated[TwoDigits | None, EmptyIsNone] = None
    cfop_in_state: Annotated[Annotated[str, StringConstraints(pattern="^5[0-9]{3}$")] | None, EmptyIsNone] = None
    cfop_interstate: Annotated[Annotated[str, StringConstraints(pattern="^6[0-9]{3}$")] | None, EmptyIsNone] = None

    @classmethod
    def parse(cls, data: Mapping[str, Any]) -> Self:
        """A product from a plain dictionary; raise Invalid('bad-product') with every field that is wrong."""
        return _parsed(cls, data, code="bad-product", what="product")


def _parsed(model: type[Model], data: Mapping[str, Any], *, code: str, what: str) -> Model:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise Invalid(code, f"{what}: {complaints(error)}") from error


def complaints(error: ValidationError) -> str:
    """Every mistake of a pydantic error as `field: what is wrong`, without the values."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in one['loc']) or 'values'}: {one['msg'].removeprefix('Value error, ')}"
        for one in found
    )


@dataclass(frozen=True, slots=True)
class Party:
    """The buyer as `dest`; exactly one of `cpf` and `cnpj` is set."""

    cpf: str | None
    cnpj: str | None
    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class TaxGroup:
    """One group of `imposto`: the fragment that writes it, its fields, and what it adds to ICMSTot."""

    fragment: str
    fields: Mapping[str, str | Decimal]
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

    @property
    def value(self) -> Decimal:
        """What the buyer paid for the line."""
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
    """ICMSTot: each field the sum of the items', vNF what the buyer paid."""

    vBC: Decimal
    vICMS: Decimal
    vICMSDeson: Decimal
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

    @property
    def idDest(self) -> str:
        """1 inside the state, 2 to another."""
        return "1" if self.dest.address.uf == self.issuer.address.uf else "2"
