"""Example shipments for the demo, the tests and whoever integrates: what Amazon says of each, and how it must end.

The first dozen shows every way a shipment can go; what follows are ordinary orders. The same seed gives the same
shipments, so that an example can be talked about by its id.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from workflow.sandbox import buyers
from workflow.sandbox.amazon_book import Outcome, Shipment

MARKETPLACE_ID = "A2Q3Y263D00KWC"
#: Amazon Serviços de Varejo do Brasil, as Amazon's own sandbox gives it.
MARKETPLACE_CNPJ = "15436940000103"
SELLER_ID = "A2DEMOSELLER01"
SELLER_CNPJ = "99999999000191"
SELLER_NAME = "Loja de Demonstracao Ltda"

_ID_LETTERS = "BCDFGHJKLMNPQRSTVWXZbcdfghjkmnpqrstvwxz0123456789"
_UNKNOWN_SKU = "NAO-CADASTRADO-01"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One shipment: what Amazon holds, what it announces, how its invoice ends, and why.

    `expected` is the state the engine must leave it in; `afterwards` are notifications to hand in once it is
    accepted; `refusal` is what to tell the local SEFAZ (`POST /_control/refusals`) before the shipment is announced.
    """

    shipment_id: str
    title: str
    details: Json
    outcome: Outcome
    expected: str
    notifications: tuple[Json, ...]
    afterwards: tuple[Json, ...] = ()
    refusal: Json | None = None

    def shipment(self) -> Shipment:
        """What the local Amazon is to hold (`POST /_control/shipments` takes its JSON)."""
        return Shipment(shipment_id=self.shipment_id, details=self.details, outcome=self.outcome)


def demo_shipments(
    count: int, seller_id: str = SELLER_ID, seed: int = 1, *, now: datetime | None = None, only_good: bool = False
) -> list[Example]:
    """`count` shipments of one seller, all of them ordinary when `only_good`; `now` dates the purchases."""
    rng = Random(f"{seed} {seller_id}")  # noqa: S311 - examples, no secrets
    moment = now or datetime.now(UTC)
    examples = []
    for place in range(count):
        plain = _plain(rng, seller_id, place, moment - timedelta(minutes=10 + place % 2880))
        recipe = None if only_good or place >= len(_RECIPES) else _RECIPES[place]
        examples.append(recipe(plain, rng) if recipe else plain)
    return examples


def demo_seller(seller_id: str = SELLER_ID, *, cnpj: str = SELLER_CNPJ, name: str = SELLER_NAME) -> Json:
    """The seller as the fields of an issuer: Simples Nacional, São Paulo, homologation."""
    return {
        "seller_id": seller_id,
        "name": name,
        "trade_name": "Loja Demo",
        "cnpj": cnpj,
        "ie": "110042490114",
        "crt": 1,
        "tpAmb": 2,
        "serie": 1,
        "first_nNF": 1,
        "address": {
            "street": "Rua Quinze de Novembro",
            "number": "100",
            "district": "Centro",
            "city_code": "3550308",
            "city": "São Paulo",
            "uf": "SP",
            "cep": "01013001",
        },
    }


def demo_products() -> list[Json]:
    """The seller's catalogue: every SKU of the example shipments but the one that is meant to be unknown."""
    shared = {"origin": "0", "unit": "UN", "csosn": "102"}
    return [
        {"sku": sku, "title": title, "ncm": ncm, "cest": cest, "gtin": gtin, **shared}
        for sku, title, _, ncm, cest, gtin in _CATALOGUE
    ]


def notification(details: Json, status: str, *, copy: int = 0) -> Json:
    """FBA_OUTBOUND_SHIPMENT_STATUS for a shipment's details; `copy` tells one delivery from another."""
    bought = datetime.fromisoformat(details["PurchaseDate"])
    delay = timedelta(minutes=4 if status == "Created" else 9, seconds=copy)
    identity = uuid5(NAMESPACE_URL, f"{details['AmazonShipmentId']}/{status}/{copy}")
    return {
        "NotificationVersion": "1.0",
        "NotificationType": "FBA_OUTBOUND_SHIPMENT_STATUS",
        "PayloadVersion": "1.0",
        "EventTime": _instant(bought + delay),
        "Payload": {
            "FBAOutboundShipmentStatusNotification": {
                "SellerId": details["SellerId"],
                "AmazonOrderId": details["AmazonOrderId"],
                "AmazonShipmentId": details["AmazonShipmentId"],
                "ShipmentStatus": status,
            }
        },
        "NotificationMetadata": {
            "ApplicationId": "amzn1.sellerapps.app.0d1c5a0e-demo",
            "SubscriptionId": str(uuid5(NAMESPACE_URL, details["SellerId"])),
            "PublishTime": _instant(bought + delay + timedelta(milliseconds=850)),
            "NotificationId": str(identity),
        },
    }


