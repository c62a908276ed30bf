"""`nfe seller` and `nfe products`: who sells, and the tax data of what is sold."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from workflow import display
from workflow.catalog import stop_of
from workflow.cli_options import NamedSeller, Seller
from workflow.errors import Invalid
from workflow.installation import me, ready
from workflow.nfe.invoice import Issuer
from workflow.tools import Tools

sellers = typer.Typer(no_args_is_help=True, help="Sellers: the NF-e's issuers and Amazon's selling partners.")
products = typer.Typer(no_args_is_help=True, help="Products: the tax data of a seller's SKUs.")

Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


@sellers.command("add")
def seller_add(file: Annotated[Path, typer.Argument(help="FILE.toml")]) -> None:
    """Add a seller, or replace what is known of it; shipments that its stop held up become due."""
    from workflow import seller_file

    read, held = seller_file.register(ready(), file, actor=me())
    until = read.key.not_valid_after.date()
    display.console.print(f"seller {read.issuer.seller_id}: certificate until {until}, {held} shipments due again")


@sellers.command("list")
def seller_list(json: Json = False) -> None:
    """Sellers with their certificates' ends and their stops."""
    columns = ["id", "name", "cnpj", "certificate_until", "stop_code"]
    found = ready().catalog.sellers()
    rows = [{name: row._mapping[name] for name in columns} | {"stopped": _stopped(row)} for row in found]
    display.as_json(rows) if json else display.table(rows, [*columns, "stopped"])


def _stopped(row: Any) -> str | None:
    """Which sides of a seller's work wait for a person."""
    stop = stop_of(row)
    return None if stop is None else " ".join(sorted(stop.sides))


@sellers.command("show")
def seller_show(seller: NamedSeller, json: Json = False) -> None:
    """What is known of a seller, without its secrets."""
    row = ready().catalog.seller(seller)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")
    facts = {name: value for name, value in row._mapping.items() if name != "sealed_secrets"}
    if json:
        display.as_json(facts)
        return
    flat = {name: value for name, value in facts.items() if name != "issuer"} | facts["issuer"]
    display.table([{"field": name, "value": value} for name, value in flat.items()], ["field", "value"])


@sellers.command("resume")
def seller_resume(seller: NamedSeller) -> None:
    """Lift a seller's stop; what it held up becomes due."""
    tools = ready()
    if tools.catalog.seller(seller) is None:
        raise Invalid("unknown-seller", f"no seller {seller}; see: nfe seller list")
    display.console.print(f"{tools.catalog.resume_seller(seller, actor=me())} shipments due again")


@products.command("import")
def products_import(
    file: Annotated[Path, typer.Argument(help="FILE.csv with the columns sku, ncm, origin, …, or FILE.toml.")],
    seller: Seller,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check the file.")] = False,
) -> None:
    """Add or replace a seller's products; one bad line, and nothing is imported."""
    from workflow import product_file

    tools = ready()
    rows = product_file.read_products(file, issuer=_issuer(tools, seller))
    if dry_run:
        display.console.print(f"{len(rows)} products would be imported")
        return
    display.console.print(f"{tools.catalog.put_products(seller, rows)} products")


@products.command("list")
def products_list(seller: Seller, json: Json = False) -> None:
    """A seller's products, with the columns that any of them fills; when piped, a file that import reads."""
    from workflow.product_file import columns_of, flat, written

    tools = ready()
    _issuer(tools, seller)
    found = [row.data for row in tools.catalog.all_products(seller)]
    rows = [flat(data) for data in found]
    if json:
        display.as_json(found)
    elif sys.stdout.isatty():
        columns = columns_of(rows)
        display.table([dict.fromkeys(columns) | row for row in rows], columns)
    else:
        print(written(rows), end="")


@products.command("check")
def products_check(seller: Seller, json: Json = False) -> None:
    """Hold every stored product against the rules of today; fails where one breaks them."""
    from workflow.nfe.product_rules import problems_of

    tools = ready()
    issuer = _issuer(tools, seller)
    stored = tools.catalog.all_products(seller)
    found = [{"sku": row.sku, "problem": problem} for row in stored for problem in problems_of(row.data, issuer)]
    if json:
        display.as_json(found)
    elif found:
        display.table(found, ["sku", "problem"])
    else:
        display.console.print(f"{len(stored)} products, nothing wrong")
    if found:
        raise typer.Exit(1)


@products.command("remove")
def products_remove(
    skus: Annotated[list[str], typer.Argument(metavar="SKU…", help="SKUs as nfe products list has them.")],
    seller: Seller,
) -> None:
    """Forget products; one unknown SKU, and none is removed. Documents that exist keep what they say."""
    tools = ready()
    _issuer(tools, seller)
    unknown = tools.catalog.remove_products(seller, skus)
    if unknown:
        raise Invalid(
            "unknown-sku", f"{seller} has no {', '.join(unknown)}, nothing was removed; see: nfe products list"
        )
    display.console.print(f"{len(set(skus))} products removed")


def _issuer(tools: Tools, seller: str) -> Issuer:
    """The seller as issuer; its stop does not matter here."""
    row = tools.catalog.seller(seller)
    if row is None:
        raise Invalid("unknown-seller", f"no seller {seller}; add it first: nfe seller add FILE.toml")
    return Issuer.parse(row.issuer)
