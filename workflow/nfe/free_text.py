"""The issuer's own text for `infCpl`: a small Jinja text, sandboxed, that may name the ids of the shipment.

It knows Amazon's `AmazonOrderId`, `AmazonShipmentId`, `WarehouseId`, `SellerId`, `SellerDisplayName`, `PurchaseDate`;
the warehouse's `warehouse_name`, `warehouse_cnpj`, `warehouse_ie`, `warehouse_address`; the `remittances` that brought
the goods there; and the amounts `vTotTrib`, `vICMSUFDest` and `vFCPUFDest` in reais, empty where there are none. Never
the buyer. An unknown name is an error, not an empty place.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from workflow.errors import Invalid
from workflow.nfe import access_key

DEFAULT = "Pedido Amazon {{ AmazonOrderId }}, remessa {{ AmazonShipmentId }}."

FROM_AMAZON = (
    "AmazonOrderId",
    "AmazonShipmentId",
    "WarehouseId",
    "SellerId",
    "SellerDisplayName",
    "PurchaseDate",
)
_AMOUNTS = ("vTotTrib", "vICMSUFDest", "vFCPUFDest")
_PLACE = ("warehouse_name", "warehouse_cnpj", "warehouse_ie", "warehouse_address")

NAMES = (*FROM_AMAZON, *_AMOUNTS, *_PLACE, "remittances")

# Plain text: the XML's own escaping comes when the text is put into the document.
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False)


@lru_cache(maxsize=512)
def compiled(source: str) -> Template:
    """The compiled text; raise Invalid('bad-infCpl') when it is not Jinja."""
    try:
        return _ENVIRONMENT.from_string(source)
    except TemplateError as error:
        raise Invalid("bad-infCpl", f"the issuer's infCpl is not a Jinja text: {error}") from error


def written(source: str, names: Mapping[str, str]) -> str:
    """The text with its names filled in; raise Invalid('bad-infCpl') for a name that is not one of NAMES.

    >>> written('Pedido {{ AmazonOrderId }}', {'AmazonOrderId': '701-1'})
    'Pedido 701-1'
    """
    try:
        return compiled(source).render(names)
    except (TemplateError, TypeError, ValueError, ArithmeticError) as error:
        raise Invalid("bad-infCpl", f"the issuer's infCpl cannot be written: {error}") from error


def of_remittances(keys: Sequence[str]) -> str:
    """The documents of access keys as people name them.

    >>> of_remittances(['35261199999999000191550010000000011482109373'])
    'NF-e 1 série 1 (35261199999999000191550010000000011482109373)'
    """
    parts = [(key, access_key.split(key)) for key in keys]
    return ", ".join(f"NF-e {part.nNF.lstrip('0')} série {int(part.serie)} ({key})" for key, part in parts)


def reais(amount: Decimal | None) -> str:
    """An amount as Brazilians write it, empty for nothing.

    >>> reais(Decimal('1234.50')), reais(Decimal('0.00'))
    ('1234,50', '')
    """
    return f"{amount:.2f}".replace(".", ",") if amount else ""
