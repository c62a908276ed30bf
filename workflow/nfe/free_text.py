"""The issuer's own text for `infCpl`: a small Jinja text that may name the ids of the shipment, and do little more.

It knows Amazon's `AmazonOrderId`, `AmazonShipmentId`, `WarehouseId`, `SellerId`, `SellerDisplayName`, `PurchaseDate`;
the warehouse's `warehouse_name`, `warehouse_cnpj`, `warehouse_ie`, `warehouse_address`; the `remittances` that brought
the goods there; and the amounts `vTotTrib`, `vICMSUFDest` and `vFCPUFDest` in reais, empty where there are none. Never
the buyer. An unknown name is an error, not an empty place.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache

from jinja2 import StrictUndefined, Template, TemplateError, nodes
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

#: What a text may be made of: names, texts, `if`, a few filters. Nothing reaches into a value, loops or grows.
_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.If, nodes.CondExpr, nodes.And,
    nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.Concat, nodes.Filter, nodes.Keyword,
)  # fmt: skip
_FILTERS = ("upper", "lower", "title", "capitalize", "trim", "default")

# Plain text: the XML's own escaping comes when the text is put into the document.
_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, autoescape=False, optimized=False)


@lru_cache(maxsize=512)
def compiled(source: str) -> Template:
    """The compiled text; raise Invalid('bad-infCpl') when it is not Jinja, or more than a text with names in it."""
    try:
        _check(_ENVIRONMENT.parse(source))
        return _ENVIRONMENT.from_string(source)
    except (TemplateError, ValueError, RecursionError, SyntaxError) as error:  # the last of a figure that is no digit
        reason = error.message if isinstance(error, TemplateError) else "too deep, or a number that is none"
        raise Invalid("bad-infCpl", f"the issuer's infCpl is not a Jinja text: {reason}") from error


def _check(found: nodes.Node) -> None:
    wrong = None if isinstance(found, _NODES) else type(found).__name__
    if isinstance(found, nodes.Filter) and found.name not in _FILTERS:
        wrong = f"the filter {found.name}"
    if isinstance(found, nodes.Name) and found.name not in NAMES:
        wrong = f"the name {found.name}"
    if wrong is not None:
        raise Invalid(
            "bad-infCpl",
            f"the issuer's infCpl may hold texts, if, the filters {', '.join(_FILTERS)} and the names "
            f"{', '.join(NAMES)}; not {wrong}",
        )
    for inside in found.iter_child_nodes():
        _check(inside)


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