#: sku, title, price, NCM, CEST, GTIN.
_CATALOGUE = (
    ("FONE-BT-01", "Fone de ouvido Bluetooth sem fio, preto", "149.90", "85183000", "2105000", None),
    ("CANECA-350", "Caneca de cerâmica 350 ml", "39.90", "69120000", None, "7890000000017"),
    ("CAMISETA-M", "Camiseta básica de algodão, tamanho M", "59.90", "61091000", None, None),
    ("CABO-USBC-2M", "Cabo USB-C 2 m", "29.99", "85444200", None, "7890000000024"),
    ("MOCHILA-15", "Mochila para notebook 15\"", "199.00", "42029200", None, None),
    ("GARRAFA-500", "Garrafa plástica 500 ml", "24.50", "39249000", None, None),
    ("CADERNO-96", "Caderno espiral 96 folhas", "18.75", "48202000", None, "7890000000031"),
    ("LUMINARIA-LED", "Luminária de mesa LED", "89.90", "94052100", None, None),
)  # fmt: skip


def _plain(rng: Random, seller_id: str, place: int, bought: datetime) -> Example:
    """An ordinary order of a consumer."""
    shipment_id = "D" + "".join(rng.choices(_ID_LETTERS, k=8))
    where = buyers.PLACES[place % len(buyers.PLACES)]
    buyer = buyers.name(rng)
    items = [_item(rng, entry) for entry in rng.sample(_CATALOGUE, rng.choice((1, 1, 1, 2, 3)))]
    details: Json = {
        "WarehouseId": "XBR1",
        "AmazonOrderId": f"{rng.randrange(700, 703)}-{rng.randrange(10**7):07d}-{rng.randrange(10**7):07d}",
        "AmazonShipmentId": shipment_id,
        "PurchaseDate": _instant(bought),
        "ShippingAddress": buyers.address(rng, where, buyer),
        "PaymentMethodDetails": [],
        "MarketplaceId": MARKETPLACE_ID,
        "SellerId": seller_id,
        "BuyerName": buyer,
        "BuyerTaxInfo": {"TaxClassifications": [{"Name": "CPF", "Value": buyers.cpf(rng)}]},
        "MarketplaceTaxInfo": {
            "CompanyLegalName": "Amazon Serviços de Varejo do Brasil Ltda",
            "TaxingRegion": "SP",
            "TaxClassifications": [{"Name": "CNPJ", "Value": MARKETPLACE_CNPJ}],
        },
        "SellerDisplayName": "Loja Demo",
        "ShipmentItems": items,
    }
    if place % 3 == 2:
        # Every third tells the bairro as the older interface did.
        details["BuyerCounty"] = details["ShippingAddress"].pop("District")
    paid = _pay(rng, details)
    title = f"ordinary order to {where.city}, {len(items)} item{'s' * (len(items) > 1)}"
    return Example(shipment_id, title, paid, "accepted", "ACCEPTED", (notification(paid, "Created"),))


def _item(rng: Random, entry: tuple[str, str, str, str, str | None, str | None]) -> Json:
    sku, title, price, *_ = entry
    quantity = rng.choice((1, 1, 1, 2, 3))
    freight = rng.choice(("0.00", "0.00", "12.90", "21.35"))
    return {
        "ASIN": "B0" + "".join(rng.choices("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", k=8)),
        "SellerSKU": sku,
        "OrderItemId": f"{rng.randrange(10**13, 10**14)}",
        "Title": title,
        "QuantityOrdered": quantity,
        "ItemPrice": _money(Decimal(price) * quantity),
        "ShippingPrice": _money(Decimal(freight)),
        "GiftWrapPrice": _money(Decimal(0)),
        "ShippingDiscount": _money(Decimal(0)),
        "PromotionDiscount": _money(Decimal(0)),
        "SerialNumbers": [],
    }


def _pay(rng: Random, details: Json) -> Json:
    """The details with one payment of the whole total."""
    added = ("ItemPrice", "ShippingPrice", "GiftWrapPrice")
    taken = ("ShippingDiscount", "PromotionDiscount")
    total = sum(
        (Decimal(item[name]["Amount"]) for item in details["ShipmentItems"] for name in added), Decimal(0)
    ) - sum((Decimal(item[name]["Amount"]) for item in details["ShipmentItems"] for name in taken), Decimal(0))
    method = rng.choice(("CreditCard", "CreditCard", "Pix", "DebitCard", "BankSlip"))
    payment: Json = {"PaymentMethod": method, "PaymentValue": _money(total)}
    if method.endswith("Card"):
        payment["CardBrand"] = rng.choice(("Visa", "Mastercard", "Elo"))
        payment["AuthorizationCode"] = f"{rng.randrange(10**6):06d}"
    return {**details, "Payments": [payment], "PaymentMethodDetails": [method]}


