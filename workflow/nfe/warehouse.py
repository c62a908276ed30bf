"""Where goods leave from when it is not the seller's own place: `retirada`, and the NF-e by which they went there.

In SP, for one, an operador logístico's warehouse must be told with its CNPJ and IE, and the remittance that brought the
goods (Portaria CAT 31/2019). Which WarehouseId is whose is the seller's own table.
"""

from collections.abc import Sequence

from workflow.errors import Invalid
from workflow.nfe.invoice import Issuer, Item, Local, Warehouse
from workflow.nfe.shipment_detail import ShipmentDetail

#: leiauteNFe: NFref occurs 999 times at the most.
_MAX_REFERENCES = 999


def warehouse_of(detail: ShipmentDetail, issuer: Issuer) -> tuple[Warehouse | None, Local | None, tuple[str, ...]]:
    """The third party's warehouse, its `retirada` and warnings; None and None for the seller's own, or without a table.

    Raise Invalid('unknown-warehouse') when the seller has a table and the WarehouseId is not in it.
    """
    if not issuer.warehouses and not issuer.own_warehouses:
        return None, None, ()
    name = detail.WarehouseId or ""
    if name in issuer.own_warehouses:
        return None, None, ()
    found = issuer.warehouses.get(name)
    if found is None:
        raise Invalid(
            "unknown-warehouse",
            f"WarehouseId {name or '(empty)'} is neither in the seller's warehouses nor in own_warehouses; add it",
        )
    elsewhere = found.address.uf != issuer.address.uf
    doubts = (
        f"warehouse {name} lies in another state than the seller: the taxes are of {issuer.address.uf}",
    ) * elsewhere
    return found, Local(None, found.cnpj, found.name, found.address, found.ie), doubts


def remittances_of(items: Sequence[Item], warehouse: Warehouse | None) -> tuple[str, ...]:
    """The keys of the remittances that the sale refers to: the products' own, else the warehouse's; each once."""
    common = warehouse.remittance if warehouse else None
    keys = dict.fromkeys(item.product.remittance or common for item in items)
    return tuple(key for key in keys if key is not None)[:_MAX_REFERENCES]
