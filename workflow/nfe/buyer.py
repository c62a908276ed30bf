"""The buyer: who it is by law (CPF or CNPJ), what it is called, where the goods go.

No reason here carries a value of the buyer: it names the field and how to mend it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from workflow.errors import Invalid
from workflow.nfe import tables
from workflow.nfe.address import NO_NUMBER, municipality, parse_lines, uf_of
from workflow.nfe.invoice import Address, Issuer, Local, Party
from workflow.nfe.shipment_detail import AmazonAddress, ShipmentDetail, TaxInfo
from workflow.nfe.tax_ids import compact, is_cnpj, is_cpf
from workflow.nfe.text import digits, fit, folded

#: MOC 7.0 Anexo I, E04-20 (rejection 598): the buyer's name in homologation.
HOMOLOGATION_NAME = "NF-E EMITIDA EM AMBIENTE DE HOMOLOGACAO - SEM VALOR FISCAL"
_HOMOLOGATION = 2
_ASK_AMAZON = "have it mended at Amazon, then retry"


class TaxId(NamedTuple):
    """A CPF, a CNPJ or a foreigner's document; the others are None."""

    cpf: str | None
    cnpj: str | None
    foreign: str | None = None


class Registration(NamedTuple):
    """indIEDest and, for 1, the IE."""

    indIEDest: str
    ie: str | None


def buyer(
    detail: ShipmentDetail, issuer: Issuer, ie: str | None = None, own_address: Address | None = None
) -> tuple[Party, Local | None, tuple[str, ...]]:
    """The buyer as `dest`, `entrega` where its own address is another, and the warnings.

    Raise Invalid where the law's fields cannot be filled.
    """
    if detail.ShippingAddress is None:
        raise Invalid("no-address", "ShippingAddress is missing; fetch the shipment's details again")
    tax_id = _tax_id(detail.BuyerTaxInfo, issuer.foreign_ids)
    delivered_to, warnings = _address(detail, detail.ShippingAddress, issuer)
    name = _name(detail, detail.ShippingAddress, is_company=tax_id.cnpj is not None)
    shown = HOMOLOGATION_NAME if issuer.tpAmb == _HOMOLOGATION else name
    address = own_address or delivered_to
    registration, doubts = _registration(ie, address.uf)
    party = Party(tax_id.cpf, tax_id.cnpj, shown, address, tax_id.foreign, registration.indIEDest, registration.ie)
    return party, _entrega(party, detail.ShippingAddress, delivered_to), (*warnings, *doubts)


def _registration(ie: str | None, uf: str) -> tuple[Registration, tuple[str, ...]]:
    """Who is a contributor of ICMS: with its IE (else 232), exempt where the state knows that (else 805), or not.

    >>> _registration('110.042.490.114', 'SP')[0], _registration(None, 'SP')[0]
    (Registration(indIEDest='1', ie='110042490114'), Registration(indIEDest='9', ie=None))
    """
    plain = compact(ie or "")
    if not plain:
        return Registration("9", None), ()
    if plain == "ISENTO":
        if tables.ufs()[uf].takes_exempt_ie:
            return Registration("2", None), ()
        return Registration("9", None), (f"{uf} knows no contributor exempt of registration (805): indIEDest 9",)
    if re.fullmatch("[0-9]{2,14}", plain) is None:
        raise Invalid("bad-buyer-ie", "the buyer's state registration is not 2 to 14 digits; mend it, then retry")
    return Registration("1", plain), ()


def _entrega(party: Party, given: AmazonAddress, delivered_to: Address) -> Local | None:
    """Where the goods go when it is not the buyer's own address, under the buyer's id: the receiver's is not told."""
    if _same_place(party.address, delivered_to) or party.foreign_id is not None:
        return None
    name = fit(given.Name or "", 60)
    return Local(party.cpf, party.cnpj, name if len(name) > 1 else None, delivered_to)


def _same_place(one: Address, other: Address) -> bool:
    return (one.cep, one.city_code, folded(one.street), folded(one.number)) == (
        other.cep,
        other.city_code,
        folded(other.street),
        folded(other.number),
    )


def cnpj_in(info: TaxInfo | None) -> str | None:
    """The first valid CNPJ of a party's tax information, or None."""
    values = (compact(one.Value or "") for one in (info.TaxClassifications if info else ()))
    return next((value for value in values if is_cnpj(value)), None)


