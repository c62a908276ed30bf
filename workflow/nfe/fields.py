"""The types of what people write about a seller and its products: texts made fit, ids checked, percentages, addresses.

An empty text is as good as none, so that a row of a CSV needs no special care.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)
from stdnum import ean

from workflow.errors import Invalid
from workflow.nfe import access_key, free_text, tables
from workflow.nfe.tax_ids import compact, is_cnpj, is_cpf
from workflow.nfe.text import digits, fit, folded


def _fitted(value: object) -> object:
    return fit(value, 10_000) if isinstance(value, str) else value


def _compacted(value: object) -> object:
    return compact(value) if isinstance(value, str) else value


def _digits_only(value: object) -> object:
    return digits(value) if isinstance(value, str) else value


def _unless_empty(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


def _with_point(value: object) -> object:
    return value.strip().removesuffix("%").strip().replace(",", ".") if isinstance(value, str) else value


def _checked_cnpj(value: str) -> str:
    if not is_cnpj(value):
        raise ValueError("must be a CNPJ, 14 characters with right check digits")
    return value


def _checked_tax_id(value: str) -> str:
    if not is_cnpj(value) and not is_cpf(value):
        raise ValueError("must be a CNPJ or a CPF with right check digits")
    return value


def _checked_gtin(value: str) -> str:
    if len(value) not in (8, 12, 13, 14) or not ean.is_valid(value):
        raise ValueError("must be a GTIN with a right check digit, or empty for SEM GTIN")
    return value


def _checked_key(value: str) -> str:
    if not access_key.is_valid(value):
        raise ValueError("must be an access key, 44 characters with a right check digit")
    return value


def _checked_text(value: str) -> str:
    try:
        free_text.written(value, dict.fromkeys(free_text.NAMES, "x"))
    except Invalid as error:
        raise ValueError(error.message) from error
    return value


def _checked_uf(value: str) -> str:
    if value not in tables.ufs():
        raise ValueError("must be the two letters of a federative unit")
    return value


EmptyIsNone = BeforeValidator(_unless_empty)
Cnpj = Annotated[str, BeforeValidator(_compacted), AfterValidator(_checked_cnpj)]
TaxId = Annotated[str, BeforeValidator(_compacted), AfterValidator(_checked_tax_id)]
Ie = Annotated[str, BeforeValidator(_compacted), StringConstraints(pattern="^([0-9]{2,14}|ISENTO)$")]
UfLetters = Annotated[str, AfterValidator(_checked_uf)]
Text2To60 = Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=2, max_length=60)]
Text1To60 = Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=1, max_length=60)]
Title = Annotated[str | None, EmptyIsNone, BeforeValidator(_fitted)]
Unit = Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=1, max_length=6)]
Email = Annotated[str, BeforeValidator(_fitted), StringConstraints(min_length=6, max_length=60)]
Phone = Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{6,14}$")]
Cfop = Annotated[str, StringConstraints(pattern="^[56][0-9]{3}$")]
CfopInState = Annotated[Annotated[str, StringConstraints(pattern="^5[0-9]{3}$")] | None, EmptyIsNone]
CfopInterstate = Annotated[Annotated[str, StringConstraints(pattern="^6[0-9]{3}$")] | None, EmptyIsNone]
TwoDigits = Annotated[str, StringConstraints(pattern="^[0-9]{2}$")]
Csosn = Annotated[str, StringConstraints(pattern="^[0-9]{3}$")]
Ncm = Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{8}$")]
Cest = Annotated[str, BeforeValidator(_digits_only), StringConstraints(pattern="^[0-9]{7}$")]
Gtin = Annotated[str, AfterValidator(_checked_gtin)]
AccessKey = Annotated[str, BeforeValidator(_compacted), AfterValidator(_checked_key)]
FreeText = Annotated[str, AfterValidator(_checked_text)]
CBenef = Annotated[str, StringConstraints(pattern="^([!-ÿ]{8}|[!-ÿ]{10}|SEM CBENEF)$")]
ClassTrib = Annotated[str, StringConstraints(pattern="^[0-9]{6}$")]
#: A percentage: 18, 18.00, "18,00" or "18 %".
Percent = Annotated[Decimal, BeforeValidator(_with_point), Field(ge=0, le=100, decimal_places=4)]
#: The margin of substitution may be above 100 %.
Margin = Annotated[Decimal, BeforeValidator(_with_point), Field(ge=0, lt=1000, decimal_places=4)]
Amount = Annotated[Decimal, BeforeValidator(_with_point), Field(ge=0, lt=10**11, decimal_places=4)]
MaybePercent = Annotated[Percent | None, EmptyIsNone]


class Frozen(BaseModel):
    """What people write, checked once and never changed."""

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


class Address(Frozen):
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


def parsed(model: type[Model], data: Mapping[str, Any], *, code: str, what: str) -> Model:
    """The model of a plain dictionary; raise Invalid with the code and every field that is wrong."""
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
