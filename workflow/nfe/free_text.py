"""The issuer's own text for `infCpl`: a small Jinja text, sandboxed, that may name the ids of the shipment.

It knows `AmazonOrderId`, `AmazonShipmentId`, `WarehouseId`, `SellerId`, `SellerDisplayName` and `PurchaseDate`;
never the buyer. An unknown name is an error, not an empty place.
"""

from collections.abc import Mapping
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import SandboxedEnvironment

from workflow.errors import Invalid

DEFAULT = "Pedido Amazon {{ AmazonOrderId }}, remessa {{ AmazonShipmentId }}."

NAMES = (
    "AmazonOrderId",
    "AmazonShipmentId",
    "WarehouseId",
    "SellerId",
    "SellerDisplayName",
    "PurchaseDate",
)

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