def _tax_id(info: TaxInfo | None, foreign_ids: Sequence[str]) -> TaxId:
    """By the classification's name first, then by its digits and check digits, then a foreigner's document."""
    found = [(folded(one.Name or ""), compact(one.Value or "")) for one in (info.TaxClassifications if info else ())]
    for name, value in found:
        if name == "CPF" and is_cpf(value):
            return TaxId(value, None)
        if name == "CNPJ" and is_cnpj(value):
            return TaxId(None, value)
    for name, _ in found:
        if name in ("CPF", "CNPJ"):
            raise Invalid(
                "bad-buyer-id",
                f"BuyerTaxInfo.TaxClassifications: the {name} has not its digits or check digits; {_ASK_AMAZON}",
            )
    for _, value in found:
        if is_cpf(value):
            return TaxId(value, None)
        if is_cnpj(value):
            return TaxId(None, value)
    names = {folded(name) for name in foreign_ids}
    for name, value in found:
        if name in names and re.fullmatch("[0-9A-Z]{5,20}", value):
            return TaxId(None, None, value)
    raise Invalid("no-buyer-id", f"BuyerTaxInfo.TaxClassifications holds no CPF and no CNPJ; {_ASK_AMAZON}")


def _name(detail: ShipmentDetail, address: AmazonAddress, *, is_company: bool) -> str:
    legal = detail.BuyerTaxInfo.CompanyLegalName if detail.BuyerTaxInfo and is_company else None
    fitted = (fit(name or "", 60) for name in (legal, detail.BuyerName, address.Name))
    name = next((name for name in fitted if len(name) > 1), None)
    if name is None:
        raise Invalid("no-buyer-name", f"BuyerName and ShippingAddress.Name are empty; {_ASK_AMAZON}")
    return name


def _address(detail: ShipmentDetail, given: AmazonAddress, issuer: Issuer) -> tuple[Address, tuple[str, ...]]:
    _check_presence(given)
    cep = digits(given.PostalCode)
    if len(cep) != 8:
        raise Invalid("bad-cep", f"ShippingAddress.PostalCode has not eight digits; {_ASK_AMAZON}")
    place, warnings = municipality(uf_of(given.StateOrRegion), given.City or "", cep)
    district_field, district = _district(detail, given, issuer, place.name)
    lines = {"AddressLine2": given.AddressLine2, "AddressLine3": given.AddressLine3}
    lines.pop(district_field, None)
    street, number, complement = parse_lines(given.AddressLine1 or "", *lines.values())
    if number == NO_NUMBER:
        warnings += ("ShippingAddress.AddressLine1 has no number: S/N is written",)
    if len(fit(street, 200)) > 60 or len(fit(complement or "", 200)) > 60:
        warnings += ("ShippingAddress has lines longer than 60 characters: they are cut",)
    xLgr = fit(street, 60)
    if len(xLgr) < 2:
        raise Invalid("no-street", f"ShippingAddress.AddressLine1 has no street; {_ASK_AMAZON}")
    address = Address(
        street=xLgr,
        number=fit(number, 60),
        complement=fit(complement or "", 60) or None,
        district=district,
        city_code=place.code,
        city=fit(place.name, 60),
        uf=place.uf,
        cep=cep,
        phone=_phone(given.Phone),
    )
    return address, warnings


def _check_presence(given: AmazonAddress) -> None:
    if given.CountryCode not in (None, "BR"):
        raise Invalid("foreign-address", "ShippingAddress.CountryCode is not BR; exports are not issued here")
    if not given.AddressLine1:
        raise Invalid(
            "address-withheld",
            "ShippingAddress has no AddressLine1: Amazon withholds it without the Direct-to-Consumer Shipping role "
            "and a restricted data token with shippingAddress; mend the application's permissions, then fetch again",
        )
    for field in ("City", "PostalCode"):
        if not getattr(given, field):
            raise Invalid("no-address", f"ShippingAddress.{field} is empty; {_ASK_AMAZON}")


def _district(detail: ShipmentDetail, given: AmazonAddress, issuer: Issuer, city: str) -> tuple[str, str]:
    """The field that holds the bairro and its text; a field that repeats the city comes last."""
    found = []
    for field in issuer.district_fields:
        value = detail.BuyerCounty if field == "BuyerCounty" else getattr(given, field)
        fitted = fit(value or "", 60)
        if len(fitted) > 1:
            found.append((folded(fitted) == folded(city), field, fitted))
    if not found:
        names = ", ".join(issuer.district_fields)
        raise Invalid("no-district", f"no bairro in {names}; {_ASK_AMAZON} or add the field to district_fields")
    _, field, district = min(found, key=lambda one: one[0])
    return field, district


def _phone(phone: str | None) -> str | None:
    plain = digits(phone)
    return plain if 6 <= len(plain) <= 14 else None