def _with_details(example: Example, details: Json) -> Example:
    notifications = tuple(
        notification(details, status["Payload"]["FBAOutboundShipmentStatusNotification"]["ShipmentStatus"])
        for status in example.notifications
    )
    return replace(example, details=details, notifications=notifications)


def _with_items(example: Example, rng: Random, items: list[Json]) -> Example:
    return _with_details(example, _pay(rng, {**example.details, "ShipmentItems": items}))


def _discounted(plain: Example, rng: Random) -> Example:
    first, second = (_item(rng, entry) for entry in _CATALOGUE[:2])
    first |= {"PromotionDiscount": _money(Decimal("14.99")), "ShippingPrice": _money(Decimal("19.90"))}
    second |= {"ShippingPrice": _money(Decimal("9.90")), "ShippingDiscount": _money(Decimal("9.90"))}
    return replace(_with_items(plain, rng, [first, second]), title="two items, a promotion, free freight for one")


def _gift(plain: Example, rng: Random) -> Example:
    item = _item(rng, _CATALOGUE[2]) | {
        "QuantityOrdered": 3,
        "ItemPrice": _money(Decimal("100.00")),
        "GiftWrapPrice": _money(Decimal("7.50")),
        "ShippingPrice": _money(Decimal("15.00")),
    }
    return replace(_with_items(plain, rng, [item]), title="gift wrap, and a line total that three does not divide")


def _company(plain: Example, rng: Random) -> Example:
    info = {
        "CompanyLegalName": "Comercial Exemplo de Papelaria Ltda",
        "TaxClassifications": [{"Name": "CNPJ", "Value": buyers.cnpj(rng)}],
    }
    details = {**plain.details, "BuyerTaxInfo": info}
    return replace(_with_details(plain, details), title="a company without state registration buys")


def _unknown_sku(plain: Example, rng: Random) -> Example:
    item = _item(rng, _CATALOGUE[0]) | {"SellerSKU": _UNKNOWN_SKU}
    title = f"SKU {_UNKNOWN_SKU} is not in the catalogue: waits for a person"
    return replace(_with_items(plain, rng, [item]), title=title, expected="FETCHED")


def _bad_city(plain: Example, rng: Random) -> Example:
    where = {**plain.details["ShippingAddress"], "City": "Cidade Que Não Existe", "StateOrRegion": "SP"}
    details = {**plain.details, "ShippingAddress": where}
    return replace(_with_details(plain, details), title="no such municipality: waits for a person", expected="FETCHED")


def _refused(plain: Example, rng: Random) -> Example:
    company = _company(plain, rng)
    cnpj = company.details["BuyerTaxInfo"]["TaxClassifications"][0]["Value"]
    title = "SEFAZ refuses with 232: the company has a state registration that nobody told"
    return replace(company, title=title, expected="REJECTED", refusal={"match": cnpj, "cStat": "232"})


def _errored(plain: Example, rng: Random) -> Example:
    return replace(plain, title="Amazon refuses the invoice", outcome="errored", expected="ERRORED")


def _hidden(plain: Example, rng: Random) -> Example:
    return replace(plain, title="Amazon answers NotFound for a while after the submission", outcome="notfound")


def _cancelled_before(plain: Example, rng: Random) -> Example:
    notifications = (notification(plain.details, "Cancelled"), notification(plain.details, "Created"))
    title = "cancelled, and the cancellation comes before the creation"
    return replace(plain, title=title, expected="CANCELLED", notifications=notifications)


def _cancelled_after(plain: Example, rng: Random) -> Example:
    afterwards = (notification(plain.details, "Cancelled"),)
    title = "cancelled after its NF-e was accepted: event 110111"
    return replace(plain, title=title, expected="CANCELLED", afterwards=afterwards)


def _repeated(plain: Example, rng: Random) -> Example:
    notifications = tuple(notification(plain.details, "Created", copy=copy) for copy in range(5))
    return replace(plain, title="announced five times", notifications=notifications)


_RECIPES: tuple[Callable[[Example, Random], Example] | None, ...] = (
    None,
    _discounted,
    _repeated,
    _company,
    _errored,
    _unknown_sku,
    _cancelled_before,
    _refused,
    _gift,
    _bad_city,
    _cancelled_after,
    _hidden,
)


def _money(amount: Decimal) -> dict[str, str]:
    return {"CurrencyCode": "BRL", "Amount": f"{amount:.2f}"}


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
